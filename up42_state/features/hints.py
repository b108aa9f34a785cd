"""What a text is that is no ``data.json``, and what a data path may have meant that names nothing."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect
from up42_state.features.members import SPACE, members, value_end
from up42_state.features.paths import RESERVED
from up42_state.features.values import decode

if TYPE_CHECKING:
    from up42_state.features.files import Files

__all__ = [
    "WRAP",
    "foreign",
    "looks_like_a_path",
    "names_nothing",
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
_EXTENSION = re.compile(r"[^/]\.[A-Za-z][A-Za-z0-9]{0,9}$")
_LONGEST = 4095
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
    """What a JSON object is that has no ``"type": "FeatureCollection"``, and what to do, where that is known.

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
    """What to write in the place of a number that JSON does not have."""
    member = _MEMBER.match(place)
    if member is not None and member.group(1) == "geometry":
        return 'leave its position out, or write "geometry": null (RFC 7946, sections 3.1.1 and 3.2)'
    return "leave the bbox out" if member is not None else "write null instead"


def names_nothing(value: str, path: str, wrong: str | None, files: Files) -> tuple[str, str]:
    """The problem of a data path that names nothing, and what to do.

    :param path: its normal form.
    :param wrong: what keeps it from being a path at all.
    """
    problem = f"{value!r} names nothing in the output"
    if wrong not in (None, "is empty"):
        problem = f"{value!r} {wrong}"
    if "\\" in value and files.exists(value.replace("\\", "/")):
        return problem, 'write "/" between its parts'
    if path.partition("/")[0] in RESERVED:
        there = f"{problem}: {path.partition('/')[0]} at the top of an output is no file of it"
        return there, "have the file lie elsewhere, and write its path"
    other = files.alike(path)
    if other is None:
        return problem, "write the file before data.json, or leave the property out"
    if unicodedata.normalize("NFC", other) == unicodedata.normalize("NFC", path):
        there = f"{problem}: there is {other!r} in another Unicode form ({_form(other)}, not {_form(path)})"
        return there, "write the name as os.listdir gives it, or rename the file"
    there = f"{problem}: there is {other!r}, in another case"
    return there, "write the name as the file has it, or rename the file"


def _form(text: str) -> str:
    forms = [form for form in ("NFC", "NFD") if unicodedata.is_normalized(form, text)]
    return forms[0] if forms else "mixed"


def looks_like_a_path(value: str) -> bool:
    """Whether a string looks like a relative path: it has a file's extension, or a slash and no space."""
    if "://" in value or value.startswith("/") or "\n" in value or len(value) > _LONGEST:
        return False
    return _EXTENSION.search(value) is not None or ("/" in value and not re.search(r"\s", value))
