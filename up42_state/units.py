"""Write numbers of bytes for people, and read what people write."""

from __future__ import annotations

import re

__all__ = ["read_size", "size"]

_KIB = 1024
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": _KIB, "MIB": _KIB**2, "GIB": _KIB**3}


def read_size(text: str) -> int:
    """Return bytes from text such as ``8MiB`` (1024 × 1024) or ``1MB`` (1000 × 1000).

    :raises ValueError: the text is no size; the message does not quote it.
    """
    match = re.fullmatch(r"([0-9]+)\s*([a-zA-Z]*)", text)
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError("is not a size; write bytes, or a whole number with kB, KiB, MB, MiB, GB or GiB")
    return int(match[1]) * _UNITS[match[2].upper()]


def size(count: int) -> str:
    """Return bytes in the largest unit that leaves at least 1: ``512 B``, ``3.1 MiB``."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < _KIB:
            return f"{count} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= _KIB
    return f"{number:.1f} TiB"
