"""The runs of a job: written while they go on, and read afterwards."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from os import getpid, uname
from typing import TYPE_CHECKING, Self

from msgspec.structs import replace

from up42_state import __version__
from up42_state.errors import IntegrityError, NotFoundError, ObjectNotFoundError, StateError
from up42_state.stages.format.commit import now
from up42_state.stages.format.names import (
    is_run,
    log_key,
    new_run,
    parse_record_key,
    record_key,
    run_key,
    run_prefix,
    runs_prefix,
    some_names,
)
from up42_state.stages.write.writers import Writer, writing
from up42_state.workflow.blocks.logs import Log
from up42_state.workflow.board import Board
from up42_state.workflow.records import (
    FORMAT,
    HEARTBEAT,
    LONGEST,
    AttemptRecord,
    DamagedRecord,
    RunRecord,
    ShardRecord,
    parse,
    redacted_log,
    render,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from up42_state.stages.store import Store
    from up42_state.workflow.events import Event

__all__ = ["RunWriter", "Runs"]

_EVERY = 2.0  # seconds between two records of a run at least, however much happens


def _silent(_text: str) -> None:
    """Tell nobody."""


class Runs:
    """The runs of one job.

    :param store: the store that the job lies in.
    :param job: a checked job key.
    """

    def __init__(self, store: Store, job: str) -> None:
        self.store = store
        self.job = job

    def begin(
        self,
        workflow: str,
        *,
        warnings: Sequence[str] = (),
        warn: Callable[[str], None] = _silent,
    ) -> RunWriter:
        """Begin to record a run. Costs one request.

        :param workflow: the workflow's name.
        :param warnings: what is to be said of the run as a whole.
        :param warn: takes a text for people where a record cannot be stored; the run goes on.
        """
        writer = Writer.here()
        record = RunRecord(
            format=FORMAT,
            job=self.job,
            run=new_run(),
            workflow=workflow,
            outcome="running",
            start=now(),
            host=uname().nodename,
            pid=getpid(),
            writer=writer,
            version=__version__,
            warnings=tuple(warnings),
        )
        return RunWriter(self.store, record, warn)

    def list(self) -> list[str]:
        """Return the ids of all runs, the oldest first."""
        names = self.store.bucket.prefixes(runs_prefix(self.job))
        return sorted(name for name in names if is_run(name))

    def latest(self) -> RunRecord | DamagedRecord | None:
        """Return the record of the newest run; ``None`` where no workflow was run."""
        runs = self.list()
        return self.read(runs[-1]) if runs else None

    def read(self, run: str) -> RunRecord | DamagedRecord:
        """Return the record of a run, or why it cannot be read.

        :raises NotFoundError: ``run`` is no run's id.
        """
        if not is_run(run):
            raise self._missing(run)
        key = run_key(self.job, run)
        try:
            data = self.store.bucket.get(key, 0, LONGEST + 1)
            return parse(RunRecord, data, key, [("job", self.job), ("run", run)])
        except ObjectNotFoundError:
            return DamagedRecord(key=key, error=IntegrityError(f"{key} is missing"))
        except IntegrityError as error:
            return DamagedRecord(key=key, error=error)

    def find(self, run: str) -> RunRecord | DamagedRecord:
        """Return the record of a run that must be there.

        :raises NotFoundError: there is no such run.
        """
        found = self.read(run)
        if isinstance(found, DamagedRecord) and run not in self.list():
            raise self._missing(run)
        return found

    def attempts(self, run: str) -> Sequence[AttemptRecord | DamagedRecord]:
        """Return the records of all attempts of a run, in the order in which they began.

        A cached task has none. The shards of a task that ended well are in the record of their task.
        """
        infos = self.store.bucket.list(run_prefix(self.job, run))
        found = [parse_record_key(info.key) for info in infos]
        names = [(item[0], item[1]) for item in found if item is not None and item[2] == "json"]
        with self.store.transfers() as transfers:
            records = list(transfers.map(lambda name: self._attempt(run, *name), names))
        return sorted((record for record in records if record is not None), key=_begun)

    def attempt(self, run: str, task: str, attempt: int) -> AttemptRecord | DamagedRecord:
        """Return the record of one attempt.

        :param task: the task's name; of a shard, the shard's stage.
        :raises NotFoundError: there is no such attempt.
        """
        found = self._attempt(run, task, attempt)
        if found is None:
            raise NotFoundError(f"run {run} of job {self.job} has no attempt {attempt} at {task}")
        return found

    def last_attempt(self, task: str, run: str = "") -> tuple[str, str, int]:
        """Return the newest run with an attempt at a task, the task, and the number of its last attempt.

        A run that took the task from the cache made none. One listing tells.

        :param task: the task's name; of a shard, the shard's stage; or a revision of either,
            ``TASK@REVISION``, for the attempt that made it, which one more read for each attempt tells.
        :param run: the only run to look at; empty for all of them.
        :raises NotFoundError: there is no attempt at the task.
        """
        found = self._numbers(task, run)
        if found:
            newest, number = max(found)
            return newest, task, number
        name, at, revision = task.rpartition("@")
        if at and revision.isdecimal():  # a task's name may hold @, too, so this comes second
            for newest, number in sorted(self._numbers(name, run), reverse=True):
                record = self._attempt(newest, name, number)
                if isinstance(record, AttemptRecord) and record.stage == f"{self.job}/{task}":
                    return newest, name, number
        where = f"run {run} of job {self.job}" if run else f"the runs of job {self.job}"
        raise NotFoundError(
            f"{where} made no attempt at {task}",
            advice=f"`up42-state log {self.job}` lists the tasks; one that was cached was not run",
        )

    def _numbers(self, task: str, run: str) -> Sequence[tuple[str, int]]:
        """Return the attempts at a task, each as its run and its number."""
        prefix = run_prefix(self.job, run) if run else runs_prefix(self.job)
        found = (
            (info.key.split("/")[2], parse_record_key(info.key)) for info in self.store.bucket.list(prefix)
        )
        return [(of, name[1]) for of, name in found if name is not None and name[0] == task]

    def log(self, run: str, task: str, attempt: int) -> bytes:
        """Return what is kept of what an attempt printed; nothing if the attempt printed nothing.

        :param task: the task's name; of a shard, the shard's stage.
        """
        try:
            return self.store.bucket.get(log_key(self.job, run, task, attempt), 0, LONGEST)
        except ObjectNotFoundError:
            return b""

    def _attempt(self, run: str, task: str, attempt: int) -> AttemptRecord | DamagedRecord | None:
        key = record_key(self.job, run, task, attempt)
        expected = [("job", self.job), ("run", run), ("name", task), ("attempt", attempt)]
        try:
            return parse(AttemptRecord, self.store.bucket.get(key, 0, LONGEST + 1), key, expected)
        except ObjectNotFoundError:  # pruned meanwhile
            return None
        except IntegrityError as error:
            return DamagedRecord(key=key, error=error)

    def _missing(self, run: str) -> NotFoundError:
        runs = self.list()
        others = f"it has {some_names(reversed(runs))}" if runs else "no workflow was run in it"
        return NotFoundError(f"job {self.job} has no run {run}", advice=others)


def _begun(record: AttemptRecord | DamagedRecord) -> tuple[bool, float, str]:
    """Order records by the time of their beginning, damaged ones last."""
    if isinstance(record, DamagedRecord):
        return True, 0.0, record.key
    return False, record.start.timestamp() if record.start else 0.0, record.name


class RunWriter:
    """Records one run, from any thread.

    The record of the run as a whole is written at the beginning, every two seconds while something changes,
    every 30 seconds while nothing does, and at the end. What is known of the shards of a task that runs is
    written every 30 seconds. A record that the store does not take is a warning.

    :param record: the run as it begins.
    :param warn: takes a text for people.
    """

    def __init__(self, store: Store, record: RunRecord, warn: Callable[[str], None]) -> None:
        self._store, self._record, self._warn = store, record, warn
        self._lock = threading.Lock()
        self._board = Board()
        self._shards: dict[str, dict[str, ShardRecord]] = {}
        self._logs: dict[str, Log] = {}
        self._unsaved: set[str] = set()  # tasks with shards that came to their ends since they were stored
        self._storing = threading.Lock()  # or an older record of a task could replace its last one
        self._told: set[str] = set()
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._stack = ExitStack()
        self._stack.enter_context(writing(record.run))
        self._written = 0.0
        self._write()
        self._thread = threading.Thread(target=self._beat, name="up42-state run record", daemon=True)
        self._thread.start()

    @property
    def run(self) -> str:
        """The id of the run."""
        return self._record.run

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End a run that has not ended: by an error, or because it was stopped."""
        if error is None:
            self.end("done")
        elif isinstance(error, Exception):
            self.end("failed", str(error))
        else:
            self.end("stopped", getattr(error, "message", "stopped"))

    def update(self, event: Event) -> None:
        """Take an event of the run."""
        self._board.take(event)
        self._changed.set()

    def attempt(self, record: AttemptRecord, log: bytes = b"", *, log_bytes: int | None = None) -> None:
        """Store the record of an attempt that has ended, and what is kept of its log.

        An attempt at a shard is kept, and stored with its task's record and log: 1,000 shards make one record
        and one log. Only one that failed has a record and a log of its own as well.

        :param record: of a task or of a shard; the record of a task comes after those of its shards.
        :param log: what is kept of what the attempt printed; stored if there is anything.
        :param log_bytes: how many bytes were printed, if more than ``log`` holds.
        """
        printed = len(log) if log_bytes is None else log_bytes
        if record.shard:
            self._keep(record, log)
            if record.outcome == "done":
                return
        if record.shard or record.task not in self._shards:
            self._store_attempt(replace(record, log_bytes=printed), log)
            return
        with self._storing:
            self._store_task(record, log, printed)
            with self._lock:
                self._shards.pop(record.task, None)
                self._logs.pop(record.task, None)

    def end(self, outcome: str, text: str = "") -> None:
        """Store the record of the run for the last time; a second call does nothing.

        :param outcome: ``done``, ``failed`` or ``stopped``.
        :param text: what happened, for people.
        """
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        for task in list(self._shards):  # of tasks that came to no end
            self.attempt(AttemptRecord(task=task, attempt=1, outcome="stopped", reason="stopped"))
        self._record = replace(self._record, outcome=outcome, text=text, end=now())
        self._write()
        self._stack.close()

    def _keep(self, record: AttemptRecord, log: bytes) -> None:
        shard = ShardRecord(
            shard=record.shard,
            outcome=record.outcome,
            attempts=record.attempt,
            text=record.text if record.outcome != "done" else "",
            seconds=round(sum(record.seconds.values()), 3) if record.seconds else None,
            peak_memory=record.peak_memory,
            stage=record.stage,
        )
        with self._lock:
            self._unsaved.add(record.task)
            self._shards.setdefault(record.task, {})[record.shard] = shard
            if log:
                kept = self._logs.setdefault(record.task, Log())
                kept.write(f"== {record.shard}, attempt {record.attempt} ==\n".encode() + log)
                if not log.endswith(b"\n"):
                    kept.write(b"\n")

    def _store_task(self, record: AttemptRecord, log: bytes = b"", printed: int = 0) -> None:
        """Store the record of a whole task, with what is known of its shards."""
        with self._lock:
            self._unsaved.discard(record.task)
            shards = tuple(self._shards.get(record.task, {}).values())
            kept = self._logs.get(record.task) or Log()
        record = replace(record, shards=shards, log_bytes=kept.size + printed)
        self._store_attempt(record, kept.bytes() + log)

    def _store_shards(self) -> None:
        """Store what is known of the shards of tasks that run, for one who looks, or if this process dies."""
        for task in tuple(self._unsaved):
            with self._storing:
                if task in self._shards:
                    self._store_task(AttemptRecord(task=task, outcome="running"))

    def _store_attempt(self, record: AttemptRecord, log: bytes) -> None:
        job, run = self._record.job, self._record.run
        record = replace(record, format=FORMAT, job=job, run=run, host=record.host or self._record.host)
        place = (job, run, record.name, record.attempt)
        if log:
            self._put(log_key(*place), redacted_log(log))
        self._put(record_key(*place), render(record))

    def _beat(self) -> None:
        stored = time.monotonic()
        while not self._ended.wait(_EVERY):
            if self._changed.is_set() or time.monotonic() - self._written >= HEARTBEAT.total_seconds():
                self._write()
            if time.monotonic() - stored >= HEARTBEAT.total_seconds():
                self._store_shards()
                stored = time.monotonic()

    def _write(self) -> None:
        """Write the run as it stands: by the thread that beats, or before it begins or after it has ended."""
        self._changed.clear()
        self._written = time.monotonic()
        record = replace(self._record, heartbeat=now(), tasks=self._board.tasks())
        self._put(run_key(record.job, record.run), render(record))

    def _put(self, key: str, data: bytes) -> None:
        try:
            self._store.bucket.put(key, data)
        except StateError as error:
            self._tell(error)

    def _tell(self, error: StateError) -> None:
        with self._lock:
            is_new = error.code not in self._told
            self._told.add(error.code)
        if is_new:
            self._warn(f"no record of the run could be stored: {error.message}")
