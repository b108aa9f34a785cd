"""What happens in a worker: it opens a run once, and runs the units that it is asked for.

A process keeps what its units share for as long as the run goes on: blocks, the cut of an input, directories.
"""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING

from msgspec.structs import replace

from up42_state.errors import EngineError, SettingsError, StageConflictError, StateError
from up42_state.machine.budget import Budget, processors, total_memory
from up42_state.secrets.redaction import public_url
from up42_state.workflow.attempt import Context, run_unit
from up42_state.workflow.blocks.opening import Blocks
from up42_state.workflow.executors.messages import Reply, versions
from up42_state.workflow.planner import Planner
from up42_state.workflow.scratch import Scratch
from up42_state.workflow.task import StoredTask, WholeTask
from up42_state.workflow.units import ShardUnits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from up42_state.state import Job
    from up42_state.workflow.attempt import Unit
    from up42_state.workflow.events import Event
    from up42_state.workflow.executors.messages import Place, Request, Versions
    from up42_state.workflow.model import Task
    from up42_state.workflow.records import AttemptRecord
    from up42_state.workflow.shards.cut import Shard

__all__ = ["CANNOT", "Size", "check_versions", "codes", "forget", "open_job", "perform", "stop", "sweep"]

CANNOT = "cannot be opened: "
_POLL = 0.5  # seconds between two looks for the file that stops a run


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a worker has for units that run side by side.

    :param owner: whose size it is: one process may hold several workers.
    :param memory: in bytes.
    """

    owner: str = ""
    cpus: float
    memory: int
    gpus: int = 0


def perform(
    request: Request, size: Size | None = None, tell: Callable[[Event], None] = lambda _event: None
) -> Reply:
    """Run a unit in this process.

    :param size: what units may use together; ``None`` for the machine.
    :param tell: takes what happens, as it happens; the reply has it as well.
    :raises EngineError: this process has other versions or another block than the client.
    :raises StageConflictError: the input has changed since the client cut it.
    """
    check_versions(request.versions)
    with _PROCESS.run(request) as run:
        return run.perform(request, _PROCESS.budget(size), tell)


def stop(run: str) -> None:
    """Stop the units of a run in this process, and those that come yet."""
    _PROCESS.stop(run)


def forget(run: str) -> None:
    """Let go of what is kept for a run, once none of its units runs."""
    _PROCESS.forget(run)


def sweep() -> None:
    """Remove the containers of dead workers of this machine."""
    _PROCESS.sweep()


def codes(place: Place, tasks: Sequence[Task]) -> dict[str, str]:
    """The code of each task's block as this process has it, or why there is none."""
    found = {}
    with ExitStack() as stack:
        for task in tasks:
            try:
                blocks = stack.enter_context(Blocks(place.open().settings))
                found[task.name] = blocks.of(task).code
            except (StateError, OSError) as error:
                found[task.name] = f"{CANNOT}{error}"
    return found


def open_job(place: Place) -> Job:
    """Open a job with the credentials of this process.

    :raises SettingsError: this process is sent to another store, or the store lies in another process.
    """
    state = place.open()
    if public_url(state.url) != place.store:
        raise SettingsError(
            f"the worker's store is {public_url(state.url)}, and the client's is {place.store}",
            advice="a URL with credentials does not travel: set UP42_STATE_URL for the workers",
        )
    return state.job(place.job)


def check_versions(wanted: Versions) -> None:
    """Make sure that this process is what a client is, also if it came after all workers were asked.

    :raises EngineError: it is not.
    """
    own = versions()
    if own != wanted:
        raise EngineError(
            f"the worker {os.uname().nodename} has up42_state {own.up42_state} and Python {own.python}, the "
            f"client up42_state {wanted.up42_state} and Python {wanted.python}",
            advice="have the same versions everywhere",
        )


class _Run:
    """What the units of a run share in this process."""

    def __init__(self, request: Request) -> None:
        self.users = 0
        self.stop, self._halt = threading.Event(), threading.Event()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._lacking: set[Path] = set()
        self._cuts: dict[tuple[str, tuple[str, ...]], tuple[ShardUnits, dict[str, Shard]]] = {}
        self._scratch: Scratch | None = None
        with ExitStack() as stack:
            job = open_job(request.place)
            self.blocks = stack.enter_context(Blocks(job.state.settings))
            self._planner = Planner(job, self.blocks, request.place.job_mode)
            self._stack = stack.pop_all()
        if request.stop_file:
            threading.Thread(target=self._watch, args=(request.stop_file,), daemon=True).start()

    def perform(self, request: Request, budget: Budget, tell: Callable[[Event], None]) -> Reply:
        """Run a unit."""
        self._open_block(request)
        events: list[Event] = []
        records: list[tuple[AttemptRecord, bytes, int]] = []

        def told(event: Event) -> None:
            events.append(event)
            tell(event)

        def recorded(record: AttemptRecord, log: bytes, size: int) -> None:
            records.append((replace(record, host=os.uname().nodename), log, size))

        context = Context(
            run=request.run,
            planner=self._planner,
            blocks=self.blocks,
            scratch=self._directories(request),
            budget=budget,
            tell=told,
            record=recorded,
            keep_failed=request.keep_failed,
            stop=self.stop,
            halt=self._halt,
            lacking=self._lacking,
        )
        outcome = run_unit(context, self._unit(context, request))
        return Reply.of(outcome, records, events)

    def _open_block(self, request: Request) -> None:
        """Open the block, and make sure that it is the client's."""
        with self._lock:
            code = self.blocks.of(request.task).code
        if code != request.code:
            raise EngineError(
                f"the block of {request.task.name} is {code} on {os.uname().nodename}, and {request.code} "
                "where the run was started",
                advice="have the same block everywhere, and leave it as it is while a run goes on",
            )

    def _directories(self, request: Request) -> Scratch:
        with self._lock:
            if self._scratch is None:
                self.blocks.sweep()  # first: containers of dead workers write into what is removed next
                self._scratch = self._stack.enter_context(Scratch(request.scratch or None))
            return self._scratch

    def _unit(self, context: Context, request: Request) -> Unit:
        if request.stage == request.task.name:
            return WholeTask(context, request.task, why=request.why, forced=False, seen=request.seen).unit()
        units, shards = self._cut(request)
        return units.unit(shards[request.stage], why=request.why, seen=request.seen)

    def _cut(self, request: Request) -> tuple[ShardUnits, dict[str, Shard]]:
        """Cut the input of a task as the client has cut it: once, for all shards of this process."""
        task, key = request.task, (request.task.name, request.inputs)
        with self._lock:
            if key not in self._cuts:
                stored = StoredTask(self._planner, task)
                whole = stored.stored_input()
                if tuple(parent.attempt for parent in stored.parents) != request.inputs:
                    raise StageConflictError(
                        f"the input of {task.name} has a newer revision than the one that the run has cut",
                        advice="run the workflow again; shards that are done are found",
                    )
                units = ShardUnits(self._planner, task, whole, stored.parents)
                _ = units.nearby  # read once, before there are threads
                shards = whole.split(task.name, task.chunk)
                self._cuts[key] = units, {shard.stage: shard for shard in shards}
            return self._cuts[key]

    def end(self) -> None:
        """Stop what runs, and begin nothing more."""
        self.stop.set()
        self._halt.set()

    def close(self) -> None:
        """Remove the directories, and end what waits for further attempts."""
        self._closed.set()
        with suppress(OSError, StateError):
            self._stack.close()

    def _watch(self, stop_file: str) -> None:
        while not self._closed.wait(_POLL):
            if os.path.exists(stop_file):
                self.end()
                return


class _Process:
    """The runs that have units in this process."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Know of no run, as a process that was forked from one that does."""
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}
        self._ended: dict[str, None] = {}  # runs that were stopped, also those that are not known yet
        self._budgets: dict[Size, Budget] = {}
        self._closing: Finalize | None = None

    @contextmanager
    def run(self, request: Request) -> Iterator[_Run]:
        """Open a run, or take the one that is open, while a unit runs; close those that no unit uses."""
        with self._lock:
            for name in [name for name, run in self._runs.items() if name != request.run and not run.users]:
                self._runs.pop(name).close()
            if request.run not in self._runs:
                self._runs[request.run] = _Run(request)
            run = self._runs[request.run]
            if request.run in self._ended:
                run.end()
            run.users += 1
            if self._closing is None:  # unlike atexit, it is called in processes of multiprocessing as well
                self._closing = Finalize(None, self.close, exitpriority=1)
        try:
            yield run
        finally:
            with self._lock:
                run.users -= 1

    def budget(self, size: Size | None) -> Budget:
        """What units share, by whose it is."""
        size = size or Size(cpus=processors(), memory=total_memory())
        with self._lock:
            if size not in self._budgets:
                self._budgets[size] = Budget(cpus=size.cpus, memory=size.memory, gpus=size.gpus)
            return self._budgets[size]

    def stop(self, name: str) -> None:
        with self._lock:
            self._ended[name] = None
            if name in self._runs:
                self._runs[name].end()

    def forget(self, name: str) -> None:
        with self._lock:
            run = self._runs.get(name)
            if run is not None and not run.users:
                self._runs.pop(name).close()

    def sweep(self) -> None:
        with self._lock:
            runs = list(self._runs.values())
        for run in runs:
            run.blocks.sweep()

    def close(self) -> None:
        """End all runs, as the process ends."""
        runs, self._runs = self._runs, {}
        for run in runs.values():
            run.end()
            run.close()


_PROCESS = _Process()  # of each process its own
os.register_at_fork(after_in_child=_PROCESS.begin)
