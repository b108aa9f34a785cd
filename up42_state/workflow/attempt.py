"""Attempts at a task or a shard: its input is filled in, its block runs, its output is saved.

The output is checked and saved only if the block ended with exit code 0. A failed attempt leaves no stage.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

from up42_state.errors import InvalidDataError, StateError
from up42_state.secrets.redaction import remember, without_credentials
from up42_state.stages.format.parameters import secret_texts
from up42_state.units import size
from up42_state.workflow.blocks.logs import Log
from up42_state.workflow.blocks.variables import block_environment
from up42_state.workflow.blocks.work import Ending, Work
from up42_state.workflow.events import Event
from up42_state.workflow.records import AttemptRecord, made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from up42_state.machine.budget import Budget
    from up42_state.stages.write.save import Saved
    from up42_state.workflow.blocks.opening import Blocks
    from up42_state.workflow.model import Resources, Task
    from up42_state.workflow.planner import Planner
    from up42_state.workflow.scratch import Folder, Scratch

__all__ = ["Attempt", "Context", "Elsewhere", "Outcome", "Unit", "run_unit"]

_GROWTH = 2  # times as much memory for the attempt after one that ran out of it
_MOST_GROWTH = 8  # times as much as the task asks for
_LONGEST_PAUSE = 60.0  # seconds between two attempts
_SPARE = 64 * 1024 * 1024  # bytes of the disk that are left free
_LAST_LINES = 20  # of a log, for a message
_STOPPED = "the run was stopped"
_MOST_DEFECTS = 5  # of an output, in a reason


@dataclass(frozen=True, kw_only=True)
class Context:
    """What all attempts of a run share.

    :param run: the run's id.
    :param tell: takes what happens.
    :param record: takes what came of each attempt, what is kept of its log, and how much was printed.
    :param elsewhere: runs units on other machines or in other processes; ``None`` runs them here.
    :param keep_failed: leave the directories of failed attempts.
    :param keep_going: after a failure go on with what does not stand on the failed task.
    :param stop: set when the run is to end at once: blocks are stopped. Who sets it sets ``halt`` as well.
    :param halt: set when nothing new is to be started.
    :param lacking: directories of the attempts that wait for space on the disk.
    """

    run: str
    planner: Planner
    blocks: Blocks
    scratch: Scratch
    budget: Budget
    tell: Callable[[Event], None]
    record: Callable[[AttemptRecord, bytes, int], None]
    elsewhere: Elsewhere | None = None
    keep_failed: bool = False
    keep_going: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    halt: threading.Event = field(default_factory=threading.Event)
    lacking: set[Path] = field(default_factory=set)

    def emit(self, kind: Any, task: str = "", **facts: Any) -> None:
        """Tell what happened, and when."""
        self.tell(Event(kind=kind, time=datetime.now(UTC), run=self.run, task=task, **facts))

    def perform(self, unit: Unit) -> Outcome:
        """Run a unit, here or elsewhere."""
        return self.elsewhere.run(self, unit) if self.elsewhere else run_unit(self, unit)

    def side_by_side(self, resources: Resources) -> int:
        """How many units of a task may be under way at once."""
        if self.elsewhere:
            return self.elsewhere.side_by_side(resources)
        return self.budget.side_by_side(resources.cpus)


class Elsewhere(Protocol):
    """Runs units on other machines or in other processes."""

    def run(self, context: Context, unit: Unit) -> Outcome:
        """Run a unit, and give what came of it; its attempts' events and records go to the context."""

    def side_by_side(self, resources: Resources) -> int:
        """How many units of these resources may be under way at once, with some that wait."""


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What is run at once.

    :param task: the task.
    :param stage: the name of the stage that the output is saved as: the task's, or a shard's.
    :param why: why it runs, for people.
    :param fill: puts the input into an attempt's directory.
    :param save: checks and saves what lies in an attempt's directories.
    :param seen: the number of the stage's newest revision when it was found that the unit has to run.
    :param inputs: attempts of the revisions that the input of a shard was cut from.
    :param disk: bytes that the input takes on the disk.
    """

    task: Task
    stage: str
    why: str
    fill: Callable[[Folder], object]
    save: Callable[[Folder], Saved]
    seen: int = 0
    inputs: tuple[str, ...] = ()
    disk: int = 0

    @property
    def shard(self) -> str:
        """The shard's stage; empty for a whole task."""
        return "" if self.stage == self.task.name else self.stage


@dataclass(kw_only=True)
class Attempt:
    """One attempt at a unit, filled in while it runs.

    :param reason: how it ended, for people; empty if the output was saved.
    :param failure: what failed besides the block, in one word for programs: the step ``restore`` or ``save``,
        or ``invalid output``.
    :param code: the block's code, as in the recipe: an image's digest.
    :param engine: what runs an image, such as ``docker 27.1``; empty for other blocks.
    :param seconds: the time that each step took: ``restore``, ``run``, ``save``.
    """

    unit: Unit
    number: int
    resources: Resources
    code: str
    start: datetime
    engine: str = ""
    end: datetime | None = None
    ending: Ending | None = None
    saved: Saved | None = None
    reason: str = ""
    failure: str = ""
    can_be_retried: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    log_end: tuple[str, ...] = ()

    def to_record(self) -> AttemptRecord:
        """Return what is kept of the attempt in the store."""
        unit, ending = self.unit, self.ending or Ending(reason="not started", text="")
        commit = self.saved.commit if self.saved else None
        block = unit.task.block
        return AttemptRecord(
            task=unit.task.name,
            shard=unit.shard,
            attempt=self.number,
            why=unit.why,
            outcome="done" if commit else "stopped" if ending.reason == "stopped" else "failed",
            reason=self.failure or ending.reason,
            text=self.reason,
            exit_code=ending.exit_code,
            signal=ending.signal,
            start=self.start,
            end=self.end,
            seconds=self.seconds,
            peak_memory=ending.peak_memory,
            block=block.kind,
            image=block.image,
            code=self.code,
            engine=self.engine,
            resources={
                "cpus": self.resources.cpus,
                "memory": self.resources.memory or 0,
                "gpus": self.resources.gpus,
            },
            timeout=unit.task.timeout,
            **made(commit),
            warnings=self.saved.all_warnings if self.saved else (),
        )

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Measure the time of a step, even if the step fails."""
        start = time.monotonic()
        try:
            yield
        except (StateError, OSError):
            self.failure = step
            raise
        finally:
            self.seconds[step] = round(time.monotonic() - start, 3)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a unit.

    :param last: the last attempt; ``None`` if none was begun.
    """

    status: Literal["done", "failed", "stopped"]
    reason: str = ""
    last: Attempt | None = None


def run_unit(context: Context, unit: Unit) -> Outcome:
    """Make attempts at a unit until its output is saved, or no attempt is left."""
    last: Attempt | None = None
    resources = unit.task.resources
    for number in range(1, unit.task.retries + 2):
        with context.budget.taken(
            context.halt, cpus=resources.cpus, memory=resources.memory, gpus=resources.gpus
        ) as held:
            if not held:
                return _not_begun(context, last)
            last = _attempt(context, unit, number, resources)
        if last.saved is not None:
            return Outcome(status="done", last=last)
        if context.stop.is_set():
            return Outcome(status="stopped", reason=last.reason, last=last)
        if not last.can_be_retried or number > unit.task.retries or context.halt.is_set():
            break
        context.emit("retry", unit.task.name, shard=unit.shard, attempt=number + 1, reason=last.reason)
        resources = _after(resources, unit.task.resources, last)
        context.halt.wait(min(2.0 ** (number - 1), _LONGEST_PAUSE))
    assert last is not None
    return Outcome(status="failed", reason=last.reason, last=last)


def _not_begun(context: Context, last: Attempt | None) -> Outcome:
    """What came of a unit whose next attempt is not begun, since the run ends.

    :param last: the attempt before, which failed.
    """
    if context.stop.is_set():
        return Outcome(status="stopped", reason=_STOPPED, last=last)
    if last is None:
        return Outcome(status="stopped", reason="not begun: something else failed, and the run ends then")
    return Outcome(status="failed", reason=last.reason, last=last)


def _after(now: Resources, asked: Resources, last: Attempt) -> Resources:
    """The resources of the attempt after a failed one: more memory only if the memory was what lacked."""
    if now.memory is None or last.ending is None or last.ending.reason != "out of memory":
        return now
    return replace(now, memory=min(now.memory * _GROWTH, (asked.memory or 0) * _MOST_GROWTH))


def _attempt(context: Context, unit: Unit, number: int, resources: Resources) -> Attempt:
    block = context.blocks.of(unit.task)
    attempt = Attempt(
        unit=unit,
        number=number,
        resources=resources,
        code=block.code,
        start=datetime.now(UTC),
        engine=context.blocks.engine if unit.task.block.kind == "image" else "",
    )
    context.emit("started", unit.task.name, shard=unit.shard, attempt=number, reason=unit.why)
    log = Log()
    folder: Folder | None = None
    try:
        folder = context.scratch.folder(f"{unit.stage}.{number}")
        _run(context, attempt, folder, log)
    except InvalidDataError as error:
        attempt.reason, attempt.can_be_retried = _in_a_line(error, folder), True
        if attempt.ending is not None:
            attempt.failure = "invalid output"
    except StateError as error:
        attempt.reason = str(error)
    except OSError as error:
        attempt.reason = f"{error.filename or context.scratch.root}: {error.strerror or error}"
    finally:
        attempt.end = datetime.now(UTC)
        attempt.reason = without_credentials(attempt.reason)
        attempt.log_end = tuple(without_credentials("\n".join(log.last_lines(_LAST_LINES))).splitlines())
        if attempt.saved is None and context.keep_failed:
            if context.scratch.keep():
                where = context.scratch.root
                context.emit("step", reason=f"what failed attempts read and wrote is left in {where}")
        elif folder is not None:
            with suppress(OSError, StateError):
                folder.remove()
    context.record(attempt.to_record(), log.bytes(), log.size)
    return attempt


def _in_a_line(error: InvalidDataError, folder: Folder | None) -> str:
    """Say what is wrong with data in one line, without the directory, which goes with the attempt."""
    defects = [str(defect) for defect in error.defects[:_MOST_DEFECTS]]
    if len(error.defects) > _MOST_DEFECTS:
        defects.append(f"and {len(error.defects) - _MOST_DEFECTS} more")
    message = error.message.replace(f" in {folder.output}", "") if folder else error.message
    said = f"{message}: {'; '.join(defects)}" if defects else message
    return f"{said} – {error.advice}" if error.advice else said


def _run(context: Context, attempt: Attempt, folder: Folder, log: Log) -> None:
    unit = attempt.unit
    attempt.reason = _lacking_space(context, folder, unit.disk)
    if context.stop.is_set():
        attempt.reason = _STOPPED
        attempt.ending = Ending(reason="stopped", text=_STOPPED)
    if attempt.reason:
        return
    with attempt.timed("restore"):
        unit.fill(folder)
    with attempt.timed("run"):
        attempt.ending = context.blocks.of(unit.task).run(_work(context, attempt, folder, log))
    if not attempt.ending.is_done:
        lines = attempt.ending.text.splitlines()  # an exception's message may have several
        attempt.reason = "; ".join(line.strip() for line in lines if line.strip())
        attempt.can_be_retried = attempt.ending.reason not in ("stopped", "not started")
        return
    with attempt.timed("save"):
        attempt.saved = unit.save(folder)
    for text in attempt.saved.all_warnings if not unit.shard else ():
        context.emit("step", unit.task.name, reason=f"warning: {text}")


def _lacking_space(context: Context, folder: Folder, needed: int) -> str:
    """Wait for space on the disk while other attempts run, which may give some back; say what lacks at last.

    :param needed: bytes of the input; the output is taken to be as large.
    """
    try:
        while True:
            free = shutil.disk_usage(folder.root).free
            if free >= 2 * needed + _SPARE or not needed or context.stop.is_set():
                return ""
            context.lacking.add(folder.root)
            # If all that hold a part of the machine wait here, too, none of them gives any space back.
            if context.budget.holders <= len(context.lacking):
                return (
                    f"the disk of {folder.root.parent} has {size(free)} free, and {size(2 * needed)} are "
                    "needed for the input and the output; free some, or choose another disk (--scratch)"
                )
            context.stop.wait(1.0)
    finally:
        context.lacking.discard(folder.root)


def _work(context: Context, attempt: Attempt, folder: Folder, log: Log) -> Work:
    task, planner = attempt.unit.task, context.planner
    secrets = {name: os.environ[name] for name in task.block.environment if name in os.environ}
    # Or a block that prints them would have them kept in its log.
    remember(attempt, [*secrets.values(), *secret_texts(task.parameters)])
    return Work(
        job=planner.job.key,
        task=attempt.unit.stage,
        attempt=attempt.number,
        input=folder.input,
        output=folder.output,
        quicklooks=folder.quicklooks,
        scratch=folder.home,
        log=log,
        environment=block_environment(
            task,
            settings=planner.job.state.settings,
            job=planner.job.key,
            job_mode=planner.job_mode,
            scratch=folder.home,
        ),
        secrets=secrets,
        resources=attempt.resources,
        timeout=task.timeout,
        stop=context.stop,
    )
