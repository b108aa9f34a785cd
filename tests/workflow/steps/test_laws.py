"""What an engine makes by steps is what a run of the workflow makes, and each finds the other's work done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import pytest
from doubles.blocks import Bodies, changed, parameters, read, task, workflow, write
from doubles.outputs import contents, feature
from doubles.stepping import Engine
from manifest.examples import data_block, processing_block

from up42_state.manifest import Manifest
from up42_state.state import Job, State
from up42_state.workflow.blocks.opening import Blocks as OpenedBlocks
from up42_state.workflow.model import BlockReference, PropagatedStages, Task, Workflow
from up42_state.workflow.planner import Planner
from up42_state.workflow.runner import Options, run
from up42_state.workflow.steps.staging import stored_task
from up42_state.workflow.steps.text import read_task, write_task

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.stages.format.commit import Commit
    from up42_state.workflow.blocks.work import Work

PATH = "up42.data_path"


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(f"file://{tmp_path}/store")


def other_job(state: State, blocks: Blocks) -> None:
    """A job whose stages a workflow of another job stands on."""
    run(workflow(task("scenes:1", "scenes")), state.job("other"), blocks=Bodies.again(blocks.bodies))


class Blocks:
    """Scenes, what is made of each, and what is made of all."""

    def __init__(self, count: int = 5) -> None:
        self.scenes = [feature(f"s{n}.tif", f"s{n}", number=n) for n in range(count)]
        self.bodies = Bodies(scenes=self.make, tile=self.tile, report=self.report, preview=self.preview)

    def make(self, work: Work) -> None:
        write(work, self.scenes, {each["properties"][PATH]: each["id"].encode() for each in self.scenes})
        (work.quicklooks / "overview.png").write_bytes(b"png")

    def preview(self, work: Work) -> None:
        write(work, [feature(None, "preview")])

    def tile(self, work: Work) -> None:
        made, files = [], {}
        for scene in read(work)["features"]:
            width, name = parameters(work).get("width", 1), f"{scene['id']}.tile.tif"
            made.append(feature(name, f"{scene['id']}_0", width=width))
            files[name] = (work.input / scene["properties"][PATH]).read_bytes() * width
        write(work, made, files)

    def report(self, work: Work) -> None:
        names = sorted(path.name for path in work.input.rglob("*.tif"))
        write(work, [feature("report.txt", "report")], {"report.txt": "\n".join(names).encode()})


WORKFLOWS = {
    "whole tasks": workflow(
        task("scenes:1", "scenes", parameters={"secret_token": "planted-secret", "limit": 3}),
        task("tiling:1", "tile", "scenes:1", parameters={"width": 3}),
    ),
    "fan-in": workflow(
        task("scenes:1", "scenes"),
        task("tiling:1", "tile", "scenes:1"),
        task("report:1", "report", "scenes:1", "tiling:1"),
    ),
    "propagated": workflow(
        task("scenes:1", "scenes"),
        task("tiling:1", "tile", "scenes:1"),
        task(
            "report:1",
            "report",
            "tiling:1",
            propagate=(
                PropagatedStages(
                    stages=("scenes:1",),
                    options={"where": ["number<3"], "match": [("properties.number", "id")]},
                ),
                PropagatedStages(stages=("tiling:1", "gone:1"), options={"missing": "skip"}),
            ),
        ),
    ),
    "stages of another job": workflow(
        task("tiling:1", "tile", "other/scenes:1", chunk=2),
        task(
            "report:1",
            "report",
            "other/scenes:1",
            "tiling:1",
            propagate=(PropagatedStages(stages=("other/scenes:1",)),),
        ),
    ),
    "in shards": workflow(
        task("scenes:1", "scenes"),
        task("tiling:1", "tile", "scenes:1", chunk=2, parameters={"width": 2}),
        task("report:1", "report", "tiling:1"),
    ),
    "in shards, merged and propagated": workflow(
        task("scenes:1", "scenes"),
        task("copies:1", "scenes"),
        task(
            "tiling:1",
            "tile",
            "scenes:1",
            "copies:1",
            chunk=1,
            propagate=(PropagatedStages(stages=("scenes:1",), options={"ids": ["s0"]}),),
        ),
    ),
}


def stages(job: Job) -> dict[str, Commit]:
    """The current revisions of a job's stages, shards too."""
    return {name: job.stage(name).latest() for name in job.state.store.stages(job.key)}


def equal(one: Job, other: Job, folder: Path) -> None:
    """Two jobs hold the same, but for their own names."""
    ours, theirs = stages(one), stages(other)
    assert ours.keys() == theirs.keys()
    for name, commit in ours.items():
        made = theirs[name]
        assert (commit.content, commit.fingerprint) == (made.content, made.fingerprint)
        assert commit.components == made.components
        assert (commit.block, commit.parameters, commit.job_mode) == (
            made.block,
            made.parameters,
            made.job_mode,
        )
        assert [(p.stage, p.content) for p in commit.parents] == [(p.stage, p.content) for p in made.parents]
        found = []
        for number, job in enumerate((one, other)):
            target = folder / f"{name}.{number}"
            job.stage(name).restore(target)
            found.append(contents(target))
        assert found[0] == found[1]


@pytest.mark.parametrize("flow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_steps_make_what_a_run_makes(tmp_path: Path, flow: Workflow) -> None:
    """Stages, contents, fingerprints with their components, parents and blocks are equal."""
    blocks = Blocks()
    # In two stores, since a stage that is propagated counts with its job.
    by_run, by_steps = (State(f"file://{tmp_path}/{name}").job("job") for name in ("run", "steps"))
    for job in (by_run, by_steps):
        other_job(job.state, blocks)
    assert run(flow, by_run, blocks=blocks.bodies).status == "done"
    looks = Engine(job=by_steps, blocks=blocks.bodies, scratch=tmp_path / "scratch").run(flow)
    assert all(each.runs for each in looks.values())
    equal(by_run, by_steps, tmp_path)
    assert "planted-secret" not in str(stages(by_steps))


@pytest.mark.parametrize("flow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_each_finds_the_work_of_the_other(state: State, tmp_path: Path, flow: Workflow) -> None:
    """A run after an engine finds all done, and an engine after a run."""
    by_steps, by_run = state.job("steps"), state.job("run")
    first, again = Blocks(), Blocks()
    other_job(state, first)
    Engine(job=by_steps, blocks=first.bodies, scratch=tmp_path / "scratch").run(flow)
    result = run(flow, by_steps, blocks=again.bodies)
    assert [each.status for each in result.tasks] == ["cached"] * len(flow.tasks)
    assert not again.bodies.ran

    run(flow, by_run, blocks=first.bodies)
    looks = Engine(job=by_run, blocks=again.bodies, scratch=tmp_path / "scratch").run(flow)
    assert [each.planned.status for each in looks.values()] == ["cached"] * len(flow.tasks)
    assert not again.bodies.ran


@pytest.mark.parametrize("flow", WORKFLOWS.values(), ids=WORKFLOWS)
def test_in_one_job_both_make_one_revision(state: State, tmp_path: Path, flow: Workflow) -> None:
    """An engine that is forced to run all again, in a job that a run has filled, changes nothing."""
    blocks, job = Blocks(), state.job("job")
    other_job(state, blocks)
    run(flow, job, blocks=blocks.bodies)
    before = stages(job)
    looks = Engine(job=job, blocks=blocks.bodies, scratch=tmp_path / "scratch").run(flow, force=True)
    assert {each.planned.reasons for each in looks.values()} == {("it is to run (--force)",)}
    assert stages(job) == before


def test_a_change_is_seen_by_both(state: State, tmp_path: Path) -> None:
    """Another parameter, other code and another input run the same tasks either way, for the same reasons."""
    flow, blocks, job = WORKFLOWS["in shards"], Blocks(), state.job("job")
    engine = Engine(job=job, blocks=blocks.bodies, scratch=tmp_path / "scratch")
    engine.run(flow)
    other = changed(flow, "tiling:1", parameters={"width": 4})
    planned = {each.task.name: each for each in Planner(job, blocks.bodies).plan(other)}
    seen = engine.run(other)["tiling:1"]
    assert seen.planned.reasons == planned["tiling:1"].reasons == ("parameter width was 2, is 4",)
    assert {each.status for each in run(other, job, blocks=blocks.bodies).tasks} == {"cached"}


def test_one_feature_more_runs_one_shard_more(state: State, tmp_path: Path) -> None:
    """Shards that a run has made are not made again by an engine: the index names the new one."""
    flow, blocks, job = WORKFLOWS["in shards, merged and propagated"], Blocks(), state.job("job")
    run(flow, job, blocks=blocks.bodies)
    blocks.scenes.insert(2, feature("new.tif", "new", number=9))
    blocks.bodies.versions["scenes"] = "2"
    again = Bodies.again(blocks.bodies)
    looks = Engine(job=job, blocks=again, scratch=tmp_path / "scratch").run(flow)
    shards = looks["tiling:1"].shards
    assert shards is not None
    assert shards.indices == [2]
    assert again.ran == {"scenes:1": 1, "copies:1": 1, "tiling:1": 1}
    assert {each.status for each in run(flow, job, blocks=again).tasks} == {"cached"}


def test_a_dry_run(state: State, tmp_path: Path) -> None:
    """A dry run makes the stage of a data block alone, and what it made is no real output."""
    data, processing = Manifest.from_json(data_block()), Manifest.from_json(processing_block())
    flow = workflow(
        task("scenes:1", "preview", manifest=data),
        task("tiling:1", "report", "scenes:1", manifest=processing),
    )
    blocks = Blocks()
    for name in ("run", "steps"):
        job = state.job(name)
        if name == "run":
            run(flow, job, Options(job_mode="DRY_RUN"), blocks=blocks.bodies)
        else:
            engine = Engine(job=job, blocks=blocks.bodies, scratch=tmp_path / "scratch", job_mode="DRY_RUN")
            looks = engine.run(flow)
            assert [each.planned.status for each in looks.values()] == ["runs", "skipped"]
            assert looks["tiling:1"].to_dict()["run"] is False
    one, other = (state.job(name).stage("scenes:1").latest(job_mode="DRY_RUN") for name in ("run", "steps"))
    assert replace_time(one) == replace_time(other)
    looks = Engine(job=state.job("steps"), blocks=blocks.bodies, scratch=tmp_path / "real").run(flow)
    assert all(each.runs for each in looks.values())
    assert state.job("steps").stage("scenes:1").latest().job_mode == "DEFAULT"


def replace_time(commit: Commit) -> tuple[object, ...]:
    return (commit.job_mode, commit.fingerprint, commit.components, commit.content, commit.block)


@pytest.mark.parametrize("kind", ["command", "python"])
def test_real_blocks_have_the_same_recipe(
    state: State, tmp_path: Path, kind: Literal["command", "python"]
) -> None:
    """The folder's digest, the function's source and the command without paths come through the text."""
    folder = tmp_path / "block"
    folder.mkdir()
    (folder / "code.py").write_text("def run(collection):\n    return collection\n")
    block = BlockReference(
        kind=kind,
        folder=folder,
        command=("/usr/bin/python3", f"{folder}/code.py", "--fast") if kind == "command" else (),
        function="" if kind == "command" else "code:run",
    )
    made = Task(name="t:1", block=block, parameters={"api_key": "planted-secret"}, chunk=3)
    job = state.job("job")
    with OpenedBlocks() as opened:
        expected = Planner(job, opened).recipe(made)
        portable = read_task(write_task(made, opened.of(made).code))
    stored = stored_task(portable, job, "DEFAULT")
    assert stored.planner.recipe(stored.task) == expected
    assert "<here>/code.py" in expected.command or kind == "python"
