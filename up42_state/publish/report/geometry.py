"""Footprints as shapes on a map in Web Mercator: drawn across the antimeridian, thinned and rounded."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Point = tuple[float, float]
    Ring = list[Point]

__all__ = ["Shapes", "View", "shapes_of"]

_TURN = 360.0  # degrees
_HALF = 180.0
_NORTHERNMOST = 85.0511  # degrees: the poles lie at infinity in this projection
_RADIUS = 6_378_137.0  # metres
_STEPS = 3000  # of a map's width, to which a ring is thinned: more than a screen shows
_FEW = 60  # points of a ring that is not thinned
_DEEP = 20  # collections within collections
_LARGEST = sys.float_info.max  # JSON's integers may be larger


@dataclass(slots=True)
class Shapes:
    """What is drawn of one feature, in degrees: areas with their holes, lines, and points."""

    areas: list[list[Ring]] = field(default_factory=list)
    lines: list[Ring] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.areas or self.lines or self.points)

    def parts(self) -> Iterator[Ring]:
        """Yield what has a place of its own: outer rings, lines, and points."""
        yield from (rings[0] for rings in self.areas)
        yield from self.lines
        yield from ([point] for point in self.points)


def shapes_of(geometry: Any, bbox: Any) -> Shapes:
    """Return what can be drawn of a geometry (RFC 7946 §3.1), or else of a ``bbox`` (§5); maybe nothing."""
    shapes = Shapes()
    try:
        _take(geometry, shapes, 0)
        if not shapes and isinstance(bbox, list) and len(bbox) in (4, 6):
            shapes.areas.append([_box(bbox)])
    except (TypeError, ValueError, KeyError, IndexError):
        return Shapes()
    return shapes


def _take(geometry: Any, shapes: Shapes, depth: int) -> None:
    if not isinstance(geometry, dict) or depth > _DEEP:
        return
    kind, coordinates = geometry.get("type"), geometry.get("coordinates") or []
    if kind == "GeometryCollection":
        for inner in geometry["geometries"]:
            _take(inner, shapes, depth + 1)
    elif kind in ("Polygon", "MultiPolygon"):
        polygons = [coordinates] if kind == "Polygon" else coordinates
        areas = [[_unwound(ring) for ring in polygon if ring] for polygon in polygons]
        shapes.areas += [rings for rings in areas if rings]
    elif kind in ("LineString", "MultiLineString"):
        lines = [coordinates] if kind == "LineString" else coordinates
        shapes.lines += [_unwound(line) for line in lines if line]
    elif kind in ("Point", "MultiPoint"):
        points = [coordinates] if kind == "Point" else coordinates
        shapes.points += [_position(point) for point in points if point]


def _box(bbox: Sequence[Any]) -> Ring:
    (west, south), (east, north) = _position(bbox), _position(bbox[len(bbox) // 2 :])
    east += _TURN if east < west else 0  # it crosses the antimeridian (RFC 7946 §5.2)
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


def _position(position: Sequence[Any]) -> Point:
    east, north = position[0], position[1]
    for number in (east, north):
        if isinstance(number, bool) or not isinstance(number, int | float) or not abs(number) <= _LARGEST:
            raise ValueError(position)
    return (east + _HALF) % _TURN - _HALF if abs(east) > _HALF else float(east), float(north)


def _unwound(ring: Sequence[Sequence[Any]]) -> Ring:
    """Return a ring or line that goes on east or west of 180° where it jumps from one side to the other."""
    found, turn, last = [], 0.0, None
    for east, north in map(_position, ring):
        if last is not None and abs(east - last) > _HALF:
            turn += _TURN if east < last else -_TURN
        last = east
        found.append((east + turn, north))
    return found


class View:
    """A map that holds all shapes and leaves out the widest empty span of longitudes.

    :param all_shapes: shapes of all features.
    """

    def __init__(self, all_shapes: Iterable[Shapes]) -> None:
        spans = [_span(part) for shapes in all_shapes for part in shapes.parts()]
        self.empty = not spans
        self.west = _western_edge(spans)
        self.east = max((self._turned(span) + span[1] - span[0] for span in spans), default=_HALF)
        self.south = min((span[2] for span in spans), default=-60.0)
        self.north = max((span[3] for span in spans), default=80.0)
        low, high = self.metres((self.west, self.south)), self.metres((self.east, self.north))
        self._step = max(high[0] - low[0], high[1] - low[1]) / _STEPS
        # A centimetre where people may zoom in on metres; a metre else, which makes short numbers.
        self._digits = 2 if self._step < 1 else None

    def _turned(self, span: Sequence[float]) -> float:
        """Return the western edge of a span, turned so that the span lies on the map."""
        return span[0] + self._shift(span)

    def _shift(self, span: Sequence[float]) -> float:
        return math.ceil((self.west - 1e-9 - span[0]) / _TURN) * _TURN

    def metres(self, point: Point) -> Point:
        """Return a place in Web Mercator."""
        north = math.radians(min(max(point[1], -_NORTHERNMOST), _NORTHERNMOST))
        return math.radians(point[0]) * _RADIUS, math.asinh(math.tan(north)) * _RADIUS

    def drawn(self, ring: Ring, of: Ring | None = None) -> tuple[list[float], list[float]]:
        """Return the coordinates of a ring, line or point as Bokeh draws them: apart, thinned and rounded.

        :param of: the outer ring, for a hole, which moves together with it.
        """
        shift = self._shift(_span(of or ring))
        points = [self.metres((east + shift, north)) for east, north in ring]
        points = self._thinned(points) if len(points) > _FEW else points
        return (
            [round(x, self._digits) for x, _ in points],
            [round(y, self._digits) for _, y in points],
        )

    def _thinned(self, points: Ring) -> Ring:
        kept = [points[0]]
        for point in points[1:-1]:
            if abs(point[0] - kept[-1][0]) + abs(point[1] - kept[-1][1]) >= self._step:
                kept.append(point)
        return [*kept, points[-1]] if len(kept) > 2 else points[: _FEW - 1] + points[-1:]


def _span(part: Ring) -> tuple[float, float, float, float]:
    longitudes, latitudes = [point[0] for point in part], [point[1] for point in part]
    return min(longitudes), max(longitudes), min(latitudes), max(latitudes)


def _western_edge(spans: Sequence[tuple[float, float, float, float]]) -> float:
    """Return the longitude east of the widest gap between spans: there the map begins.

    So a job on both sides of the antimeridian is shown in one piece. Where the gap is no wider than the
    one that the antimeridian lies in, the map begins at the westernmost span.
    """
    if not spans:
        return -_HALF
    ordered = sorted((west, east) for west, east, _, _ in spans)
    first = ordered[0][0]
    end = first
    around = max(east for _, east in ordered)
    best, edge = first + _TURN - around, first
    for west, east in ordered:
        if west - end > best + 1e-9:
            best, edge = west - end, west
        end = max(end, east)
    return edge
