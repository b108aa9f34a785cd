"""Naming the format of a text that is no ``data.json``, and the advice for it."""

from __future__ import annotations

import re
from typing import Any

from up42_state.errors import Defect
from up42_state.features.text.members import SPACE, members, value_end
from up42_state.features.text.values import decode

__all__ = [
    "WRAP",
    "foreign",
    "number_advice",
    "several",
    "structure_advice",
]

WRAP = 'write {"type": "FeatureCollection", "features": [...]}'
_CONVERT = "`ogr2ogr -f GeoJSON data.json FILE` converts it"
_PLAIN = "write JSON in UTF-8, uncompressed"

# The beginnings of what is found in the place of JSON, in lower case.
_FOREIGN = (
    (b"\x1f\x8b", "is compressed with gzip, not JSON", _PLAIN),
    (b"pk\x03\x04", "is a ZIP archive, not JSON", _PLAIN),
    (b"\xff\xfe", "is UTF-16, not UTF-8", _PLAIN),
    (b"\xfe\xff", "is UTF-16, not UTF-8", _PLAIN),
    (b"{\0", "is UTF-16 or UTF-32, not UTF-8", _PLAIN),
    (b"\0{", "is UTF-16, not UTF-8", _PLAIN),
    (b"\0\0\0{", "is UTF-32, not UTF-8", _PLAIN),
    (b"<!doctype html", "is an HTML page, not JSON", "look whether what made it was a server's error"),
    (b"<html", "is an HTML page, not JSON", "look whether what made it was a server's error"),
    (b"<", "is XML, not JSON", _CONVERT),
    (b"version https://git-lfs", "is a pointer of Git LFS, not JSON", "`git lfs pull` fetches the file"),
    (b"sqlite format 3\0", "is an SQLite database (a GeoPackage?), not JSON", _CONVERT),
    (b"{'", "is a dict as Python prints it, not JSON", "write it with json.dump"),
    (b"[{'", "is a list as Python prints it, not JSON", "write it with json.dump"),
    (b"geometrycollection", "is WKT, not JSON", WRAP),
    (b"polygon", "is WKT, not JSON", WRAP),
)
_SEQUENCE = "is a GeoJSON text sequence (RFC 8142), not one FeatureCollection"
_LINES = "holds one JSON value after the other (newline-delimited GeoJSON), not one FeatureCollection"
_GATHER = f"{_CONVERT}, or {WRAP} with the features as its list"
_GEOMETRIES = frozenset(
    (
        *("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"),
        "GeometryCollection",
    )
)
_ESRI = frozenset(("geometryType", "spatialReference", "displayFieldName", "fieldAliases"))
_BRACE = ord("{")
_MEMBER = re.compile(r"(?:features\[\d+\]\.)?(geometry|bbox)\b")


def foreign(text: memoryview) -> Defect | None:
    """The defect of a text that is of another format, as its first bytes tell; ``None`` if they do not."""
    beginning = bytes(text[:64]).removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n").lower()
    if beginning.startswith(b"\x1e"):
        return Defect("data.json", _SEQUENCE, _GATHER)
    for start, problem, advice in _FOREIGN:
        if beginning.startswith(start):
            return Defect("data.json", problem, advice)
    return None


def several(text: memoryview) -> Defect | None:
    """The defect of a text in which another object follows the first, if that is a feature or a geometry."""
    try:
        start = _skip(text, 0)
        end = value_end(text, start)
        if text[_skip(text, end)] != _BRACE:
            return None
        first = decode(text[start:end])
    except (ValueError, IndexError):
        return None
    kind = first.get("type") if isinstance(first, dict) else None
    return Defect("data.json", _LINES, _GATHER) if kind == "Feature" or kind in _GEOMETRIES else None


def _skip(text: memoryview, position: int) -> int:
    found = SPACE.match(text, position)
    return found.end() if found else position


def structure_advice(text: memoryview, start: int) -> tuple[str, str] | None:
    """The problem and the advice for an object without ``"type": "FeatureCollection"``, if its kind is known.

    :param start: where the object begins.
    """
    found = {member.name: member for member in members(text, start)}
    kind: Any = decode(text[found["type"].start : found["type"].end]) if "type" in found else None
    if kind == "Feature" and "features" not in found:
        return 'is "Feature", not "FeatureCollection"', f"{WRAP} with the feature in its list"
    if isinstance(kind, str) and kind in _GEOMETRIES:
        return f'is "{kind}", a geometry, not "FeatureCollection"', f"{WRAP} with a Feature that has it"
    if kind == "Topology":
        return 'is "Topology" (TopoJSON), not "FeatureCollection"', _CONVERT
    if kind is None and not _ESRI.isdisjoint(found):
        return "is missing: this is Esri JSON, not GeoJSON", _CONVERT
    return None


def number_advice(place: str) -> str:
    """The advice for a number that JSON does not have."""
    member = _MEMBER.match(place)
    if member is not None and member.group(1) == "geometry":
        return 'leave its position out, or write "geometry": null (RFC 7946, sections 3.1.1 and 3.2)'
    return "leave the bbox out" if member is not None else "write null instead"
