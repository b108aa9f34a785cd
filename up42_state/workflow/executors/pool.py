"""Units in a pool of ``concurrent.futures``: threads, processes, or whatever has such a face."""

from __future__ import annotations

import threading
from concurrent.futures import BrokenExecutor, Executor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from up42_state.errors import EngineError
from up42_state.machine.budget import processors
from up42_state.workflow.events import Event
from up42_state.workflow.executors import worker
from up42_state.workflow.executors.differences import Facts, check_same

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from up42_state.workflow.executors.messages import Place, Reply, Request
    from up42_state.workflow.model import Resources, Task

__all__ = ["Pool"]


class Pool:
    """An executor, which stays open. See :class:`~up42_state.workflow.executors.remote.Workers`."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def check(self, place: Place, tasks: Sequence[Task], codes: Mapping[str, str]) -> None:
        """See :class:`~up42_state.workflow.executors.remote.Workers`. One worker is asked for all."""
        try:
            found = self._executor.submit(facts, place, tuple(tasks)).result()
        except Exception as error:  # whatever a pool raises that cannot run a function of ours
            raise EngineError(
                f"the pool cannot run anything of this package: {type(error).__name__}: {error}",
                advice="a pool of processes needs the main module's work below if __name__ == '__main__'",
            ) from error
        check_same([found], codes)

    def submit(self, request: Request, tell: Callable[[Event], None]) -> _PoolPending:
        """See :class:`~up42_state.workflow.executors.remote.Workers`."""
        return _PoolPending(self._executor.submit(worker.perform, request), request, tell)

    def call(self, function: Callable[[Any], Any], argument: Any, name: str) -> Future[Any]:  # noqa: ARG002
        """See :class:`~up42_state.workflow.executors.remote.Workers`."""
        return self._executor.submit(function, argument)

    @property
    def are_there(self) -> bool:
        """A pool that has lost a process says so itself."""
        return True

    def side_by_side(self, _resources: Resources) -> int:
        """See :class:`~up42_state.workflow.executors.remote.Workers`."""
        # The executors of the standard library say so in private alone.
        return int(getattr(self._executor, "_max_workers", 0)) or processors()

    def stop(self, run: str) -> None:
        """Stop what runs in threads of this process; other processes look for the file."""
        worker.stop(run)

    def end(self, run: str) -> None:
        """Let go of what this process keeps; others do with the next run, or as they end."""
        worker.forget(run)


def facts(place: Place, tasks: Sequence[Task]) -> Facts:
    """What a worker is and has."""
    return Facts.here(worker.codes(place, tasks))


class _PoolPending:
    """See :class:`~up42_state.workflow.executors.remote.Pending`."""

    def __init__(self, future: Future[Reply], request: Request, tell: Callable[[Event], None]) -> None:
        self.done = threading.Event()
        self._future = future
        self._request = request
        self._tell = tell
        future.add_done_callback(lambda _future: self.done.set())

    @property
    def has_begun(self) -> bool:
        """True once a worker has taken it."""
        return self._future.running() or self._future.done()

    def look(self) -> None:
        """Tell that it has begun: the worker itself tells only at the end."""
        if self._future.running():
            request = self._request
            shard = request.stage if request.stage != request.task.name else ""
            begun = Event(
                kind="started",
                time=datetime.now(UTC),
                run=request.run,
                task=request.task.name,
                shard=shard,
                attempt=1,
                reason=request.why,
            )
            self._tell(begun)

    def cancel(self) -> bool:
        """Give it up, if no worker has taken it."""
        return self._future.cancel()

    def result(self) -> Reply:
        """What came of it."""
        try:
            return self._future.result()
        except BrokenExecutor as error:
            raise EngineError(
                f"the pool is broken: {error}",
                advice="one of its processes was killed, perhaps for want of memory",
            ) from error
