"""Units in pools of the standard library, and what is no executor."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from doubles.blocks import Bodies, task, workflow, write
from doubles.spread import Spread, statuses

from up42_state.errors import EngineError, SettingsError
from up42_state.machine.extras import install_command
from up42_state.state import State
from up42_state.workflow.executors import worker
from up42_state.workflow.executors.messages import Place
from up42_state.workflow.runner import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from up42_state.workflow.events import Event
    from up42_state.workflow.executors.messages import Reply, Request


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def test_a_pool_of_processes_makes_the_same_stages(processes: ProcessPoolExecutor, spread: Spread) -> None:
    """Features, bytes and fingerprints are those of a run in this process; events are told once."""
    events: list[Event] = []
    assert statuses(spread.run("there", processes, tell=events.append)) == ["done"] * 3
    spread.run("here")
    assert spread.outcome("there") == spread.outcome("here")
    assert [each.kind for each in events if each.task == "report:1"] == ["waiting", "started", "done"]


def test_a_stop_reaches_other_processes(processes: ProcessPoolExecutor, tmp_path: Path) -> None:
    """The block that runs is stopped, what waits is not begun; the pool goes on to work."""
    mark, stop = tmp_path / "mark", threading.Event()
    spread = Spread.make(tmp_path, waits="s0", mark=str(mark))
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(spread.run(executor=processes, stop=stop)))
    thread.start()
    end = time.monotonic() + 20
    while not mark.exists() and time.monotonic() < end:
        time.sleep(0.02)
    stop.set()
    thread.join(20)
    assert statuses(results[0]) == ["done", "stopped", "skipped"]
    assert processes.submit(len, "abc").result(20) == 3


def test_a_pool_of_threads_makes_the_same_stages(spread: Spread) -> None:
    """Units run in threads of this process, which stay the caller's."""
    with ThreadPoolExecutor(2) as pool:
        assert statuses(spread.run("there", pool)) == ["done"] * 3
        assert pool.submit(len, "abc").result() == 3
    spread.run("here")
    assert spread.outcome("there") == spread.outcome("here")


def test_a_broken_pool_fails_the_task(tmp_path: Path) -> None:
    """A pool that has lost a process cannot go on, and says so before anything runs."""
    spread = Spread.make(tmp_path)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(time.sleep, 0).result()
        next(iter(pool._processes.values())).kill()
        with pytest.raises(EngineError, match="the pool cannot run anything of this package"):
            spread.run(executor=pool)


@pytest.mark.parametrize("executor", ["threads", "dask:", "daskx", 3, object()])
def test_what_is_no_executor_is_an_error(spread: Spread, executor: Any) -> None:
    """The error names what there is; nothing was read or written."""
    with pytest.raises(SettingsError, match="executor") as caught:
        spread.run(executor=executor)
    assert "dask:tcp://HOST:PORT" in str(caught.value)
    assert not (spread.folder / "store").exists()


def test_without_dask_the_error_says_how_to_get_it(spread: Spread, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command installs the extra from where the package came from."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(SettingsError, match="Dask is not installed") as caught:
        spread.run(executor="dask")
    assert caught.value.advice == install_command("dask")


def test_a_store_in_memory_is_no_store_for_others(processes: ProcessPoolExecutor) -> None:
    """Other processes would see another, empty store; threads see this one."""
    flow = workflow(task("a:1", "make"))
    blocks = Bodies(make=lambda work: write(work, []))
    with pytest.raises(SettingsError, match="memory:// lies in this process"):
        run(flow, State("memory://").job("j"), executor=processes, blocks=blocks)


def test_local_is_no_executor(spread: Spread) -> None:
    """``local`` is what ``None`` is: blocks run here."""
    assert statuses(spread.run(executor="local")) == ["done"] * 3


def test_dask_is_loaded_only_when_it_is_asked_for() -> None:
    """Whoever runs workflows on one machine does not wait for Dask's import."""
    names = "up42_state.workflow.runner, up42_state.workflow.executors.jobs"
    code = f"import {names}, sys; print('dask' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_store_on_another_disk_is_no_store(spread: Spread, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has saved under the same path on a disk of its own has saved nothing for the client."""
    perform = worker.perform

    def elsewhere(request: Request) -> Reply:
        other = State(f"file://{spread.folder}/other").job(request.place.job)
        place = replace(Place.of(other), store=request.place.store)
        monkeypatch.setattr(worker, "open_job", lambda _place: other)
        return perform(replace(request, place=place))

    monkeypatch.setattr(worker, "perform", elsewhere)
    for _ in range(2):  # the second time the other disk has it already
        with ThreadPoolExecutor(1) as pool:
            found = spread.changed("scenes:1", retries=0).run(executor=pool)
        assert [each.status for each in found.tasks] == ["failed", "skipped", "skipped"]
        assert "saved scenes:1 in file://" in found.tasks[0].reason
        assert "on a disk of its own" in found.tasks[0].reason
