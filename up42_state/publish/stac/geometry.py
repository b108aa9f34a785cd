"""Geometries as STAC takes them: valid GeoJSON in degrees, cut at the antimeridian, and with a bbox.

Rules: RFC 7946 §3.1 (forms), §3.1.9 (cutting), §5.2 (a bbox whose west is greater than its east); STAC 1.1,
"Item", ``geometry`` and ``bbox``.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Position = list[float]
    Path = list[Position]

__all__ = ["Placed", "placed"]

# How many lists of positions lie in one another, and how many positions the innermost has at least.
_FORMS = {
    "Point": (0, 1),
    "MultiPoint": (1, 1),
    "LineString": (1, 2),
    "MultiLineString": (2, 2),
    "Polygon": (2, 4),
    "MultiPolygon": (3, 4),
}
_TURN, _HALF, _POLE = 360.0, 180.0, 90.0
_LARGEST_LONGITUDE = 540.0  # of a shape that was drawn on across the antimeridian


class Placed(NamedTuple):
    """A geometry in degrees and its bbox: west, south, east, north; with the heights where all have one."""

    geometry: dict[str, Any]
    bbox: list[float]


class _Extent(NamedTuple):
    """A part's extent; ``east`` is greater than 180 where the part crosses the antimeridian."""

    west: float
    south: float
    east: float
    north: float


def placed(geometry: Any, bbox: Any = None) -> Placed | None:
    """Return a geometry as STAC takes it; ``None`` for what is no geometry, or not in degrees.

    :param geometry: the feature's geometry.
    :param bbox: the feature's bbox. One that is wider than half the globe, from west to east, says that a
        wide polygon does not cross the antimeridian.
    """
    if not _is_valid(geometry):
        return None
    is_wide = _is_wide(bbox)
    made, extents = _place(geometry, is_wide=is_wide)
    west, south, east, north = _around(extents)
    heights = list(_heights(made))
    if None in heights:
        return Placed(made, [west, south, east, north])
    known = [height for height in heights if height is not None]
    return Placed(made, [west, south, min(known), east, north, max(known)])


def _heights(geometry: dict[str, Any]) -> Iterator[float | None]:
    """The height of every position; ``None`` for one without."""
    waiting = [geometry.get("coordinates"), *(each["coordinates"] for each in geometry.get("geometries", ()))]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list) and isinstance(value[0], list):
            waiting += value
        elif value is not None:
            yield value[2] if len(value) > 2 else None


def _is_valid(geometry: Any) -> bool:
    if not isinstance(geometry, dict):
        return False
    kind = geometry.get("type")
    if kind == "GeometryCollection":
        inner = geometry.get("geometries")
        # RFC 7946 §3.1.8: collections in collections should be avoided, and they could be nested without end.
        return (
            isinstance(inner, list)
            and bool(inner)
            and all(isinstance(each, dict) and each.get("type") != kind and _is_valid(each) for each in inner)
        )
    if not isinstance(kind, str) or kind not in _FORMS:
        return False
    depth, least = _FORMS[kind]
    return _is_nested(geometry.get("coordinates"), depth, least)


def _is_nested(value: Any, depth: int, least: int) -> bool:
    if depth == 0:
        return _is_position(value)
    if not isinstance(value, list) or len(value) < (least if depth == 1 else 1):
        return False
    return all(_is_nested(each, depth - 1, least) for each in value)


def _is_position(value: Any) -> bool:
    if not isinstance(value, list) or len(value) < 2:
        return False
    if not all(type(number) in (int, float) and abs(number) < math.inf for number in value):
        return False
    return bool(abs(value[0]) <= _LARGEST_LONGITUDE and abs(value[1]) <= _POLE)


def _is_wide(bbox: Any) -> bool:
    if not isinstance(bbox, list) or len(bbox) not in (4, 6):
        return False
    west, east = bbox[0], bbox[len(bbox) // 2]
    return all(type(number) in (int, float) for number in (west, east)) and bool(east - west > _HALF)


def _place(geometry: dict[str, Any], *, is_wide: bool) -> tuple[dict[str, Any], list[_Extent]]:
    """Return the geometry, cut where it crosses the antimeridian, and the extents of its parts."""
    kind = geometry["type"]
    if kind == "GeometryCollection":
        inner = [_place(each, is_wide=is_wide) for each in geometry["geometries"]]
        made = {"type": kind, "geometries": [each for each, _ in inner]}
        return made, [extent for _, extents in inner for extent in extents]
    several = kind.startswith("Multi")
    parts = geometry["coordinates"] if several else [geometry["coordinates"]]
    single = kind.removeprefix("Multi")
    shapes = [_unfolded(_rings(single, part), is_wide=is_wide) for part in parts]
    extents = [_extent(rings) for rings in shapes]
    if all(extent.west >= -_HALF and extent.east <= _HALF for extent in extents):
        return {"type": kind, "coordinates": geometry["coordinates"]}, extents
    cut = [piece for rings in shapes for piece in _cut(single, rings)]
    if len(cut) == 1 and not several:
        return {"type": single, "coordinates": cut[0]}, extents
    return {"type": f"Multi{single}", "coordinates": cut}, extents


def _rings(kind: str, part: Any) -> list[Path]:
    """A part of a geometry as a list of paths: the rings of a polygon, a line alone, a point alone."""
    return list(part) if kind == "Polygon" else [part] if kind == "LineString" else [[part]]


def _unfolded(rings: list[Path], *, is_wide: bool) -> list[Path]:
    """The paths of a part, going on beyond 180 where they cross the antimeridian.

    A step of more than half the globe is a crossing, if the part is narrower than half the globe by that.
    """
    if is_wide or not any(_HALF < abs(a[0] - b[0]) < _TURN for ring in rings for a, b in _steps(ring)):
        return rings
    unfolded = [_unfold(ring) for ring in rings]
    first = unfolded[0]
    closes = len(rings[0]) == 1 or rings[0][0] != rings[0][-1] or abs(first[0][0] - first[-1][0]) < 1e-9
    extent = _extent(unfolded[:1])
    if not closes or extent.east - extent.west > _HALF:
        return rings  # around a pole, or as wide as half the globe: nobody can say what is meant
    for number, ring in enumerate(unfolded[1:], 1):
        way = round((first[0][0] - ring[0][0]) / _TURN) * _TURN  # a hole lies where its polygon does
        unfolded[number] = [[position[0] + way, *position[1:]] for position in ring]
    return unfolded


def _steps(path: Path) -> Iterable[tuple[Position, Position]]:
    return pairwise(path)


def _unfold(path: Path) -> Path:
    made, turn = [path[0]], 0.0
    for before, after in _steps(path):
        step = after[0] - before[0]
        turn -= _TURN if step > _HALF else -_TURN if step < -_HALF else 0.0
        made.append([after[0] + turn, *after[1:]])
    return made


def _extent(rings: Sequence[Path]) -> _Extent:
    longitudes = [position[0] for ring in rings for position in ring]
    latitudes = [position[1] for ring in rings for position in ring]
    return _Extent(min(longitudes), min(latitudes), max(longitudes), max(latitudes))


def _cut(kind: str, rings: list[Path]) -> list[Any]:
    """Cut a part at every antimeridian that it crosses, and turn the pieces back to ±180 degrees."""
    extent = _extent(rings)
    first = math.floor((extent.west + _HALF) / _TURN)
    last = max(math.ceil((extent.east - _HALF) / _TURN), first)
    pieces: list[Any] = []
    for turn in range(first, last + 1):
        west, east = turn * _TURN - _HALF, turn * _TURN + _HALF
        if kind == "Polygon":
            clipped = [_clip_ring(ring, west, east) for ring in rings]
            if clipped[0]:
                pieces.append([_turned(ring, turn) for ring in clipped if ring])
        elif kind == "LineString":
            pieces += [_turned(line, turn) for line in _clip_line(rings[0], west, east)]
        elif west <= rings[0][0][0] < east:
            pieces += _turned(rings[0], turn)
    return pieces


def _turned(path: Path, turn: int) -> Path:
    return [[position[0] - turn * _TURN, *position[1:]] for position in path]


def _clip_ring(ring: Path, west: float, east: float) -> Path:
    """The part of a ring between two meridians (Sutherland and Hodgman's algorithm), closed."""
    kept = ring[:-1] if ring[0] == ring[-1] else list(ring)
    for edge, side in ((west, 1), (east, -1)):
        made: Path = []
        for before, after in zip([*kept[-1:], *kept[:-1]], kept, strict=True):
            was_in, is_in = (before[0] - edge) * side >= 0, (after[0] - edge) * side >= 0
            if was_in != is_in:
                made.append(_crossing(before, after, edge))
            if is_in:
                made.append(after)
        kept = made
    has_area = len(kept) > 2 and len({position[0] for position in kept}) > 1
    return [*kept, kept[0]] if has_area else []


def _clip_line(line: Path, west: float, east: float) -> list[Path]:
    """The pieces of a line between two meridians."""
    pieces: list[Path] = [[]]
    for before, after in _steps(line):
        edges = (edge for edge in (west, east) if min(before[0], after[0]) < edge < max(before[0], after[0]))
        inner = [_crossing(before, after, edge) for edge in edges]
        if before[0] > after[0]:
            inner.reverse()
        for a, b in _steps([before, *inner, after]):
            if west <= min(a[0], b[0]) and max(a[0], b[0]) <= east:
                pieces[-1] += [b] if pieces[-1] else [a, b]
            elif pieces[-1]:
                pieces.append([])
    return [piece for piece in pieces if piece]


def _crossing(before: Position, after: Position, edge: float) -> Position:
    """The position at which the way between two positions meets a meridian; heights are interpolated, too."""
    share = (edge - before[0]) / (after[0] - before[0])
    rest = [a + (b - a) * share for a, b in zip(before[1:], after[1:], strict=False)]
    return [edge, *rest]


def _around(extents: Sequence[_Extent]) -> list[float]:
    """The bbox around parts, of which there is one. It crosses the antimeridian where the parts do."""
    south, north = min(extent.south for extent in extents), max(extent.north for extent in extents)
    west, east = min(extent.west for extent in extents), max(extent.east for extent in extents)
    touches = any(e.east == _HALF for e in extents) and any(e.west == -_HALF for e in extents)
    whole = any(extent.east - extent.west >= _TURN for extent in extents)
    if whole:
        west, east = -_HALF, _HALF
    elif west < -_HALF or east > _HALF or (touches and len(extents) > 1):
        west, east = _narrowest(extents)
    return [west, south, east, north]


def _narrowest(extents: Sequence[_Extent]) -> tuple[float, float]:
    """West and east of the narrowest span that holds all parts, wherever on the globe it begins."""
    turned = sorted((_wrapped(extent.west), extent.east - extent.west) for extent in extents)
    reach, gap, west = turned[0][0] + turned[0][1], -1.0, turned[0][0]
    east = reach
    for start, width in [*turned[1:], (turned[0][0] + _TURN, turned[0][1])]:
        if start - reach > gap:
            gap, west, east = start - reach, start, reach
        reach = max(reach, start + width)
    if gap < 0:
        return -_HALF, _HALF
    return _wrapped(west), _wrapped(east) if _wrapped(east) != -_HALF else _HALF


def _wrapped(longitude: float) -> float:
    """A longitude from -180 to below 180."""
    return longitude if -_HALF <= longitude < _HALF else (longitude + _HALF) % _TURN - _HALF
