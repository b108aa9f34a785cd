"""One function for many jobs, side by side."""

from __future__ import annotations

import pickle
import threading
import time
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from up42_state.errors import EngineError, SettingsError, StateError
from up42_state.state import Job
from up42_state.workflow.executors.messages import Place, Versions, versions
from up42_state.workflow.executors.opening import check_executor, open_workers
from up42_state.workflow.executors.remote import NO_WORKER
from up42_state.workflow.executors.worker import check_versions, open_job

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from up42_state.state import State
    from up42_state.workflow.executors.remote import Workers

__all__ = ["JobOutcome", "map_jobs"]

T = TypeVar("T")

_TICK = 0.5  # seconds between two looks at whether there are workers


@dataclass(frozen=True, kw_only=True)
class JobOutcome(Generic[T]):
    """What came of one job.

    :param job: the job's key.
    :param value: what the function returned; ``None`` if it failed.
    :param error: what it raised, or why it could not run; ``None`` if it returned.
    """

    job: str
    value: T | None = None
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        """True if the function returned."""
        return self.error is None


def map_jobs(
    function: Callable[[Job], T], jobs: Iterable[str | Job], state: State, *, executor: Any = None
) -> list[JobOutcome[T]]:
    """Call a function once for each of many jobs. One job's failure does not hide what came of others.

    :param function: takes a :class:`~up42_state.Job`. Other processes must be able to load it, from the top
        of a module that they have as well, and what it returns must be such as can be pickled.
    :param jobs: keys, or handles, of jobs that need not exist.
    :param state: the store. Each process opens it with credentials of its own.
    :param executor: as in :func:`~up42_state.workflow.run`; ``None`` or ``local`` for one after the other.
    :return: one for each job, in their order.
    :raises SettingsError: there is no such executor; or the function cannot be pickled.
    :raises EngineError: a cluster does not answer, or its workers have other versions; nothing was called.
    """
    handles = [state.job(job.key if isinstance(job, Job) else job) for job in jobs]
    if not check_executor(executor, state.url if executor else "") or not handles:
        return [_called(function, handle) for handle in handles]
    if isinstance(executor, ThreadPoolExecutor):
        return _in_threads(function, handles, executor)
    with ExitStack() as stack:
        is_pool = isinstance(executor, Executor)
        packed = _pickled_function(function, by_value=not is_pool)
        workers = stack.enter_context(open_workers(executor))
        workers.check(Place.of(handles[0]), (), {})
        name = getattr(function, "__name__", "function")
        calls = [_Call(place=Place.of(handle), function=packed, versions=versions()) for handle in handles]
        mapping: _Mapping[T] = _Mapping(workers, calls, name)
        return mapping.outcomes()


@dataclass(frozen=True, kw_only=True)
class _Call:
    """What a worker is asked for. Its text says nothing of the function: engines log what they call.

    :param function: pickled, with the values that it closes over.
    """

    place: Place
    function: bytes = field(repr=False)
    versions: Versions


class _Mapping(Generic[T]):
    """The calls that workers were asked for, and what came of them."""

    def __init__(self, workers: Workers, calls: Sequence[_Call], name: str) -> None:
        self._workers = workers
        self._calls = calls
        self._futures = [workers.call(call, each, f"{name}-{each.place.job}") for each in calls]
        self._there = time.monotonic()  # when a worker was last there

    def outcomes(self) -> list[JobOutcome[T]]:
        """Wait for all of them; whoever interrupts that has those cancelled that have not begun."""
        try:
            pairs = zip(self._calls, self._futures, strict=True)
            return [self._outcome(each.place.job, future) for each, future in pairs]
        except BaseException:
            for future in self._futures:
                future.cancel()
            raise

    def _outcome(self, job: str, future: Future[bytes]) -> JobOutcome[T]:
        done = threading.Event()
        future.add_done_callback(lambda _future: done.set())
        try:
            while not done.wait(_TICK):
                self._look()
            value, error = pickle.loads(future.result())  # noqa: S301 - what the caller's own function returned
        except Exception as found:  # noqa: BLE001 - whatever an engine raises is the outcome of this job
            return JobOutcome(job=job, error=found)
        return JobOutcome(job=job, value=value, error=error)

    def _look(self) -> None:
        """Make sure that there are workers.

        :raises EngineError: for a minute there was none.
        """
        if self._workers.are_there:
            self._there = time.monotonic()
        elif time.monotonic() - self._there > NO_WORKER:
            raise EngineError(f"no worker has been there for {NO_WORKER:g} s", advice="start some")


def _in_threads(
    function: Callable[[Job], T], handles: Sequence[Job], pool: ThreadPoolExecutor
) -> list[JobOutcome[T]]:
    """Call the function in threads of this process.

    :raises EngineError: the pool was shut down before.
    """
    futures: list[Future[JobOutcome[T]]] = []
    try:
        for number, handle in enumerate(handles):
            futures += [_submitted(function, handle, pool, is_first=number == 0)]
        return [_result(handle.key, future) for handle, future in zip(handles, futures, strict=True)]
    except BaseException:
        for future in futures:
            future.cancel()
        raise


def _submitted(
    function: Callable[[Job], T], handle: Job, pool: ThreadPoolExecutor, *, is_first: bool
) -> Future[JobOutcome[T]]:
    """Ask a pool for a call; of a pool that a job has shut down meanwhile, return a call that is cancelled.

    :raises EngineError: the pool was shut down before.
    """
    try:
        return pool.submit(_called, function, handle)
    except RuntimeError as error:
        if is_first:
            raise EngineError(f"the pool takes no job: {error}", advice="give a pool that is open") from error
        late: Future[JobOutcome[T]] = Future()
        late.cancel()
        return late


def _result(job: str, future: Future[JobOutcome[T]]) -> JobOutcome[T]:
    try:
        return future.result()
    except CancelledError as error:  # whoever shuts the pool down may have done so
        return JobOutcome(job=job, error=error)


def call(asked: _Call) -> bytes:
    """Call the function in this process; return what came of it, pickled.

    :raises EngineError: this process has other versions.
    """
    check_versions(asked.versions)
    function = pickle.loads(asked.function)  # noqa: S301 - the caller's own function
    outcome = _called(function, open_job(asked.place))
    try:
        return pickle.dumps((outcome.value, outcome.error and _sent(outcome.error)))
    except Exception as error:  # noqa: BLE001 - whatever a class of the caller raises
        problem = SettingsError(
            f"what the function returned for job {asked.place.job} cannot be pickled: {error}",
            advice="return plain values, or save what is large as a stage",
        )
        return pickle.dumps((None, problem))


def _called(function: Callable[[Job], T], job: Job) -> JobOutcome[T]:
    try:
        return JobOutcome(job=job.key, value=function(job))
    except SystemExit as error:  # it would end a worker of Dask, and the next one that is given the job
        return JobOutcome(job=job.key, error=StateError(f"SystemExit: {error}"))
    except Exception as error:  # noqa: BLE001 - whatever the function raises is this job's outcome
        return JobOutcome(job=job.key, error=error)


def _sent(error: Exception) -> Exception:
    """The error, or one of ours with its text where the error cannot be pickled and read back."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:  # noqa: BLE001 - whatever a class of the caller raises
        return StateError(f"{type(error).__name__}: {error}")
    return error


def _pickled_function(function: Any, *, by_value: bool) -> bytes:
    """Pickle the function.

    :param by_value: Dask's way, in which lambdas and functions of a main module travel as well.
    :raises SettingsError: that cannot be done.
    """
    try:
        if by_value:
            import cloudpickle

            return bytes(cloudpickle.dumps(function))
        return pickle.dumps(function)
    except Exception as error:
        raise SettingsError(
            f"the function cannot be pickled: {error}",
            advice="put it at the top of a module, without what belongs to this process, such as open files",
        ) from error
