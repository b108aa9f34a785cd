"""Properties of a feature as properties of an item: names that STAC gives a meaning must have STAC's types.

What would make an item invalid, or stands where a field of ours stands, is kept beside, in one object.
Source: STAC 1.1, "Common Metadata", and its JSON Schemas.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from up42_state.publish.stac.times import TIMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ASIDE", "COLLECTION_MEMBERS", "MEMBERS", "OURS", "with_properties"]

OURS = "up42:"  # what our own fields begin with, in properties, assets and documents
ASIDE = "up42:properties"
MEMBERS = "up42:members"  # other members of a feature, or of a collection
# Members of a collection that a document has in a form of its own: each item names the reference system.
COLLECTION_MEMBERS = frozenset(("type", "features", "crs"))

_LICENSE = re.compile(r"[\w\-.+]+", re.ASCII)
_ROLES = frozenset(("producer", "licensor", "processor", "host"))
_INTEGERS = {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
_DATA_TYPES = _INTEGERS | {
    "float16",
    "float32",
    "float64",
    "cint16",
    "cint32",
    "cfloat32",
    "cfloat64",
    "other",
}
_NO_DATA = frozenset(("nan", "inf", "-inf"))


def with_properties(
    properties: Mapping[str, Any], own: Mapping[str, Any], *, prefixes: tuple[str, ...]
) -> dict[str, Any]:
    """Return the properties of an item: a feature's, and fields of ours, which go before them.

    :param properties: the feature's.
    :param own: fields that are written whatever the feature says.
    :param prefixes: beginnings of names that are for fields of ours alone.
    """
    kept: dict[str, Any] = {}
    aside: dict[str, Any] = {}
    for name, value in properties.items():
        if (
            name in TIMES
            and name in own
            and type(own[name]) is type(value)
            and own[name] == value
            and f"{OURS}time" not in own  # whose time the taking in of a document leaves out
        ):
            continue
        fits = name not in own and not name.startswith(prefixes) and _CHECKS.get(name, _anything)(value)
        (kept if fits else aside)[name] = value
    return kept | dict(own) | ({ASIDE: aside} if aside else {})


def _anything(_value: Any) -> bool:
    return True


def _nothing(_value: Any) -> bool:
    return False


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_some_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_no_data(value: Any) -> bool:
    return _is_number(value) or (isinstance(value, str) and value in _NO_DATA)


def _is_license(value: Any) -> bool:
    return isinstance(value, str) and _LICENSE.fullmatch(value) is not None


def _is_data_type(value: Any) -> bool:
    return isinstance(value, str) and value in _DATA_TYPES


def _are_providers(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) and _is_provider(each) for each in value)


def _is_provider(value: Mapping[str, Any]) -> bool:
    roles = value.get("roles", [])
    texts = all(isinstance(value.get(name, ""), str) for name in ("description", "url"))
    return _is_some_text(value.get("name")) and texts and _are_texts(roles) and _ROLES.issuperset(roles)


# Bands, statistics and times are ours to say or nobody's: a feature's are another program's.
_CHECKS: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys((*TIMES, "created", "updated", "bands", "statistics"), _nothing),
    **dict.fromkeys(("title", "platform", "mission", "constellation", "unit"), _is_text),
    **dict.fromkeys(("keywords", "roles", "instruments"), _are_texts),
    "description": _is_some_text,
    "providers": _are_providers,
    "license": _is_license,
    "gsd": _is_positive,
    "data_type": _is_data_type,
    "nodata": _is_no_data,
}
