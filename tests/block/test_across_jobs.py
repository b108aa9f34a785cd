"""State across jobs: stages of other jobs as input, and running stages that each task changes once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from block.cases import Folders, collection, feature, fill

from up42_state import Block, State
from up42_state.errors import SettingsError
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job
    from up42_state.updating import Updated

MakeSettings = Callable[..., Settings]
RUNNING = "baseline/seen:1"


def add(current: Any, _folder: Path) -> None:
    """Count one more."""
    current["features"].append(feature(f"{len(current['features'])}"))


def run(folders: Folders, settings: Settings, **options: Any) -> tuple[Block, Updated]:
    with Block.from_env(settings, **folders.arguments, clear=True, **options) as block:
        updated = block.update(RUNNING, add)
        block.write(collection())
    return block, updated


def test_another_jobs_stage_is_an_input(job: Job, folders: Folders, settings: MakeSettings) -> None:
    """It is merged with the job's own stage of the same name, and both are parents, each with its job."""
    job.stage("june/scenes:1").save(fill(folders.root / "a", [feature("june")]), quicklooks=False)
    job.stage("scenes:1").save(fill(folders.root / "b", [feature("july")]), quicklooks=False)
    with Block.from_env(settings(after="scenes:1,june/scenes:1"), **folders.arguments) as block:
        assert [each["id"] for each in block.input.features] == ["july", "june"]
        block.write(block.input)
    assert block.commit is not None
    assert [(each.job, each.stage) for each in block.commit.parents] == [
        ("3f0c", "scenes:1"),
        ("june", "scenes:1"),
    ]


@pytest.mark.parametrize("how", ["name", "handle", "commit"])
def test_another_jobs_stage_is_a_parent(job: Job, folders: Folders, how: str) -> None:
    """However a save names it, alone or in a list."""
    june = job.stage("june/scenes:1")
    made = june.save(fill(folders.root / "a", [feature("june")]), quicklooks=False).commit
    after = {"name": "june/scenes:1", "handle": june, "commit": made}[how]
    output = fill(folders.root / "b", [feature("july")])
    for given in (after, [after]):
        saved = job.stage("report:1").save(output, after=given, quicklooks=False)
        assert saved.commit.parents == (made.as_parent(),)


def test_a_task_changes_a_running_stage_once(
    job: Job, folders: Folders, settings: MakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A task that runs again finds what it has found the first time; another job's comes on top."""
    made = job.stage("scenes:1").save(fill(folders.root / "a", [feature("x")]), quicklooks=False).commit
    _, first = run(folders, settings(after="scenes:1"))
    assert first.commit.parents == (made.as_parent(),)
    assert "updated baseline/seen:1@1: saved, 1 feature," in capsys.readouterr().err
    _, other = run(folders, settings(job="other", after="3f0c/scenes:1"))
    assert other.before == first.commit
    block, again = run(folders, settings(after="scenes:1"))
    assert (again.outcome, again.before, again.commit) == ("kept", None, other.commit)
    assert "update" in block.steps.seconds
    assert len(job.stage(RUNNING).features().features) == 2


def test_a_task_that_dies_after_its_change_counts_once(
    job: Job, folders: Folders, settings: MakeSettings
) -> None:
    """The change is there, the output is not: the next try makes the output, and no second change."""

    def die() -> None:
        with Block.from_env(settings(), **folders.arguments) as block:
            block.update(RUNNING, add)
            raise RuntimeError("died")

    with pytest.raises(RuntimeError, match="died"):
        die()
    assert not job.stage("report:1").exists()
    block, updated = run(folders, settings(), resume=True)
    assert (block.outcome, updated.outcome, updated.before) == ("saved", "kept", None)
    assert len(job.stage(RUNNING).features().features) == 1


def test_another_input_is_told(
    job: Job, folders: Folders, settings: MakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the task has added before stays, and a warning says that it was of another input."""
    for name in ("x", "y"):
        job.stage("scenes:1").save(fill(folders.root / name, [feature(name)]), quicklooks=False)
        block, _ = run(folders, settings(after="scenes:1"))
    (warning,) = block.warnings
    assert warning.startswith("3f0c/report:1 is in baseline/seen:1@1 already, from another output than now")
    assert f"warning: {warning}" in capsys.readouterr().err


def test_a_block_without_a_place_changes_nothing(folders: Folders, url: str) -> None:
    """Nobody could tell whose change it is, nor in which store a name is."""
    with Block(**folders.arguments) as block:
        with pytest.raises(SettingsError, match="is named, but no job to find it in"):
            block.update(RUNNING, add)
        with pytest.raises(SettingsError, match="the block has no stage that tells who changes it"):
            block.update(State(url).job("baseline").stage("seen:1"), add)
        block.write(collection())
