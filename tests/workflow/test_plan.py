"""What is done of a workflow, what is not, and why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from doubles.blocks import Bodies, changed, read, task, workflow, write

from up42_state.errors import JobNotFoundError, SettingsError
from up42_state.state import Job, State
from up42_state.workflow.model import PropagatedStages, Resources, Workflow
from up42_state.workflow.planner import Planner
from up42_state.workflow.runner import Options, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from up42_state.workflow.blocks.work import Work

    Vary = Callable[[Workflow], Workflow]

SCENES = (PropagatedStages(stages=("scenes:1",)),)
FLOW = workflow(
    task("scenes:1", "scenes", parameters={"limit": 2}),
    task("tiling:1", "copy", "scenes:1", parameters={"tile_width": 512}),
    task("detection:1", "copy", "tiling:1", chunk=2),
    task("report:1", "report", "detection:1", propagate=SCENES),
    task("other:1", "copy", "scenes:1"),
)
EVERYTHING = [each.name for each in FLOW.tasks]


def scenes(work: Work) -> None:
    features = [{"type": "Feature", "id": f"s{n}", "geometry": None, "properties": {}} for n in range(3)]
    write(work, features)


def copy(work: Work) -> None:
    """Pass on the features, marked with the task, so that each task has an output of its own."""
    found = read(work)["features"]
    for each in found:
        each["properties"]["by"] = f"{each['properties'].get('by', '')} {work.task.partition('+')[0]}"
    write(work, found)


def report(work: Work) -> None:
    write(work, [])


@pytest.fixture
def blocks() -> Bodies:
    return Bodies(scenes=scenes, copy=copy, report=report)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return State(f"file://{tmp_path}/store").job("job")


def planned(job: Job, blocks: Bodies, flow: Workflow = FLOW, **options: Any) -> dict[str, list[str]]:
    """The reasons of every task that would run."""
    plan = Planner(job, Bodies.again(blocks)).plan(flow, **options)
    return {each.task.name: list(each.reasons) for each in plan if each.status == "runs"}


def ran(job: Job, blocks: Bodies, flow: Workflow = FLOW, **options: Any) -> list[str]:
    """Run a workflow; the tasks whose blocks ran."""
    blocks = Bodies.again(blocks)
    result = run(flow, job, Options(**options), blocks=blocks)
    assert not result.failed
    return [each.name for each in flow.tasks if blocks.ran[each.name]]


def test_at_first_everything_runs(job: Job, blocks: Bodies) -> None:
    """Nothing was saved yet, which is said of every task."""
    found = planned(job, blocks)
    assert list(found) == EVERYTHING
    assert {reasons[0] for reasons in found.values()} == {"it was not saved yet"}


def test_a_plan_runs_nothing(job: Job, blocks: Bodies, tmp_path: Path) -> None:
    """Neither a block runs nor an object is written."""
    Planner(job, blocks).plan(FLOW)
    assert not blocks.ran
    assert not (tmp_path / "store").exists()


def test_what_ran_is_cached(job: Job, blocks: Bodies) -> None:
    """A second run runs nothing, and the plan says so beforehand."""
    assert ran(job, blocks) == EVERYTHING
    assert planned(job, blocks) == {}
    assert ran(job, blocks) == []


def _version(blocks: Bodies) -> None:
    blocks.versions["report"] = "2"


def _nothing(_blocks: Bodies) -> None:
    pass


CHANGES: dict[str, tuple[Vary, Callable[[Bodies], None], str, list[str]]] = {
    "parameter": (
        lambda flow: changed(flow, "tiling:1", parameters={"tile_width": 768}),
        _nothing,
        "parameter tile_width was 512, is 768",
        ["tiling:1", "detection:1", "report:1"],
    ),
    "new parameter": (
        lambda flow: changed(flow, "scenes:1", parameters={"limit": 2, "clouds": None}),
        _nothing,
        "parameter clouds was not given, is null",
        EVERYTHING,
    ),
    "code": (lambda flow: flow, _version, "the block was report 1, is report 2", ["report:1"]),
    "command": (
        lambda flow: changed(
            flow, "report:1", block=replace(flow.tasks[3].block, command=("report", "--brief"))
        ),
        _nothing,
        "the command is another",
        ["report:1"],
    ),
    "shards": (
        lambda flow: changed(flow, "detection:1", chunk=3),
        _nothing,
        "the number of features in a shard was 2, is 3",
        ["detection:1", "report:1"],
    ),
    "no shards": (
        lambda flow: changed(flow, "detection:1", chunk=0),
        _nothing,
        "it was split into shards, and is not",
        ["detection:1", "report:1"],
    ),
    "shards where there were none": (
        lambda flow: changed(flow, "tiling:1", chunk=3),
        _nothing,
        "it was not split into shards, and is",
        ["tiling:1", "detection:1", "report:1"],
    ),
    "options of propagation": (
        lambda flow: changed(
            flow, "report:1", propagate=(PropagatedStages(stages=("scenes:1",), options={"ids": ["s1"]}),)
        ),
        _nothing,
        "propagated stage job/scenes:1 has other content or options",
        ["report:1"],
    ),
    "propagated stages": (
        lambda flow: changed(flow, "report:1", propagate=(*SCENES, PropagatedStages(stages=("tiling:1",)))),
        _nothing,
        "propagated stage job/tiling:1 is new",
        ["report:1"],
    ),
    "parents": (
        lambda flow: changed(flow, "other:1", after=("tiling:1",)),
        _nothing,
        "parent scenes:1 is no longer given",
        ["other:1"],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_runs_a_task_and_what_stands_on_it(job: Job, blocks: Bodies, change: str) -> None:
    """Each component of a fingerprint, changed, is named by the plan; exactly these tasks run."""
    vary, prepare, reason, tasks = CHANGES[change]
    ran(job, blocks)
    prepare(blocks)
    flow = vary(FLOW)
    found = planned(job, blocks, flow)
    assert list(found) == tasks
    assert found[tasks[0]][0].startswith(reason)
    # What stands on a task whose output comes out equal is cached after all.
    assert ran(job, blocks, flow)[0] == tasks[0]
    assert planned(job, blocks, flow) == {}


def test_what_others_changed_is_seen(job: Job, blocks: Bodies) -> None:
    """Another output of a parent, saved by anybody, is a reason to run."""
    ran(job, blocks)
    one = {"type": "Feature", "id": "s9", "geometry": None, "properties": {}}
    changed_scenes = Bodies(scenes=lambda work: write(work, [one]), copy=copy, report=report)
    ran(job, changed_scenes, workflow(FLOW.tasks[0]), force=True)
    found = planned(job, blocks)
    assert list(found) == ["tiling:1", "detection:1", "report:1", "other:1"]
    assert found["tiling:1"] == ["parent scenes:1 has other content"]
    assert found["report:1"] == [
        "propagated stage job/scenes:1 has other content or options",
        "detection:1 runs",
    ]


def test_an_equal_output_ends_the_chain(job: Job, blocks: Bodies) -> None:
    """A task that was forced to run and gives the same output leaves what stands on it cached."""
    ran(job, blocks)
    flow = changed(FLOW, "scenes:1", parameters={"limit": 3})
    assert list(planned(job, blocks, flow)) == EVERYTHING
    assert ran(job, blocks, flow) == ["scenes:1"]


@pytest.mark.parametrize(
    "vary",
    [
        lambda flow: changed(flow, "tiling:1", resources=Resources(cpus=2, memory=2**30)),
        lambda flow: changed(flow, "tiling:1", retries=3, timeout=60.0),
        lambda flow: replace(flow, name="another name"),
    ],
    ids=["machine", "retries", "name"],
)
def test_what_does_not_count(job: Job, blocks: Bodies, vary: Callable[[Workflow], Workflow]) -> None:
    """Machine types, retries, timeouts and names of workflows are no part of what an output is made of."""
    ran(job, blocks)
    assert planned(job, blocks, vary(FLOW)) == {}


def test_other_directories_do_not_count(job: Job, blocks: Bodies, tmp_path: Path) -> None:
    """Where attempts have their directories is no part of what an output is made of."""
    ran(job, blocks, scratch=tmp_path / "one")
    assert ran(job, blocks, scratch=tmp_path / "two") == []


def test_force(job: Job, blocks: Bodies) -> None:
    """All tasks run, and it is said why."""
    ran(job, blocks)
    assert set(map(tuple, planned(job, blocks, force=True).values())) == {("all tasks are to run (--force)",)}
    assert ran(job, blocks, force=True) == EVERYTHING


def test_from_a_task(job: Job, blocks: Bodies) -> None:
    """The task and all that stand on it run, even if outputs come out equal; others do not."""
    ran(job, blocks)
    found = planned(job, blocks, since="detection:1")
    assert found == {
        "detection:1": ["the run begins with it (--from)"],
        "report:1": ["detection:1 is forced to run"],
    }
    assert ran(job, blocks, since="detection:1") == ["detection:1", "report:1"]


def test_from_an_unknown_task(job: Job, blocks: Bodies) -> None:
    """The error lists the tasks there are."""
    with pytest.raises(SettingsError, match=r"tilling:1 is no task .* it has scenes:1, tiling:1, "):
        planned(job, blocks, since="tilling:1")


def test_a_stage_of_another_job(job: Job, blocks: Bodies) -> None:
    """A task may stand on another job's stage; where that is not there, the plan fails with its name."""
    flow = workflow(task("tiling:1", "copy", "earlier/scenes:1"))
    ran(job.state.job("others"), blocks)
    for _ in range(2):  # before the task was saved, and after
        with pytest.raises(JobNotFoundError, match=r"tiling:1 stands on earlier/scenes:1: .* no job earlier"):
            planned(job, blocks, flow)
        ran(job, blocks)
    ran(job.state.job("earlier"), blocks, workflow(FLOW.tasks[0]))
    assert planned(job, blocks, flow) == {"tiling:1": ["parameter tile_width was 512, is not given"]}


def test_a_stage_of_another_job_that_may_be_missing(job: Job, blocks: Bodies) -> None:
    """A propagated stage that may be skipped hinders no plan; one that may not does."""
    ran(job.state.job("others"), blocks)
    for missing, stops in (("skip", False), ("error", True)):
        wanted = PropagatedStages(stages=("earlier/scenes:1",), options={"missing": missing})
        flow = workflow(task("scenes:1", "scenes", propagate=(wanted,)))
        if stops:
            with pytest.raises(JobNotFoundError, match=r"scenes:1 stands on earlier/scenes:1"):
                planned(job, blocks, flow)
        else:
            assert planned(job, blocks, flow) == {"scenes:1": ["it was not saved yet"]}


def test_a_removed_stage_runs_again(job: Job, blocks: Bodies) -> None:
    """A stage that was removed is made anew; what stands on it is compared with what comes out."""
    ran(job, blocks)
    job.stage("tiling:1").delete()
    assert planned(job, blocks)["tiling:1"] == ["its stage was removed"]
    assert ran(job, blocks) == ["tiling:1"]


def test_lost_bytes_run_again(job: Job, blocks: Bodies) -> None:
    """A stage whose index is gone from the store is no cached one."""
    ran(job, blocks)
    commit = job.stage("other:1").latest()
    assert commit.index is not None
    job.state.store.bucket.delete([commit.index.key])
    assert planned(job, blocks) == {"other:1": [f"the index of {commit.name} is missing or damaged"]}
    assert ran(job, blocks) == ["other:1"]


def test_a_dry_run_is_for_data_blocks(job: Job, blocks: Bodies) -> None:
    """Tasks that read an input are skipped, and it is said why."""
    result = run(FLOW, job, Options(job_mode="DRY_RUN"), blocks=blocks)
    assert [(each.task, each.status) for each in result.tasks] == [
        ("scenes:1", "done"),
        *((name, "skipped") for name in EVERYTHING[1:]),
    ]
    assert result.tasks[1].reason == "a dry run runs data blocks alone"
    assert planned(job, blocks)["scenes:1"] == ["job/scenes:1@1 holds only the output of a dry run"]
