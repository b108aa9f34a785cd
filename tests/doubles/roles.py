"""What those do who may save or read: for tests of the permissions that each needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from doubles.outputs import tiles, write_output
from up42_state import propagate

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job


def save_all(job: Job, root: Path) -> None:
    """Small files, a file of several parts, a second revision, and a propagation from another job."""
    job.stage("a").save(write_output(root / "a", tiles(20) | {"big.tif": bytes(17 * 2**20)}))
    job.stage("a").save(write_output(root / "a", {"more.tif": b"more"}))
    other = job.state.job("other").stage("b")
    other.save(write_output(root / "b", {"b.tif": b"b"}), propagate=[job.stage("a")])


def read_all(job: Job, root: Path) -> None:
    """Everything that reads what :func:`save_all` has saved."""
    job.stage("a").restore(root / "in")
    propagate(root / "in", [job.stage("a")])
    job.stage("a").open("big.tif").read(10)
    job.verify()
    assert job.state.jobs()
    assert job.stages()
    assert job.stage("a").history()
    assert not job.stage("none").exists()
