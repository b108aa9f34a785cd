"""Containers of runners that were killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from up42_state.workflow.blocks.containers.orphans import sweep

if TYPE_CHECKING:
    from pathlib import Path

    from containers.lab import Lab

RUNNER = """
import sys
from pathlib import Path
from up42_state.workflow.blocks.containers.block import ImageBlock
from up42_state.workflow.blocks.containers.engine import find_engine
from up42_state.workflow.blocks.logs import Log
from up42_state.workflow.blocks.work import Work
from up42_state.workflow.model import BlockReference

kind, folder, image = sys.argv[1:]
names = ("input", "output", "quicklooks", "scratch")
for name in names:
    (Path(folder) / name).mkdir()
directories = {name: Path(folder) / name for name in names}
command = ("sh", "-c", "touch /tmp/output/begun; exec sleep 600")
reference = BlockReference(kind="image", image=image, command=command)
work = Work(job="job", task="tiling:1", attempt=1, log=Log(), **directories)
ImageBlock(find_engine(kind), reference, network="host").run(work)
"""


def start_runner(lab: Lab, folder: Path) -> subprocess.Popen[bytes]:
    """A process of its own that runs a block which does not end."""
    folder.mkdir()
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, lab.engine.kind, folder, "localhost/block:1"])
    while not (folder / "output" / "begun").exists():
        assert runner.poll() is None
        time.sleep(0.05)
    return runner


def test_orphans_are_removed(lab: Lab, tmp_path: Path) -> None:
    """The container of a killed runner is stopped and removed; that of a living one stays and runs."""
    dead, living = (start_runner(lab, tmp_path / name) for name in ("dead", "living"))
    try:
        dead.kill()
        dead.wait()
        assert len(lab.running()) == 2  # it is not the runner's end that ends a container
        removed = sweep(lab.engine)
        assert len(removed) == 1
        assert removed[0].startswith("up42-state-job-tiling-1-1-")
        assert len(lab.running()) == 1
        assert sweep(lab.engine) == []
    finally:
        for runner in (dead, living):
            runner.kill()
            runner.wait()
    assert len(sweep(lab.engine)) == 1
    assert lab.containers() == []


def test_a_runner_that_is_a_zombie_is_dead(lab: Lab, tmp_path: Path) -> None:
    """A killed runner whose parent has not looked yet is dead all the same."""
    runner = start_runner(lab, tmp_path / "zombie")
    os.kill(runner.pid, signal.SIGKILL)
    os.waitid(os.P_PID, runner.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert len(sweep(lab.engine)) == 1
    finally:
        runner.wait()


def test_containers_of_others_stay(lab: Lab) -> None:
    """A container without our labels is none of our business."""
    other = lab.engine.call("create", "--network", "host", "localhost/block:1", "true").splitlines()[-1]
    try:
        assert sweep(lab.engine) == []
        assert lab.containers() == [other]
    finally:
        lab.engine.call("rm", "--force", other)
