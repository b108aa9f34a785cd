"""A store with records of runs: they are no stage, go with their job, and the old ones are pruned."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from doubles.clock import Clock
from doubles.faulty import FaultyBucket
from doubles.outputs import state_on, tiles, write_output

from up42_state.buckets.memory import MemoryBucket, MemoryStore
from up42_state.errors import JobNotFoundError
from up42_state.filesystem import StageFileSystem
from up42_state.stages import listing
from up42_state.workflow.records import AttemptRecord
from up42_state.workflow.runs import Runs

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job

DAY = timedelta(days=1)


@pytest.fixture
def clock() -> Clock:
    """The store's time."""
    return Clock()


@pytest.fixture
def bucket(clock: Clock) -> FaultyBucket:
    """A store in memory that counts its operations."""
    return FaultyBucket(MemoryBucket(store=MemoryStore(now=clock)))


@pytest.fixture
def job(bucket: FaultyBucket) -> Job:
    """A job in it."""
    return state_on(bucket).job("3f0c")


@pytest.fixture
def runs(job: Job) -> Runs:
    """The job's runs."""
    return Runs(job.state.store, job.key)


def run_once(runs: Runs, attempts: int = 1) -> str:
    """Record a run with some attempts, each with a log."""
    with runs.begin("flooding") as run:
        for number in range(attempts):
            run.attempt(AttemptRecord(task="tiling:1", attempt=number + 1, outcome="failed"), b"log")
    return run.run


def keys(bucket: FaultyBucket) -> set[str]:
    return {info.key for info in bucket.inner.list("")}


def test_a_job_whose_first_task_failed_is_a_job(job: Job, runs: Runs) -> None:
    """A job that holds nothing but records of runs is listed, and holds no stages."""
    run_once(runs)
    assert [found.key for found in job.state.jobs()] == ["3f0c"]
    assert job.state.store.stages("3f0c") == []
    with pytest.raises(JobNotFoundError):
        job.survey()


def test_records_are_no_stage(job: Job, runs: Runs, tmp_path: Path) -> None:
    """Listing, verifying and the file system show the stages alone."""
    run_once(runs)
    job.stage("s:1").save(write_output(tmp_path / "out", tiles(2)))
    assert [stage.name for stage in job.stages()] == ["s:1"]
    assert [(found.stage, found.ok) for found in job.verify()] == [("s:1", True)]
    system = StageFileSystem()
    system._state = job.state
    assert system.ls("3f0c", detail=False) == ["3f0c/s:1"]


def test_many_records_make_listing_stages_no_longer(
    job: Job, runs: Runs, bucket: FaultyBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stages are listed in as many requests as without records of runs."""
    monkeypatch.setattr(listing, "_PAGE", 40)
    monkeypatch.setattr(listing, "_FEW", 4)
    for number in range(5):
        job.stage(f"s:{number}").save(write_output(tmp_path / "out", tiles(2)))
    before = len(bucket.operations)
    job.survey()
    without = len(bucket.operations) - before
    run_once(runs, attempts=100)
    before = len(bucket.operations)
    assert len(job.survey()) == 5
    assert len(bucket.operations) - before == without


def test_records_go_with_their_job(job: Job, runs: Runs, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Removing a job leaves none of its records, and nothing is taken for somebody else's."""
    run_once(runs)
    job.stage("s:1").save(write_output(tmp_path / "out", tiles(2)))
    assert job.delete().foreign == ()
    assert keys(bucket) == set()
    run_once(runs)
    assert job.delete().objects == 3
    assert keys(bucket) == set()


def test_removing_a_stage_leaves_the_records(job: Job, runs: Runs, tmp_path: Path) -> None:
    """What happened to a stage is told after it was removed as well."""
    run = run_once(runs)
    job.stage("s:1").save(write_output(tmp_path / "out", tiles(2)))
    job.stage("s:1").delete()
    assert runs.log(run, "tiling:1", 1) == b"log"


@pytest.mark.parametrize("saved", [True, False])
def test_old_records_are_pruned(
    job: Job, runs: Runs, bucket: FaultyBucket, clock: Clock, tmp_path: Path, *, saved: bool
) -> None:
    """Of more than ten runs those go that are older than the grace, whether or not the job has stages."""
    if saved:
        job.stage("s:1").save(write_output(tmp_path / "out", tiles(2)))
    for _ in range(13):
        run_once(runs)
    ids = runs.list()
    assert job.prune().runs == ()
    clock.now += 2 * DAY
    bucket.put(f"3f0c/.runs/{ids[1]}/run.json", b"{}")  # as a run does that goes on
    would = job.prune(dry_run=True)
    assert (would.runs, would.objects, runs.list()) == ((ids[0], ids[2]), 6, ids)
    assert job.prune().runs == (ids[0], ids[2])
    assert runs.list() == [ids[1], *ids[3:]]


def test_what_others_keep_beside_records_is_left(
    job: Job, runs: Runs, bucket: FaultyBucket, clock: Clock
) -> None:
    """Pruning and removing leave an object in the place of records that is none of ours, and count it."""
    for _ in range(11):
        run_once(runs)
    note = f"3f0c/.runs/{runs.list()[0]}/notes.txt"
    bucket.put(note, b"mine")
    clock.now += 2 * DAY
    pruned = job.prune()
    assert (len(pruned.runs), pruned.foreign) == (1, 1)
    assert job.delete().foreign == (note,)
    assert keys(bucket) == {note}
