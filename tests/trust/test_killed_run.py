"""A runner that is killed at any moment: the next run goes on, and nothing of the dead one is left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from doubles.sweep import Part, in_two_parts

from up42_state import State
from up42_state.workflow.records import RunRecord
from up42_state.workflow.runs import Runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
FLOW = ROOT / "examples" / "workflow"
KILLS = 50
IN_A_ROUND = 10  # kills of runs of one job, after which a last run goes on undisturbed


class Runner:
    """Runs the example in processes that can be told from all others by a variable."""

    def __init__(self, folder: Path) -> None:
        self.store = f"file://{folder}/store"
        self.scratch = folder / "scratch"
        self.mark = uuid.uuid4().hex

    def start(self) -> subprocess.Popen[bytes]:
        command = [Path(sys.executable).with_name("up42-state"), "run", FLOW / "workflow.yaml"]
        options = ["--job", "ships", "--parameters", FLOW / "parameters.json", "--scratch", self.scratch]
        environment = {**os.environ, "UP42_STATE_URL": self.store, "MARK": self.mark}
        return subprocess.Popen([*command, *options], env=environment, stdout=-1, stderr=-1)

    def finish(self) -> None:
        process = self.start()
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()

    def contents(self) -> dict[str, str]:
        """The digest of every stage."""
        return {stage.name: stage.latest().content for stage in State(self.store).job("ships").stages()}

    def processes(self) -> list[int]:
        """Processes of this runner and of its blocks."""
        return [
            int(path.name)
            for path in Path("/proc").iterdir()
            if path.name.isdecimal() and self.mark.encode() in environment_of(path)
        ]


def environment_of(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:  # it has ended
        return b""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the example gives."""
    runner = Runner(tmp_path_factory.mktemp("undisturbed"))
    runner.finish()
    return runner.contents()


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(tmp_path)
    yield runner
    for number in runner.processes():
        os.kill(number, signal.SIGKILL)


@in_two_parts
def test_killed_at_any_moment(part: Part, tmp_path: Path, undisturbed: dict[str, str]) -> None:
    """Whenever a runner dies, the next run's result is that of an undisturbed one."""
    moments = random.Random(part.value)
    for number in range(part.share(KILLS // IN_A_ROUND)):
        runner = Runner(tmp_path / str(number))
        for _ in range(IN_A_ROUND):
            process = runner.start()
            time.sleep(moments.uniform(0.3, 1.2))
            process.kill()
            process.communicate()
        runner.finish()
        assert runner.contents() == undisturbed
        assert runner.processes() == []
        assert list(runner.scratch.iterdir()) == []


def test_blocks_die_with_their_runner(runner: Runner) -> None:
    """A block does not go on for a runner that is dead: it is gone before the next run begins."""
    process = runner.start()
    wait_for(lambda: len(runner.processes()) > 1)
    process.kill()
    process.communicate()
    wait_for(lambda: runner.processes() == [])


def test_a_dead_run_is_told_as_dead(runner: Runner) -> None:
    """Its record says that it runs, and its process is gone."""
    process = runner.start()
    runs = Runs(State(runner.store).store, "ships")
    wait_for(lambda: runs.list() != [])  # looking for what can sandbox blocks starts processes, too
    process.kill()
    process.communicate()
    found = runs.latest()
    assert isinstance(found, RunRecord)
    assert found.status() == "dead"


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_asked_to_end(runner: Runner, undisturbed: dict[str, str], number: signal.Signals) -> None:
    """Its blocks are stopped, its record says so, its exit code is the signal's; the next run goes on."""
    process = runner.start()
    wait_for(lambda: len(runner.processes()) > 1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert f"{number.name}: stopping" in errors.decode()
    assert runner.processes() == []
    assert list(runner.scratch.iterdir()) == []
    found = Runs(State(runner.store).store, "ships").latest()
    assert isinstance(found, RunRecord)
    assert found.status() == "stopped"
    runner.finish()
    assert runner.contents() == undisturbed


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
