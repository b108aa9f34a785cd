"""A table of mutations of valid manifests, each with its verdict and the place of the defect.

A row is a manifest, the JSON pointer of what is changed, the new value, and the message: in it ``@`` stands
for the place of the change, ``^`` for the object around it.
"""

from __future__ import annotations

from typing import Any

import pytest
from manifest.examples import REMOVED, changed, data_block, processing_block

from up42_state.manifest import validate

IN = "/input_capabilities/raster/up42_standard"
OUT = "/output_capabilities/raster/up42_standard"
CUSTOM = "/output_capabilities/raster/custom"
VECTOR = "/output_capabilities/vector/up42_standard"
P = "/parameters"

RICH: dict[str, Any] = {
    **processing_block(),
    "parameters": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10, "default": 2},
        "ratio": {"type": "number", "default": 0.5},
        "mode": {"type": "string", "enum": ["fast", "good"], "default": "fast"},
        "clip": {"type": "boolean", "default": False},
        "area": {"type": "geometry", "default": None},
        "period": {"type": "dateRange", "default": "2018-01-01T00:00:00+00:00/2020-12-31T23:59:59+00:00"},
        "layers": {"type": "array", "default": ["VV"], "items": {"type": "string", "enum": ["VV", "VH"]}},
        "ids": {"type": "array", "default": None},
    },
    "output_capabilities": {
        "raster": {
            "up42_standard": {
                "format": "GTiff",
                "sensor": ">",
                "dtype": {"or": ["uint8", "uint16"]},
                "resolution": 10,
                "bands": {"or": [["red", "green"], ["red"]]},
                "processing_level": "l2",
                "tile_width": "${size}",
            },
            "custom": {"layers": "${layers}"},
        },
        "vector": {"up42_standard": {"format": "GeoJSON", "geometry_type": "Polygon"}},
        "misc": {"custom": {"anything": {"deep": [1, None]}}},
    },
}
VALID = data_block(parameters={"limit": {"type": "integer"}}, optional_features={"dry_run_supported": True})

ERRORS: list[tuple[dict[str, Any], str, object, str]] = [
    (RICH, "/_up42_specification_version", 3, "@: 3 is not a valid enum value"),
    (RICH, "/_up42_specification_version", "2", "@: expected type: Integer, found: String"),
    (RICH, "/_up42_specification_version", True, "@: expected type: Integer, found: Boolean"),
    (RICH, "/name", 5, "@: expected type: String, found: Integer"),
    (RICH, "/name", "", "@: expected minLength: 1, actual: 0"),
    (RICH, "/display_name", None, "@: expected type: String, found: Null"),
    (RICH, "/description", ["a"], "@: expected type: String, found: JSONArray"),
    (RICH, "/type", "sensor", "@: sensor is not a valid enum value"),
    (RICH, "/type", 1, "@: expected type: String, found: Integer"),
    (RICH, "/tags", "imagery", "@: expected type: JSONArray, found: String"),
    (RICH, "/tags", ["a", 1.5], "@/1: expected type: String, found: Double"),
    (RICH, "/machine", "small", "@: expected type: JSONObject, found: String"),
    (RICH, "/machine", {}, "@: required key [type] not found"),
    (RICH, "/machine/type", "gigantic", "@: gigantic is not a valid enum value"),
    (RICH, "/machine/type", "Small", "@: Small is not a valid enum value"),
    (RICH, "/machine/type", 3000000000, "@: expected type: String, found: Long"),
    (RICH, "/optional_features", [], "@: expected type: JSONObject, found: JSONArray"),
    (VALID, "/optional_features/dry_run_supported", "yes", "@: expected type: Boolean, found: String"),
    (RICH, "/parameters", [], "@: expected type: JSONObject, found: JSONArray"),
    (RICH, f"{P}/size", "integer", "@: expected type: JSONObject, found: String"),
    (RICH, f"{P}/size", {}, "@: required key [type] not found"),
    (RICH, f"{P}/size/type", "int", "@: int is not a valid enum value"),
    (RICH, f"{P}/size/type", None, "@: expected type: String, found: Null"),
    (RICH, f"{P}/size/required", "true", "@: expected type: Boolean, found: String"),
    (RICH, f"{P}/size/description", 1, "@: expected type: String, found: Integer"),
    (RICH, f"{P}/size/minimum", "1", "@: expected type: Number, found: String"),
    (RICH, f"{P}/size/minimum", 11, "@: 11 is not less or equal to the maximum 10"),
    (RICH, f"{P}/size/default", 11, "@: 11 is not less or equal to 10"),
    (RICH, f"{P}/size/default", 0, "@: 0 is not greater or equal to 1"),
    (RICH, f"{P}/size/default", 2.5, "@: expected type: Integer, found: Double"),
    (RICH, f"{P}/size/default", True, "@: expected type: Integer, found: Boolean"),
    (RICH, f"{P}/ratio/default", "0.5", "@: expected type: Number, found: String"),
    (RICH, f"{P}/mode/default", "best", "@: best is not a valid enum value"),
    (RICH, f"{P}/mode/default", 1, "@: expected type: String, found: Integer"),
    (RICH, f"{P}/mode/enum", [], "@: expected minimum item count: 1, found: 0"),
    (RICH, f"{P}/mode/enum", "fast", "@: expected type: JSONArray, found: String"),
    (RICH, f"{P}/clip/default", 0, "@: expected type: Boolean, found: Integer"),
    (RICH, f"{P}/area/default", "POINT", "@: expected type: JSONObject, found: String"),
    (RICH, f"{P}/area/default", {"type": "Circle"}, "@/type: Circle is not a valid enum value"),
    (RICH, f"{P}/area/default", {"type": "Point"}, "@: required key [coordinates] not found"),
    (RICH, f"{P}/layers/default", ["HH"], "@/0: HH is not a valid enum value"),
    (RICH, f"{P}/layers/default", "VV", "@: expected type: JSONArray, found: String"),
    (RICH, f"{P}/layers/items", [], "@: expected type: JSONObject, found: JSONArray"),
    (RICH, f"{P}/layers/items/type", "file", "@: file is not a valid enum value"),
    (
        RICH,
        f"{P}/ids",
        {"type": "array", "items": {"enum": [True, 2]}, "default": [2, 1]},
        "@/default/1: 1 is not a valid enum value",
    ),
    (RICH, f"{P}/ids/default", [[1]], "@/0: expected type: String or Number, found: JSONArray"),
    (VALID, f"{P}/limit/type", "string", "@: string is not a valid enum value"),
    (VALID, f"{P}/bbox", {"type": "geometry"}, "@/type: geometry is not a valid enum value"),
    (VALID, f"{P}/intersects", {"type": "array"}, "@/type: array is not a valid enum value"),
    (VALID, f"{P}/contains", {"type": "string"}, "@/type: string is not a valid enum value"),
    (VALID, f"{P}/time", {"type": "string"}, "@/type: string is not a valid enum value"),
    (VALID, f"{P}/time_series", {"type": "dateRange"}, "@/type: dateRange is not a valid enum value"),
    (VALID, f"{P}/ids", {"type": "string"}, "@/type: string is not a valid enum value"),
    (RICH, "/input_capabilities", [], "@: expected type: JSONObject, found: JSONArray"),
    (RICH, "/input_capabilities/lidar", {}, "^: extraneous key [lidar] is not permitted"),
    (RICH, "/input_capabilities/raster", {}, "@: minimum size: [1], found: [0]"),
    (RICH, "/input_capabilities/raster/format", "GTiff", "^: extraneous key [format] is not permitted"),
    (RICH, IN, "GTiff", "@: expected type: JSONObject, found: String"),
    (RICH, f"{IN}/colour", "red", "^: extraneous key [colour] is not permitted"),
    (RICH, f"{IN}/format", "PNG", "@: PNG is not a valid enum value"),
    (RICH, f"{IN}/format", ["GTiff"], "@: expected type: String, found: JSONArray"),
    (RICH, f"{IN}/format", {"or": ["GTiff", "PNG"]}, "@/or/1: PNG is not a valid enum value"),
    (RICH, f"{IN}/format", {"or": []}, "@/or: expected minimum item count: 1, found: 0"),
    (RICH, f"{IN}/format", {"or": "GTiff"}, "@/or: expected type: JSONArray, found: String"),
    (RICH, f"{IN}/format", {}, "@: required key [or] not found"),
    (RICH, f"{IN}/format", {"or": ["GTiff"], "x": 1}, "@: extraneous key [x] is not permitted"),
    (RICH, f"{OUT}/dtype", "uint32", "@: uint32 is not a valid enum value"),
    (RICH, f"{OUT}/dtype/or/1", {"or": ["float"]}, "@: expected type: String, found: JSONObject"),
    (RICH, f"{OUT}/resolution", "10", "@: expected type: Number, found: String"),
    (RICH, f"{OUT}/resolution", 0, "@: 0 is not greater than 0"),
    (RICH, f"{OUT}/bands", "red", "@: expected type: JSONArray, found: String"),
    (RICH, f"{OUT}/bands", [], "@: expected minimum item count: 1, found: 0"),
    (RICH, f"{OUT}/bands", ["red", 1], "@/1: expected type: String, found: Integer"),
    (RICH, f"{OUT}/bands", {"or": ["red"]}, "@/or/0: expected type: JSONArray, found: String"),
    (RICH, f"{OUT}/sensor", 2, "@: expected type: String, found: Integer"),
    (RICH, f"{OUT}/processing_level", "L2", "@: L2 is not a valid enum value"),
    (RICH, f"{OUT}/tile_width", 0, "@: 0 is not greater or equal to 1"),
    (RICH, f"{OUT}/tile_width", 76.8, "@: expected type: Integer, found: Double"),
    (RICH, f"{VECTOR}/format", "GTiff", "@: GTiff is not a valid enum value"),
    (RICH, f"{VECTOR}/geometry_type", "Circle", "@: Circle is not a valid enum value"),
    (
        RICH,
        "/output_capabilities/misc/up42_standard",
        {"format": "CSV"},
        "@/format: CSV is not a valid enum value",
    ),
    (RICH, "/output_capabilities/raster/custom", "x", "@: expected type: JSONObject, found: String"),
    (RICH, f"{CUSTOM}/a", {"or": []}, "@/or: expected minimum item count: 1, found: 0"),
    (
        RICH,
        f"{CUSTOM}/a",
        {"or": [{"or": [1]}]},
        '@/or/0: subject must not be valid against schema {"required": ["or"]}',
    ),
]

WARNINGS: list[tuple[dict[str, Any], str, object, str]] = [
    (RICH, "/homepage", "https://example.com", "@: not documented, so it has no effect"),
    (RICH, "/machine/region", "eu", "@: not documented, so it has no effect"),
    (RICH, f"{P}/size/title", "Size", "@: not documented, so it has no effect"),
    (RICH, f"{P}/mode/minimum", 1, "@: has no effect on a parameter of type string"),
    (RICH, f"{P}/mode/items", {}, "@: has no effect on a parameter of type string"),
    (RICH, "/optional_features", {"dry_run_supported": True}, "@: has no effect on a processing block"),
    (VALID, "/optional_features/stream_supported", True, "@: not documented, so it has no effect"),
    (
        VALID,
        "/input_capabilities",
        RICH["input_capabilities"],
        "@: a data block takes no input data; leave it empty, or make it a processing block",
    ),
    (
        RICH,
        f"{IN}/format",
        ">",
        "@: the propagation operator > has no meaning in input capabilities, it is taken as a string",
    ),
    (
        RICH,
        f"{IN}/sensor",
        {"or": [">", "SPOT"]},
        "@: the propagation operator > has no meaning inside a list, it is taken as a string",
    ),
    (RICH, f"{OUT}/tile_height", "${height}", "@: ${height} names no parameter of this block"),
    (RICH, f"{CUSTOM}/layers", ["${nothing}"], "@: ${nothing} names no parameter of this block"),
    (RICH, f"{OUT}/sensor", "Sentinel5P", "@: Sentinel5P is not a documented sensor"),
    (RICH, f"{OUT}/sensor", {"or": ["SPOT", "Planet"]}, "@: Planet is not a documented sensor"),
    (RICH, f"{OUT}/bands", ["red", "rededge3"], "@: rededge3 is not a documented band"),
]

PERMITTED: list[tuple[dict[str, Any], str, object]] = [
    (RICH, "/parameters/size/type", "number"),
    (RICH, "/parameters/size/default", None),
    (RICH, "/parameters/size/default", REMOVED),
    (RICH, "/parameters/size/default", 10),
    (RICH, "/parameters/size/maximum", 1e6),
    (RICH, "/parameters/mode/default", None),
    (RICH, "/parameters/period/default", "2018-02-12T00:00:00Z/2018-03-18T12:31:12Z"),
    (RICH, "/parameters/period/default", "2018-01-01T16:47:49/2018-07-01T16:47:49"),
    (RICH, "/parameters/period/default", "2018-01-01/.."),
    (
        RICH,
        "/parameters/area/default",
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]},
    ),
    (RICH, "/parameters/ids/default", []),
    (RICH, "/parameters/ids/default", ["a", 1]),
    (RICH, "/description", ""),
    (RICH, "/name", "My KML output block"),
    (RICH, "/input_capabilities", {}),
    (RICH, "/output_capabilities", {}),
    (RICH, f"{OUT}/sensor", "Sentinel 5P"),
    (RICH, f"{OUT}/tile_width", 768.0),
    (RICH, f"{OUT}/dtype", {"or": ["uint8"]}),
    (RICH, f"{OUT}/dtype", "${mode}"),
    (RICH, "/output_capabilities/raster", {"custom": {"format": "PNG", "depth": 8, "has_alpha": True}}),
    (VALID, "/parameters/limit/type", "number"),
    (VALID, "/parameters/time_series", {"type": "array", "default": []}),
    (RICH, "/parameters/limit", {"type": "string"}),
]


def message(path: str, short: str) -> str:
    """A row's message in full."""
    places = {"@": f"#{path}", "^": f"#{path.rpartition('/')[0]}"}
    return places.get(short[0], short[0]) + short[1:]


def test_the_unchanged_manifests_are_valid_without_warnings() -> None:
    """What is mutated is beyond reproach."""
    assert [(found.errors, found.warnings) for found in map(validate, (RICH, VALID))] == [((), ()), ((), ())]


def test_the_table_is_long_enough() -> None:
    """At least 60 mutations, none of them twice."""
    keys = [(id(base), path, repr(value)) for base, path, value, _ in ERRORS + WARNINGS]
    assert len(set(keys)) == len(keys) >= 60


@pytest.mark.parametrize(
    ("base", "path", "value", "expected"), ERRORS, ids=[f"{row[1]}={row[2]!r}" for row in ERRORS]
)
def test_a_mutation_is_an_error(base: dict[str, Any], path: str, value: object, expected: str) -> None:
    """Exactly this error is reported, at this place."""
    assert [str(error) for error in validate(changed(base, path, value)).errors] == [message(path, expected)]


@pytest.mark.parametrize(
    ("base", "path", "value", "expected"), WARNINGS, ids=[f"{row[1]}={row[2]!r}" for row in WARNINGS]
)
def test_a_mutation_is_a_warning(base: dict[str, Any], path: str, value: object, expected: str) -> None:
    """The manifest is valid, and exactly this warning is given."""
    found = validate(changed(base, path, value))
    assert ([str(error) for error in found.errors], [str(warning) for warning in found.warnings]) == (
        [],
        [message(path, expected)],
    )


@pytest.mark.parametrize(
    ("base", "path", "value"), PERMITTED, ids=[f"{row[1]}={row[2]!r}" for row in PERMITTED]
)
def test_a_mutation_is_permitted(base: dict[str, Any], path: str, value: object) -> None:
    """What the documentation allows gives neither error nor warning."""
    found = validate(changed(base, path, value))
    assert (found.errors, found.warnings) == ((), ())
