"""Bounding boxes (RFC 7946 §5), also those that cross the antimeridian (§5.2)."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from up42_state.features.text.values import decode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Bounds", "bounds_of", "bounds_of_text", "union"]


class _Box(msgspec.Struct):
    bbox: Any = None


_TURN = 360.0  # degrees
_ROUNDING = 1e-9  # degrees, 0.1 mm: what turning a longitude back may lose
_LARGEST = sys.float_info.max
_BOX = msgspec.json.Decoder(_Box)


class Bounds(msgspec.Struct, frozen=True, gc=False):
    """West, south, east and north, in degrees; ``west > east`` where the antimeridian is crossed."""

    west: float
    south: float
    east: float
    north: float

    @classmethod
    def from_member(cls, value: Any) -> Bounds | None:
        """The box that a ``bbox`` member gives, without heights; ``None`` for a value that is no box."""
        if not isinstance(value, list) or len(value) not in (4, 6) or not all(map(_is_number, value)):
            return None
        half = len(value) // 2
        west, south, east, north = value[0], value[1], value[half], value[half + 1]
        return cls(west, south, east, north) if south <= north else None

    def intersects(self, other: Bounds) -> bool:
        """True if the boxes touch. Longitudes that differ by 360 degrees are the same place."""
        if self.south > other.north or other.south > self.north:
            return False
        return _reaches(self, other) or _reaches(other, self)

    @property
    def width(self) -> float:
        """Degrees from the western to the eastern edge, going east."""
        return self.east - self.west if self.west <= self.east else self.east - self.west + _TURN


def _reaches(one: Bounds, other: Bounds) -> bool:
    """Whether a way east from the western edge of ``one`` meets that of ``other`` before ``one`` ends."""
    way = other.west - one.west
    if 0 <= way < _TURN:
        return way <= one.width
    turned = way % _TURN  # which may have been rounded, also to just below a whole turn
    return turned <= one.width + _ROUNDING or (abs(way) > _TURN / 2 and _TURN - turned <= _ROUNDING)


def bounds_of(feature: dict[str, Any]) -> Bounds | None:
    """The box of a decoded feature: the ``bbox``, else the box around the geometry's coordinates.

    ``None`` for a feature that has neither.
    """
    return Bounds.from_member(feature.get("bbox")) or _of_positions(list(_positions(feature.get("geometry"))))


def bounds_of_text(feature: bytes | memoryview) -> Bounds | None:
    """The box of a feature's text. A geometry beside a ``bbox`` is not decoded."""
    with suppress(msgspec.DecodeError):
        bounds = Bounds.from_member(_BOX.decode(feature).bbox)
        if bounds is not None:
            return bounds
    value = decode(feature)
    return bounds_of(value) if isinstance(value, dict) else None


def _of_positions(positions: Sequence[Sequence[float]]) -> Bounds | None:
    if not positions:
        return None
    east_west = [position[0] for position in positions]
    north_south = [position[1] for position in positions]
    return Bounds(min(east_west), min(north_south), max(east_west), max(north_south))


def _positions(geometry: Any) -> Iterator[list[float]]:
    """Every position of a geometry, those of a GeometryCollection's members included."""
    waiting = [geometry]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [value.get("coordinates"), *_list(value.get("geometries"))]
        elif isinstance(value, list):
            if len(value) > 1 and _is_number(value[0]) and _is_number(value[1]):
                yield value
            else:
                waiting += value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_number(value: Any) -> bool:
    """True for a number within the range of floating point: those of JSON may have hundreds of digits."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST


def union(one: Bounds, other: Bounds) -> Bounds | None:
    """The box around two boxes; ``None`` where one crosses the antimeridian and the smallest is not plain."""
    if one.west > one.east or other.west > other.east:
        return None
    return Bounds(
        min(one.west, other.west),
        min(one.south, other.south),
        max(one.east, other.east),
        max(one.north, other.north),
    )
