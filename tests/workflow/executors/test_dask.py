"""A workflow on Dask: the same stages as without it, and its own checks before anything runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import types
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from distributed import Client, Future
from distributed.scheduler import KilledWorker
from doubles.spread import Spread, statuses
from servers.process import free_port

from up42_state.errors import EngineError
from up42_state.workflow.executors import dask, opening, remote
from up42_state.workflow.executors.dask import Offer
from up42_state.workflow.model import Resources
from up42_state.workflow.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import LocalCluster

    from up42_state.workflow.events import Event

GIB = 1024**3


# In make soak 1,000.
SHARDS = 1000 if "UP42_STATE_SOAK" in os.environ else 300


def until(condition: object, seconds: float = 120.0) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def blocks_in(folder: Path) -> list[int]:
    """The processes that run blocks of a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"\0{folder}\0spread:" in (path / "cmdline").read_text():
                found.append(int(path.name))
    return found


def kill_the_one_that_waits(client: Client, mark: Path, seconds: float = 120.0) -> None:
    """Kill the worker on which a block waits, once that is all that is left to do."""
    until(lambda: mark.exists() and sum(map(len, client.processing().values())) == 1, seconds)
    (address,) = [address for address, keys in client.processing().items() if keys]
    os.kill(client.run(os.getpid, workers=[address])[address], signal.SIGKILL)


def test_the_stages_are_those_of_a_run_without_dask(client: Client, spread: Spread) -> None:
    """Features, bytes and fingerprints are the same; a second run finds all, whichever way it runs."""
    there = spread.run("there", client)
    assert statuses(there) == ["done"] * 3
    assert there.tasks[1].shards == (4, 4)
    spread.run("here")
    assert spread.outcome("there") == spread.outcome("here")
    assert statuses(spread.run("there")) == ["cached"] * 3
    assert statuses(spread.run("here", client)) == ["cached"] * 3


def test_what_is_done_opens_no_cluster(spread: Spread, monkeypatch: pytest.MonkeyPatch) -> None:
    """If nothing is to run, no process is started and no address asked."""
    spread.run()

    def fail(*_args: object) -> None:
        raise AssertionError

    monkeypatch.setattr(opening, "_dask", fail)
    assert statuses(spread.run(executor="dask")) == ["cached"] * 3


def test_one_shard_more_is_all_that_runs(client: Client, spread: Spread) -> None:
    """Shards that are there are found; what was forced runs again and comes out equal."""
    spread.run(executor=client)
    events: list[Event] = []
    again = spread.changed("scenes:1", parameters={"count": 5})
    assert again.run(executor=client, tell=events.append).tasks[1].shards == (5, 5)
    assert len([each for each in events if each.kind == "started" and each.shard]) == 1
    assert statuses(again.run(executor=client, force=True)) == ["done"] * 3
    assert again.job().stage("tiling:1").latest().revision == 2


def test_records_and_events_are_those_of_a_run(client: Client, spread: Spread) -> None:
    """An attempt's record has what was printed, and the worker's machine; events are told once, in order."""
    events: list[Event] = []
    result = spread.run(executor=client, tell=events.append)
    runs = Runs(spread.job().state.store, "job")
    record = runs.attempt(result.run, "report:1", 1)
    assert record.host == os.uname().nodename  # type: ignore[union-attr]
    assert runs.log(result.run, "report:1", 1) == b"counting\n"
    told = [(each.kind, each.attempt) for each in events if each.task == "report:1"]
    assert told == [("waiting", 0), ("started", 1), ("done", 1)]
    shards = [each.shard for each in events if each.kind == "started" and each.shard]
    assert len(shards) == len(set(shards)) == 4


def test_a_task_that_runs_long_is_told_of_at_once(client: Client, tmp_path: Path) -> None:
    """``started`` comes while the block runs, not with its end; a stop ends the block on its worker."""
    mark, stop = tmp_path / "mark", threading.Event()
    spread = Spread.make(tmp_path, waits="s1", mark=str(mark))
    events: list[Event] = []
    results = []
    thread = threading.Thread(
        target=lambda: results.append(spread.run(executor=client, tell=events.append, stop=stop))
    )
    thread.start()
    until(mark.exists)
    until(lambda: len([each for each in events if each.kind == "started" and each.shard]) >= 1)
    stop.set()
    thread.join(20)
    assert statuses(results[0]) == ["done", "stopped", "skipped"]
    until(lambda: not blocks_in(tmp_path))
    assert statuses(spread.run(executor=client)) == ["cached", "done", "done"]


def test_a_block_that_fails_is_told_as_ever(client: Client, tmp_path: Path) -> None:
    """The reason, the log's last lines, and which shard; the others are there, and the next run goes on."""
    spread = Spread.make(tmp_path, broken="s2").changed("tiling:1", retries=0)
    result = spread.run(executor=client, keep_going=True)
    assert [each.status for each in result.tasks] == ["done", "partial", "done"]
    assert "s2: ValueError: broken scene" in result.tasks[1].reason
    assert result.tasks[1].missing == ("s2",)
    assert result.tasks[1].last is not None
    assert "about to fail" in result.tasks[1].last.log_end
    halted = spread.run("halted", client)
    assert [each.status for each in halted.tasks] == ["done", "failed", "skipped"]


def test_a_worker_that_is_killed_costs_time_only(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its unit runs on another one, which sweeps, its block dies with it, and the stages are the same."""
    mark = tmp_path / "mark"
    swept: list[str] = []
    monkeypatch.setattr(dask.DaskWorkers, "_sweep", lambda _, host: swept.append(host))
    spread = Spread.make(tmp_path, 6, waits="s3", mark=str(mark))
    results = []
    thread = threading.Thread(target=lambda: results.append(spread.run("killed", client)))
    thread.start()
    kill_the_one_that_waits(client, mark)
    thread.join(30)
    until(lambda: not blocks_in(tmp_path))
    assert statuses(results[0]) == ["done"] * 3
    assert swept
    assert set(swept) == {"127.0.0.1"}
    spread.run("whole")
    assert spread.outcome("killed") == spread.outcome("whole")
    client.wait_for_workers(2, timeout=120)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (Resources(cpus=8), "tiling:1 wants 8 processors"),
        (Resources(memory=64 * GIB), r"64.0 GiB; workers offer 1 processors, 2.0 GiB, 0 GPUs"),
        (Resources(gpus=1), "1 GPUs"),
    ],
    ids=["processors", "memory", "graphics processors"],
)
def test_what_no_worker_offers_is_an_error_at_once(
    client: Client, spread: Spread, wanted: Resources, said: str
) -> None:
    """Nothing has run, and nothing waits for a worker that never comes."""
    with pytest.raises(EngineError, match=said):
        spread.changed("tiling:1", resources=wanted).run(executor=client)
    assert not (spread.folder / "store").exists()


@contextmanager
def large_worker(cluster: LocalCluster) -> Iterator[subprocess.Popen[bytes]]:
    """One more worker, with two processors and a GPU."""
    command = [
        *(sys.executable, "-m", "distributed.cli.dask_worker", cluster.scheduler_address),
        *("--nthreads", "2", "--resources", "GPU=1", "--no-dashboard", "--no-nanny", "--name", "large"),
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def test_units_go_where_they_fit(
    cluster: LocalCluster, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the worker with a GPU gets the task that wants one; if it goes, the task fails at last."""
    monkeypatch.setattr(dask, "NO_WORKER", 1.0)
    mark = tmp_path / "mark"
    spread = Spread.make(tmp_path, 2, waits="s1", mark=str(mark))
    spread = spread.changed("tiling:1", resources=Resources(cpus=2, gpus=1))
    with large_worker(cluster) as large:
        client.wait_for_workers(3, timeout=120)
        results = []
        thread = threading.Thread(target=lambda: results.append(spread.run(executor=client)))
        thread.start()
        until(mark.exists)
        large.kill()
        thread.join(30)
    assert "no worker that can run tiling:1+" in results[0].tasks[1].reason
    assert [each.status for each in results[0].tasks] == ["done", "failed", "skipped"]


def fake_version(version: str, dask_worker: object = None) -> str:
    import up42_state

    before, up42_state.__version__ = up42_state.__version__, version
    return before


def test_a_mixed_cluster_is_refused_with_a_table(client: Client, spread: Spread) -> None:
    """A worker with another release of this package: who has what is shown, and nothing has run."""
    address = next(iter(client.scheduler_info(n_workers=-1)["workers"]))
    before = client.run(fake_version, "9.9.9", workers=[address])[address]
    try:
        with pytest.raises(
            EngineError, match="1 worker is not what this process is \\(1 more is\\)"
        ) as caught:
            spread.run(executor=client)
    finally:
        client.run(fake_version, before, workers=[address])
    lines = [line.split() for line in str(caught.value).splitlines()[1:4]]
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert lines[0] == ["worker", "up42_state", "Python"]
    assert lines[1] == ["this", "process", before, python]
    assert lines[2] == [address, "9.9.9", python, *lines[2][3:]]
    assert not (spread.folder / "store").exists()


def test_a_scheduler_that_does_not_answer(spread: Spread, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address at which nobody listens is an error in bounded time."""
    monkeypatch.setattr(opening, "CONNECT", 1)
    start = time.monotonic()
    with pytest.raises(EngineError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1"):
        spread.run(executor=f"dask:tcp://127.0.0.1:{free_port()}")
    assert time.monotonic() - start < 5


def test_a_closed_client_is_an_error(cluster: LocalCluster, spread: Spread) -> None:
    """A client that was closed before says so, in words of ours."""
    with Client(cluster, set_as_default=False) as closed:
        pass
    with pytest.raises(EngineError, match="the Dask client is closed"):
        spread.run(executor=closed)


def test_futures_are_named_and_released(client: Client, spread: Spread) -> None:
    """The scheduler's tasks are named after the workflow's, and are gone when the run has ended."""
    names = set()

    def look(event: Event) -> None:
        names.update(client.run_on_scheduler(prefixes))

    spread.run(executor=client, tell=look)
    assert {"scenes:1", "tiling:1", "report:1"} <= names
    until(lambda: not client.run_on_scheduler(keys))


def prefixes(dask_scheduler: object) -> list[str]:
    return list(dask_scheduler.task_prefixes)  # type: ignore[attr-defined]


def keys(dask_scheduler: object) -> list[object]:
    return list(dask_scheduler.tasks)  # type: ignore[attr-defined]


def test_a_unit_that_takes_its_workers_with_it(
    client: Client, spread: Spread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dask gives it up after some workers, and the task fails with a reason that says so."""

    def killed(_future: object) -> None:
        raise KilledWorker("tiling:1", types.SimpleNamespace(address="tcp://a", name="a"), 3)

    workers = dask.DaskWorkers(client)
    request = types.SimpleNamespace(stage="tiling:1+0", run="r", task=spread.flow.tasks[1])
    monkeypatch.setattr(Future, "result", killed)
    with pytest.raises(EngineError, match=r"4 workers died while they ran tiling:1\+0"):
        dask.DaskPending(workers, request, print).result()  # type: ignore[arg-type]  # is not run


def test_offers() -> None:
    """A worker of which Dask limits no memory takes any; fractions of processors count."""
    offer = Offer.of({"nthreads": 2, "memory_limit": 0, "resources": {"GPU": 1}, "host": "a"})
    assert offer.fits(Resources(cpus=1.5, memory=900 * GIB, gpus=1))
    assert not offer.fits(Resources(cpus=2.5))
    assert str(offer) == "2 processors, any memory, 1 GPUs"
    limited = replace_memory(offer, 2 * GIB)
    assert not limited.fits(Resources(memory=3 * GIB))


def replace_memory(offer: Offer, memory: int) -> Offer:
    return Offer(host=offer.host, cpus=offer.cpus, memory=memory, gpus=offer.gpus)


def test_a_cluster_of_this_machine_has_the_shape_of_the_work(spread: Spread) -> None:
    """One worker for each processor; fewer and larger ones where a task wants more."""
    small, large = spread.flow.tasks[0], replace(spread.flow.tasks[0], resources=Resources(cpus=3))
    hungry = replace(small, resources=Resources(memory=5 * GIB))
    assert opening._shape([small], 8, 8 * GIB)["n_workers"] == 8
    shape = opening._shape([small, large], 8, 8 * GIB)
    assert (shape["n_workers"], shape["threads_per_worker"], shape["memory_limit"]) == (2, 3, 4 * GIB)
    assert opening._shape([hungry], 8, 8 * GIB)["n_workers"] == 1
    assert opening._shape([large], 2, GIB)["threads_per_worker"] == 2
    drawing = opening._shape([replace(small, resources=Resources(gpus=2))], 8, 8 * GIB, 4)
    assert (drawing["n_workers"], drawing["resources"]) == (2, {"GPU": 2})


def test_enough_is_under_way() -> None:
    """Workers never wait for the client, which has not thousands of threads either."""
    assert [remote.enough(running) for running in (0, 2, 40, 1000)] == [16, 16, 80, 256]


@pytest.mark.long
@pytest.mark.timeout(900)  # a busy machine takes its time
def test_very_many_shards_and_a_worker_killed(client: Client, tmp_path: Path) -> None:
    """Many shards on two workers, one of them killed in the middle: exactly the features and bytes."""
    spread = Spread.make(tmp_path, SHARDS)
    done: list[str] = []
    results = []

    def tell(event: Event) -> None:
        if event.kind == "shard":
            done.append(event.shard)

    thread = threading.Thread(target=lambda: results.append(spread.run("killed", client, tell=tell)))
    thread.start()
    until(lambda: len(done) > SHARDS * 2 // 5, 400)
    os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
    thread.join(400)
    assert statuses(results[0]) == ["done"] * 3
    assert results[0].tasks[1].shards == (SHARDS, SHARDS)
    spread.run("whole")
    assert spread.outcome("killed") == spread.outcome("whole")
    client.wait_for_workers(2, timeout=120)
