"""Running a workflow: order, branches, failures, retries, ends."""

from __future__ import annotations

import threading
import time
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from doubles.blocks import Bodies, parameters, read, task, workflow, write

from up42_state.errors import SettingsError, StateError
from up42_state.state import Job, State
from up42_state.workflow import attempt as attempts
from up42_state.workflow.blocks.work import Ending, Work
from up42_state.workflow.model import BlockReference, PropagatedStages, Resources, Task
from up42_state.workflow.runner import Options, RunResult, run

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.workflow.events import Event

MIB = 1024 * 1024
FAILED = Ending(reason="exit code", text="ended with exit code 3", exit_code=3)


def scenes(work: Work) -> None:
    feature = {"type": "Feature", "id": "a", "geometry": None, "properties": {"up42.data_path": "a.tif"}}
    write(work, [feature], {"a.tif": b"scene"})


def copy(work: Work) -> None:
    write(work, [{**each, "properties": {}} for each in read(work)["features"]])


def fail(work: Work) -> Ending:
    scenes(work)  # an output that must not be saved
    work.log.write(b"first line\nlast line\n")
    return FAILED


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return State(f"file://{tmp_path}/store").job("job")


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


def statuses(result: RunResult) -> dict[str, str]:
    return {each.task: each.status for each in result.tasks}


def stages(job: Job) -> list[str]:
    return [stage.name for stage in job.stages()] if job.state.store.stages(job.key) else []


def test_a_chain(job: Job) -> None:
    """Each task reads the output of the task before it; an earlier stage's features come back."""
    flow = workflow(
        task("scenes:1", "scenes"),
        task("empty:1", "empty", "scenes:1"),
        task("report:1", "copy", "empty:1", propagate=(PropagatedStages(stages=("scenes:1",)),)),
    )
    blocks = Bodies(scenes=scenes, copy=copy, empty=lambda work: write(work, []))
    result = run(flow, job, blocks=blocks)
    assert statuses(result) == {"scenes:1": "done", "empty:1": "done", "report:1": "done"}
    assert [feature.id for feature in job.stage("report:1").features().features] == ["a"]
    assert job.stage("report:1").open("a.tif").read() == b"scene"


def test_commits_say_what_they_were_made_of(job: Job) -> None:
    """A stage of a run has the parents, the block's name, the parameters and the components of its recipe."""
    flow = workflow(
        task("scenes:1", "scenes", parameters={"limit": 3, "api_token": "s3cr3t-t0ken"}),
        task("next:1", "copy", "scenes:1"),
    )
    run(flow, job, blocks=Bodies(scenes=scenes, copy=copy))
    first, following = job.stage("scenes:1").latest(), job.stage("next:1").latest()
    assert first.block is not None
    assert first.block.name == "scenes"
    assert first.parameters["limit"] == 3
    assert "s3cr3t" not in str(first.to_dict())
    assert [parent.stage for parent in following.parents] == ["scenes:1"]
    kinds = [component.kind for component in following.components]
    assert kinds == ["recipe", "job_mode", "block", "command", "parameters", "parent"]


def test_branches_run_side_by_side(job: Job) -> None:
    """Two tasks that stand on the same one run at the same time: each waits for the other."""
    both = threading.Barrier(2, timeout=20)

    def meet(work: Work) -> None:
        both.wait()
        copy(work)

    flow = workflow(
        task("scenes:1", "scenes"), task("a:1", "meet", "scenes:1"), task("b:1", "meet", "scenes:1")
    )
    result = run(flow, job, Options(cpus=2), blocks=Bodies(scenes=scenes, meet=meet))
    assert set(statuses(result).values()) == {"done"}


def test_within_the_processors(job: Job) -> None:
    """No more blocks run at the same time than there are processors for."""
    running, most = [], []

    def busy(work: Work) -> None:
        running.append(work.task)
        most.append(len(running))
        time.sleep(0.02)
        running.remove(work.task)
        scenes(work)

    flow = workflow(*(task(f"t{n}:1", "busy") for n in range(6)))
    run(flow, job, Options(cpus=2), blocks=Bodies(busy=busy))
    assert max(most) == 2


def test_a_task_for_a_larger_machine(job: Job) -> None:
    """A block that asks for more than the machine has runs all the same."""
    flow = workflow(task("scenes:1", "scenes", resources=Resources(cpus=999, memory=2**60)))
    assert statuses(run(flow, job, blocks=Bodies(scenes=scenes))) == {"scenes:1": "done"}


def test_a_failed_block_leaves_no_stage(job: Job) -> None:
    """Its output is not saved, what stands on it is skipped, and it is said why."""
    flow = workflow(task("scenes:1", "fail"), task("next:1", "copy", "scenes:1"))
    result = run(flow, job, blocks=Bodies(fail=fail, copy=copy))
    first, following = result.tasks
    assert (first.status, first.reason) == ("failed", "ended with exit code 3")
    assert (following.status, following.reason) == ("skipped", "scenes:1 failed")
    assert result.failed == [first]
    assert first.last is not None
    assert first.last.log_end == ("first line", "last line")
    assert stages(job) == []


@pytest.mark.parametrize("keep_going", [False, True])
def test_what_does_not_stand_on_a_failed_task(job: Job, keep_going: bool) -> None:
    """It runs if the run is to keep going."""
    flow = workflow(task("bad:1", "fail"), task("scenes:1", "slow"), task("next:1", "copy", "scenes:1"))

    begun = threading.Event()

    def slow(work: Work) -> None:
        begun.set()
        time.sleep(0.3)
        scenes(work)

    def late(work: Work) -> Ending:
        assert begun.wait(30)
        return fail(work)

    options = Options(keep_going=keep_going, cpus=2)
    result = run(flow, job, options, blocks=Bodies(fail=late, slow=slow, copy=copy))
    expected = "done" if keep_going else "skipped"
    # What was running when the other failed is finished: its work is not lost.
    assert statuses(result) == {"bad:1": "failed", "scenes:1": "done", "next:1": expected}


def test_an_invalid_output_is_a_failure(job: Job) -> None:
    """A block that ends with 0 and wrote what is no output has failed; all defects are said."""

    def invalid(work: Work) -> None:
        properties = {"up42.data_path": "gone.tif"}
        feature = {"type": "Feature", "id": "a", "geometry": None, "properties": properties}
        write(work, [feature, feature | {"properties": {"up42.data_path": "../x"}}])

    (outcome,) = run(workflow(task("a:1", "bad")), job, blocks=Bodies(bad=invalid)).tasks
    assert outcome.status == "failed"
    assert "2 defects" in outcome.reason
    assert "gone.tif" in outcome.reason
    assert "../x" in outcome.reason
    assert stages(job) == []


def test_no_output_is_a_failure(job: Job) -> None:
    """A block that writes no data.json has failed."""
    (outcome,) = run(workflow(task("a:1", "none")), job, blocks=Bodies(none=lambda _work: None)).tasks
    assert (outcome.status, "data.json" in outcome.reason) == ("failed", True)


def flaky(*endings: Ending | None) -> Any:
    """A block that ends so, attempt by attempt."""
    left = list(endings)

    def body(work: Work) -> Ending | None:
        ending = left.pop(0)
        if ending is None:
            scenes(work)
        return ending

    return body


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_LONGEST_PAUSE", 0.0)


@pytest.mark.usefixtures("no_pauses")
def test_retries(job: Job) -> None:
    """A failed attempt is made again in empty directories, as often as the task says."""
    events: list[Event] = []
    flow = workflow(task("a:1", "flaky", retries=2))
    result = run(flow, job, blocks=Bodies(flaky=flaky(FAILED, FAILED, None)), tell=events.append)
    assert statuses(result) == {"a:1": "done"}
    assert result.tasks[0].last is not None
    assert result.tasks[0].last.number == 3
    retries = [(event.attempt, event.reason) for event in events if event.kind == "retry"]
    assert retries == [(2, "ended with exit code 3"), (3, "ended with exit code 3")]


@pytest.mark.usefixtures("no_pauses")
def test_no_more_retries_than_asked_for(job: Job) -> None:
    """The last attempt's failure is the task's."""
    blocks = Bodies(flaky=flaky(FAILED, FAILED))
    assert statuses(run(workflow(task("a:1", "flaky", retries=1)), job, blocks=blocks)) == {"a:1": "failed"}
    assert blocks.ran["a:1"] == 2


@pytest.mark.usefixtures("no_pauses")
def test_more_memory_only_after_lack_of_it(job: Job) -> None:
    """An attempt after one that ran out of memory gets twice as much, up to eight times the first."""
    got: list[int | None] = []
    lack = Ending(reason="out of memory", text="out of memory")
    endings = [FAILED, lack, lack, lack, lack, lack]

    def hungry(work: Work) -> Ending:
        got.append(work.resources.memory)
        return endings[len(got) - 1]

    flow = workflow(task("a:1", "hungry", retries=5, resources=Resources(memory=MIB)))
    run(flow, job, blocks=Bodies(hungry=hungry))
    assert got == [MIB, MIB, 2 * MIB, 4 * MIB, 8 * MIB, 8 * MIB]


@pytest.mark.usefixtures("no_pauses")
def test_what_was_not_started_is_not_retried(job: Job) -> None:
    """A program that is not there will not be there a second later."""
    missing = Ending(reason="not started", text="no such program")
    blocks = Bodies(missing=lambda _work: missing)
    run(workflow(task("a:1", "missing", retries=5)), job, blocks=blocks)
    assert blocks.ran["a:1"] == 1


def test_stopping(job: Job) -> None:
    """A run that is stopped stops its blocks, keeps finished stages, and goes on later."""
    stop, begun = threading.Event(), threading.Event()

    def endless(work: Work) -> Ending:
        begun.set()
        assert work.stop.wait(20)
        return Ending(reason="stopped", text="the run was stopped")

    def end() -> None:
        begun.wait(20)
        stop.set()

    flow = workflow(task("scenes:1", "scenes"), task("a:1", "body", "scenes:1"), task("b:1", "copy", "a:1"))
    threading.Thread(target=end).start()
    result = run(flow, job, blocks=Bodies(scenes=scenes, body=endless, copy=copy), stop=stop)
    assert statuses(result) == {"scenes:1": "done", "a:1": "stopped", "b:1": "skipped"}
    assert result.tasks[2].reason == "the run was stopped"
    result = run(flow, job, blocks=Bodies(scenes=scenes, body=copy, copy=copy))
    assert statuses(result) == {"scenes:1": "cached", "a:1": "done", "b:1": "done"}


def test_a_save_that_fails_is_a_failure(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task whose output cannot be saved has failed, and what stands on it does not run."""
    flow = workflow(task("scenes:1", "scenes"), task("next:1", "copy", "scenes:1"))

    def full(*_: Any, **__: Any) -> None:
        raise StateError("the store is full")

    monkeypatch.setattr("up42_state.stages.write.save.publish", full)
    result = run(flow, job, blocks=Bodies(scenes=scenes, copy=copy))
    assert [(each.status, each.reason) for each in result.tasks] == [
        ("failed", "the store is full"),
        ("skipped", "scenes:1 failed"),
    ]


def test_an_error_of_ours_ends_the_run(job: Job) -> None:
    """A fault in this package is no block's failure: it comes out, once running blocks have been stopped."""
    stopped: list[bool] = []

    def fault(_work: Work) -> None:
        time.sleep(0.1)
        raise ZeroDivisionError

    def patient(work: Work) -> Ending:
        stopped.append(work.stop.wait(20))
        return Ending(reason="stopped", text="stopped")

    flow = workflow(task("a:1", "patient"), task("b:1", "fault"))
    with pytest.raises(ZeroDivisionError):
        run(flow, job, Options(cpus=2), blocks=Bodies(patient=patient, fault=fault))
    assert stopped == [True]


def test_directories_are_removed(job: Job, scratch: Path) -> None:
    """Nothing is left of a run's directories, whatever came of its tasks."""
    flow = workflow(task("scenes:1", "scenes"), task("bad:1", "fail", "scenes:1"))
    run(flow, job, Options(scratch=scratch), blocks=Bodies(scenes=scenes, fail=fail))
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(("files", "more"), [(1, ""), (7, "; and 2 more")])
def test_an_output_that_is_not_valid(job: Job, scratch: Path, files: int, more: str) -> None:
    """What is wrong with it is one line, which does not name a directory that is gone."""

    def lacking(work: Work) -> None:
        write(work, [{"type": "Feature", "geometry": None, "properties": {"up42.data_path": "a"}}] * files)

    result = run(
        workflow(task("a:1", "lacking")), job, Options(scratch=scratch), blocks=Bodies(lacking=lacking)
    )
    reason = result.tasks[0].reason
    assert reason.startswith(f"the output has {files} defect")
    assert ": features[0].properties[\"up42.data_path\"]: 'a' names nothing in the output; " in reason
    assert ("\n" in reason, str(scratch) in reason, reason.endswith(more)) == (False, False, True)


def test_a_message_of_several_lines(job: Job) -> None:
    """It is one line in a table."""
    several = Ending(reason="exit code", text="2 errors\n\n  a: is missing\n  b: is missing\n", exit_code=1)
    result = run(workflow(task("a:1", "fails")), job, blocks=Bodies(fails=lambda work: several))
    assert result.tasks[0].reason == "2 errors; a: is missing; b: is missing"


def test_directories_of_failed_attempts_are_kept(job: Job, scratch: Path) -> None:
    """``keep="failed"`` leaves what a failed block had read and written, no more, and says once where."""
    flow = workflow(task("scenes:1", "scenes"), task("bad:1", "fail", "scenes:1", retries=1))
    events: list[Event] = []
    chosen = Options(scratch=scratch, keep="failed")
    run(flow, job, chosen, blocks=Bodies(scenes=scenes, fail=fail), tell=events.append)
    assert [event.reason for event in events if event.kind == "step"] == [
        f"what failed attempts read and wrote is left in {next(scratch.glob('run-*'))}"
    ]
    kept, again = sorted(path for path in scratch.glob("run-*/*") if path.is_dir())
    assert [kept.name, again.name] == ["bad-1.1", "bad-1.2"]
    assert (kept / "input/a.tif").read_bytes() == (kept / "output/a.tif").read_bytes() == b"scene"


def test_what_a_dead_runner_left_is_removed(job: Job, scratch: Path) -> None:
    """The next run removes the directories of a runner that is gone, and none of one that lives."""
    dead = scratch / "run-dead"
    (dead / "tiling-1.1" / "input").mkdir(parents=True)
    (scratch / ".lock-of-up42-run-dead").touch()
    seen: list[bool] = []

    def look(work: Work) -> None:
        seen.append(dead.exists())
        if work.task == "a:1":  # a second run, while this one lives
            run(workflow(task("b:1", "look")), job, Options(scratch=scratch), blocks=Bodies(look=look))
        scenes(work)

    run(workflow(task("a:1", "look")), job, Options(scratch=scratch), blocks=Bodies(look=look))
    assert seen == [False, False]
    assert stages(job) == ["a:1", "b:1"]


def test_a_scratch_directory_that_cannot_be_used(job: Job, tmp_path: Path) -> None:
    """The error names the option."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"file cannot be used .*--scratch"):
        run(
            workflow(task("a:1", "scenes")),
            job,
            Options(scratch=tmp_path / "file"),
            blocks=Bodies(scenes=scenes),
        )


def test_a_disk_that_is_too_small(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task whose input does not fit fails before anything is restored; it is said how much is needed."""
    flow = workflow(task("scenes:1", "scenes"), task("next:1", "copy", "scenes:1"))
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage(100, 90, 10))
    blocks = Bodies(scenes=scenes, copy=copy)
    result = run(flow, job, blocks=blocks)
    assert result.tasks[1].reason.startswith("the disk of ")
    assert "10 B free, and 10 B are needed" in result.tasks[1].reason
    assert not blocks.ran["next:1"]


def test_parameters_reach_the_block(job: Job) -> None:
    """The variable of the contract holds them."""
    got: list[dict[str, Any]] = []

    def look(work: Work) -> None:
        got.append(parameters(work))
        scenes(work)

    run(workflow(task("a:1", "look", parameters={"limit": 3})), job, blocks=Bodies(look=look))
    assert got == [{"limit": 3}]


def test_the_store_s_credentials_stay_here(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block sees no setting of ours; variables that its task names are handed on, apart from the others."""
    monkeypatch.setenv("UP42_STATE_AWS_ACCESS_KEY_ID", "AKIA0000000000000000")
    monkeypatch.setenv("UP42_STATE_AWS_SECRET_ACCESS_KEY", "planted")
    monkeypatch.setenv("MY_TOKEN", "wanted")
    seen: list[Work] = []

    def look(work: Work) -> None:
        seen.append(work)
        scenes(work)

    reference = BlockReference(kind="command", command=("look",), environment=("MY_TOKEN",))
    run(workflow(Task(name="a:1", block=reference)), job, blocks=Bodies(look=look))
    assert "planted" not in str(seen[0].environment)
    assert seen[0].secrets == {"MY_TOKEN": "wanted"}


def test_events_tell_the_whole_story(job: Job) -> None:
    """What happened to each task is told, with why it ran and what it made."""
    events: list[Event] = []
    flow = workflow(
        task("scenes:1", "scenes"), task("bad:1", "fail", "scenes:1"), task("c:1", "copy", "bad:1")
    )
    blocks = Bodies(scenes=scenes, fail=fail, copy=copy)
    run(flow, job, blocks=blocks, tell=events.append)
    told = [(event.kind, event.task, event.reason) for event in events if event.task]
    assert told == [
        ("waiting", "scenes:1", "it was not saved yet"),
        ("waiting", "bad:1", "it was not saved yet; scenes:1 runs"),
        ("waiting", "c:1", "it was not saved yet; bad:1 runs"),
        ("started", "scenes:1", "it was not saved yet"),
        ("done", "scenes:1", ""),
        ("started", "bad:1", "it was not saved yet"),
        ("failed", "bad:1", "ended with exit code 3"),
        ("skipped", "c:1", "bad:1 failed"),
    ]
    assert (events[0].kind, events[-1].kind, events[-1].reason) == ("run", "end", "failed")
    done = next(event for event in events if event.kind == "done")
    assert (done.stage, done.features, done.bytes) == ("job/scenes:1@1", 1, 5)


def test_from_python(job: Job) -> None:
    """``up42_state.workflow`` has what a program needs; its names are loaded when they are used."""
    import up42_state.workflow as public

    assert public.__all__ == sorted(public.__all__)
    assert all(getattr(public, name).__module__.startswith("up42_state.") for name in public.__all__)
    assert set(public.__all__) == set(dir(public))
    flow, blocks = workflow(task("scenes:1", "scenes")), Bodies(scenes=scenes)
    assert [each.status for each in public.plan(flow, job, blocks=blocks)] == ["runs"]
    assert public.run(flow, job, blocks=blocks).status == "done"
    assert [each.status for each in public.plan(flow, job, blocks=blocks)] == ["cached"]
    with pytest.raises(AttributeError, match="has no attribute 'plam'"):
        _ = public.plam


def test_two_runs_at_once_make_one_revision(job: Job) -> None:
    """Both look before either has saved, and the block's output differs: the second takes the first's."""
    both = threading.Barrier(2, timeout=20)
    words = iter(("one", "two"))

    def make(work: Work) -> None:
        both.wait()
        write(work, [{"type": "Feature", "id": next(words), "geometry": None, "properties": {}}])

    flow = workflow(task("a:1", "make"))
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(run, flow, job, blocks=Bodies(make=make)) for _ in range(2)]
        results = [each.result().tasks[0] for each in futures]
    assert {each.status for each in results} == {"done"}
    assert results[0].commit == results[1].commit
    assert len(list(job.stage("a:1").history())) == 1
