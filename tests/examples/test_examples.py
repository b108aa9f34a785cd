"""The programs in ``examples/``, in jobs of their own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from examples import container
from up42_state.manifest import Manifest
from up42_state.state import Job, State

if TYPE_CHECKING:
    from pathlib import Path

Run = Callable[..., subprocess.CompletedProcess[str]]
EXAMPLES = container.ROOT / "examples"


def feature(name: str, **properties: Any) -> dict[str, Any]:
    properties["up42.data_path"] = f"{name}.tif"
    return {"type": "Feature", "id": name, "geometry": None, "properties": properties}


def save(job: Job, stage: str, folder: Path, features: list[dict[str, Any]], after: list[str]) -> None:
    folder.mkdir()
    for found in features:
        (folder / found["properties"]["up42.data_path"]).write_text(found["id"])
    (folder / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    job.stage(stage).save(folder, after=after)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """scenes:1 → tiling:1, and the stage to come is two steps from the first."""
    (tmp_path / "store").mkdir()
    job = State((tmp_path / "store").as_uri()).job("3f0c")
    save(job, "scenes:1", tmp_path / "scenes", [feature("north"), feature("south")], [])
    tiles = [feature("north_0", mean=120.5), feature("north_1", mean=80.0)]
    save(job, "tiling:1", tmp_path / "tiling", tiles, ["scenes:1"])
    return job


@pytest.fixture
def run(job: Job, tmp_path: Path) -> Run:
    """Runs a command as a task of the job, with directories as a container has them."""

    def call(command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return container.run(command, tmp_path / "store", {"UP42_STATE_JOB": job.key, **variables})

    return call


def names(job: Job, stage: str) -> list[str | None]:
    return [found.get("id") for found in job.stage(stage).features().features]


def test_the_block_gets_features_back_from_two_stages_before(job: Job, run: Run) -> None:
    """The output holds what the block kept of its input, and the scenes that the stage between dropped."""
    done = run(
        "python examples/block/block.py",
        UP42_STATE_STAGE="bright:1",
        UP42_STATE_AFTER="tiling:1",
        UP42_TASK_PARAMETERS='{"min_mean": 100}',
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
    assert names(job, "bright:1") == ["north_0", "north", "south"]
    with job.stage("bright:1").open("south.tif") as file:
        assert file.read() == b"south"
    commit = job.stage("bright:1").latest()
    assert commit.block is not None
    assert commit.block.name == "bright-tiles"
    assert [parent.stage for parent in commit.parents] == ["tiling:1"]


def test_the_block_is_fifteen_lines() -> None:
    """The example has no more lines than the documentation promises."""
    assert len((EXAMPLES / "block" / "block.py").read_text().splitlines()) == 15


def test_the_blocks_manifest_is_valid() -> None:
    """And nothing about it is odd."""
    assert Manifest.read(EXAMPLES / "block" / "UP42Manifest.json").warnings == ()


def test_a_script_that_knows_nothing_of_this_library_is_run_by_exec(job: Job, run: Run) -> None:
    """The script's input is restored, an earlier stage is propagated, and the output is saved."""
    script = EXAMPLES / "script" / "report.py"
    assert "import up42_state" not in script.read_text()
    assert "from up42_state" not in script.read_text()
    arguments = "--stage report:1 --after tiling:1 --propagate scenes:1"
    done = run(f"up42-state exec {arguments} -- python examples/script/report.py")
    assert done.returncode == 0, done.stderr
    assert names(job, "report:1") == [None, "north", "south"]
    with job.stage("report:1").open("report.csv") as file:
        assert file.read() == b"tile,mean\nnorth_0,120.5\nnorth_1,80.0\n"


def test_a_script_that_fails_passes_its_exit_code_on(job: Job, run: Run) -> None:
    """Without an input the script raises, and nothing is saved."""
    done = run("up42-state exec --stage report:1 -- python examples/script/report.py")
    assert done.returncode == 1
    assert "FileNotFoundError" in done.stderr
    assert not job.stage("report:1").exists()
