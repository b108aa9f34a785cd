"""No document crashes anything: whatever comes in, an answer comes out."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest.examples import data_block, processing_block

from up42_state.errors import InvalidManifestError
from up42_state.manifest import Manifest, check_workflow, inherited_keys, validate, validate_text

WORDS = st.sampled_from(
    ["or", ">", "${x}", "raster", "up42_standard", "custom", "type", "default", "a/b~", "name"]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), WORDS)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
BASES = [
    processing_block(
        parameters={"x": {"type": "array", "default": ["a"], "items": {"type": "string", "enum": ["a"]}}},
        output_capabilities={
            "raster": {"up42_standard": {"bands": {"or": [["red"]]}, "dtype": ">"}, "custom": {"x": "${x}"}},
            "vector": {"custom": {"y": {"or": [1, "${x}"]}}},
        },
    ),
    data_block(parameters={"limit": {"type": "integer", "minimum": 1, "maximum": 5, "default": 1}}),
    processing_block(
        _up42_specification_version=1, input_capabilities={"up42.x": {}}, output_capabilities={}
    ),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document, its own aside."""
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    return [place for key, inner in members for place in [(*path, key), *places(inner, (*path, key))]]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A valid manifest with one or two values replaced by anything."""
    document = copy.deepcopy(draw(st.sampled_from(BASES)))
    for _ in range(draw(st.integers(1, 2))):
        *parents, last = draw(st.sampled_from(places(document)))
        place = document
        for key in parents:
            place = place[key]
        place[last] = draw(JSON)
    return document


def answer_is_whole(found: Any) -> bool:
    """The answer can be written as JSON and as UTF-8."""
    return bool(json.dumps(found.to_dict(warnings=True), ensure_ascii=False).encode())


@settings(deadline=None)
@given(JSON)
def test_any_json_gets_an_answer(value: Any) -> None:
    """Random JSON is no manifest, and is answered with errors."""
    found = validate(value)
    assert answer_is_whole(found)
    assert not found.valid


@settings(deadline=None)
@given(st.text() | st.binary() | JSON.map(json.dumps).flatmap(lambda text: st.just(text[:-1])))
def test_any_text_gets_an_answer(text: str | bytes) -> None:
    """Cut-off documents included."""
    assert answer_is_whole(validate_text(text))


@settings(deadline=None)
@given(mutated(), JSON)
def test_what_is_valid_can_be_used(document: Any, parameters: Any) -> None:
    """A mutated manifest is refused, or goes through the model and the check without harm."""
    found = validate(document)
    assert answer_is_whole(found)
    if not found.valid:
        with pytest.raises(InvalidManifestError) as caught:
            Manifest.from_json(document)
        assert caught.value.defects == found.errors
        return
    manifest = Manifest.from_json(document)
    report = check_workflow([manifest, Manifest.from_json(BASES[0])], {f"{manifest.name}:1": parameters})
    assert json.dumps(report.to_dict())
    assert isinstance(inherited_keys(manifest), tuple)


@settings(deadline=None)
@given(JSON, JSON)
def test_any_workflow_and_any_parameters_get_a_report(workflow: Any, parameters: Any) -> None:
    """The check never raises."""
    manifests = {"name": Manifest.from_json(BASES[0])}
    assert json.dumps(check_workflow(manifests, parameters, workflow=workflow).to_dict())
