"""Draw a map of footprints as one HTML file with an SVG picture: no tiles, no scripts, no network."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Position = Sequence[float]
    Ring = list[Position]

__all__ = ["Footprint", "footprint_map"]

WIDTH = 900  # of the picture, in pixels
MARGIN = 20
_LARGEST = sys.float_info.max  # JSON's integers may be larger
# Okabe and Ito's colours, which people who see colours differently can tell apart as well.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")

_STYLE = """\
body { font: 15px system-ui, sans-serif; margin: 2em auto; max-width: 960px; color: #222; }
svg { background: #f6f6f2; border: 1px solid #ccc; width: 100%; height: auto; }
svg path, svg circle { fill-opacity: .3; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
svg path.line { fill: none; }
svg :hover { fill-opacity: .6; }
li { list-style: none; margin: .2em 0; }
li i { display: inline-block; width: 1em; height: 1em; margin-right: .5em; vertical-align: -.1em; }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """One feature on the map.

    :param layer: the group that gives the colour and the entry in the legend, for example the feature's
        stage.
    :param title: the text that is shown while the pointer rests on the feature.
    :param geometry: a GeoJSON geometry in degrees (RFC 7946 §3.1), or ``None``.
    :param bbox: drawn if there is no geometry (RFC 7946 §5).
    """

    layer: str
    title: str
    geometry: Mapping[str, Any] | None
    bbox: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class _Shape:
    """A filled area, a line, or a single position as a point."""

    kind: str
    rings: list[Ring]


def footprint_map(title: str, footprints: Iterable[Footprint]) -> str:
    """Return an HTML document with the map; layers are listed in the order of their first footprint.

    A footprint whose geometry cannot be drawn still counts in the legend.

    :param title: the page's heading.
    """
    drawn = [(footprint, list(_shapes(footprint))) for footprint in footprints]
    layers = list(dict.fromkeys(footprint.layer for footprint, _ in drawn))
    colours = {layer: COLOURS[number % len(COLOURS)] for number, layer in enumerate(layers)}
    view = _View([ring for _, shapes in drawn for shape in shapes for ring in shape.rings])
    body = "\n".join(_group(footprint, shapes, view, colours[footprint.layer]) for footprint, shapes in drawn)
    legend = "\n".join(
        _legend(layer, colours[layer], [d for d in drawn if d[0].layer == layer]) for layer in layers
    )
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f"<style>\n{_STYLE}</style>\n<h1>{escape(title)}</h1>\n"
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {view.height:.0f}" role="img">\n'
        f"{body}\n</svg>\n<p>{escape(view.extent)}</p>\n<ul>\n{legend}\n</ul>\n</html>\n"
    )


class _View:
    """Converts degrees to pixels: equirectangular, true to scale at the middle latitude."""

    def __init__(self, rings: Sequence[Ring]) -> None:
        places = [position for ring in rings for position in ring] or [(-180, -90), (180, 90)]
        self.west, self.east = min(p[0] for p in places), max(p[0] for p in places)
        self.south, self.north = min(p[1] for p in places), max(p[1] for p in places)
        # A degree of longitude is narrower than one of latitude by this factor, and at a pole has no width.
        self._narrowing = max(math.cos(math.radians((self.south + self.north) / 2)), 0.1)
        # The picture is at most twice as high as it is wide; a single point has no extent to divide by.
        across = max((self.east - self.west) * self._narrowing, (self.north - self.south) / 2, 1e-6)
        self._scale = (WIDTH - 2 * MARGIN) / across
        self.height = (self.north - self.south) * self._scale + 2 * MARGIN

    @property
    def extent(self) -> str:
        """The extent of the map, in words."""
        return f"{self.west:.4f}° to {self.east:.4f}° east, {self.south:.4f}° to {self.north:.4f}° north"

    def project(self, position: Position) -> tuple[float, float]:
        """Return the distance in pixels from the picture's left and top."""
        x = (position[0] - self.west) * self._narrowing * self._scale
        return x + MARGIN, (self.north - position[1]) * self._scale + MARGIN


def _shapes(footprint: Footprint) -> Iterator[_Shape]:
    """Yield the shapes of a footprint; none if geometry and bbox are absent or malformed."""
    try:
        shapes = list(_parts(footprint.geometry or {}))
        if not shapes and footprint.bbox:
            shapes = [_Shape("area", [_box(footprint.bbox)])]
    except (TypeError, ValueError, KeyError, IndexError):
        return
    yield from (shape for shape in shapes if all(_is_position(p) for ring in shape.rings for p in ring))


def _parts(geometry: Mapping[str, Any]) -> Iterator[_Shape]:
    kind, coordinates = geometry.get("type"), geometry.get("coordinates") or []
    if kind == "GeometryCollection":
        for inner in geometry["geometries"]:
            yield from _parts(inner)
    elif kind == "Polygon":
        yield _Shape("area", list(coordinates))
    elif kind == "MultiPolygon":
        yield from (_Shape("area", list(rings)) for rings in coordinates)
    elif kind == "LineString":
        yield _Shape("line", [coordinates])
    elif kind == "MultiLineString":
        yield _Shape("line", list(coordinates))
    elif kind in ("Point", "MultiPoint"):
        points = [coordinates] if kind == "Point" else coordinates
        yield from (_Shape("point", [[point]]) for point in points)


def _box(bbox: Sequence[float]) -> Ring:
    west, south = bbox[0], bbox[1]
    east, north = bbox[len(bbox) // 2], bbox[len(bbox) // 2 + 1]
    return [(west, south), (east, south), (east, north), (west, north), (west, south)]


def _is_position(position: object) -> bool:
    return (
        isinstance(position, (list, tuple))
        and len(position) >= 2
        and all(isinstance(number, (int, float)) and abs(number) <= _LARGEST for number in position[:2])
    )


def _group(footprint: Footprint, shapes: Sequence[_Shape], view: _View, colour: str) -> str:
    drawn = "".join(_draw(shape, view) for shape in shapes)
    return f'<g fill="{colour}" stroke="{colour}"><title>{escape(footprint.title)}</title>{drawn}</g>'


def _draw(shape: _Shape, view: _View) -> str:
    if shape.kind == "point":
        x, y = view.project(shape.rings[0][0])
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    lines = (" L".join(f"{x:.1f} {y:.1f}" for x, y in map(view.project, ring)) for ring in shape.rings)
    path = " ".join(f"M{line}" for line in lines)
    return f'<path class="{shape.kind}" fill-rule="evenodd" d="{path}"/>'


def _legend(layer: str, colour: str, drawn: Sequence[tuple[Footprint, list[_Shape]]]) -> str:
    count = "1 feature" if len(drawn) == 1 else f"{len(drawn)} features"
    hidden = sum(not shapes for _, shapes in drawn)
    note = f", {hidden} without a footprint" if hidden else ""
    return f'<li><i style="background: {colour}"></i>{escape(layer)}: {count}{note}</li>'
