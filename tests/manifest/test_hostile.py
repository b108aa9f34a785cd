"""Documents that are made to take long: whatever 1 MiB holds, the answer comes soon."""

from __future__ import annotations

import json
from typing import Any

import pytest
from manifest.examples import data_block, processing_block

from up42_state.manifest import Manifest, check_workflow, validate_text
from up42_state.manifest.syntax import MAX_BYTES, MAX_DUPLICATES, MAX_VALUES

# Each case took minutes or hours; now none takes more than some seconds, also on a busy machine.
pytestmark = pytest.mark.timeout(60)


def last_error(text: str) -> str:
    assert len(text.encode()) <= MAX_BYTES
    return str(validate_text(text).errors[-1])


@pytest.mark.parametrize("beginning", ["", '{"a": "'], ids=["outside a string", "in a string"])
def test_a_string_that_does_not_end(beginning: str) -> None:
    """Quotes that may each begin a string are gone through once."""
    assert "not JSON" in last_error(beginning + '\\"' * (MAX_BYTES // 2 - 10))


def test_many_values_are_refused() -> None:
    """With the place of the first that is too many; so many as are allowed are read."""
    most = "[" + "1," * (MAX_VALUES - 1) + "1]"
    assert last_error(most) == "#: expected type: JSONObject, found: JSONArray"
    more = "[" + "1," * MAX_VALUES + "1]"
    assert last_error(more) == f"#: more than {MAX_VALUES} values at line 1, column {2 * MAX_VALUES + 1}"


def test_no_more_than_some_duplicated_keys_are_reported() -> None:
    """The rest shows when these are mended."""
    found = validate_text("{" + '"a":0,' * (MAX_VALUES // 2) + '"a":0}')
    assert sum("duplicated key" in error.problem for error in found.errors) == MAX_DUPLICATES


def test_a_long_choice_and_a_long_default() -> None:
    """Values are looked up in a long choice fast, also if the values are lists."""
    values = [[number] for number in range(MAX_VALUES // 4 - 50)]
    parameter = {"type": "array", "items": {"enum": values}, "default": values[::-1]}
    found = validate_text(json.dumps(processing_block(parameters={"p": parameter})))
    problems = {error.problem for error in found.errors}
    assert problems == {"expected type: String or Number, found: JSONArray"}


DEEPER: Any = {"type": "Point", "coordinates": [1, 2]}
for _ in range(450):
    DEEPER = {"type": "GeometryCollection", "geometries": [DEEPER]}


@pytest.mark.parametrize("kind", ["geometry", "array"])
def test_deep_parameters_are_refused(kind: str) -> None:
    """A job's parameters are checked whatever their form."""
    block = Manifest.from_json(data_block(parameters={"p": {"type": kind, "items": {}}}))
    report = check_workflow([block], {"scenes:1": {"p": DEEPER if kind == "geometry" else [DEEPER]}})
    assert [str(error) for error in report.errors] == ["#/scenes:1/p: nested deeper than 64 levels"]
