"""What history says has become of each revision."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from doubles.outputs import tiles, write_output

from up42_state.errors import PrunedError

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job


def states(job: Job) -> dict[int, str]:
    stage = job.stage("s:1")
    commits = stage.history()
    return {commit.revision: state for commit, state in zip(commits, stage.states(commits), strict=True)}


def can_be_restored(job: Job, revision: int, target: Path) -> bool:
    try:
        job.stage("s:1").restore(target, revision=revision)
    except PrunedError:
        return False
    return True


def prune(job: Job) -> None:
    job.prune(keep=1, grace=timedelta(), no_writers=True)


def test_a_revision_whose_own_attempt_stays_for_another(job: Job, tmp_path: Path) -> None:
    """A revision of which files lie in an attempt that is gone is pruned, though its own attempt is there."""
    first, second, third = (bytes([number]) * 2_000_000 for number in range(3))
    contents = [{"x.tif": first, "y.tif": first[:-1]}, {"x.tif": first, "y.tif": second}]
    contents.append({"x.tif": third, "y.tif": second})
    for number, files in enumerate(contents):
        job.stage("s:1").save(write_output(tmp_path / f"out{number}", files))
    assert states(job) == {3: "restorable", 2: "restorable", 1: "restorable"}
    prune(job)
    found = {number: can_be_restored(job, number, tmp_path / f"in{number}") for number in (1, 2, 3)}
    assert found == {1: False, 2: False, 3: True}
    assert states(job) == {3: "restorable", 2: "pruned", 1: "pruned"}


def test_a_removed_stage(job: Job, tmp_path: Path) -> None:
    """A removal is a revision of its own; what was there before stays restorable until it is pruned."""
    job.stage("s:1").save(write_output(tmp_path / "out", tiles(2)))
    job.stage("s:1").delete()
    assert states(job) == {2: "removed", 1: "restorable"}
    prune(job)
    assert states(job) == {2: "removed", 1: "pruned"}


def test_what_states_cost(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """One request a revision, and one for each stage that revisions refer to."""
    for number in range(4):
        output = write_output(tmp_path / f"out{number}", {"x.tif": b"x" * 2_000_000, **tiles(1)})
        job.stage("s:1").save(output)
    stage = job.stage("s:1")
    commits = stage.history()
    before = len(bucket.operations)
    stage.states(commits)
    assert len(bucket.operations) - before == len(commits) + 1
