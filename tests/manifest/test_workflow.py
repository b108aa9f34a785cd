"""The workflow around the edges: tasks, order, parameters, reports."""

from __future__ import annotations

import json
from typing import Any

import pytest
from manifest.examples import data_block, processing_block

from up42_state.errors import InvalidWorkflowError
from up42_state.manifest import Manifest, Verdict, check_workflow

LIBRARY = [
    Manifest.from_json(data_block()),
    Manifest.from_json(processing_block(name="b")),
    Manifest.from_json(processing_block(name="c")),
]
NO_NAMES = "neither a task's name, nor a list of names, nor null"
TILING: dict[str, Any] = {
    "width": {"type": "integer", "required": True, "minimum": 1, "maximum": 1024},
    "height": {"type": "integer", "required": True, "default": 768},
    "ratio": {"type": "number"},
    "bands": {"type": "array", "items": {"type": "string", "enum": ["VV", "VH"]}},
    "area": {"type": "geometry"},
    "time": {"type": "dateRange"},
    "mode": {"type": "string"},
    "clip": {"type": "boolean"},
}


def errors(workflow: object, library: Any = LIBRARY) -> list[str]:
    return [str(error) for error in check_workflow(library, workflow=workflow).errors]


def task(name: str, parent: object = None, **more: object) -> dict[str, object]:
    return {"name": name, "parentName": parent, **more}


@pytest.mark.parametrize(
    ("workflow", "expected"),
    [
        ({"tasks": 3}, ["#/tasks: no list of tasks"]),
        ("tiling", ["#: no list of tasks"]),
        ([3], ["#/0: not an object"]),
        ([{"blockId": "b"}], ["#/0: required key [name] not found"]),
        ([task("scenes:1", 5)], [f"#/0/parentName: {NO_NAMES}"]),
        ([task("scenes:1", propagate={})], [f"#/0/propagate: {NO_NAMES}"]),
        ([task("scenes:1"), task("scenes:1")], ["scenes:1: two tasks have this name"]),
        (
            [task("scenes:1", propagate=["x:1"])],
            ["scenes:1: it propagates x:1, which is no task of this workflow"],
        ),
        ([task("x:1")], ["x:1: there is no manifest of its block x"]),
        ([task("x:1", blockId="8f0c")], ["x:1: there is no manifest of its block 8f0c"]),
    ],
    ids=str,
)
def test_a_malformed_workflow(workflow: object, expected: list[str]) -> None:
    """Every mistake is an error with its place; nothing is raised."""
    assert errors(workflow) == expected


def test_an_unknown_parent() -> None:
    """The parent is named; that a data block has one is a second mistake."""
    assert errors([task("b:1", "x:1")])[0] == "b:1: its parent x:1 is no task of this workflow"


def test_an_unknown_parent_says_nothing_of_its_output() -> None:
    """An unknown parent is not taken for a block that can only be last."""
    assert not [error for error in errors([task("b:1", "x:1")]) if "can only be last" in error]


def test_a_cycle_is_reported_with_its_tasks() -> None:
    """Tasks before the cycle are still checked."""
    workflow = [task("scenes:1"), task("b:1", ["scenes:1", "c:1"]), task("c:1", "b:1")]
    [error] = errors(workflow)
    assert error.split(": ", 1)[1] in ("a cycle: b:1 → c:1 → b:1", "a cycle: c:1 → b:1 → c:1")


def test_a_task_cannot_propagate_what_comes_after_it() -> None:
    """Propagation needs the stage to be there, so it is part of the order."""
    workflow = [task("scenes:1"), task("b:1", "scenes:1", propagate=["c:1"]), task("c:1", "b:1")]
    assert "a cycle" in errors(workflow)[0]


def test_a_stage_of_another_job_may_be_propagated() -> None:
    """``JOB/STAGE`` is not known here, so it offers nothing and is no mistake."""
    assert errors([task("scenes:1", propagate=["3f0c/scenes:1"])]) == []


def test_tasks_may_stand_in_any_order() -> None:
    """Parents are checked before their children, wherever they stand in the file."""
    workflow = {"tasks": [task("c:1", "b:1"), task("b:1", "scenes:1"), task("scenes:1")]}
    report = check_workflow(LIBRARY, workflow=workflow)
    assert ([edge.task for edge in report.edges], report.verdict) == (
        ["scenes:1", "b:1", "c:1"],
        Verdict.CERTAIN,
    )


def test_a_block_is_found_by_its_id() -> None:
    """The platform's ``blockId`` comes before the task's name."""
    library = {"0e5b": LIBRARY[0], "77aa": LIBRARY[1]}
    workflow = [task("First task", blockId="0e5b"), task("Second task", "First task", blockId="77aa")]
    assert check_workflow(library, workflow=workflow).verdict == Verdict.CERTAIN


def test_two_manifests_of_one_name_that_differ() -> None:
    """Which one would run is not known."""
    other = Manifest.from_json(data_block(description="Another."))
    assert errors([task("scenes:1")], [LIBRARY[0], other]) == ["scenes: two manifests of this name differ"]
    assert errors([task("scenes:1")], [LIBRARY[0], Manifest.from_json(data_block())]) == []


def test_two_tasks_of_one_block_have_their_own_parameters() -> None:
    """A chain numbers them."""
    report = check_workflow([LIBRARY[0], LIBRARY[1], LIBRARY[1]])
    assert [edge.task for edge in report.edges] == ["scenes:1", "b:1", "b:2"]


POLYGON = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"width": 768}, []),
        ({"width": 768.0}, []),
        ({"width": 1024, "ratio": 1, "bands": ["VV"], "area": POLYGON, "mode": "", "clip": True}, []),
        (
            {
                "width": 1,
                "ratio": None,
                "bands": None,
                "area": None,
                "time": None,
                "mode": None,
                "clip": None,
            },
            [],
        ),
        ({"width": 1, "bands": [], "time": "2018-02-12T00:00:00Z/2018-03-18T12:31:12Z"}, []),
        ({}, ["#/b:1: required key [width] not found"]),
        ({"width": None}, ["#/b:1/width: a required parameter cannot be null"]),
        ({"width": 1, "height": None}, ["#/b:1/height: a required parameter cannot be null"]),
        ({"width": "768"}, ["#/b:1/width: expected type: Integer, found: String"]),
        ({"width": 7.5}, ["#/b:1/width: expected type: Integer, found: Double"]),
        ({"width": True}, ["#/b:1/width: expected type: Integer, found: Boolean"]),
        ({"width": 0}, ["#/b:1/width: 0 is not greater or equal to 1"]),
        ({"width": 1025}, ["#/b:1/width: 1025 is not less or equal to 1024"]),
        ({"width": 1, "bands": ["HH"]}, ["#/b:1/bands/0: HH is not a valid enum value"]),
        ({"width": 1, "bands": [1]}, ["#/b:1/bands/0: expected type: String, found: Integer"]),
        ({"width": 1, "bands": "VV"}, ["#/b:1/bands: expected type: JSONArray, found: String"]),
        ({"width": 1, "area": [0, 0, 1, 1]}, ["#/b:1/area: expected type: JSONObject, found: JSONArray"]),
        (
            {"width": 1, "area": {"type": "Point", "coordinates": [1]}},
            ["#/b:1/area/coordinates: expected minimum item count: 2, found: 1"],
        ),
        ({"width": 1, "mode": 1}, ["#/b:1/mode: expected type: String, found: Integer"]),
        ({"width": 1, "clip": "true"}, ["#/b:1/clip: expected type: Boolean, found: String"]),
        (
            {"width": "a", "ratio": "b"},
            [
                "#/b:1/width: expected type: Integer, found: String",
                "#/b:1/ratio: expected type: Number, found: String",
            ],
        ),
    ],
    ids=str,
)
def test_parameters_are_checked_against_the_manifest(given: dict[str, Any], expected: list[str]) -> None:
    """Types, ranges, ``items``, what is required; ``null`` is valid for an optional one."""
    block = Manifest.from_json(processing_block(name="b", parameters=TILING))
    report = check_workflow([LIBRARY[0], block], {"b:1": given})
    assert [str(error) for error in report.errors] == expected


def test_a_date_range_that_is_none() -> None:
    """The message shows the value; the pattern is long."""
    block = Manifest.from_json(processing_block(name="b", parameters={"time": {"type": "dateRange"}}))
    [error] = check_workflow([LIBRARY[0], block], {"b:1": {"time": "last year"}}).errors
    assert str(error).startswith("#/b:1/time: string [last year] does not match pattern")


@pytest.mark.parametrize(
    ("time", "problem"),
    [
        ("2018-02-30", "has a day or a time that does not exist"),
        ("2018-02-01T24:30:00Z/..", "has a day or a time that does not exist"),
        ("2018-03-18T12:31:12Z/2018-02-12T00:00:00Z", "ends before it begins"),
        ("2018-02-12T00:00:00-02:00/2018-02-12T01:00:00Z", "ends before it begins"),
        ("2018-02-12T12:00:00Z/2018-02-11", "ends before it begins"),
    ],
)
def test_a_date_range_without_a_moment_in_it(time: str, problem: str) -> None:
    """A well-formed range that no scene can be in is an error."""
    block = Manifest.from_json(processing_block(name="b", parameters={"time": {"type": "dateRange"}}))
    errors = check_workflow([LIBRARY[0], block], {"b:1": {"time": time}}).errors
    assert [str(error) for error in errors] == [f"#/b:1/time: {time} {problem}"]


@pytest.mark.parametrize(
    "time",
    [
        "..",
        "../2018-01-01",
        "2018-02-12T12:00:00Z/2018-02-12",
        "2018-02-12/2018-02-12T02:00:00+02:00",
        "2018-02-12t00:00:00.1234567z/9999-12-31",
        "2018-02-12 10:00/2018-02-12 10:00",
    ],
)
def test_a_date_range_with_a_moment_in_it(time: str) -> None:
    """A day counts to its end, and an end may be open."""
    block = Manifest.from_json(processing_block(name="b", parameters={"time": {"type": "dateRange"}}))
    assert check_workflow([LIBRARY[0], block], {"b:1": {"time": time}}).valid


SQUARE = [[0, 0], [1, 0], [1, 1], [0, 0.0]]
OPEN = [[0, 0], [1, 0], [1, 1], [0, 1]]


@pytest.mark.parametrize(
    ("area", "places"),
    [
        ({"type": "Polygon", "coordinates": [SQUARE, OPEN]}, ["/coordinates/1"]),
        (
            {"type": "MultiPolygon", "coordinates": [[SQUARE], [OPEN, OPEN]]},
            ["/coordinates/1/0", "/coordinates/1/1"],
        ),
        (
            {"type": "GeometryCollection", "geometries": [{"type": "Polygon", "coordinates": [OPEN]}]},
            ["/geometries/0/coordinates/0"],
        ),
        ({"type": "LineString", "coordinates": OPEN}, []),
    ],
    ids=["Polygon", "MultiPolygon", "GeometryCollection", "LineString"],
)
def test_a_ring_must_be_closed(area: dict[str, Any], places: list[str]) -> None:
    """RFC 7946 §3.1.6: its last position is its first."""
    block = Manifest.from_json(processing_block(name="b", parameters={"area": {"type": "geometry"}}))
    errors = check_workflow([LIBRARY[0], block], {"b:1": {"area": area}}).errors
    assert [str(error) for error in errors] == [
        f"#/b:1/area{place}: the last position of the ring is not its first" for place in places
    ]


def test_limit_may_be_an_integer_or_a_number() -> None:
    """The documentation says number, its examples say integer."""
    for kind in ("integer", "number"):
        block = Manifest.from_json(data_block(parameters={"limit": {"type": kind}}))
        assert check_workflow([block], {"scenes:1": {"limit": 3}}).valid


def test_unknown_parameters_and_tasks_are_warnings() -> None:
    """The platform let them pass, and a block may read them."""
    report = check_workflow(LIBRARY[:1], {"scenes:1": {"zoom": 9}, "other:1": {}})
    assert report.valid
    assert [str(warning) for warning in report.warnings] == [
        "#/other:1: no task has this name",
        "#/scenes:1/zoom: the block scenes has no such parameter",
    ]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ([], "#: expected type: JSONObject, found: JSONArray"),
        ({"scenes:1": 5}, "#/scenes:1: expected type: JSONObject, found: Integer"),
    ],
)
def test_parameters_of_the_wrong_form(parameters: Any, expected: str) -> None:
    """The platform's form is an object of objects."""
    assert [str(error) for error in check_workflow(LIBRARY[:1], parameters).errors] == [expected]


def test_the_report_is_plain_json() -> None:
    """What ``to_dict`` gives survives JSON, and shows offered, needed and verdict of every key."""
    report = check_workflow(LIBRARY)
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain == report.to_dict()
    assert plain["edges"][1] == {
        "task": "b:1",
        "block": "b",
        "parents": ["scenes:1"],
        "verdict": "certain",
        "problems": [],
        "keys": [
            {
                "key": "raster.up42_standard.format",
                "offered": "GTiff",
                "needed": "GTiff",
                "verdict": "certain",
                "source": "scenes:1",
            }
        ],
    }


def test_the_table_has_a_row_for_each_key() -> None:
    """A first task has a row too, without a key."""
    assert check_workflow(LIBRARY[:2]).rows() == [
        ("after", "task", "key", "offered", "needed", "verdict"),
        ("-", "scenes:1", "-", "-", "-", "certain"),
        ("scenes:1", "b:1", "raster.up42_standard.format", '"GTiff"', '"GTiff"', "certain"),
    ]


def test_an_invalid_workflow_can_be_raised() -> None:
    """For callers that want to stop at it: all errors in one exception."""
    with pytest.raises(InvalidWorkflowError, match="there is no manifest of its block x"):
        check_workflow(LIBRARY, workflow=[task("x:1")]).raise_if_invalid()
    check_workflow(LIBRARY).raise_if_invalid()


def test_an_unknown_edge_is_a_key_error() -> None:
    """``edge`` looks up a task by its name."""
    with pytest.raises(KeyError, match="x:1"):
        check_workflow(LIBRARY).edge("x:1")


def test_an_empty_workflow_is_valid() -> None:
    """There is nothing in it that could fail."""
    assert check_workflow([]).verdict == Verdict.CERTAIN
