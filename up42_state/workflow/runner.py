"""Run a workflow on this machine: what is done is skipped, branches run side by side.

Each task is looked at once all that it stands on is done, and runs only then, in a thread of its own.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from up42_state.errors import StateError
from up42_state.machine.budget import Budget, processors, total_memory
from up42_state.workflow.attempt import Context
from up42_state.workflow.blocks.opening import Blocks
from up42_state.workflow.events import Event
from up42_state.workflow.executors.messages import Place
from up42_state.workflow.executors.opening import check_executor, open_workers
from up42_state.workflow.executors.remote import Remote
from up42_state.workflow.foreach import SplitTask
from up42_state.workflow.planner import Planned, Planner, upstream
from up42_state.workflow.records import AttemptRecord, made
from up42_state.workflow.runs import Runs
from up42_state.workflow.scratch import Scratch
from up42_state.workflow.task import TaskOutcome, WholeTask

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence

    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.state import Job
    from up42_state.workflow.model import Task, Workflow

__all__ = ["Options", "RunResult", "run"]

_TICK = 0.5  # seconds between two looks at whether the run is to end


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a workflow is run.

    :param force: run every task, even if it is done.
    :param since: run this task and all that stand on it, even if they are done; empty for none.
    :param keep_going: after a failure run what does not stand on the failed task.
    :param keep: ``failed`` leaves the directories of failed attempts.
    :param scratch: where the directories of attempts are made; ``None`` for the temporary directory.
    :param cpus: processors for all tasks together; ``None`` for those of the machine.
    :param memory: bytes for all tasks together; ``None`` for those of the machine.
    """

    job_mode: JobMode = "DEFAULT"
    force: bool = False
    since: str = ""
    keep_going: bool = False
    keep: Literal["nothing", "failed"] = "nothing"
    scratch: str | os.PathLike[str] | None = None
    cpus: float | None = None
    memory: int | None = None


@dataclass(frozen=True, kw_only=True)
class RunResult:
    """What came of a run.

    :param job: the job's key.
    :param run: the run's id, by which its records are found.
    :param tasks: one for each task, in the order of the workflow.
    """

    job: str
    run: str
    tasks: tuple[TaskOutcome, ...]

    @property
    def failed(self) -> list[TaskOutcome]:
        """The tasks that failed, in whole or in part."""
        return [task for task in self.tasks if task.status in ("failed", "partial")]

    @property
    def status(self) -> Literal["done", "failed", "stopped"]:
        """How the run ended, in one word."""
        if self.failed:
            return "failed"
        return "done" if all(task.is_usable or task.is_left_out for task in self.tasks) else "stopped"

    def __repr__(self) -> str:
        tasks = ", ".join(f"{task.task} {task.status}" for task in self.tasks)
        return f"RunResult({self.job}, {self.run}: {self.status}; {tasks})"

    def to_dict(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return {
            "status": self.status,
            "job": self.job,
            "run": self.run,
            "tasks": [task.to_dict() for task in self.tasks],
        }


def run(
    workflow: Workflow,
    job: Job,
    options: Options | None = None,
    *,
    executor: Any = None,
    blocks: Blocks | None = None,
    tell: Callable[[Event], None] = lambda _event: None,
    stop: threading.Event | None = None,
) -> RunResult:
    """Run the tasks of a workflow that are not done, and save the output of each as a stage of a job.

    :param executor: where blocks run: ``None`` or ``local`` for threads of this process; ``dask`` for a
        cluster of processes of this machine, which is closed at the end; ``dask:tcp://HOST:PORT``; a
        ``distributed.Client``; or any ``concurrent.futures.Executor``.
    :param blocks: opens the tasks' blocks; ``None`` for blocks that run on this machine.
    :param tell: takes what happens, as it happens, from several threads.
    :param stop: set it to end the run: blocks are stopped, and finished stages stay.
    :raises SettingsError: an option names no task; the directory for attempts cannot be used; or there is no
        such executor.
    :raises EngineError: an image's engine, or a cluster, is not there or does not answer; or workers differ
        from this process, or offer too little for a task; nothing has run.
    :raises StateError: the store cannot be read; nothing has run.
    """
    options = options or Options()
    is_elsewhere = check_executor(executor, job.state.url if executor else "")
    budget = Budget(
        cpus=options.cpus or processors(),
        memory=options.memory or total_memory(),
        gpus=_graphics_processors(),
    )
    with ExitStack() as stack:
        opened = stack.enter_context(blocks or Blocks(job.state.settings))
        planner = Planner(job, opened, options.job_mode)
        plan = planner.plan(workflow, force=options.force, since=options.since)
        make = _elsewhere(stack, executor, planner, plan, options) if is_elsewhere else None
        opened.sweep()
        # Only now: containers of dead runners, which the sweep has stopped, may have written into what goes.
        scratch = stack.enter_context(Scratch(options.scratch))
        records = Runs(job.state.store, job.key).begin(
            workflow.name,
            warnings=workflow.warnings,
            warn=lambda text: tell(Event(kind="step", time=datetime.now(UTC), run="", reason=text)),
        )

        def told(event: Event) -> None:
            records.update(event)
            tell(event)

        context = Context(
            run=records.run,
            planner=planner,
            blocks=opened,
            scratch=scratch,
            budget=budget,
            tell=told,
            elsewhere=make(records.run, scratch.root) if make else None,
            record=lambda record, log, size: records.attempt(record, log, log_bytes=size),
            keep_failed=options.keep == "failed",
            keep_going=options.keep_going,
            stop=stop or threading.Event(),
        )
        with records:
            context.emit("run", reason=workflow.name)
            for notice in opened.notices:
                context.emit("step", reason=notice)
            for planned in plan:
                context.emit("waiting", planned.task.name, reason="; ".join(planned.reasons))
            result = _Run(context, plan).go()
            context.emit("end", reason=result.status)
            records.end(result.status)
        return result


def _elsewhere(
    stack: ExitStack, executor: Any, planner: Planner, plan: Sequence[Planned], options: Options
) -> Callable[[str, Path], Remote] | None:
    """Open the workers that tasks are to run on, and make sure that they can; ``None`` if nothing runs."""
    tasks = [each.task for each in plan if each.status == "runs"]
    if not tasks:
        return None
    gpus = _graphics_processors()
    workers = stack.enter_context(
        open_workers(executor, tasks, cpus=options.cpus, memory=options.memory, gpus=gpus)
    )
    place = Place.of(planner.job, options.job_mode)
    workers.check(place, tasks, {task.name: planner.code(task) for task in tasks})

    def make(run: str, folder: Path) -> Remote:
        stack.callback(workers.end, run)
        return Remote(workers, place, folder, options.scratch)

    return make


class _Run:
    """The tasks of one run: those that wait, those that run, and what came of the others."""

    def __init__(self, context: Context, plan: Sequence[Planned]) -> None:
        self._context = context
        self._plan = plan
        self._waiting = {planned.task.name: planned for planned in plan}
        self._running: set[Future[TaskOutcome]] = set()
        self._outcomes: dict[str, TaskOutcome] = {}
        # What each task still waits for, and who waits for it: noted once, for a workflow may have thousands.
        self._unsettled = {
            name: self._waiting.keys() & upstream(each.task) for name, each in self._waiting.items()
        }
        self._after: dict[str, list[str]] = {name: [] for name in self._waiting}
        for name, before in self._unsettled.items():
            for other in before:
                self._after[other].append(name)
        self._ready = deque(name for name, before in self._unsettled.items() if not before)

    def go(self) -> RunResult:
        """Run the tasks, each once all that it stands on is done."""
        context = self._context
        with ThreadPoolExecutor(max(1, len(self._plan))) as pool:
            try:
                while self._begin(pool) or self._running:
                    self._take(wait(self._running, _TICK, FIRST_COMPLETED).done)
            except BaseException:
                context.stop.set()  # or the threads, for which the pool waits, would go on to their ends
                raise
            finally:
                if context.stop.is_set():
                    context.halt.set()
        self._give_up()
        return RunResult(
            job=context.planner.job.key,
            run=context.run,
            tasks=tuple(self._outcomes[each.task.name] for each in self._plan),
        )

    def _begin(self, pool: ThreadPoolExecutor) -> bool:
        """Begin the tasks that can begin now; tell if there was one."""
        context = self._context
        if context.stop.is_set():
            context.halt.set()
        if context.halt.is_set():
            return False
        has_begun = bool(self._ready)
        while self._ready:
            planned = self._waiting.pop(self._ready.popleft())
            why = self._why_skipped(planned)
            if self._is_as_planned(planned):
                self._context.emit("cached", planned.task.name, **_facts(planned.commit))
                self._settle(TaskOutcome(task=planned.task.name, status="cached", commit=planned.commit))
            elif why:
                self._skip(planned.task, why, is_left_out=planned.status == "skipped")
            else:
                self._running.add(pool.submit(_run_task, context, planned))
        return has_begun

    def _settle(self, outcome: TaskOutcome) -> None:
        """Note what came of a task; who waited for this task alone can begin."""
        self._outcomes[outcome.task] = outcome
        for name in self._after[outcome.task]:
            self._unsettled[name].discard(outcome.task)
            if not self._unsettled[name]:
                self._ready.append(name)

    def _is_as_planned(self, planned: Planned) -> bool:
        """True if a task was cached, and nothing that it stands on has run since."""
        before = [self._outcomes[name] for name in upstream(planned.task) if name in self._outcomes]
        return planned.status == "cached" and all(each.status == "cached" for each in before)

    def _why_skipped(self, planned: Planned) -> str:
        if planned.status == "skipped":
            return "; ".join(planned.reasons)
        lacking = [self._outcomes[name] for name in upstream(planned.task) if name in self._outcomes]
        return "; ".join(f"{each.task} {_WORDS[each.status]}" for each in lacking if not each.is_usable)

    def _take(self, done: set[Future[TaskOutcome]]) -> None:
        for future in done:
            outcome = future.result()
            self._running.remove(future)
            self._settle(outcome)
            if outcome.status in ("failed", "partial") and not self._context.keep_going:
                self._context.halt.set()

    def _give_up(self) -> None:
        """Say of the tasks that were not begun why."""
        failed = [name for name, outcome in self._outcomes.items() if outcome.status == "failed"]
        why = f"{', '.join(failed)} failed" if failed else "the run was stopped"
        for planned in self._waiting.values():
            self._skip(planned.task, why)

    def _skip(self, task: Task, why: str, *, is_left_out: bool = False) -> None:
        self._context.emit("skipped", task.name, reason=why)
        self._settle(TaskOutcome(task=task.name, status="skipped", reason=why, is_left_out=is_left_out))


_WORDS = {"failed": "failed", "skipped": "is skipped", "stopped": "was stopped"}


def _run_task(context: Context, planned: Planned) -> TaskOutcome:
    """Run a task, if it is not done; everything that the task stands on is there.

    :return: what came of it, also if it failed.
    """
    start = time.monotonic()
    task = planned.task
    try:
        outcome = _look_and_run(context, planned)
    except (StateError, OSError) as error:  # such as a disk that is full, or cannot be read
        outcome = TaskOutcome(task=task.name, status="failed", reason=str(error))
    if task.chunk and outcome.status != "cached":
        context.record(_whole_record(context, planned, outcome, time.monotonic() - start), b"", 0)
    return _told(context, task, outcome, time.monotonic() - start)


def _look_and_run(context: Context, planned: Planned) -> TaskOutcome:
    task = planned.task
    why = planned.reasons
    if planned.forced:
        newest = context.planner.history(task.name).newest()
        seen = newest.revision if newest else 0
    else:
        # What the task stands on may have been made anew since the plan, and have come out equal.
        found = context.planner.standing(task)
        if found.is_done:
            return TaskOutcome(task=task.name, status="cached", commit=found.commit)
        why, seen = tuple(found.reasons), found.newest
    kind = SplitTask if task.chunk else WholeTask
    return kind(context, task, why="; ".join(why), forced=planned.forced, seen=seen).run()


def _told(context: Context, task: Task, outcome: TaskOutcome, seconds: float) -> TaskOutcome:
    """Tell what came of a task, and give it with the time that the task took."""
    commit, last = outcome.commit, outcome.last
    ending = last.ending if last else None
    kind = "failed" if outcome.status == "partial" else outcome.status
    context.emit(
        kind,
        task.name,
        reason=outcome.reason,
        attempt=last.number if last else 0,
        **_facts(commit),
        seconds=round(seconds, 3),
        peak_memory=ending.peak_memory if ending else None,
        exit_code=ending.exit_code if ending else None,
        log=last.log_end if last and kind == "failed" else (),
        shards=outcome.shards,
    )
    return replace(outcome, seconds=seconds)


def _whole_record(context: Context, planned: Planned, outcome: TaskOutcome, seconds: float) -> AttemptRecord:
    """The record of a task in shards: what is kept beside the records of its shards."""
    commit, task, now = outcome.commit, planned.task, datetime.now(UTC)
    return AttemptRecord(
        task=task.name,
        why="; ".join(planned.reasons),
        outcome=outcome.status,
        text=outcome.reason,
        start=now - timedelta(seconds=seconds),
        end=now,
        block=task.block.kind,
        image=task.block.image,
        code=context.blocks.of(task).code,
        warnings=outcome.warnings,
        missing=outcome.missing,
        **made(commit),
    )


def _facts(commit: Commit | None) -> dict[str, Any]:
    """What events tell of a stage."""
    if commit is None:
        return {}
    return {"stage": commit.name, "features": commit.totals.features, "bytes": commit.totals.bytes}


def _graphics_processors() -> int:
    """How many graphics processors NVIDIA's driver shows."""
    return sum(1 for path in Path("/dev").glob("nvidia*") if path.name[6:].isdecimal())
