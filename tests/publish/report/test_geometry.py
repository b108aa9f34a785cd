"""Footprints as shapes on the report's map."""

from __future__ import annotations

from typing import Any

import pytest

from up42_state.publish.report.geometry import Shapes, View, shapes_of
from up42_state.publish.report.land import extent, land_rings

EAST = {"type": "Polygon", "coordinates": [[[179, 0], [180, 0], [180, 1], [179, 1], [179, 0]]]}
WEST = {"type": "Polygon", "coordinates": [[[-180, 0], [-179, 0], [-179, 1], [-180, 1], [-180, 0]]]}


@pytest.mark.parametrize(
    ("geometry", "kinds"),
    [
        ({"type": "Point", "coordinates": [1, 2]}, (0, 0, 1)),
        ({"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]}, (0, 0, 2)),
        ({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}, (0, 1, 0)),
        ({"type": "MultiLineString", "coordinates": [[[1, 2], [3, 4]], [[5, 6], [7, 8]]]}, (0, 2, 0)),
        ({"type": "MultiPolygon", "coordinates": [EAST["coordinates"], WEST["coordinates"]]}, (2, 0, 0)),
        ({"type": "GeometryCollection", "geometries": [EAST, WEST]}, (2, 0, 0)),
        ({"type": "Point", "coordinates": []}, (0, 0, 0)),
        ({"type": "Polygon", "coordinates": [[["a", "b"]]]}, (0, 0, 0)),
        ({"type": "Point", "coordinates": [10**400, 0]}, (0, 0, 0)),
        ({"type": "Point", "coordinates": [True, False]}, (0, 0, 0)),
        ({"type": "Sphere", "coordinates": [1, 2]}, (0, 0, 0)),
        ("no geometry", (0, 0, 0)),
        (None, (0, 0, 0)),
    ],
)  # fmt: skip
def test_kinds_of_geometries(geometry: Any, kinds: tuple[int, int, int]) -> None:
    """Each kind of GeoJSON is drawn as what it is; what is none is not drawn, and no error."""
    shapes = shapes_of(geometry, None)
    assert (len(shapes.areas), len(shapes.lines), len(shapes.points)) == kinds


def test_a_hole_stays_a_hole() -> None:
    """The rings of an area are drawn together, the first outside."""
    hole = [[179.2, 0.2], [179.4, 0.2], [179.4, 0.4], [179.2, 0.2]]
    shapes = shapes_of({"type": "Polygon", "coordinates": [*EAST["coordinates"], hole]}, None)  # type: ignore[misc]
    ((outer, inner),) = shapes.areas
    assert len(outer) == 5
    assert len(inner) == 4


def test_both_sides_of_the_antimeridian_are_drawn_in_one_piece() -> None:
    """A geometry that is cut there (RFC 7946 §3.1.9) makes a map of two degrees, and not of the world."""
    both = shapes_of(
        {"type": "MultiPolygon", "coordinates": [EAST["coordinates"], WEST["coordinates"]]}, None
    )
    view = View([both])
    assert (view.west, view.east) == (179, 181)
    assert extent(view) == "179.00° E to 179.00° W, 0.00° N to 1.00° N"
    eastern, western = (view.drawn(rings[0])[0] for rings in both.areas)
    assert max(eastern) == min(western)


@pytest.mark.parametrize(
    ("geometry", "bbox"),
    [
        ({"type": "Polygon", "coordinates": [[[179, 0], [-179, 0], [-179, 1], [179, 1], [179, 0]]]}, None),
        (None, [179, 0, -179, 1]),
        (None, [179, 0, 5, -179, 1, 9]),
    ],
)
def test_a_shape_that_jumps_over_the_antimeridian_does_not_go_around_the_world(
    geometry: Any, bbox: Any
) -> None:
    """A ring that was not cut, and a box whose west is greater than its east, are two degrees wide."""
    view = View([shapes_of(geometry, bbox)])
    assert view.east - view.west == 2


def test_a_job_all_around_the_world() -> None:
    """The map begins where nothing lies; all is on it."""
    points = Shapes(points=[(east, 0.0) for east in range(-170, 180, 10)])
    view = View([points])
    assert (view.west, view.east) == (-170, 170)


def test_poles_are_drawn_at_the_edge() -> None:
    """Web Mercator has no poles: what lies there is drawn at the edge of the map."""
    view = View([shapes_of({"type": "Point", "coordinates": [0, 90]}, None)])
    ((x,), (y,)) = view.drawn([(0.0, 90.0)])
    assert (x, round(y / 20_037_508, 3)) == (0, 1)


def test_a_ring_of_many_points_is_thinned() -> None:
    """Points nearer to each other than a screen can show are left out, and the ring stays closed."""
    ring = [[n / 50_000, (n % 2) / 1e6] for n in range(50_000)]
    shapes = shapes_of({"type": "Polygon", "coordinates": [[*ring, [1, 1], [0, 1], ring[0]]]}, None)
    xs, _ = View([shapes]).drawn(shapes.areas[0][0])
    assert 500 < len(xs) < 4000
    assert xs[0] == xs[-1]


def test_coordinates_are_rounded_to_what_can_be_seen() -> None:
    """Whole metres on a map of kilometres, centimetres on one of metres."""
    wide, narrow = (
        View([shapes_of(None, [13, 54, 13 + size, 54 + size])]).drawn([(13.123456789, 54.0)])[0][0]
        for size in (1, 1e-4)
    )
    assert isinstance(wide, int)
    assert narrow == round(narrow, 2)


def test_the_coastline_is_small_and_whole() -> None:
    """What ships is simplified: 127 outlines within the world, all of them closed."""
    rings = land_rings()
    assert len(rings) > 100
    assert sum(map(len, rings)) < 6000
    assert all(ring[0] == ring[-1] for ring in rings)
    assert all(-180 <= east <= 180 and -90 <= north <= 90 for ring in rings for east, north in ring)
