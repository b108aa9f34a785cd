"""The variables that the hosted platform gave to a block."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

from up42_state.manifest import Manifest
from up42_state.settings.model import Settings
from up42_state.workflow.blocks.variables import block_environment, documented_environment
from up42_state.workflow.model import BlockReference, Task

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MANIFEST = {
    "_up42_specification_version": 2,
    "name": "tiling",
    "type": "processing",
    "display_name": "Tiling",
    "description": "Cuts scenes into tiles",
    "tags": [],
    "parameters": {},
    "machine": {"type": "small"},
    "input_capabilities": {"raster": {"up42_standard": {"format": "GTiff"}}},
    "output_capabilities": {"raster": {"up42_standard": {"format": "GTiff"}}},
}


def test_all_variables(tmp_path: Path) -> None:
    """Parameters, job mode, and what is known of job and block, each as the platform's toolkit reads it."""
    found = documented_environment(
        "3f0c", "tiling:1", {"size": 7, "ü": "ü"}, "DRY_RUN", Manifest.from_json(MANIFEST), scratch=tmp_path
    )
    assert found["UP42_TASK_PARAMETERS"] == '{"size": 7, "ü": "ü"}'
    assert found["UP42_JOB_MODE"] == "DRY_RUN"
    assert json.loads(found["UP42_JOB_INFO"]) == {
        "jobId": "3f0c",
        "jobName": "3f0c",
        "taskName": "tiling:1",
        "jobMode": "DRY_RUN",
    }
    assert json.loads(found["UP42_BLOCK_INFO"]) == {
        "blockName": "tiling",
        "blockDisplayName": "Tiling",
        "inputCapabilities": ["raster"],
        "outputCapabilities": ["raster"],
        "machineName": "small",
    }
    assert found.keys() == {"UP42_TASK_PARAMETERS", "UP42_JOB_MODE", "UP42_JOB_INFO", "UP42_BLOCK_INFO"}


def test_without_a_manifest(tmp_path: Path) -> None:
    """Of a block without a manifest the name is known."""
    found = documented_environment("3f0c", "a:b:2", {}, "DEFAULT", scratch=tmp_path)
    assert json.loads(found["UP42_BLOCK_INFO"]) == {"blockName": "a:b"}


def test_long_parameters(tmp_path: Path) -> None:
    """Parameters that are too long for a variable stand in a file that nobody else can read."""
    parameters = {"text": "x" * 200_000}
    found = documented_environment("3f0c", "a:1", parameters, "DEFAULT", scratch=tmp_path)
    assert "UP42_TASK_PARAMETERS" not in found
    path = tmp_path / "parameters.json"
    assert found["UP42_TASK_PARAMETERS_FILE"] == str(path)
    assert json.loads(path.read_text()) == parameters
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_long_parameters_come_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a file holds the parameters there is no variable with others, such as the machine's own."""
    monkeypatch.setenv("UP42_TASK_PARAMETERS", '{"of": "somebody else"}')
    block = BlockReference(kind="command", command=("./run",), folder=tmp_path)
    task = Task(name="tiling:1", block=block, parameters={"aoi": "x" * 200_000})
    found = block_environment(task, settings=Settings(), job="3f0c", job_mode="DEFAULT", scratch=tmp_path)
    assert "UP42_TASK_PARAMETERS" not in found
    with open(found["UP42_TASK_PARAMETERS_FILE"]) as file:
        assert json.load(file) == task.parameters


def test_a_file_of_parameters_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that this process was given is none of the task's."""
    (tmp_path / "other.json").write_text("{}")
    monkeypatch.setenv("UP42_TASK_PARAMETERS_FILE", str(tmp_path / "other.json"))
    task = Task(name="a", block=BlockReference(kind="command", command=("./run",)), parameters={"x": 1})
    found = block_environment(task, settings=Settings(), job="3f0c", job_mode="DEFAULT", scratch=tmp_path)
    assert json.loads(found["UP42_TASK_PARAMETERS"]) == {"x": 1}
    assert "UP42_TASK_PARAMETERS_FILE" not in found
