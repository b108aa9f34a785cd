"""Documents with images: what the engine tells of them before anything runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from doubles.podman import stand_in
from manifest.examples import data_block
from workflow.documents import SCENES, make_blocks, write

from up42_state.cli.root import root
from up42_state.workflow.blocks.opening import Blocks
from up42_state.workflow.document import load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stand-in, which is the only engine on the PATH."""
    folder = stand_in(tmp_path / "engine")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("UP42_STATE_URL", (tmp_path / "store").as_uri())
    make_blocks(tmp_path)
    return folder


def image(**manifest: Any) -> str:
    """What podman prints of an image with a manifest."""
    labels = {"up42_manifest": json.dumps(data_block(**manifest))}
    return json.dumps([{"Id": "0" * 64, "Config": {"Labels": labels, "User": ""}}])


def plan(path: Path) -> Any:
    return CliRunner().invoke(root, ["plan", str(path), "--job", "j"])


def test_an_image_that_has_to_be_pulled(engine: Path, tmp_path: Path) -> None:
    """Its defaults hold from the first time on: a task is the same before and after the pull."""
    parameters = {"limit": {"type": "integer", "default": 3}}
    (engine / "registry" / "scenes").write_text(image(parameters=parameters))
    path = write(tmp_path, [{"name": "scenes:1", "image": "scenes"}])
    first = load(path, labels=Blocks().labels)
    assert first.tasks[0].parameters == {"limit": 3}
    assert load(path, labels=Blocks().labels) == first
    assert (engine / "calls").read_text().count("pull") == 1


def test_images_that_are_not_there(engine: Path, tmp_path: Path) -> None:
    """Each is a defect, beside the others."""
    tasks = [{"name": name, "image": name} for name in ("one", "two")]
    result = plan(write(tmp_path, [*tasks, {**SCENES, "block": "gone"}]))
    assert result.exit_code == 5
    first, second, third = result.stderr.splitlines()[1:]
    assert first.startswith("  #/0/image: the image one is not here and cannot be pulled")
    assert second.startswith("  #/1/image: the image two is not here and cannot be pulled")
    assert third == f"  #/2/block: there is no folder {tmp_path}/gone"


def test_no_engine_at_all(engine: Path, tmp_path: Path) -> None:
    """Exit code 7 with what to install."""
    (engine / "podman").unlink()
    result = plan(write(tmp_path, [{"name": "scenes:1", "image": "scenes"}]))
    assert (result.exit_code, "podman is not installed" in result.stderr) == (7, True)
    assert "install docker or podman" in result.stderr


def test_defects_come_before_an_engine_that_fails(engine: Path, tmp_path: Path) -> None:
    """The engine is asked once, and what is wrong with the document is said all the same."""
    (engine / "info.json").write_text("no JSON")
    tasks = [{"name": name, "image": name} for name in ("one", "two", "three")]
    path = write(tmp_path, [*tasks, {**SCENES, "block": "gone"}])
    result = plan(path)
    assert (result.exit_code, result.stderr.splitlines()[1:]) == (
        5,
        [f"  #/3/block: there is no folder {tmp_path}/gone"],
    )
    assert (engine / "calls").read_text().count("info") == 1
    assert plan(write(tmp_path, tasks)).exit_code == 7


def test_a_document_without_images_needs_no_engine(engine: Path, tmp_path: Path) -> None:
    """Nothing asks for one."""
    assert plan(write(tmp_path, [SCENES])).exit_code == 0
    assert not (engine / "calls").exists()
