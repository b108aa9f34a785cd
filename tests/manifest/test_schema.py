"""The schema files: published whole, and in agreement with the documentation."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator
from manifest.examples import data_block, processing_block, version_1_block

from up42_state.manifest import Machine, published
from up42_state.manifest.schema import documented, files, machine_resources

MACHINES = {
    "small": (0.5, 2, 0),
    "medium": (1, 5, 0),
    "large": (2, 10, 0),
    "xlarge": (4, 20, 0),
    "xxlarge": (8, 40, 0),
    "xxxlarge": (16, 80, 0),
    "gpu_nvidia_tesla_k80": (4, 20, 1),
    "gpu_p100_xxl": (8, 40, 1),
}


@pytest.mark.parametrize("uri", sorted(files()))
def test_every_file_is_a_schema(uri: str) -> None:
    """The files obey the draft that they name."""
    Draft202012Validator.check_schema(files()[uri])
    assert files()[uri]["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("version", [1, 2])
def test_the_published_schema_needs_no_other_file(version: int) -> None:
    """A validator that knows nothing of this package judges with the printed document alone."""
    validator = Draft202012Validator(json.loads(json.dumps(published(version))))
    good = processing_block() if version == 2 else version_1_block(["up42.data.aoiclipped"], [])
    assert validator.is_valid(good)
    assert not validator.is_valid({**good, "machine": {"type": "huge"}})
    assert not validator.is_valid({**good, "input_capabilities": {"lidar": {}}})


def test_the_published_schema_knows_the_reserved_names() -> None:
    """``limit`` of a data block is a number; of a processing block it may be anything."""
    validator = Draft202012Validator(published())
    parameters = {"limit": {"type": "string"}}
    assert not validator.is_valid(data_block(parameters=parameters))
    assert validator.is_valid(processing_block(parameters=parameters))


def test_all_machine_types_have_their_resources() -> None:
    """The eight documented machine types, each with CPUs, memory in GB, and GPUs."""
    assert list(machine_resources()) == files()["urn:up42-state:machine"]["enum"] == list(MACHINES)
    found = {name: (m.cpu, m.memory, m.gpu) for name in MACHINES if (m := Machine.named(name))}
    assert found == MACHINES


@pytest.mark.parametrize(
    ("vocabulary", "members"),
    [("sensor", 11), ("band", 20), ("v1", 3)],
)
def test_the_open_vocabularies_are_as_documented(vocabulary: str, members: int) -> None:
    """The vocabularies have as many members as the documentation lists."""
    assert len(documented(vocabulary)) == members
