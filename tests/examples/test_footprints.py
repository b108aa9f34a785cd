"""The map of footprints."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from up42_state.publish.footprints import COLOURS, Footprint, footprint_map

SVG = "{http://www.w3.org/2000/svg}"
SQUARE = [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]
HOLE = [[0.2, 0.2], [0.2, 0.8], [0.8, 0.8], [0.2, 0.2]]


def picture(*footprints: Footprint) -> ET.Element:
    found = re.search(r"<svg.*</svg>", footprint_map("Title", footprints), re.DOTALL)
    assert found
    return ET.fromstring(found[0])


def one(geometry: Any, bbox: Any = None) -> Footprint:
    return Footprint(layer="a:1", title="a", geometry=geometry, bbox=bbox)


@pytest.mark.parametrize(
    ("geometry", "drawn"),
    [
        ({"type": "Polygon", "coordinates": SQUARE}, ["path"]),
        ({"type": "Polygon", "coordinates": [*SQUARE, HOLE]}, ["path"]),
        ({"type": "MultiPolygon", "coordinates": [SQUARE, SQUARE]}, ["path", "path"]),
        ({"type": "LineString", "coordinates": [[0, 0], [1, 1]]}, ["path"]),
        ({"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]], [[0, 1], [1, 0]]]}, ["path"]),
        ({"type": "Point", "coordinates": [0, 0, 300]}, ["circle"]),
        ({"type": "MultiPoint", "coordinates": [[0, 0], [1, 1]]}, ["circle", "circle"]),
        (
            {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": [0, 0]}]},
            ["circle"],
        ),
        (None, []),
        ({}, []),
        ({"type": "Polygon", "coordinates": "SQUARE"}, []),
        ({"type": "Polygon", "coordinates": [[["a", "b"]]]}, []),
        ({"type": "Point", "coordinates": [float("nan"), 0]}, []),
        ({"type": "GeometryCollection"}, []),
    ],
)
def test_geometries_are_drawn(geometry: Any, drawn: list[str]) -> None:
    """Every type of RFC 7946 §3.1; what is none is left out and breaks nothing."""
    (group,) = picture(one(geometry)).findall(f"{SVG}g")
    assert [child.tag.removeprefix(SVG) for child in group if child.tag != f"{SVG}title"] == drawn


@pytest.mark.parametrize("bbox", [[0, 0, 1, 1], [0, 0, -5, 1, 1, 90]])
def test_without_a_geometry_the_bbox_is_drawn(bbox: list[float]) -> None:
    """Two or three dimensions (RFC 7946 §5)."""
    (found,) = picture(one(None, bbox)).iter(f"{SVG}path")
    corners = re.findall(r"[\d.]+ [\d.]+", found.attrib["d"])
    assert (len(corners), len(set(corners))) == (5, 4)


def test_north_is_up() -> None:
    """A point further north stands higher, one further east more to the right."""
    points = [one({"type": "Point", "coordinates": place}) for place in ([13, 52], [14, 53])]
    south_west, north_east = picture(*points).iter(f"{SVG}circle")
    assert float(south_west.attrib["cx"]) < float(north_east.attrib["cx"])
    assert float(south_west.attrib["cy"]) > float(north_east.attrib["cy"])


def test_shapes_are_true_to_scale_in_the_middle_latitude() -> None:
    """At 60° north a degree of longitude is half as wide as one of latitude is high."""
    box = picture(one(None, [10, 59.5, 11, 60.5]))
    (found,) = box.iter(f"{SVG}path")
    pairs = [tuple(map(float, pair)) for pair in re.findall(r"([\d.]+) ([\d.]+)", found.attrib["d"])]
    width = max(x for x, _ in pairs) - min(x for x, _ in pairs)
    height = max(y for _, y in pairs) - min(y for _, y in pairs)
    assert width / height == pytest.approx(0.5, abs=0.01)


def test_each_layer_has_a_colour_and_a_line_in_the_legend() -> None:
    """Counted, and those that cannot be drawn named as such."""
    drawn = Footprint(layer="a:1", title="a", geometry={"type": "Point", "coordinates": [0, 0]})
    hidden = Footprint(layer="b:1", title="b", geometry=None)
    page = footprint_map("Title", [drawn, drawn, hidden])
    assert f'<i style="background: {COLOURS[0]}"></i>a:1: 2 features<' in page
    assert f'<i style="background: {COLOURS[1]}"></i>b:1: 1 feature, 1 without a footprint<' in page


def test_names_cannot_put_anything_into_the_page() -> None:
    """Titles and layers are text, whatever they hold."""
    nasty = '<script>alert("x")</script>'
    page = footprint_map(nasty, [Footprint(layer=nasty, title=nasty, geometry=None)])
    assert "<script" not in page
    assert page.count("&lt;script&gt;") == 4


def test_no_footprints_make_a_map_as_well() -> None:
    """An empty output is no error."""
    assert "<svg" in footprint_map("Title", [])
