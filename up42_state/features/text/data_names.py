"""The names of properties that may hold data paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import msgspec

__all__ = ["PREFIXES", "STRICT", "may_name_files"]

STRICT = "up42.data"  # under other keys a string that names nothing is just a string
PREFIXES = (STRICT, "custom.", "data.")

_STARTS = tuple(b'"' + prefix.encode() for prefix in PREFIXES)


def may_name_files(properties: Iterable[bytes | msgspec.Raw]) -> bool:
    """True if one of these texts of properties may hold a data path; if not, none need be decoded."""
    text = b"".join(properties)
    # An escape may stand for any character of a name: "up42.d\u0061ta_path".
    return b"\\" in text or any(start in text for start in _STARTS)
