"""Processes and their descendants."""

from __future__ import annotations

import os
import subprocess

import pytest
from workflow.blocks.cases import wait_until

from up42_state.workflow.blocks.sandbox import tree


@pytest.mark.parametrize("tells", [True, False])
def test_descendants(monkeypatch: pytest.MonkeyPatch, tells: bool) -> None:
    """Children and their children are found, whether or not the kernel has a file of them."""
    assert tree._TELLS_CHILDREN
    monkeypatch.setattr(tree, "_TELLS_CHILDREN", tells)
    with subprocess.Popen(["sh", "-c", "sh -c 'sleep 60; :' & sleep 60"]) as shell:
        assert wait_until(lambda: len(tree.descendants(shell.pid)) == 3)
        found = tree.descendants(os.getpid())
        assert {shell.pid, *tree.descendants(shell.pid)} <= set(found)
        assert 3 * 300_000 < tree.memory_of(tree.descendants(shell.pid)) < 100_000_000
        for pid in [*tree.descendants(shell.pid), shell.pid]:
            os.kill(pid, 9)


def test_a_process_and_another_of_its_number() -> None:
    """A process is told from another of the same number by when it was started."""
    start = tree.started(os.getpid())
    assert tree.is_alive(os.getpid(), start)
    assert not tree.is_alive(os.getpid(), str(int(start) + 1))
    with subprocess.Popen(["true"]) as ended:
        assert wait_until(lambda: not tree.started(ended.pid)), "one that has ended is not alive"
    assert not tree.is_alive(ended.pid, "")
