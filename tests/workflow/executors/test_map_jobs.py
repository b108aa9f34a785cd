"""One function for many jobs, on any executor."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from doubles.jobs import doubled
from doubles.outputs import tiles, write_output

import up42_state
from up42_state.errors import EngineError, SettingsError, StageNotFoundError, StateError
from up42_state.state import Job, State
from up42_state.workflow import map_jobs
from up42_state.workflow.executors import jobs
from up42_state.workflow.executors.messages import Place, versions

if TYPE_CHECKING:
    from pathlib import Path

    from distributed import Client

KEYS = ("one", "two", "three")


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A store with three jobs, the second of which has no stage ``s:1``."""
    made = State(f"file://{tmp_path}/store")
    output = write_output(tmp_path / "out", tiles(2))
    for key, stage in zip(KEYS, ("s:1", "other:1", "s:1"), strict=True):
        made.job(key).stage(stage).save(output)
    return made


def facts(job: Job) -> tuple[str, int, int]:
    import os  # as it travels by value

    return job.key, job.stage("s:1").latest().totals.features, os.getpid()


def check(found: list[Any]) -> None:
    assert [each.job for each in found] == list(KEYS)
    assert [each.ok for each in found] == [True, False, True]
    assert [each.value and each.value[:2] for each in found] == [("one", 2), None, ("three", 2)]
    assert isinstance(found[1].error, StageNotFoundError)


def test_one_after_the_other(state: State) -> None:
    """Without an executor the function is called in this process, in order."""
    check(map_jobs(facts, KEYS, state))
    check(map_jobs(facts, [state.job(key) for key in KEYS], state, executor="local"))


def test_threads(state: State) -> None:
    """In threads nothing is pickled: the function may be of any kind."""
    together = threading.Barrier(3, timeout=20)
    with ThreadPoolExecutor(3) as pool:
        check(map_jobs(lambda job: (together.wait(), facts(job))[1], KEYS, state, executor=pool))


def test_dask(client: Client, state: State) -> None:
    """On Dask it runs on the workers; lambdas travel as well, and results are let go of."""
    found = map_jobs(lambda job: facts(job), KEYS, state, executor=client)
    check(found)
    assert found[0].value[2] in client.run(os.getpid).values()


def returns_what_cannot_travel(job: Job) -> Any:
    return threading.Lock() if job.key == "one" else job.key


def raises_what_cannot_travel(job: Job) -> None:
    class LocalError(Exception):
        pass

    raise LocalError(f"of {job.key}")


def test_processes(state: State) -> None:
    """Processes open the store themselves; what cannot be pickled is said of its job, or at once."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = map_jobs(doubled, KEYS, state, executor=pool)
        assert [each.value for each in found] == ["oneone", "twotwo", "threethree"]
        with pytest.raises(SettingsError, match="the function cannot be pickled"):
            map_jobs(lambda job: job.key, KEYS, state, executor=pool)


def test_what_cannot_come_back(client: Client, state: State) -> None:
    """A result or an error that cannot be pickled is the outcome of its job alone."""
    first, second, _ = map_jobs(returns_what_cannot_travel, KEYS, state, executor=client)
    assert "what the function returned for job one cannot be pickled" in str(first.error)
    assert second.value == "two"
    found = map_jobs(raises_what_cannot_travel, KEYS[:1], state, executor=client)
    assert (type(found[0].error), str(found[0].error)) == (StateError, "LocalError: of one")


def test_no_jobs_need_no_workers(state: State) -> None:
    """Nothing is opened for nothing."""
    assert map_jobs(facts, [], state, executor="dask") == []


def fake_version(version: str) -> str:
    import up42_state

    before, up42_state.__version__ = up42_state.__version__, version
    return before


def test_another_release_is_refused(client: Client, state: State) -> None:
    """Workers with another release are shown in a table, and nothing is called."""
    client.run(fake_version, "9.9.9")
    try:
        with pytest.raises(EngineError, match=r"2 workers are not what this process is"):
            map_jobs(facts, KEYS, state, executor=client)
    finally:
        client.run(fake_version, up42_state.__version__)


def test_what_is_no_executor_is_an_error(state: State) -> None:
    """The same words as for runs."""
    with pytest.raises(SettingsError, match="there is no executor 'pool'"):
        map_jobs(facts, KEYS, state, executor="pool")


def test_a_pool_that_is_shut_down(state: State) -> None:
    """One that was shut down before is an error of ours; one that is later leaves the jobs' outcomes."""
    with ThreadPoolExecutor(1) as pool:
        pass
    with pytest.raises(EngineError, match="the pool takes no job: cannot schedule new futures"):
        map_jobs(facts, KEYS, state, executor=pool)
    pool = ThreadPoolExecutor(1)
    found = map_jobs(lambda _job: pool.shutdown(wait=False, cancel_futures=True), KEYS, state, executor=pool)
    assert [type(each.error) for each in found] == [type(None), CancelledError, CancelledError]


class ShutAtOnce(ThreadPoolExecutor):
    """A pool that somebody shuts down as soon as it has taken one call."""

    def submit(self, *given: Any, **named: Any) -> Future[Any]:
        future = super().submit(*given, **named)
        self.shutdown()
        return future


def test_a_pool_that_is_shut_down_while_jobs_are_handed_in(state: State) -> None:
    """The jobs that it takes no more are cancelled ones; what the first gave is kept."""
    found = map_jobs(facts, KEYS, state, executor=ShutAtOnce(1))
    assert [type(each.error) for each in found] == [type(None), CancelledError, CancelledError]


def test_an_interruption_leaves_no_job_in_a_pool(state: State) -> None:
    """After Ctrl-C no further job is begun in threads."""
    called: list[str] = []

    def interrupts(job: Job) -> None:
        called.append(job.key)
        time.sleep(0.05)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool:
        keys = [f"job-{number}" for number in range(30)]
        with pytest.raises(KeyboardInterrupt):
            map_jobs(interrupts, keys, state, executor=pool)
    assert len(called) < len(keys)


def test_a_call_does_not_show_what_its_function_holds(state: State) -> None:
    """Dask logs the arguments of a call that fails, and a function holds the values it closes over."""
    place = Place.of(state.job("one"))
    asked = jobs._Call(place=place, function=b"s3cr3t-t0ken", versions=versions())
    assert "s3cr3t" not in repr(asked)


def test_an_exit_ends_its_job_alone(client: Client, state: State) -> None:
    """``sys.exit`` in a function ends neither workers nor the other jobs."""

    def exits(job: Job) -> str:
        if job.key == "two":
            raise SystemExit(3)
        return job.key

    with ThreadPoolExecutor(1) as pool:
        for executor in (None, pool, client):
            found = map_jobs(exits, KEYS, state, executor=executor)
            assert [each.value for each in found] == ["one", None, "three"]
            assert str(found[1].error) == "SystemExit: 3"


def hide_codes() -> None:
    from up42_state.workflow.executors import dask_worker

    dask_worker.hidden = dask_worker.codes  # type: ignore[attr-defined]
    del dask_worker.codes


def show_codes() -> None:
    from up42_state.workflow.executors import dask_worker

    dask_worker.codes = dask_worker.hidden  # type: ignore[attr-defined]
    del dask_worker.hidden  # type: ignore[attr-defined]


def test_a_worker_that_lacks_a_part_of_the_package_is_refused(client: Client, state: State) -> None:
    """Also where no block is asked for: a worker that cannot answer cannot call anything."""
    client.run(hide_codes)
    try:
        with pytest.raises(EngineError, match=r"cannot be used: AttributeError.*attribute 'codes'"):
            map_jobs(facts, KEYS, state, executor=client)
    finally:
        client.run(show_codes)
