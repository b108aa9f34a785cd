"""``foreach: feature``: running the shards of a task, and putting their outputs together."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
from doubles.blocks import Bodies, changed, read, task, workflow, write
from doubles.outputs import feature

from up42_state.features import Files
from up42_state.stages.revision import load_index
from up42_state.state import Job, State
from up42_state.workflow.blocks.work import Ending, Work
from up42_state.workflow.model import PropagatedStages
from up42_state.workflow.planner import Planner
from up42_state.workflow.records import AttemptRecord
from up42_state.workflow.runner import Options, run
from up42_state.workflow.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from up42_state.workflow.events import Event

FAILED = Ending(reason="exit code", text="ended with exit code 3", exit_code=3)
PATH = "up42.data_path"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return State(f"file://{tmp_path}/store").job("job")


class Example:
    """Scenes, and a task that runs once for each."""

    def __init__(self, count: int = 4) -> None:
        self.scenes = [feature(f"s{n}.tif", f"s{n}") for n in range(count)]
        self.failing: set[str] = set()
        self.seen: list[str] = []
        self.blocks = Bodies(scenes=self.make, tile=self.tile, copy=self.copy)
        self.flow = workflow(
            task("scenes:1", "scenes"),
            task("tiling:1", "tile", "scenes:1", chunk=1),
            task("report:1", "copy", "tiling:1"),
        )

    def make(self, work: Work) -> None:
        write(work, self.scenes, {each["properties"][PATH]: each["id"].encode() for each in self.scenes})

    def tile(self, work: Work) -> Ending | None:
        (scene,) = read(work)["features"]
        self.seen.append(scene["id"])
        if scene["id"] in self.failing:
            return FAILED
        # Every shard writes a file of this name; the bytes differ.
        data = (work.input / scene["properties"][PATH]).read_bytes()
        write(work, [feature("tile.tif", f"{scene['id']}_0")], {"tile.tif": data + b" tile"})
        return None

    def copy(self, work: Work) -> None:
        features = read(work)["features"]
        write(
            work,
            features,
            {f["properties"][PATH]: (work.input / f["properties"][PATH]).read_bytes() for f in features},
        )

    def run(self, job: Job, **options: Any) -> Any:
        self.seen.clear()
        return run(self.flow, job, Options(**options), blocks=Bodies.again(self.blocks))


@pytest.fixture
def example() -> Example:
    return Example()


def test_results_are_one_stage(job: Job, example: Example) -> None:
    """The task's stage has all shards' features in order, each with its own file, by reference."""
    example.run(job)
    stage = job.stage("tiling:1")
    found = {f.id: stage.open(f.properties[PATH]).read() for f in stage.features().features}
    assert found == {f"s{n}_0": b"s%d tile" % n for n in range(4)}
    assert list(found) == [f"s{n}_0" for n in range(4)]
    totals = stage.latest().totals
    assert totals.referenced == totals.bytes
    # What the shards made is the task's own: it comes from no other stage.
    assert "origin" not in str(stage.data())


def test_the_stage_can_be_restored(job: Job, example: Example, tmp_path: Path) -> None:
    """What is put together is a stage like any other."""
    example.run(job)
    restored = job.stage("tiling:1").restore(tmp_path / "there")
    assert restored.features == 4
    assert job.stage("tiling:1").verify().ok


def test_one_feature_more_is_one_shard_more(job: Job, example: Example) -> None:
    """Only the new feature's shard runs; the result holds it."""
    example.run(job)
    example.scenes.insert(1, feature("s9.tif", "s9"))
    example.blocks.versions["scenes"] = "2"
    result = example.run(job)
    assert example.seen == ["s9"]
    assert result.tasks[1].shards == (5, 5)
    assert [f.id for f in job.stage("tiling:1").features().features][1] == "s9_0"


def test_one_feature_less_runs_no_shard(job: Job, example: Example) -> None:
    """The result lacks what was made of it."""
    example.run(job)
    del example.scenes[2]
    example.blocks.versions["scenes"] = "2"
    example.run(job)
    assert example.seen == []
    assert [f.id for f in job.stage("tiling:1").features().features] == ["s0_0", "s1_0", "s3_0"]


def test_another_parameter_runs_every_shard(job: Job, example: Example) -> None:
    """What determines the task's output determines each shard's."""
    example.run(job)
    example.flow = changed(example.flow, "tiling:1", parameters={"size": 2})
    example.run(job)
    assert sorted(example.seen) == ["s0", "s1", "s2", "s3"]


def test_no_features(job: Job) -> None:
    """An empty input gives an empty output, and is done."""
    example = Example(0)
    result = example.run(job)
    assert [each.status for each in result.tasks] == ["done", "done", "done"]
    assert job.stage("tiling:1").features().features == []
    assert [each.status for each in example.run(job).tasks] == ["cached", "cached", "cached"]


def test_a_failed_shard_is_run_alone_by_the_next_run(job: Job, example: Example) -> None:
    """The task fails and leaves no stage; what its other shards made is kept, and is not made again."""
    example.failing = {"s2"}
    result = example.run(job, cpus=1)
    assert result.tasks[1].status == "failed"
    assert result.tasks[1].reason == "1 of 4 shards failed: s2: ended with exit code 3"
    assert result.tasks[2].status == "skipped"
    assert not job.stage("tiling:1").exists()
    example.failing = set()
    assert not example.run(job).failed
    assert sorted(example.seen) == ["s2", "s3"]  # s3 was not begun: a failure ends the run


def test_keeping_going_gives_a_part(job: Job, example: Example) -> None:
    """The other shards run, the stage says what it lacks, and what stands on the task works with the part."""
    example.failing = {"s1"}
    result = example.run(job, keep_going=True)
    outcome = result.tasks[1]
    assert (outcome.status, outcome.shards, outcome.missing) == ("partial", (3, 4), ("s1",))
    assert result.failed == [outcome]
    assert result.tasks[2].status == "done"
    commit = job.stage("tiling:1").latest()
    assert commit.missing == ("s1",)
    assert commit.totals.features == 3


def test_a_part_is_not_done(job: Job, example: Example) -> None:
    """The plan says what is lacking; the next run makes it, and no more."""
    example.failing = {"s1"}
    example.run(job, keep_going=True)
    plan = {each.task.name: each.reasons for each in Planner(job, example.blocks).plan(example.flow)}
    assert plan["tiling:1"] == ("job/tiling:1@1 lacks what 1 feature of the input would give",)
    example.failing = set()
    example.run(job)
    assert example.seen == ["s1"]
    assert job.stage("tiling:1").latest().missing == ()
    assert job.stage("report:1").latest().totals.features == 4


def test_all_shards_fail(job: Job, example: Example) -> None:
    """There is no part to save then."""
    example.failing = {f"s{n}" for n in range(4)}
    outcome = example.run(job, keep_going=True).tasks[1]
    assert outcome.status == "failed"
    assert outcome.reason.startswith("4 of 4 shards failed: s0: ")
    assert outcome.reason.endswith("; …")
    assert not job.stage("tiling:1").exists()


def test_shards_run_side_by_side(job: Job, example: Example) -> None:
    """As many as there are processors for."""
    both = threading.Barrier(2, timeout=20)

    def meet(work: Work) -> Ending | None:
        both.wait()
        return example.tile(work)

    example.blocks = Bodies(scenes=example.make, tile=meet, copy=example.copy)
    assert not example.run(job, cpus=2).failed


def test_damaged_shards_are_made_again(job: Job, example: Example) -> None:
    """A shard whose bytes are gone from the store is no finished one."""
    example.run(job)
    (name,) = (n for n in job.state.store.stages("job") if n == split_name(job, "s3"))
    commit = job.stage(name).latest()
    assert commit.data is not None
    job.state.store.bucket.delete([commit.data.key])
    job.stage("tiling:1").delete()
    example.run(job)
    assert example.seen == ["s3"]


def split_name(job: Job, scene: str) -> str:
    """The stage of the shard that was made of a scene."""
    names = (name for name in job.state.store.stages("job") if "+" in name)
    return next(n for n in names if job.stage(n).features().features[0].id == f"{scene}_0")


def test_files_that_shards_pass_on_do_not_move(job: Job, example: Example) -> None:
    """What a shard's output has of its input is referred to, as a whole task's is."""
    flow = changed(example.flow, "tiling:1", block=example.flow.tasks[2].block)
    run(flow, job, blocks=example.blocks)
    shards = [job.stage(name).latest() for name in job.state.store.stages("job") if "+" in name]
    assert len(shards) == 4
    assert all(commit.totals.referenced == commit.totals.bytes == 2 for commit in shards)


def test_propagation_comes_on_top(job: Job, example: Example) -> None:
    """Stages that the task propagates are merged into what its shards made, once."""
    flow = changed(example.flow, "tiling:1", propagate=(PropagatedStages(stages=("scenes:1",)),))
    run(flow, job, blocks=example.blocks)
    ids = [f.id for f in job.stage("tiling:1").features().features]
    assert ids == [f"s{n}_0" for n in range(4)] + [f"s{n}" for n in range(4)]


def test_events_count_the_shards(job: Job, example: Example) -> None:
    """Each shard that ends is told, with how many are done."""
    events: list[Event] = []
    run(example.flow, job, Options(cpus=1), blocks=example.blocks, tell=events.append)
    counts = [event.shards for event in events if event.kind == "shard"]
    assert counts == [(1, 4), (2, 4), (3, 4), (4, 4)]


def joined(job: Job, **outputs: Callable[[Work], None]) -> list[Event]:
    """Run a task in one shard for each name, each of which writes its own; give the events."""
    events: list[Event] = []
    blocks = Bodies(
        scenes=lambda work: write(work, [feature(None, name) for name in outputs]),
        tile=lambda work: outputs[read(work)["features"][0]["id"]](work),
    )
    flow = workflow(task("scenes:1", "scenes"), task("tiling:1", "tile", "scenes:1", chunk=1))
    result = run(flow, job, Options(cpus=1, keep_going=True), blocks=blocks, tell=events.append)
    assert [each.status for each in result.tasks] == ["done", "done"], result.tasks
    return events


def paths(job: Job) -> dict[str, str]:
    """The data paths of the features of the task in shards."""
    found = job.stage("tiling:1").features().features
    return {str(each.id): each.properties.get(PATH, "") for each in found}


UTM = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32632"}}


def with_crs(work: Work) -> None:
    text = {"type": "FeatureCollection", "crs": UTM, "features": [feature(None, "found")]}
    (work.output / "data.json").write_text(json.dumps(text))


def test_a_first_shard_without_features(job: Job) -> None:
    """A shard in which nothing was found says nothing of the ``crs`` of those in which something was."""
    joined(job, a=lambda work: write(work, []), b=with_crs, c=lambda work: write(work, []))
    assert json.loads(bytes(job.stage("tiling:1").data()))["crs"] == UTM
    assert list(paths(job)) == ["found"]


def test_shards_whose_features_carry_everything(job: Job) -> None:
    """The data path ``.`` is the whole output of a shard, also of the first, and not that of all shards."""
    joined(
        job,
        a=lambda work: write(work, [feature(".", "a")], {"x.txt": b"a"}),
        b=lambda work: write(work, [feature(".", "b")], {"x.txt": b"b"}),
    )
    found = paths(job)
    assert "." not in found.values()
    for name, path in found.items():
        assert job.stage("tiling:1").open(f"{path}/x.txt").read() == name.encode()


def test_files_that_no_feature_of_a_shard_carries(job: Job) -> None:
    """They stay behind in every shard, the first as any other; that is told, and recorded."""
    names = {
        name: lambda work, name=name: write(
            work, [feature(f"{name}.tif", name)], {f"{name}.tif": b"", f"{name}.log": b"", "all.log": b""}
        )
        for name in "abcde"
    }
    events = joined(job, **names)
    entries = load_index(job.state.store, job.stage("tiling:1").latest()).entries
    assert [entry.path for entry in entries] == [f"{name}.tif" for name in "abcde"]
    told = [event.reason for event in events if event.kind == "step" and event.task == "tiling:1"]
    assert "2 files of job/tiling:1+" in told[0]
    assert "a.log, all.log" in told[0]
    assert told[3:] == ["warning: files of 2 more of its shards stayed behind"]
    record = Runs(job.state.store, "job").attempt(events[0].run, "tiling:1", 1)
    assert isinstance(record, AttemptRecord)
    assert [f"warning: {text}" for text in record.warnings] == told


def test_shards_that_were_not_begun_have_not_failed(job: Job, example: Example) -> None:
    """Of the shards that a failure left unbegun nothing is told: they have come to no end."""
    example.failing = {"s1"}
    events: list[Event] = []
    run(example.flow, job, Options(cpus=1), blocks=example.blocks, tell=events.append)
    ended = [event.reason for event in events if event.kind == "shard"]
    assert ended == ["", "ended with exit code 3"]


def test_many_shards_take_time_as_they_are_many(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each shard costs what it holds, not what all before it hold: 10,000 take no hours."""
    example = Example(60)
    seen = 0
    add_parents = Files._add_parents

    def counted(files: Files, path: str) -> None:
        nonlocal seen
        seen += 1
        add_parents(files, path)

    def tile(work: Work) -> None:
        (scene,) = read(work)["features"]
        write(work, [feature(f"{scene['id']}", scene["id"])], {f"{scene['id']}/tile.tif": b"tile"})

    example.blocks = Bodies(scenes=example.make, tile=tile, copy=example.copy)
    example.flow = workflow(*example.flow.tasks[:2])
    example.run(job)
    monkeypatch.setattr(Files, "_add_parents", counted)
    job.stage("tiling:1").delete()
    example.run(job)
    assert seen < 60 * 30


@pytest.mark.long
def test_one_feature_more_over_a_thousand(job: Job) -> None:
    """It is one shard of a thousand and one that runs."""
    example = Example(1000)
    example.run(job)
    example.scenes.insert(500, feature("new.tif", "new"))
    example.blocks.versions["scenes"] = "2"
    result = example.run(job)
    assert example.seen == ["new"]
    assert result.tasks[1].shards == (1001, 1001)
