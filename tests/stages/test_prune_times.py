"""Pruning where a clock is or was wrong: nothing that is needed goes, and what has no age is told of."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from doubles.clock import Clock
from doubles.outputs import state_on, tiles, write_output

from up42_state.buckets.directory.bucket import DirectoryBucket, _info
from up42_state.buckets.directory.times import LATEST, moment
from up42_state.buckets.fsspec import FsspecBucket
from up42_state.buckets.memory import MemoryBucket, MemoryStore

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.buckets import Bucket
    from up42_state.state import Job

LEFT = "s:1/01a1fea6-75cb-78bd-a8b3-45bab4b8b7d0"  # an attempt that nothing refers to
DAY = timedelta(days=1)
AHEAD = datetime.now(UTC) + 1000 * DAY


def save(job: Job, tmp_path: Path, number: int) -> None:
    job.stage("s:1").save(write_output(tmp_path / f"out{number}", tiles(2)))


@pytest.fixture(params=["directory", "fsspec"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    root = tmp_path / "store"
    return DirectoryBucket(root) if request.param == "directory" else FsspecBucket(f"local://{root}")


def date(bucket: Bucket, key: str, when: float) -> None:
    """Give an object another time."""
    assert bucket.local_root is not None
    os.utime(os.path.join(bucket.local_root, key), (when, when))


def test_what_is_dated_in_the_future_stays_and_is_told_of(bucket: Bucket, tmp_path: Path) -> None:
    """An attempt of which one object is dated so has no age; when no save runs, it can be deleted."""
    job = state_on(bucket).job("j")
    save(job, tmp_path, 0)
    for name, when in (("a", AHEAD.timestamp()), ("b", 0.0)):
        bucket.put(f"j/{LEFT.replace('/', '/attempts/')}/files/{name}", b"x")
        date(bucket, f"j/{LEFT.replace('/', '/attempts/')}/files/{name}", when)
    pruned = job.prune(grace=timedelta(hours=1))
    assert (pruned.attempts, pruned.waiting, pruned.future) == ((), (LEFT,), 1)
    (warning,) = pruned.warnings
    assert warning.startswith(f"1 object is dated in the future by the store's clock, up to {AHEAD:%Y-%m-%d}")
    assert "taken for new" in warning
    pruned = job.prune(grace=timedelta(), no_writers=True)
    assert (pruned.attempts, pruned.future) == ((LEFT,), 1)
    assert "taken for old" in pruned.warnings[0]
    assert job.stage("s:1").verify().ok
    assert job.prune().warnings == ()


@pytest.mark.parametrize("when", [1e12, 1e17, -1e12, float("inf"), float("nan")])
def test_a_time_that_no_calendar_has_is_the_latest(when: float) -> None:
    """Nobody knows how old such an object is, so it is not taken for old."""
    assert moment(when) == LATEST


def test_a_file_of_the_year_30000() -> None:
    """Some file systems keep any time; such a file is listed."""
    status = os.stat_result((0o100644, 0, 0, 1, 0, 0, 5, 0, 884_541_351_600, 0))
    assert _info("j/a", status).modified == LATEST


def test_commits_dated_in_the_future_keep_what_they_unlinked(bucket: Bucket, tmp_path: Path) -> None:
    """The revision that they pushed out of the kept ones may have been unlinked just now."""
    job = state_on(bucket).job("j")
    for number in range(3):
        save(job, tmp_path, number)
    for info in list(bucket.list("j/")):
        date(bucket, info.key, 1.0)
    date(bucket, job.stage("s:1").revision(3).key, AHEAD.timestamp())
    pruned = job.prune(keep=1)
    assert (len(pruned.attempts), pruned.future) == (1, 1)
    assert job.stage("s:1").verify(2).ok
    assert len(job.prune(keep=1, grace=timedelta(), no_writers=True).attempts) == 1
    assert job.stage("s:1").verify(3).ok


def test_an_upload_begun_in_the_future_stays_and_is_told_of(tmp_path: Path) -> None:
    """Its attempt is taken for one that is under way."""
    clock = Clock()
    bucket = MemoryBucket(store=MemoryStore(now=clock))
    job = state_on(bucket).job("j")
    save(job, tmp_path, 0)
    clock.forward(100 * DAY)
    bucket.start_upload(f"j/{LEFT.replace('/', '/attempts/')}/files/large", 20, 10)
    clock.forward(-50 * DAY)
    pruned = job.prune()
    assert (pruned.uploads, pruned.future) == (0, 1)
    pruned = job.prune(grace=timedelta(), no_writers=True)
    assert (pruned.uploads, pruned.future) == (1, 1)


def test_a_clock_that_was_put_back_while_a_revision_was_saved(tmp_path: Path) -> None:
    """What that revision pushed out was not unlinked before it was saved, whatever its commit says."""
    clock = Clock()
    job = state_on(MemoryBucket(store=MemoryStore(now=clock))).job("j")
    save(job, tmp_path, 0)
    clock.forward(-10 * DAY)
    save(job, tmp_path, 1)
    clock.forward(10 * DAY + timedelta(minutes=10))
    assert job.prune(keep=1).attempts == ()
    assert job.stage("s:1").verify(1).ok
    clock.forward(DAY)
    assert len(job.prune(keep=1).attempts) == 1


def test_one_commit_of_the_future_does_not_keep_what_came_after_it(tmp_path: Path) -> None:
    """Only what it pushed out itself waits: a clock that was ahead once does not stop pruning for years."""
    clock = Clock()
    job = state_on(MemoryBucket(store=MemoryStore(now=clock))).job("j")
    save(job, tmp_path, 0)
    clock.forward(1000 * DAY)
    save(job, tmp_path, 1)
    clock.forward(-1000 * DAY)
    for number in (2, 3):
        save(job, tmp_path, number)
    clock.forward(2 * DAY)
    attempts = [f"s:1/{job.stage('s:1').revision(number).attempt}" for number in (1, 2, 3)]
    pruned = job.prune(keep=1)
    assert pruned.attempts == (attempts[2],)
    assert pruned.waiting == (attempts[1],)  # its own objects are of the future, too


def test_a_saver_beside_a_prune_is_not_of_the_future(tmp_path: Path) -> None:
    """What is written after the store's time was read is dated after it, and nothing is wrong with that."""
    clock = Clock()
    bucket = MemoryBucket(store=MemoryStore(now=clock))
    job = state_on(bucket).job("j")
    save(job, tmp_path, 0)
    clock.forward(timedelta(minutes=4))
    bucket.put(f"j/{LEFT.replace('/', '/attempts/')}/files/a", b"x")
    clock.forward(-timedelta(minutes=4))
    assert job.prune().warnings == ()
