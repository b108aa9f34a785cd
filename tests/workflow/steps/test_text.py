"""A task's text: what was written is read back, and what is no task text is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from manifest.examples import data_block, processing_block, version_1_block
from workflow.documents import SCENES, TILING, make_blocks, write

from up42_state.errors import SettingsError
from up42_state.manifest import Manifest
from up42_state.workflow.document import load
from up42_state.workflow.model import BlockReference, PropagatedStages, Resources, Task
from up42_state.workflow.steps.text import read_task, write_task

CODE = "image sha256:0123"
IMAGE = BlockReference(kind="image", image="block:1", command=("run", "--fast"), user="image")
PARAMETERS: dict[str, Any] = {
    "width": 768,
    "ratio": 1.0,
    "large": 2**70,
    "nothing": None,
    "name": "Größe \ud800 {{inputs.x}} $(x) 'quoted' \"\n",
    "bbox": [13.05, 52.5, -0.0, 1e300],
    "nested": {"": [], "b": {}, "a": False},
}


@pytest.mark.parametrize(
    "task",
    [
        Task(name="a", block=IMAGE),
        Task(
            name="tiling:1",
            block=BlockReference(kind="command", folder=Path("/blocks/a b"), command=("./run",)),
            manifest=Manifest.from_json(processing_block()),
            after=("scenes:1", "other/scenes:1"),
            propagate=(
                PropagatedStages(stages=("scenes:1",)),
                PropagatedStages(
                    stages=("a", "other/b"),
                    options={
                        "form": "inherit",
                        "match": [("properties.a", "id"), ("id", "id")],
                        "where": {"sensor": "SPOT"},
                        "bbox": [1, 2.5, 3, 4],
                        "ids": ["a", 1],
                        "missing": "skip",
                    },
                ),
            ),
            parameters=PARAMETERS,
            chunk=16,
            retries=2,
            timeout=0.5,
            resources=Resources(cpus=0.5, memory=2**33, gpus=1),
        ),
        Task(
            name="f",
            block=BlockReference(kind="python", function="m:f", folder=Path("/w"), environment=("TOKEN",)),
            manifest=Manifest.from_json(data_block(surprise={"x": [1]})),
        ),
        Task(name="v1", block=IMAGE, manifest=Manifest.from_json(version_1_block(["up42.a"], ["up42.b"]))),
    ],
    ids=["least", "most", "function", "old manifest"],
)
def test_a_task_is_read_as_it_was_written(task: Task) -> None:
    """Every member comes back equal, so that the fingerprint is the same one."""
    text = write_task(task, CODE)
    found = read_task(text)
    assert found.task == task
    assert found.code == CODE
    assert repr(found.task.parameters) == repr(task.parameters)  # 1 is no 1.0, and order stays
    assert text.isascii()
    assert "\n" not in text


def test_a_document_is_written(tmp_path: Path) -> None:
    """Tasks that come from a document have texts."""
    make_blocks(tmp_path)
    propagated = {"stage": "scenes:1", "match": ["properties.a=id"]}
    tiling = {**TILING, "foreach": "feature", "propagate": [propagated]}
    for task in load(write(tmp_path, {"name": "x", "tasks": [SCENES, tiling]})).tasks:
        assert read_task(write_task(task, CODE)).task == task


def test_what_is_no_json(tmp_path: Path) -> None:
    """A parameter that JSON does not know is an error that names the task."""
    with pytest.raises(SettingsError, match="tiling:1 cannot be written as JSON"):
        write_task(Task(name="tiling:1", block=IMAGE, parameters={"a": tmp_path}), CODE)


def changed(**members: Any) -> str:
    """The text of a task with members replaced; ``None`` leaves a member out."""
    value = json.loads(write_task(Task(name="a", block=IMAGE), CODE)) | members
    return json.dumps({name: each for name, each in value.items() if each is not None})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no JSON"),
        ("{{inputs.parameters.task}}", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[]", "no JSON object with a version"),
        ("{}", "no JSON object with a version"),
        (changed(version=2), "of version 2, and this release reads version 1"),
        (changed(version=True), "of version True"),
        (changed(surprise=1), "surprise"),
        (changed(block={"kind": "image", "surprise": 1}), "surprise.*block"),
        (changed(block={"kind": "lambda"}), "lambda.*block.kind"),
        (changed(block={"kind": "image"}), "of the kind image lacks `image`"),
        (changed(block={"kind": "command", "command": []}), "of the kind command lacks `command`"),
        (changed(block={"kind": "python", "image": "x"}), "of the kind python lacks `function`"),
        (changed(code=None), "missing required field `code`"),
        (changed(name=None), "missing required field `name`"),
        (changed(name="../a"), "'../a' is not a stage name"),
        (changed(after=["a/../b"]), "is not a stage name"),
        (changed(propagate=[{"stages": ["/b"]}]), "is not a job key"),
        (changed(propagate=[{"stages": ["b"], "options": {"match": ["a=b"]}}]), "Expected `array`"),
        (changed(chunk=-1), "chunk"),
        (changed(timeout=0), "timeout"),
        (changed(resources={"cpus": 0}), "cpus"),
        (changed(manifest={"name": "x"}), "the manifest is not valid"),
    ],
)
def test_what_is_no_task_text(text: str, problem: str) -> None:
    """The error says what is wrong, and where a text comes from."""
    with pytest.raises(SettingsError, match=f"^the task's text is .*{problem}") as caught:
        read_task(text)
    assert "up42-state workflow export" in caught.value.advice
