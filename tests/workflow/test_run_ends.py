"""Runs that go wrong or are large: each ends, soon, and says what happened."""

from __future__ import annotations

import threading
import time
from collections import namedtuple
from typing import TYPE_CHECKING

import pytest
from doubles.blocks import Bodies, read, task, workflow, write
from doubles.outputs import feature

from up42_state.machine.budget import Budget
from up42_state.state import Job, State
from up42_state.workflow import attempt as attempts
from up42_state.workflow import runner
from up42_state.workflow.blocks.work import Ending, Work
from up42_state.workflow.planner import Planned, Planner
from up42_state.workflow.runner import Options, RunResult, run
from up42_state.workflow.runs import Runs
from up42_state.workflow.scratch import Scratch
from up42_state.workflow.shards import inputs

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.workflow.events import Event

FAILED = Ending(reason="exit code", text="ended with exit code 3", exit_code=3)


def scenes(work: Work) -> None:
    write(work, [feature("a.tif", "a")], {"a.tif": b"scene"})


def copy(work: Work) -> None:
    write(work, [{**each, "properties": {}} for each in read(work)["features"]])


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return State(f"file://{tmp_path}/store").job("job")


def statuses(result: RunResult) -> dict[str, str]:
    return {each.task: each.status for each in result.tasks}


def test_names_that_differ_in_a_colon(job: Job) -> None:
    """Tasks ``a:1`` and ``a-1`` run side by side, each in directories of its own."""
    both = threading.Barrier(2, timeout=20)

    def meet(work: Work) -> None:
        both.wait()
        write(work, [feature(None, work.task)])

    flow = workflow(task("a:1", "meet"), task("a-1", "meet"))
    result = run(flow, job, Options(cpus=2), blocks=Bodies(meet=meet))
    assert statuses(result) == {"a:1": "done", "a-1": "done"}
    assert [job.stage(name).features().features[0].id for name in ("a:1", "a-1")] == ["a:1", "a-1"]


def test_two_tasks_that_wait_for_the_disk(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """They do not wait for each other for ever: where nothing else runs, nothing gives space back."""
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(attempts.shutil, "disk_usage", lambda _path: usage(100))
    stop = threading.Event()
    watchdog = threading.Timer(20, stop.set)
    watchdog.start()
    flow = workflow(
        task("scenes:1", "scenes"), task("a:1", "copy", "scenes:1"), task("b:1", "copy", "scenes:1")
    )
    result = run(
        flow, job, Options(cpus=2, keep_going=True), blocks=Bodies(scenes=scenes, copy=copy), stop=stop
    )
    watchdog.cancel()
    assert statuses(result) == {"scenes:1": "done", "a:1": "failed", "b:1": "failed"}
    assert "has 100 B free" in result.tasks[1].reason


def test_a_stop_while_the_disk_is_waited_for(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """The task was stopped, in the result and in the record; nobody is told of a lack."""
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(attempts.shutil, "disk_usage", lambda _path: usage(100))
    stop = threading.Event()

    def slow(work: Work) -> Ending:
        time.sleep(0.3)
        stop.set()
        return Ending(reason="stopped", text="was stopped", exit_code=143)

    flow = workflow(task("scenes:1", "scenes"), task("slow:1", "slow"), task("a:1", "copy", "scenes:1"))
    blocks = Bodies(scenes=scenes, copy=copy, slow=slow)
    result = run(flow, job, Options(cpus=2), blocks=blocks, stop=stop)
    assert statuses(result)["a:1"] == "stopped"
    assert result.tasks[2].reason == "the run was stopped"
    record = next(each for each in Runs(job.state.store, "job").attempts(result.run) if each.name == "a:1")
    assert (record.outcome, record.reason) == ("stopped", "stopped")


def test_a_run_that_ends_retries_nothing(job: Job) -> None:
    """A task that fails while the run ends has failed, with its own reason, and is not tried again."""
    other = threading.Event()
    events: list[Event] = []

    def fail(work: Work) -> Ending:
        other.set()
        return FAILED

    def later(work: Work) -> Ending:
        other.wait(20)
        time.sleep(0.2)
        return Ending(reason="signal", text="killed by SIGSEGV", signal=11)

    flow = workflow(task("first:1", "fail"), task("later:1", "later", retries=8))
    result = run(flow, job, Options(cpus=2), blocks=Bodies(fail=fail, later=later), tell=events.append)
    assert [(each.status, each.reason) for each in result.tasks] == [
        ("failed", "ended with exit code 3"),
        ("failed", "killed by SIGSEGV"),
    ]
    assert "retry" not in {event.kind for event in events}


def test_a_failure_ends_the_pause_before_a_retry(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends because a task failed does not sit out the pause of another."""
    monkeypatch.setattr(attempts, "_LONGEST_PAUSE", 30.0)
    pausing = threading.Event()

    def late(work: Work) -> Ending:
        pausing.wait(20)
        return FAILED

    def told(event: Event) -> None:
        if event.kind == "retry" and event.attempt == 4:  # a pause of four seconds
            pausing.set()

    flow = workflow(task("tries:1", "fail", retries=8), task("late:1", "late"))
    blocks = Bodies(fail=lambda work: FAILED, late=late)
    start = time.monotonic()
    result = run(flow, job, Options(cpus=2), blocks=blocks, tell=told)
    assert time.monotonic() - start < 6  # the pauses before are of one and two seconds
    assert statuses(result) == {"tries:1": "failed", "late:1": "failed"}


def test_what_a_failure_left_unbegun(job: Job) -> None:
    """A task that waited for processors when another failed was not stopped by anybody: it is said so."""
    flow = workflow(task("a:1", "fail"), task("b:1", "scenes"))
    result = run(flow, job, Options(cpus=1), blocks=Bodies(fail=lambda work: FAILED, scenes=scenes))
    unbegun = [each for each in result.tasks if each.status == "stopped"]
    assert all("something else failed" in each.reason for each in unbegun)
    assert "failed" in statuses(result).values()


def test_a_disk_error_fails_one_task(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that cannot be written or read fails the task that meets it; others go on."""

    def broken(*_args: object) -> None:
        raise OSError(28, "No space left on device", "/scratch/run/input")

    monkeypatch.setattr(inputs, "split", broken)
    flow = workflow(
        task("scenes:1", "scenes"),
        task("split:1", "copy", "scenes:1", chunk=1),
        task("whole:1", "copy", "scenes:1"),
    )
    result = run(flow, job, Options(keep_going=True), blocks=Bodies(scenes=scenes, copy=copy))
    assert statuses(result) == {"scenes:1": "done", "split:1": "failed", "whole:1": "done"}
    assert "No space left on device" in result.tasks[1].reason


def test_a_save_that_meets_a_disk_error(job: Job) -> None:
    """The record names the step; it does not say that the block failed, nor that all is done."""

    def vanish(work: Work) -> None:
        work.output.rmdir()
        work.output.write_bytes(b"")
        work.output.chmod(0)

    result = run(workflow(task("a:1", "vanish")), job, blocks=Bodies(vanish=vanish))
    (record,) = Runs(job.state.store, "job").attempts(result.run)
    assert record.outcome == "failed"
    assert record.reason != "done"


def test_a_long_chain_is_no_long_wait(job: Job, tmp_path: Path) -> None:
    """What waits for what is noted once: a chain of 1,500 tasks that are done takes no minute."""
    count = 1500
    names = [f"t{number}:1" for number in range(count)]
    flow = workflow(*(task(name, "copy", *names[max(0, n - 1) : n]) for n, name in enumerate(names)))
    blocks = Bodies(copy=copy)
    plan = [Planned(task=each, status="cached") for each in flow.tasks]
    context = attempts.Context(
        run="run",
        planner=Planner(job, blocks),
        blocks=blocks,
        scratch=Scratch(tmp_path),
        budget=Budget(cpus=1, memory=1),
        tell=lambda _event: None,
        record=lambda _record, _log, _size: None,
    )
    start = time.monotonic()
    result = runner._Run(context, plan).go()
    assert result.status == "done"
    assert time.monotonic() - start < 10
