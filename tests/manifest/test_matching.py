"""The matching rules one by one: alternatives, lists, injection, propagation of capabilities, versions."""

from __future__ import annotations

from typing import Any

import pytest
from manifest.examples import data_block, processing_block, version_1_block

from up42_state.manifest import Manifest, Verdict, check_workflow


def source(**standard: object) -> Manifest:
    """A data block that offers these standard raster capabilities."""
    return Manifest.from_json(
        data_block(name="source", output_capabilities={"raster": {"up42_standard": standard}})
    )


def sink(**standard: object) -> Manifest:
    """A processing block that needs these standard raster capabilities."""
    return Manifest.from_json(
        processing_block(name="sink", input_capabilities={"raster": {"up42_standard": standard}})
    )


def custom(side: str, values: dict[str, Any], parameters: dict[str, Any] | None = None) -> Manifest:
    """A source or a sink of custom raster capabilities."""
    make = data_block if side == "output" else processing_block
    capabilities = {f"{side}_capabilities": {"raster": {"custom": values}}}
    return Manifest.from_json(make(name=side, parameters=parameters or {}, **capabilities))


SCALARS = [
    ("uint8", "uint8", Verdict.CERTAIN),
    ("uint8", "uint16", Verdict.FAILS),
    ("uint8", {"or": ["uint8", "uint16"]}, Verdict.CERTAIN),
    ({"or": ["uint8", "uint16"]}, "uint8", Verdict.POSSIBLE),
    ({"or": ["uint8", "uint16"]}, {"or": ["uint8", "uint16"]}, Verdict.CERTAIN),
    ({"or": ["uint8", "uint16"]}, {"or": ["uint16", "float"]}, Verdict.POSSIBLE),
    ({"or": ["uint8", "uint16"]}, "float", Verdict.FAILS),
]
LISTS = [
    (["red", "green", "blue"], ["red", "green", "blue"], Verdict.CERTAIN),
    (["red", "green", "blue", "nir"], ["nir", "red"], Verdict.CERTAIN),
    (["red", "green"], ["red", "green", "blue"], Verdict.FAILS),
    ({"or": [["red"], ["red", "nir"]]}, ["red"], Verdict.CERTAIN),
    ({"or": [["red"], ["red", "nir"]]}, ["red", "nir"], Verdict.POSSIBLE),
    ({"or": [["red"], ["red", "nir"]]}, {"or": [["nir"], ["red"]]}, Verdict.CERTAIN),
    (["VV", "alpha"], {"or": [["HH"], ["VV"]]}, Verdict.CERTAIN),
]
VALUES = [
    (1, 1, Verdict.CERTAIN),
    (1, 1.0, Verdict.CERTAIN),
    (True, 1, Verdict.FAILS),
    (True, True, Verdict.CERTAIN),
    ("1", 1, Verdict.FAILS),
    ({"a": [1, 2.0]}, {"a": [1.0, 2]}, Verdict.CERTAIN),
    ({"a": 1, "b": 2}, {"a": 1}, Verdict.FAILS),
    (["a"], "a", Verdict.FAILS),
    ("a", ["a"], Verdict.FAILS),
    (">", ">", Verdict.FAILS),  # propagated with nothing coming in, so it is not offered
]


@pytest.mark.parametrize(("offered", "needed", "verdict"), SCALARS)
def test_a_scalar_matches_an_equal_alternative(offered: object, needed: object, verdict: Verdict) -> None:
    """Any matching pair is enough; where only some of the output's alternatives match, it is possible."""
    assert check_workflow([source(dtype=offered), sink(dtype=needed)]).verdict == verdict


@pytest.mark.parametrize(("offered", "needed", "verdict"), LISTS)
def test_a_list_must_be_contained_in_an_alternative(
    offered: object, needed: object, verdict: Verdict
) -> None:
    """More bands than needed do no harm."""
    assert check_workflow([source(bands=offered), sink(bands=needed)]).verdict == verdict


@pytest.mark.parametrize(("offered", "needed", "verdict"), VALUES)
def test_custom_values_are_equal_as_json(offered: object, needed: object, verdict: Verdict) -> None:
    """Numbers are equal by value; ``true`` is no number; objects are equal as a whole."""
    chain = [custom("output", {"k": offered}), custom("input", {"k": needed})]
    assert check_workflow(chain).verdict == verdict


def test_every_key_that_the_input_names_must_be_provided() -> None:
    """Keys that only the output has do not matter."""
    report = check_workflow([source(format="GTiff", dtype="uint8"), sink(format="GTiff", resolution=10)])
    [check] = [check for check in report.edge("sink:1").keys if check.verdict != Verdict.CERTAIN]
    assert (str(check.key), check.offered, check.needed) == ("raster.up42_standard.resolution", None, 10)


def test_keys_of_other_sections_do_not_count() -> None:
    """``custom.format`` does not provide ``up42_standard.format``."""
    chain = [custom("output", {"format": "GTiff"}), sink(format="GTiff")]
    assert check_workflow(chain).verdict == Verdict.FAILS


def test_a_meta_capability_without_keys_must_be_offered_too() -> None:
    """An input that names ``vector`` and nothing of it needs vector data."""
    needs_vector = Manifest.from_json(
        processing_block(name="sink", input_capabilities={"vector": {"up42_standard": {}}})
    )
    report = check_workflow([source(format="GTiff"), needs_vector])
    assert [str(check) for check in report.edge("sink:1").keys] == [
        "vector: nothing is offered, {} is needed"
    ]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, ["A"]),
        ({"output:1": {"layers": ["B", "C"]}}, ["B", "C"]),
        ({"output:1": {"layers": None}}, None),
    ],
    ids=["default", "job", "null"],
)
def test_injection_takes_the_job_parameter_or_the_default(
    parameters: dict[str, Any], expected: object
) -> None:
    """With ``null`` there is no value, so the key is absent."""
    layers = {"layers": {"type": "array", "default": ["A"]}}
    report = check_workflow([custom("output", {"layers": "${layers}"}, layers)], parameters)
    [offer] = report.outputs["output:1"]
    assert offer["capabilities"].get("raster", {}).get("custom", {}).get("layers") == expected


def test_injection_into_alternatives_and_lists() -> None:
    """A list parameter adds its members to the list that it stands in."""
    layers = {"layers": {"type": "array", "default": ["A", "B"]}, "depth": {"type": "integer", "default": 8}}
    values = {"all": ["X", "${layers}"], "depth": {"or": ["${depth}", 16]}}
    [offer] = check_workflow([custom("output", values, layers)]).outputs["output:1"]
    assert offer["capabilities"]["raster"]["custom"] == {"all": ["X", "A", "B"], "depth": {"or": [8, 16]}}


def test_injection_works_in_input_capabilities_too() -> None:
    """What a block needs may depend on its own parameters."""
    parameters = {"size": {"type": "integer", "default": 768}}
    chain = [custom("output", {"size": 768}), custom("input", {"size": "${size}"}, parameters)]
    assert check_workflow(chain).verdict == Verdict.CERTAIN
    assert check_workflow(chain, {"input:1": {"size": 512}}).verdict == Verdict.FAILS


def passing(key: str, accepted: object) -> Manifest:
    """A processing block that passes one key on, and accepts only some of its values."""
    return Manifest.from_json(
        processing_block(
            name="passing",
            input_capabilities={"raster": {"up42_standard": {key: accepted}}},
            output_capabilities={"raster": {"up42_standard": {key: ">"}}},
        )
    )


def test_propagation_narrows_to_what_the_block_accepts() -> None:
    """Of three sensors that may come in, the two that the block accepts may come out."""
    chain = [
        source(sensor={"or": ["SPOT", "MODIS", "Pleiades"]}),
        passing("sensor", {"or": ["Pleiades", "SPOT"]}),
    ]
    report = check_workflow(chain)
    [offer] = report.outputs["passing:1"]
    assert offer["capabilities"]["raster"]["up42_standard"] == {"sensor": {"or": ["SPOT", "Pleiades"]}}
    assert report.verdict == Verdict.POSSIBLE


def test_an_accepted_alternative_stays_whole() -> None:
    """A block that needs two of four bands passes all four on."""
    bands = ["red", "green", "blue", "nir"]
    report = check_workflow([source(bands={"or": [bands, ["pan"]]}), passing("bands", ["red", "nir"])])
    [offer] = report.outputs["passing:1"]
    assert offer["capabilities"]["raster"]["up42_standard"] == {"bands": bands}


def test_a_mismatch_is_reported_once() -> None:
    """Past a failed edge the value goes on as it came, and fails nowhere else."""
    report = check_workflow([source(dtype="float"), passing("dtype", "uint8"), sink(dtype="float")])
    assert [error.place for error in report.errors] == ["passing:1"]


def tasks(*rows: tuple[str, object, object]) -> list[dict[str, object]]:
    """A workflow of tasks with parents and propagated stages."""
    return [{"name": name, "parentName": parent, "propagate": stages} for name, parent, stages in rows]


def detector(**changes: Any) -> Manifest:
    """A block that makes vectors of rasters."""
    vector = {"vector": {"up42_standard": {"format": "GeoJSON"}}}
    return Manifest.from_json(
        processing_block(**{"name": "detector", "output_capabilities": vector, **changes})
    )


def overlay() -> Manifest:
    """A block that needs rasters and vectors."""
    inputs = {
        "raster": {"up42_standard": {"format": "GTiff"}},
        "vector": {"up42_standard": {"format": "GeoJSON"}},
    }
    return Manifest.from_json(processing_block(name="overlay", input_capabilities=inputs))


def test_a_task_that_propagates_a_stage_offers_its_capabilities_as_well() -> None:
    """The scenes forwarded through the detector meet the raster need, and the report says whose they are."""
    library = [source(format="GTiff"), detector(), overlay()]
    without = tasks(
        ("source:1", None, None), ("detector:1", "source:1", None), ("overlay:1", "detector:1", None)
    )
    assert check_workflow(library, workflow=without).verdict == Verdict.FAILS
    forwarding = tasks(
        ("source:1", None, None), ("detector:1", "source:1", ["source:1"]), ("overlay:1", "detector:1", None)
    )
    report = check_workflow(library, workflow=forwarding)
    assert [check.source for check in report.edge("overlay:1").keys] == ["source:1", "detector:1"]
    assert report.verdict == Verdict.CERTAIN


def test_keys_of_two_stages_are_never_mixed() -> None:
    """One data set must meet all keys: the format of one and the sensor of another do not do."""
    library = [
        source(format="SAFE", sensor="SPOT"),
        Manifest.from_json(processing_block(name="converter", input_capabilities={"raster": {"custom": {}}})),
        sink(format="GTiff", sensor="SPOT"),
    ]
    workflow = tasks(
        ("source:1", None, None), ("converter:1", "source:1", ["source:1"]), ("sink:1", "converter:1", None)
    )
    assert check_workflow(library, workflow=workflow).edge("sink:1").verdict == Verdict.FAILS


def test_a_block_with_empty_output_that_propagates_can_be_followed() -> None:
    """What it forwards comes out of it, so there is something to follow."""
    library = [source(format="GTiff"), detector(output_capabilities={}), sink(format="GTiff")]
    workflow = tasks(
        ("source:1", None, None), ("detector:1", "source:1", "source:1"), ("sink:1", "detector:1", None)
    )
    assert check_workflow(library, workflow=workflow).verdict == Verdict.CERTAIN


def test_several_parents_offer_together() -> None:
    """A task with two parents reads what both put out."""
    library = [source(format="GTiff"), detector(), overlay()]
    workflow = tasks(
        ("source:1", None, None),
        ("detector:1", "source:1", None),
        ("overlay:1", ["source:1", "detector:1"], None),
    )
    assert check_workflow(library, workflow=workflow).verdict == Verdict.CERTAIN


V1 = "up42.data.aoiclipped"


def old(name: str, inputs: list[str], outputs: list[str], **changes: Any) -> Manifest:
    """A block of specification version 1."""
    return Manifest.from_json(version_1_block(inputs, outputs, name=name, **changes))


def test_version_1_matches_by_equal_names() -> None:
    """Blocks of version 1 match if both name the same capabilities."""
    chain = [old("a", [], [V1], type="data"), old("b", [V1], [V1]), old("c", [V1], ["custom.x.y"])]
    assert check_workflow(chain).verdict == Verdict.CERTAIN


def test_version_1_fails_on_other_names() -> None:
    """The documentation asks for the same names on both sides: neither may have one that the other lacks."""
    report = check_workflow([old("a", [], [V1, "custom.x"], type="data"), old("b", [V1, "custom.y"], [])])
    failing = [str(check) for check in report.edge("b:1").keys if check.verdict == Verdict.FAILS]
    assert failing == [
        "custom.x: {} is offered by a:1, nothing is needed",
        "custom.y: nothing is offered, {} is needed",
    ]


def test_version_1_takes_empty_after_empty() -> None:
    """The documentation: "If left empty for both blocks, a sequence is also considered valid"."""
    assert check_workflow([old("a", [], [], type="data"), old("b", [], [])]).verdict == Verdict.CERTAIN


@pytest.mark.parametrize("new_first", [True, False])
def test_between_versions_nothing_can_be_compared(new_first: bool) -> None:
    """The workflow is not refused, but the report says that it could not be checked."""
    if new_first:
        chain = [source(format="GTiff"), old("b", [V1], [])]
    else:
        chain = [old("a", [], [V1], type="data"), sink(format="GTiff")]
    report = check_workflow(chain)
    assert (report.valid, report.verdict) == (True, Verdict.NOT_COMPARABLE)
    assert len(report.warnings) == 1


def test_a_block_without_manifest_cannot_be_compared() -> None:
    """A block that is known to have none does not make the workflow invalid."""
    library = {"source": source(format="GTiff"), "mine": None, "sink": sink(format="GTiff")}
    workflow = tasks(("source:1", None, None), ("mine:1", "source:1", None), ("sink:1", "mine:1", None))
    report = check_workflow(library, workflow=workflow)
    assert [str(edge.verdict) for edge in report.edges] == ["certain", "not comparable", "not comparable"]
    assert report.valid
