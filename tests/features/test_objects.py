"""``data.json`` as geojson objects, and back."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import geojson
import pytest
import shapely

from up42_state.errors import InvalidDataError, InvalidOutputError
from up42_state.features.objects import feature_collection, render

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
DOCUMENTS = sorted([*CORPUS.glob("datajson/*.json"), *CORPUS.glob("stages/*/data.json")])


def collection(*features: object, **members: object) -> bytes:
    return json.dumps({"type": "FeatureCollection", "features": features, **members}).encode()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_real_documents_come_back_with_equal_values(path: Path) -> None:
    """What json.loads gives is what the objects hold, and what they are written as."""
    expected = json.loads(path.read_bytes())
    found = feature_collection(path.read_bytes())
    assert found == expected
    assert json.loads(render(found)) == expected


def test_features_and_geometries_are_objects_of_the_package() -> None:
    """Code written for the platform's toolkit can ask for attributes and types."""
    data = collection(
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": [1, 2]}, "properties": {}}
    )
    found = feature_collection(data)
    assert isinstance(found, geojson.FeatureCollection)
    assert isinstance(found.features[0], geojson.Feature)
    assert isinstance(found[0].geometry, geojson.Point)
    assert found[0].geometry.is_valid


def test_coordinates_keep_all_their_decimals() -> None:
    """The package's rounding to six decimals does not happen."""
    point = {"type": "Point", "coordinates": [13.38134765625001, -52.509534770327281, 0.1234567890123]}
    found = feature_collection(collection({"type": "Feature", "geometry": point, "properties": {}}))
    assert list(found[0].geometry["coordinates"]) == point["coordinates"]
    assert json.loads(render(found))["features"][0]["geometry"] == point


def test_geometries_in_a_collection_are_objects_too() -> None:
    """A GeometryCollection's members are geometry objects, unrounded."""
    inner = {"type": "LineString", "coordinates": [[0.12345678, 1], [2, 3]]}
    geometry = {"type": "GeometryCollection", "geometries": [inner]}
    found = feature_collection(collection({"type": "Feature", "geometry": geometry, "properties": {}}))
    assert isinstance(found[0].geometry.geometries[0], geojson.LineString)
    assert found[0].geometry == geometry


@pytest.mark.parametrize(
    "feature",
    [
        {"type": "Feature", "geometry": {}, "properties": {}},
        {"type": "Feature", "geometry": None, "properties": None},
        {"type": "Feature", "bbox": [0, 0, 1, 1]},
        {"type": "Feature", "geometry": {"type": "Circle", "radius": 3}, "properties": {}},
        {"type": "Feature", "geometry": {"type": ["Point"]}, "properties": {}},
        {"type": "Feature", "geometry": "POINT (1 2)", "properties": {"geometry": {"type": "Point"}}},
        {"type": "Feature", "geometry": None, "properties": {}, "orderID": "7", "metadata": {"a": [1]}},
    ],
)
def test_unusual_features_are_kept_as_they_are(feature: dict[str, object]) -> None:
    """Nothing is added, dropped or changed where a feature is not quite GeoJSON."""
    found = feature_collection(collection(feature, name="unusual"))
    assert found == {"type": "FeatureCollection", "features": [feature], "name": "unusual"}


def test_objects_can_be_copied() -> None:
    """A deep copy, as many blocks make first, is equal and independent."""
    point = {"type": "Point", "coordinates": [0.123456789, 2]}
    found = feature_collection(collection({"type": "Feature", "geometry": point, "properties": {"a": 1}}))
    other = copy.deepcopy(found)
    assert other == found
    other[0].properties["a"] = 2
    assert found[0].properties["a"] == 1


def test_a_byte_order_mark_is_passed_over() -> None:
    """Documents written on Windows can be read."""
    assert feature_collection(b"\xef\xbb\xbf" + collection()).features == []


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is not JSON: Expecting value at line 1, column 1"),
        (b'{"type": "FeatureCollection",\n "features": [}', "line 2, column 15"),
        (b"\xff{}", "is not UTF-8"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"[1]", "data.json: is not a JSON object"),
        (b'{"type": "Feature", "features": []}', "type: is not FeatureCollection"),
        (b'{"type": "FeatureCollection"}', "features: is not a list"),
        (collection([{"type": "Feature"}]), r"features\[0\]: is not a JSON object"),
    ],
)
def test_what_is_no_collection_is_refused(data: bytes, problem: str) -> None:
    """The error says what the document is instead, and where."""
    with pytest.raises(InvalidDataError, match=problem):
        feature_collection(data)


def test_numbers_without_a_form_in_json_are_refused_all_at_once() -> None:
    """NaN and Infinity are never written; the error names each place."""
    made = geojson.FeatureCollection(
        [geojson.Feature(properties={"up42.x": float("nan")}), geojson.Feature()]
    )
    made[1]["bbox"] = [0, float("inf")]
    with pytest.raises(InvalidOutputError) as caught:
        render(made)
    assert [(defect.place, defect.problem.split(",")[0]) for defect in caught.value.defects] == [
        ('features[0].properties["up42.x"]', "is nan"),
        ("features[1].bbox[1]", "is inf"),
    ]


def test_values_of_other_types_are_refused_with_their_place() -> None:
    """A value that JSON has no form for is named by its type."""
    with pytest.raises(InvalidOutputError, match=r"features\[0\]\.when: is of type object"):
        render({"type": "FeatureCollection", "features": [{"when": object()}]})


def test_a_collection_that_holds_itself_is_refused() -> None:
    """A circle is an error, not an endless loop."""
    made: dict[str, object] = {"type": "FeatureCollection", "features": []}
    made["self"] = made
    with pytest.raises(InvalidOutputError, match="Circular reference"):
        render(made)


def test_geometries_of_other_libraries_are_written_unrounded() -> None:
    """Whatever has a ``__geo_interface__`` may stand as a geometry."""
    made = {"type": "FeatureCollection", "features": [{"geometry": shapely.Point(0.123456789, 2)}]}
    assert json.loads(render(made))["features"][0]["geometry"]["coordinates"] == [0.123456789, 2]


@pytest.mark.parametrize("text", ["Grüße, 東京", "\ud800 alone"])
def test_any_text_comes_back(text: str) -> None:
    """Every string that JSON can hold survives, lone surrogates too."""
    made = {"type": "FeatureCollection", "features": [], "note": text}
    assert feature_collection(render(made))["note"] == text
