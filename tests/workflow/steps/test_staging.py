"""The steps around a block that an engine runs: what they refuse, and what they hand over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from doubles.blocks import Bodies, task
from doubles.outputs import contents, feature, write_output

from up42_state.errors import (
    InvalidOutputError,
    PathNotFoundError,
    SettingsError,
    StageConflictError,
    StageNotFoundError,
    TargetConflictError,
)
from up42_state.state import Job, State
from up42_state.workflow.steps.chosen import Chosen
from up42_state.workflow.steps.handover import Handover
from up42_state.workflow.steps.looking import look
from up42_state.workflow.steps.staging import Part, collect, stage_in, stage_out, stored_task
from up42_state.workflow.steps.text import PortableTask

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.stages.format.commit import JobMode
    from up42_state.workflow.model import Task
    from up42_state.workflow.task import StoredTask

WHOLE = task("tiling:1", "tile", "scenes:1")
SPLIT = task("tiling:1", "tile", "scenes:1", chunk=1)
DATA = task("scenes:1", "scenes")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job with the stage scenes:1 of three features, each with a file."""
    job = State(f"file://{tmp_path}/store").job("job")
    save_scenes(job, tmp_path / "scenes", b"a", b"b", b"c")
    return job


def save_scenes(job: Job, folder: Path, *data: bytes) -> None:
    files = {f"{each.decode()}.tif": each for each in data}
    write_output(folder, files, [feature(path, path[:-4]) for path in files])
    job.stage("scenes:1").save(folder)


def stored(job: Job, what: Task, job_mode: JobMode = "DEFAULT", code: str = "code 1") -> StoredTask:
    return stored_task(PortableTask(what, code), job, job_mode)


def first(job: Job) -> Part:
    """The first shard of those that run."""
    return Part(look(stored(job, SPLIT)).shards, 0)


@pytest.mark.parametrize(
    ("what", "files"),
    [
        (WHOLE, ["a.tif", "b.tif", "c.tif", "data.json"]),
        (SPLIT, ["a.tif", "data.json"]),
        (DATA, []),
    ],
    ids=["whole", "shard", "no input"],
)
def test_a_directory_that_is_there_is_filled(job: Job, tmp_path: Path, what: Task, files: list[str]) -> None:
    """A mount cannot be replaced: what is empty is filled in its place, and so is what was filled before."""
    target = tmp_path / "input"
    target.mkdir()
    before = target.stat().st_ino
    part = first(job) if what.chunk else Part()
    for _ in range(2):
        stage_in(stored(job, what), target, part)
        assert sorted(contents(target)) == files
    assert target.stat().st_ino == before


@pytest.mark.parametrize("what", [WHOLE, SPLIT, DATA], ids=["whole", "shard", "no input"])
def test_leftovers_are_refused(job: Job, tmp_path: Path, what: Task) -> None:
    """Files that are no part of the input would be read by the block; they stay as they are."""
    target = write_output(tmp_path / "input", {"old.tif": b"old"})
    before = contents(target)
    with pytest.raises(TargetConflictError, match=r"old\.tif") as caught:
        stage_in(stored(job, what), target, first(job) if what.chunk else Part())
    assert caught.value.advice == "empty it, or give another input directory (--input)"
    assert contents(target) == before


def test_the_store_is_no_input(job: Job, tmp_path: Path) -> None:
    """A directory that holds the store, or lies in it, is refused."""
    for target in (tmp_path / "store/input", tmp_path):
        with pytest.raises(SettingsError, match="lie in one another"):
            stage_in(stored(job, WHOLE), target, Part())
    handover = stage_in(stored(job, WHOLE), tmp_path / "input", Part())
    with pytest.raises(SettingsError, match="lie in one another"):
        stage_out(stored(job, WHOLE), handover, tmp_path / "store/out", None, Part())


def test_parents_are_what_was_restored(job: Job, tmp_path: Path) -> None:
    """A stage that is saved again while the block runs is no parent; so the task is not done."""
    handover = stage_in(stored(job, WHOLE), tmp_path / "input", Part())
    save_scenes(job, tmp_path / "more", b"d")
    output = write_output(tmp_path / "output", {"x.tif": b"x"})
    saved = stage_out(stored(job, WHOLE), handover, output, None, Part())
    assert [(parent.stage, parent.revision) for parent in saved.commit.parents] == [("scenes:1", 1)]
    assert look(stored(job, WHOLE)).planned.reasons == ("parent scenes:1 has other content",)


def test_an_input_that_has_changed_since(job: Job, tmp_path: Path) -> None:
    """The shards that were counted are none of the new cut: nothing is fetched, and the error says so."""
    part = first(job)
    save_scenes(job, tmp_path / "more", b"a", b"b")
    with pytest.raises(StageConflictError, match=r"input of tiling:1 has changed .* 2 shards now") as caught:
        stage_in(stored(job, SPLIT), tmp_path / "input", part)
    assert "engine look" in caught.value.advice
    assert not (tmp_path / "input").exists()


def test_shards_are_numbered(job: Job, tmp_path: Path) -> None:
    """With a text an index counts its shards; without one, all of the cut."""
    chosen = look(stored(job, SPLIT)).shards
    assert chosen is not None
    last = Part(Chosen.of(chosen.digest, [0, 2]), 1)
    assert stage_in(stored(job, SPLIT), tmp_path / "1", last).shard == (
        stage_in(stored(job, SPLIT), tmp_path / "2", Part(None, 2)).shard
    )
    assert sorted(contents(tmp_path / "1")) == ["c.tif", "data.json"]
    with pytest.raises(SettingsError, match="no shard 3: the input of tiling:1 is cut into 3 shards"):
        stage_in(stored(job, SPLIT), tmp_path / "3", Part(None, 3))
    with pytest.raises(SettingsError, match="tiling:1 runs once for each shard"):
        stage_in(stored(job, SPLIT), tmp_path / "3", Part())


def test_a_handover_of_something_else(job: Job, tmp_path: Path) -> None:
    """The job, the task, the mode and the shard must be those that the input was filled for."""
    whole = stage_in(stored(job, WHOLE), tmp_path / "whole", Part())
    part = first(job)
    shard = stage_in(stored(job, SPLIT), tmp_path / "shard", part)
    output = write_output(tmp_path / "output", {"x.tif": b"x"})
    other_job = job.state.job("other")
    assert part.shards is not None
    cases = [
        (
            stored(other_job, WHOLE),
            whole,
            Part(),
            r"is of job/tiling:1 \(DEFAULT\), and not of other/tiling:1",
        ),
        (stored(job, DATA), whole, Part(), "and not of job/scenes:1"),
        (stored(job, WHOLE, "DRY_RUN"), whole, Part(), r"and not of job/tiling:1 \(DRY_RUN\)"),
        (stored(job, SPLIT), whole, part, "is of the whole task, and not of shard 0 of the cut"),
        (stored(job, WHOLE), shard, Part(), "is of shard 0 of the cut .*, and not of the whole task"),
        (stored(job, SPLIT), shard, Part(part.shards, 1), "of shard 0 .* and not of shard 1 of the cut"),
        (stored(job, SPLIT), shard, Part(None, 2), "and not of shard 2 – "),
        (
            stored(job, SPLIT),
            shard,
            Part(Chosen("f" * 20, (range(1),)), 0),
            "and not of shard 0 of the cut f",
        ),
    ]
    for what, handover, asked, problem in cases:
        with pytest.raises(SettingsError, match=problem) as caught:
            stage_out(what, handover, output, None, asked)
        assert "stage-in" in caught.value.advice
    assert list(job.state.store.stages("job")) == ["scenes:1"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "no handover of this release"),
        (b"\xff", "no handover of this release"),
        (b"[]", "no handover of this release"),
        (b'{"version": 2}', "Invalid enum value 2"),
        (b'{"version": 1}', "missing required field"),
    ],
)
def test_what_is_no_handover(tmp_path: Path, text: bytes, problem: str) -> None:
    """A file that stage-in did not write is named, with what is wrong."""
    (tmp_path / "handover.json").write_bytes(text)
    with pytest.raises(SettingsError, match=f"handover.json is no handover .*{problem}|{problem}"):
        Handover.read(tmp_path / "handover.json")


def test_a_handover_is_read_as_it_was_written(job: Job, tmp_path: Path) -> None:
    """Nothing else is left beside the file, and a member that is not known is refused."""
    path = tmp_path / "new/folder/handover.json"
    handover = stage_in(stored(job, SPLIT), tmp_path / "input", first(job))
    handover.write(path)
    assert Handover.read(path) == handover
    assert list(path.parent.iterdir()) == [path]
    path.write_text(json.dumps(json.loads(path.read_text()) | {"surprise": 1}))
    with pytest.raises(SettingsError, match="surprise"):
        Handover.read(path)
    with pytest.raises(PathNotFoundError, match=r"there is no handover .*gone"):
        Handover.read(tmp_path / "gone")


def test_an_output_with_defects_is_not_saved(job: Job, tmp_path: Path) -> None:
    """All defects are listed, and the stage is not there."""
    handover = stage_in(stored(job, WHOLE), tmp_path / "input", Part())
    output = write_output(tmp_path / "output", {}, [feature("gone.tif"), feature("lost.tif")])
    with pytest.raises(InvalidOutputError) as caught:
        stage_out(stored(job, WHOLE), handover, output, None, Part())
    assert len(caught.value.defects) == 2
    with pytest.raises(StageNotFoundError):
        job.stage("tiling:1").latest()


def test_two_that_work_on_one_task_make_one_revision(job: Job, tmp_path: Path) -> None:
    """A block that gives other bytes each time has run twice: the later output gives way."""
    handovers = [stage_in(stored(job, WHOLE), tmp_path / f"in{n}", Part()) for n in range(2)]
    outcomes = []
    for number, handover in enumerate(handovers):
        output = write_output(tmp_path / f"out{number}", {"x.tif": b"%d" % number})
        outcomes.append(stage_out(stored(job, WHOLE), handover, output, None, Part()).outcome)
    assert outcomes == ["saved", "kept"]
    assert job.stage("tiling:1").open("x.tif").read() == b"0"
    assert job.stage("tiling:1").latest().revision == 1


def run_shards(job: Job, tmp_path: Path, what: Task = SPLIT) -> None:
    """Have each shard that must run copy its input."""
    chosen = look(stored(job, what)).shards
    assert chosen is not None
    for number in range(chosen.count):
        part, folder = Part(chosen, number), tmp_path / f"{chosen.indices[number]}"
        handover = stage_in(stored(job, what), folder, part)
        stage_out(stored(job, what), handover, folder, None, part)


def test_collecting_what_is_not_done(job: Job, tmp_path: Path) -> None:
    """Features of the shards that are missing are named: of other code, of gone bytes, not run."""
    with pytest.raises(StageNotFoundError, match="3 of 3 shards of tiling:1 are not done: a, b, c"):
        collect(stored(job, SPLIT))
    run_shards(job, tmp_path)
    assert look(stored(job, SPLIT)).to_dict()["count"] == 0
    with pytest.raises(StageNotFoundError, match="3 of 3"):
        collect(stored(job, SPLIT, code="code 2"))
    (shard,) = [name for name in job.state.store.stages("job") if name == shard_of(job, "b")]
    job.stage(shard).delete()
    with pytest.raises(StageNotFoundError, match="1 of 3 shards of tiling:1 are not done: b"):
        collect(stored(job, SPLIT))
    seen = look(stored(job, SPLIT))
    assert seen.to_dict()["indices"] == [1]
    run_shards(job, tmp_path / "again")
    assert collect(stored(job, SPLIT)).commit.totals.features == 3


def shard_of(job: Job, identity: str) -> str:
    """The stage of the shard that holds a feature."""
    shards = stored(job, SPLIT).stored_input().split("tiling:1", 1)
    return next(shard.stage for shard in shards if shard.features == (identity,))


def test_an_empty_input_is_collected(job: Job, tmp_path: Path) -> None:
    """No features are no shards: nothing is to be run, and the stage is an empty one."""
    save_scenes(job, tmp_path / "none")
    seen = look(stored(job, SPLIT)).to_dict()
    assert (seen["run"], seen["count"], seen["indices"]) == (True, 0, [])
    assert collect(stored(job, SPLIT)).commit.totals.features == 0
    assert look(stored(job, SPLIT)).planned.status == "cached"


@pytest.mark.parametrize("what", [WHOLE, SPLIT], ids=["whole", "split"])
def test_what_a_task_stands_on_is_not_there(tmp_path: Path, what: Task) -> None:
    """The stage that is missing is named, before a block could run."""
    empty = State(f"file://{tmp_path}/empty").job("job")
    empty.stage("other:1").save(write_output(tmp_path / "other", {}))
    with pytest.raises(StageNotFoundError, match="scenes:1"):
        stage_in(stored(empty, what), tmp_path / "input", Part(None, 0) if what.chunk else Part())


def test_look_reads_alone(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking writes nothing to the store, and fetches no file of the input."""
    fetched: list[Any] = []
    monkeypatch.setattr(Bodies, "of", fetched.append)
    before = sorted((tmp_path / "store").rglob("*"))
    look(stored(job, SPLIT))
    look(stored(job, WHOLE), force=True)
    assert sorted((tmp_path / "store").rglob("*")) == before
