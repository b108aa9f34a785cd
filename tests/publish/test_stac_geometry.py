"""Geometries of items: what is valid, where the antimeridian cuts, and what box is around."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import shape

from up42_state.publish.stac.geometry import placed


def polygon(*longitudes: float, south: float = 0, north: float = 1) -> dict[str, Any]:
    """A rectangle between two longitudes."""
    west, east = longitudes
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


SPLIT = {
    "type": "MultiPolygon",
    "coordinates": [polygon(170, 180)["coordinates"], polygon(-180, -175)["coordinates"]],
}


@pytest.mark.parametrize(
    ("geometry", "box"),
    [
        (polygon(13, 14), [13, 0, 14, 1]),
        (polygon(-180, 180), [-180, 0, 180, 1]),
        (polygon(170, 180), [170, 0, 180, 1]),
        (polygon(-180, -170), [-180, 0, -170, 1]),
        (SPLIT, [170, 0, -175, 1]),
        ({"type": "Point", "coordinates": [13, 52, 7]}, [13, 52, 7, 13, 52, 7]),
        ({"type": "MultiPoint", "coordinates": [[-179, 1], [179, 2]]}, [-179, 1, 179, 2]),
        ({"type": "LineString", "coordinates": [[1, 2], [3, 4]]}, [1, 2, 3, 4]),
        ({"type": "LineString", "coordinates": [[1, 2, 5], [3, 4]]}, [1, 2, 3, 4]),
        ({"type": "GeometryCollection", "geometries": [polygon(1, 2), polygon(5, 6)]}, [1, 0, 6, 1]),
    ],
)
def test_what_crosses_nothing_stays(geometry: dict[str, Any], box: list[float]) -> None:
    """A geometry that needs no cut stays as it is; the box of one that is cut already crosses as it does."""
    found = placed(geometry)
    assert found is not None
    assert found.geometry == geometry
    assert found.bbox == box


@pytest.mark.parametrize("geometry", [polygon(179, -178), polygon(179, 182), polygon(-181, -178)])
def test_a_polygon_across_the_antimeridian_is_cut(geometry: dict[str, Any]) -> None:
    """Whether it jumps to the other side or goes on beyond 180 degrees, it becomes two."""
    found = placed(geometry)
    assert found is not None
    assert found.bbox == [179, 0, -178, 1]
    parts = [shape({"type": "Polygon", "coordinates": part}) for part in found.geometry["coordinates"]]
    assert sorted(part.bounds for part in parts) == [(-180, 0, -178, 1), (179, 0, 180, 1)]


def test_a_hole_is_cut_as_its_polygon_is() -> None:
    """Of a hole across the antimeridian each part gets its half."""
    hole = polygon(179.5, -179.5, south=0.4, north=0.6)["coordinates"][0]
    found = placed({"type": "Polygon", "coordinates": [*polygon(179, -179)["coordinates"], hole]})
    assert found is not None
    assert shape(found.geometry).area == pytest.approx(2 - 0.2)


def test_a_line_across_the_antimeridian_is_cut() -> None:
    """A line becomes several, with a position on the antimeridian at each end; heights are interpolated."""
    found = placed({"type": "LineString", "coordinates": [[178, 0, 0], [-178, 4, 8], [178, 8, 0]]})
    assert found is not None
    assert found.geometry == {
        "type": "MultiLineString",
        "coordinates": [
            [[178, 0, 0], [180, 2, 4]],
            [[180, 6, 4], [178, 8, 0]],
            [[-180, 2, 4], [-178, 4, 8], [-180, 6, 4]],
        ],
    }
    assert found.bbox == [178, 0, 0, -178, 8, 8]


def test_a_point_beyond_180_degrees() -> None:
    """A longitude beyond 180 degrees is turned back."""
    found = placed({"type": "Point", "coordinates": [190, 5]})
    assert found == ({"type": "Point", "coordinates": [-170, 5]}, [-170, 5, -170, 5])


def test_a_wide_polygon_stays_whole() -> None:
    """A box that is wider than half the globe says that its polygon is so, too."""
    geometry = polygon(-170, 170)
    found = placed(geometry, [-170, 0, 170, 1])
    assert found == (geometry, [-170, 0, 170, 1])


def test_a_polygon_around_a_pole_stays_whole() -> None:
    """A ring around a pole does not close on the other side, and nobody can cut it."""
    ring = [[-120, 80], [0, 80], [120, 80], [-120, 80]]
    found = placed({"type": "Polygon", "coordinates": [ring]})
    assert found == ({"type": "Polygon", "coordinates": [ring]}, [-120, 80, 120, 80])


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        [],
        "Polygon",
        {"type": "Circle", "coordinates": [1, 2]},
        {"type": "Point"},
        {"type": "Point", "coordinates": [1]},
        {"type": "Point", "coordinates": [True, 2]},
        {"type": "Point", "coordinates": ["1", "2"]},
        {"type": "Point", "coordinates": [1e400, 2]},
        {"type": "Point", "coordinates": [388000.0, 5820000.0]},
        {"type": "Point", "coordinates": [1, 91]},
        {"type": ["Point"], "coordinates": [1, 2]},
        {"type": "LineString", "coordinates": [[1, 2]]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [0, 0]]]},
        {"type": "GeometryCollection", "geometries": []},
        {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection", "geometries": []}]},
    ],
)
def test_what_is_no_geometry(geometry: Any) -> None:
    """What is not valid, or not in degrees, is told."""
    assert placed(geometry) is None


@given(
    west=st.floats(-540, 500),
    width=st.floats(0.1, 39),
    south=st.floats(-89, 80),
    height=st.floats(0.1, 9),
    jumps=st.booleans(),
)
def test_cutting_keeps_the_area(west: float, width: float, south: float, height: float, jumps: bool) -> None:
    """Wherever a polygon lies and however it is written, its area stays, and it lies within 180 degrees."""
    ends = [west, west + width]
    if jumps:
        ends = [(end + 180) % 360 - 180 for end in ends]
    found = placed(polygon(*ends, south=south, north=south + height))
    assert found is not None
    area = shape(found.geometry)
    assert area.is_valid
    assert area.area == pytest.approx(width * height, rel=1e-6)
    assert -180 <= area.bounds[0] <= area.bounds[2] <= 180
    assert (found.bbox[2] - found.bbox[0]) % 360 == pytest.approx(width, rel=1e-6)
