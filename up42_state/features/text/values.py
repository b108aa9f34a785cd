"""JSON by value: what is read of a feature, and when two values are equal.

Key order and white space do not count, and 1 equals 1.0; ``true`` does not equal 1. Values that are compared
are read by :func:`exact`, so that numbers beyond a machine number's range or precision are told apart.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from up42_state.features.text.members import members
from up42_state.features.text.numbers import fits_machine, integer, is_unusual, number

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    Text = bytes | memoryview

__all__ = [
    "Head",
    "decode",
    "digest",
    "exact",
    "exact_properties",
    "feature_id",
    "fingerprint",
    "geometry_of",
    "head",
    "heads",
    "ids_of",
    "is_json",
    "properties_of",
    "same_text_value",
    "same_value",
    "shape",
    "strict_heads",
]

_NOTHING: Final = msgspec.Raw(b"")
_PLAIN_IDS: Final = frozenset((str, type(None)))


class Head(msgspec.Struct, gc=False):
    """The id and the properties of a feature, whose geometry is skipped, not parsed.

    :param properties: the text of the ``properties`` member; empty where there is none.
    """

    id: Any = None
    properties: msgspec.Raw = _NOTHING


class _Shape(msgspec.Struct, gc=False):
    geometry: msgspec.Raw = _NOTHING


class _Geometry(msgspec.Struct, gc=False):
    coordinates: msgspec.Raw = _NOTHING


_Position = tuple[float, ...]
_Line = tuple[_Position, ...]
_Area = tuple[_Line, ...]
_Areas = tuple[_Area, ...]

_SHAPE = msgspec.json.Decoder(_Shape)
_GEOMETRY = msgspec.json.Decoder(_Geometry)
_COORDINATES = [msgspec.json.Decoder(form) for form in (_Position, _Line, _Area, _Areas)]
_BRACKETS = re.compile(rb"[\[ \t\n\r]*")
_DIGIT = re.compile(rb"\d")

_ANY = msgspec.json.Decoder(msgspec.Raw)
_EXACT = msgspec.json.Decoder(float_hook=number)
_HEAD = msgspec.json.Decoder(Head, float_hook=number)  # of an id; nothing else is a number in it
_PROPERTIES = msgspec.json.Decoder(dict[str, Any])


def head(feature: Text) -> Head:
    """Read a feature's ``id`` and where its properties are."""
    try:
        return _HEAD.decode(feature)
    except msgspec.DecodeError:
        return _unusual_head(bytes(feature))


def strict_heads(features: Iterable[Text]) -> list[Head]:
    """Read the heads of many features, none of which is unusual.

    :raises msgspec.DecodeError: one of them is no object, or has an ``id`` that no machine number can hold.
    """
    return list(map(_HEAD.decode, features))


def heads(features: Sequence[Text]) -> list[Head]:
    """Read the heads of many features, unusual ones among them."""
    try:
        return strict_heads(features)
    except msgspec.DecodeError:
        return [head(feature) for feature in features]


def _unusual_head(feature: bytes) -> Head:
    """The head of a feature whose ``id`` is a number that no machine number can hold, or of no feature."""
    found = Head()
    if feature.startswith(b"{"):
        for member in members(feature):
            if member.name == "id":
                found.id = exact(feature[member.start : member.end])
            elif member.name == "properties":
                found.properties = msgspec.Raw(feature[member.start : member.end])
    return found


def feature_id(found: Head) -> str | int | float | None:
    """The feature's ``id`` if it is one (RFC 7946 §3.2: a string or a number).

    A number beyond 64-bit integers is none: programs that read it would take different ids from it.
    """
    value = found.id
    if value is None or isinstance(value, str):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and fits_machine(value) else None


def ids_of(found: Sequence[Head]) -> list[str | int | float | None]:
    """The ids of many features, by :func:`feature_id`."""
    ids = [each.id for each in found]
    kinds = set(map(type, ids))
    if kinds <= _PLAIN_IDS or (kinds == {int} and fits_machine(min(ids)) and fits_machine(max(ids))):
        return ids
    return list(map(feature_id, found))


def properties_of(found: Head) -> dict[str, Any]:
    """The feature's properties; empty where they are absent, ``null`` or no object."""
    try:
        return _PROPERTIES.decode(found.properties)
    except msgspec.DecodeError:
        value = decode(bytes(found.properties)) if bytes(found.properties) else None
        return value if isinstance(value, dict) else {}


def exact_properties(found: Head) -> dict[str, Any]:
    """The feature's properties, with numbers that have the value of their text; empty if no object."""
    if not is_unusual(found.properties):
        return properties_of(found)
    value = exact(found.properties)
    return value if isinstance(value, dict) else {}


def decode(text: Text) -> Any:
    """Any JSON value. Numbers that are too large for machine numbers are taken as Python's ``json`` does."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(bytes(text), parse_int=_integer)


def exact(text: Text | msgspec.Raw) -> Any:
    """Any JSON value, with numbers that have the value of their text."""
    try:
        return _EXACT.decode(text) if is_unusual(text) else msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(bytes(text), parse_int=integer, parse_float=number)


def is_json(text: Text) -> bool:
    """True if a text is one JSON value and nothing else but white space."""
    try:
        _ANY.decode(text)
    except msgspec.DecodeError:
        return False
    return True


def _integer(digits: str) -> int | str:
    value = integer(digits)
    return value if isinstance(value, int) else digits


def same_value(one: Any, other: Any) -> bool:
    """True if two decoded values are equal as JSON."""
    if isinstance(one, dict):
        return (
            isinstance(other, dict)
            and one.keys() == other.keys()
            and all(same_value(value, other[name]) for name, value in one.items())
        )
    if isinstance(one, list):
        return (
            isinstance(other, list)
            and len(one) == len(other)
            and all(same_value(a, b) for a, b in zip(one, other, strict=True))
        )
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def fingerprint(value: Any) -> Hashable:
    """Make a hashable object of a value: two are equal if their values are, and only then.

    Python's hash of an integer is its remainder modulo 2**61 - 1: very many integers can share one. Those
    that no machine holds are given as text, whose hash nobody can foresee.
    """
    if isinstance(value, dict):
        return frozenset((name, fingerprint(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return tuple(fingerprint(inner) for inner in value)
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, int | float) and abs(value) >= 2**63:
        return ("number", hex(int(value)))
    found: Hashable = value
    return found


def geometry_of(feature: Text) -> bytes:
    """The text of a feature's geometry; empty where there is none, or where it has no coordinates."""
    try:
        found = bytes(_SHAPE.decode(feature).geometry)
    except msgspec.DecodeError:  # of a number that no machine holds, elsewhere in the feature
        spans = [(each.start, each.end) for each in members(feature) if each.name == "geometry"]
        found = bytes(feature[slice(*spans[-1])]) if spans else b""
    return found if _DIGIT.search(found) else b""


def same_text_value(one: bytes, other: bytes) -> bool:
    """True if two JSON texts have equal values."""
    return one == other or same_value(exact(one), exact(other))


def shape(feature: Text) -> int:
    """A number that is equal for features with equal coordinates, and for hardly any others.

    It costs a fraction of decoding the feature, and depends on nothing but the coordinates' values.
    """
    try:
        coordinates = _GEOMETRY.decode(_SHAPE.decode(feature).geometry).coordinates
        brackets = _BRACKETS.match(coordinates)
        depth = brackets.group().count(b"[") if brackets else 0
        return hash(_COORDINATES[depth - 1].decode(coordinates)) if 0 < depth <= len(_COORDINATES) else 0
    except msgspec.DecodeError:
        return 0


def digest(value: Any) -> bytes:
    """16 bytes that are equal for equal values, and for no others.

    :param value: as :func:`exact` reads it.
    """
    return hashlib.blake2b(repr(_canonical(value)).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _canonical(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
