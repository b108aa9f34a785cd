"""``up42-state run --executor``: on a cluster of this machine, with Ctrl-C in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from doubles.spread import MODULE

TASKS = [
    {"name": "scenes:1", "python": "spread:make"},
    {"name": "tiling:1", "python": "spread:tile", "after": ["scenes:1"], "foreach": "feature"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "spread.py").write_text(MODULE)
    (tmp_path / "flow.json").write_text(json.dumps({"name": "spread", "tasks": TASKS}))
    return tmp_path


def command(folder: Path, *more: str) -> subprocess.Popen[str]:
    """The command in a session of its own, as a terminal has it."""
    given = {
        "scenes:1": {"count": 2},
        "tiling:1": {"waits": "s1", "mark": str(folder / "mark")},
    }
    return subprocess.Popen(
        [
            *(Path(sys.executable).with_name("up42-state"), "run", folder / "flow.json", "--job", "j", *more),
            *("--url", f"file://{folder}/store", "--parameters", json.dumps(given)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def alive(session: int) -> list[str]:
    """What runs in a session, but for what has ended."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append((path.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.mark.long
def test_a_cluster_of_this_machine_and_ctrl_c(folder: Path) -> None:
    """Ctrl-C reaches all processes of a terminal: blocks are stopped, and nothing is left."""
    with command(folder, "--executor", "dask") as process:
        end = time.monotonic() + 40
        while not (folder / "mark").exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        assert len(alive(process.pid)) >= 3, "the client, and two workers"
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=40)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr
    assert [line.split()[:2] for line in stdout.splitlines()[1:3]] == [
        ["scenes:1", "done"],
        ["tiling:1", "stopped"],
    ]
    end = time.monotonic() + 10
    while alive(process.pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert alive(process.pid) == []


def test_an_executor_that_is_none(folder: Path) -> None:
    """A mistyped name is wrong usage."""
    with command(folder, "--executor", "desk") as process:
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "there is no executor 'desk'\n  use local, dask, dask:tcp://HOST:PORT" in stderr
