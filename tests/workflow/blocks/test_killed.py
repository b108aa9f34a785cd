"""A runner that is killed leaves no process of a block behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workflow.blocks.cases import processes_with, wait_until

from up42_state.workflow.blocks.sandbox.leftover import NOTE, sweep

TESTS = Path(__file__).parents[2]

RUNNER = """
import sys
from pathlib import Path
from workflow.blocks.cases import NO_NAMESPACES, command, work
from up42_state.workflow.blocks.sandbox.isolation import Isolation

root, kind, text = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
given = {
    "all": {},
    "mount": {"isolated": Isolation(namespaces=("mount",))},
    "none": {"isolated": NO_NAMESPACES, "shared": str(root)},
}[kind]
block = command(root, "sh", "-c", text, **given)
print(block.run(work(root)).text)
"""


def start(root: Path, kind: str, text: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RUNNER, os.fspath(root), kind, text],
        env={**os.environ, "PYTHONPATH": os.fspath(TESTS)},
        stdout=subprocess.PIPE,
        text=True,
    )


def supervisor_of(runner: int) -> int:
    return int(Path(f"/proc/{runner}/task/{runner}/children").read_text())


@pytest.mark.parametrize("kind", ["all", "mount", "none"])
def test_nothing_is_left(tmp_path: Path, kind: str) -> None:
    """What a block has started, a daemon as well, is gone soon after a SIGKILL of the runner."""
    seconds = f"86399.3{ord(kind[0])}"
    text = f"setsid sleep {seconds} & sh -c 'sleep {seconds} & sleep {seconds}' & sleep {seconds}"
    with start(tmp_path, kind, text) as runner:
        assert wait_until(lambda: len(processes_with(f"sleep {seconds}")) >= 6)
        runner.kill()
        assert wait_until(lambda: not processes_with(f"sleep {seconds}"))
    assert runner.returncode == -signal.SIGKILL


@pytest.mark.parametrize("kind", ["all", "mount", "none"])
def test_a_supervisor_that_is_killed(tmp_path: Path, kind: str) -> None:
    """Where somebody kills what watches the block, the block ends as well, and the runner says so."""
    seconds = f"86399.4{ord(kind[0])}"
    with start(tmp_path, kind, f"sleep {seconds} & sleep {seconds}") as runner:
        assert wait_until(lambda: len(processes_with(f"sleep {seconds}")) >= 3)
        os.kill(supervisor_of(runner.pid), signal.SIGKILL)
        assert runner.stdout
        assert "killed by SIGKILL" in runner.stdout.read()
    assert wait_until(lambda: not processes_with(f"sleep {seconds}"))


def test_runner_and_supervisor_killed_at_once(tmp_path: Path) -> None:
    """Where the kernel does not take down what is left, the next start finds and kills it."""
    root = tmp_path / "scratch"
    root.mkdir()
    with start(root, "none", "sleep 86397.5 & sleep 86397.5") as runner:
        assert wait_until(lambda: len(processes_with("sleep 86397.5")) >= 3)
        supervisor = supervisor_of(runner.pid)
        assert sweep(root) == []
        assert list(root.rglob(NOTE)), "a living runner's note stays"
        os.kill(runner.pid, signal.SIGSTOP)
        os.kill(supervisor, signal.SIGKILL)
        runner.kill()
        runner.wait()
    left = processes_with("sleep 86397.5")
    assert left, "nothing is left, and nothing is shown"
    assert set(left) <= set(sweep(root))
    assert wait_until(lambda: not processes_with("sleep 86397.5"))
    assert not list(root.rglob(NOTE))


def test_another_process_of_the_same_number(tmp_path: Path) -> None:
    """A process that has got a dead one's number is not killed for it."""
    with subprocess.Popen(["sleep", "86396.6"], start_new_session=True) as other:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        found = {"boot": boot, "runner": [other.pid, "1"], "supervisor": [other.pid, "1"]}
        (tmp_path / NOTE).write_text(json.dumps(found))
        assert sweep(tmp_path) == []
        assert other.poll() is None
        other.kill()
    assert not (tmp_path / NOTE).exists()


def test_a_note_that_is_none(tmp_path: Path) -> None:
    """A note that was cut off as it was written does not keep a run from starting."""
    (tmp_path / NOTE).write_text('{"boot": ')
    assert sweep(tmp_path) == []
