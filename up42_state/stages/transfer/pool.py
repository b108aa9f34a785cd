"""The one place for concurrency: a pool of threads, and a budget of bytes that tasks hold at once."""

from __future__ import annotations

import threading
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

__all__ = ["Transfers"]

P = ParamSpec("P")
T = TypeVar("T")
U = TypeVar("U")

_FEW = 1024  # tasks that are kept before those that are done are let go


class Transfers:
    """Runs work in threads while no more than ``memory`` bytes are in flight.

    Only the thread that made it submits, and workers never do, so waiting for the budget cannot deadlock.
    Leaving the ``with`` block waits for everything; the first failure cancels what has not begun and is
    raised.

    :param concurrency: how many tasks run at once.
    :param memory: how many bytes may be in flight at once; a task that costs more runs alone.
    """

    def __init__(self, concurrency: int, memory: int) -> None:
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="up42-state")
        self._memory = memory
        self._free = memory
        self._budget = threading.Condition()
        self._failed = threading.Event()
        self._running: set[Future[Any]] = set()
        self._crowd = _FEW

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._failed.set()
            self._pool.shutdown(wait=True, cancel_futures=True)
            return
        try:
            self.wait()
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def acquire(self, cost: int) -> None:
        """Take ``cost`` bytes of the budget, waiting until they are free. The task that is submitted with
        this cost gives them back when it ends.
        """
        cost = min(cost, self._memory)  # more than there is would never be free
        with self._budget:
            self._budget.wait_for(lambda: self._free >= cost or self._failed.is_set())
            self._free -= cost
        if self._failed.is_set():
            self.wait()

    def submit(self, cost: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``work`` in a thread, whose ``cost`` was acquired before. Its end gives the cost back."""
        if len(self._running) >= self._crowd:  # which grows with what waits: looking at all takes its time
            self._collect()
            self._crowd = max(_FEW, 2 * len(self._running))
        future = self._pool.submit(self._run, cost, partial(work, *args, **kwargs))
        self._running.add(future)
        return future

    def start(self, cost: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Wait for ``cost`` bytes of the budget, then run ``work`` in a thread."""
        self.acquire(cost)
        return self.submit(cost, work, *args, **kwargs)

    def map(self, work: Callable[[U], T], items: Iterable[U]) -> Iterator[T]:
        """Do ``work`` for every item, side by side; results come in the order of the items.

        For work that holds few bytes: it takes nothing of the budget.
        """
        futures = [self.start(0, work, item) for item in items]
        for future in futures:
            yield future.result()

    def wait(self) -> None:
        """Wait for every task that was submitted.

        :raises Exception: the first failure.
        """
        self._collect(block=True)

    def _run(self, cost: int, work: Callable[[], T]) -> T:
        try:
            return work()
        except BaseException:
            self._failed.set()
            raise
        finally:
            with self._budget:
                self._free += min(cost, self._memory)
                self._budget.notify_all()

    def _collect(self, *, block: bool = False) -> None:
        done, self._running = wait(self._running, None if block else 0, FIRST_EXCEPTION)
        for future in done:
            if not future.cancelled() and (error := future.exception()) is not None:
                raise error
        if block and self._running:
            self._collect(block=True)
