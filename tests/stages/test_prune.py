"""Pruning and removing: what goes, what stays, and what readers are told."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from doubles.faulty import FaultyBucket
from doubles.outputs import contents, state_on, tiles, write_output
from doubles.sweep import Part, in_two_parts

from up42_state.buckets.memory import MemoryBucket, MemoryStore
from up42_state.errors import (
    IntegrityError,
    JobNotFoundError,
    PrunedError,
    SettingsError,
    StageNotFoundError,
    StateError,
)
from up42_state.stages import listing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from doubles.clock import Clock

    from up42_state.stages.format.commit import Commit
    from up42_state.state import Job

SLOW = "01a1fea6-75cb-78bd-a8b3-45bab4b8b7d0"  # an attempt's id
DAY = timedelta(days=1)


@pytest.fixture(autouse=True, params=["together", "each"])
def listed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with small stages, which are listed together, and as if all of them were large."""
    if request.param == "each":
        monkeypatch.setattr(listing, "_PAGE", 1)
        monkeypatch.setattr(listing, "_FEW", 0)


@pytest.fixture
def bucket(clock: Clock) -> FaultyBucket:
    return FaultyBucket(MemoryBucket(store=MemoryStore(now=clock)))


@pytest.fixture
def job(bucket: FaultyBucket) -> Job:
    return state_on(bucket).job("j")


def save(job: Job, tmp_path: Path, number: int) -> Path:
    output = write_output(tmp_path / f"out{number}", tiles(3))
    job.stage("s:1").save(output)
    return output


def test_the_newest_revisions_stay_and_others_go_after_the_grace(
    job: Job, clock: Clock, tmp_path: Path
) -> None:
    """An attempt goes once it has been unlinked for the grace, not once it is that old."""
    outputs = [save(job, tmp_path, number) for number in range(3)]
    clock.forward(10 * DAY)
    outputs.append(save(job, tmp_path, 3))
    clock.forward(DAY / 2)
    assert job.prune().attempts == ()
    clock.forward(DAY)
    assert len(job.prune().attempts) == 1
    with pytest.raises(PrunedError, match="j/s:1@1 was pruned"):
        job.stage("s:1").restore(tmp_path / "in", revision=1)
    for revision in (2, 3, 4):
        job.stage("s:1").restore(tmp_path / f"in{revision}", revision=revision)
        assert contents(tmp_path / f"in{revision}") == contents(outputs[revision - 1])


def test_bytes_that_a_kept_revision_refers_to_stay(job: Job, clock: Clock, tmp_path: Path) -> None:
    """An old attempt that a newer revision takes bytes from is kept, whoever wrote it."""
    output = write_output(tmp_path / "out", tiles(20))
    job.stage("s:1").save(output)
    for number in range(5):
        clock.forward(10 * DAY)
        (output / "extra.tif").write_bytes(bytes([number]))
        job.stage("s:1").save(output)
    clock.forward(10 * DAY)
    assert job.prune(keep=1).attempts
    job.stage("s:1").restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)
    assert job.stage("s:1").verify().ok


def test_what_a_crashed_save_left_goes_after_the_grace(
    job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path
) -> None:
    """Objects that no commit ever named are deleted by their age."""
    output = write_output(tmp_path / "out", tiles(3))
    job.stage("s:2").save(output)
    bucket.operations.names.clear()
    bucket.operations.fail_at = 5
    with pytest.raises(StateError):
        job.stage("s:1").save(output)
    assert len(job.prune().waiting) == 1
    clock.forward(2 * DAY)
    assert len(job.prune().attempts) == 1
    assert job.stage("s:2").verify().ok


def test_a_save_that_takes_longer_than_the_grace_loses_nothing(
    job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path
) -> None:
    """What a save writes is as old as the newest of it."""
    save(job, tmp_path, 0)
    bucket.put(f"j/s:1/attempts/{SLOW}/files/first", b"")
    clock.forward(2 * DAY)
    bucket.put(f"j/s:1/attempts/{SLOW}/files/second", b"")
    assert (job.prune().attempts, job.prune().waiting) == ((), (f"s:1/{SLOW}",))
    clock.forward(2 * DAY)
    assert job.prune().attempts == (f"s:1/{SLOW}",)


def test_a_large_file_on_its_way_keeps_what_went_before_it(
    job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path
) -> None:
    """Parts are no objects: an upload that was begun within the grace keeps its attempt."""
    save(job, tmp_path, 0)
    bucket.put(f"j/s:1/attempts/{SLOW}/files/small", b"")
    clock.forward(2 * DAY)
    bucket.start_upload(f"j/s:1/attempts/{SLOW}/files/large", 20, 10)
    assert job.prune().attempts == ()
    assert bucket.get(f"j/s:1/attempts/{SLOW}/files/small") == b""


def test_an_upload_that_is_completed_meanwhile_keeps_its_attempt(
    job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path
) -> None:
    """Uploads are looked for before objects: one that is completed in between is seen twice, not never."""
    save(job, tmp_path, 0)
    bucket.put(f"j/s:1/attempts/{SLOW}/files/small", b"")
    clock.forward(2 * DAY)
    upload = bucket.start_upload(f"j/s:1/attempts/{SLOW}/files/large", 1, 1)
    upload.put_part(1, b"x")
    looked: list[str] = []

    def complete(name: str, _key: str) -> None:
        looked.append(name)
        if [name for name in looked if name in ("uploads", "list")][1:] and "complete" not in looked:
            upload.complete()

    bucket.operations.on_operation = complete
    assert job.prune().attempts == ()
    assert "complete" in looked
    assert bucket.get(f"j/s:1/attempts/{SLOW}/files/small") == b""


def test_a_dry_run_deletes_nothing(job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path) -> None:
    """--dry-run says what would go."""
    for number in range(5):
        save(job, tmp_path, number)
    clock.forward(2 * DAY)
    before = list(bucket.list(""))
    report = job.prune(dry_run=True)
    assert (len(report.attempts), report.dry_run) == (2, True)
    assert list(bucket.list("")) == before


def test_a_removed_stage_is_freed(job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path) -> None:
    """A tombstone unlinks what was there; numbers are not used again."""
    save(job, tmp_path, 0)
    assert job.stage("s:1").delete().revision == 2
    with pytest.raises(StageNotFoundError, match=r"removed \(revision 2\)"):
        job.stage("s:1").restore(tmp_path / "in")
    job.stage("s:1").restore(tmp_path / "in", revision=1)
    clock.forward(2 * DAY)
    assert len(job.prune(keep=1).attempts) == 1
    save(job, tmp_path, 1)
    assert job.stage("s:1").latest().revision == 3


def test_a_short_grace_needs_a_promise(job: Job) -> None:
    """Less than an hour is refused beside savers."""
    with pytest.raises(SettingsError, match="too short"):
        job.prune(grace=timedelta(minutes=59))


def test_old_unfinished_uploads_are_discarded(
    job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path
) -> None:
    """Parts that a killed save left are freed after the grace."""
    save(job, tmp_path, 0)
    bucket.start_upload(f"j/s:1/attempts/{uuid.uuid4()}/files/a", 20, 10)
    assert job.prune().uploads == 0
    clock.forward(2 * DAY)
    assert job.prune().uploads == 1


def test_unfinished_uploads_of_others_stay(
    job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path
) -> None:
    """The upload of another store that lies below the job is not discarded, however old it is."""
    save(job, tmp_path, 0)
    bucket.start_upload(f"j/inner/s:1/attempts/{uuid.uuid4()}/files/a", 20, 10)
    clock.forward(2 * DAY)
    assert job.prune().uploads == 0
    assert [upload.key.split("/")[1] for upload in bucket.uploads("j/")] == ["inner"]


def test_a_damaged_commit_stops_pruning(job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path) -> None:
    """What a commit that cannot be read refers to is not known, so nothing is deleted."""
    for number in range(5):
        save(job, tmp_path, number)
    clock.forward(2 * DAY)
    bucket.put(job.stage("s:1").latest().key, b"{}")
    before = [info.key for info in bucket.list("")]
    with pytest.raises(IntegrityError):
        job.prune()
    assert [info.key for info in bucket.list("")] == before


@in_two_parts
def test_a_prune_cut_off_anywhere_leaves_no_hole(
    job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path, part: Part
) -> None:
    """After a fault at any operation, kept revisions are whole and pruned ones say so."""
    for fail_at in filter(part.takes, range(1, 12)):
        for when in ("before", "after"):
            bucket.operations.fail_at = 0
            for number in range(4):
                save(job, tmp_path / f"{fail_at}{when}", number)
            clock.forward(2 * DAY)
            bucket.operations.names.clear()
            bucket.operations.when = when  # type: ignore[assignment]  # one of the two
            bucket.operations.fail_at = fail_at
            try:
                job.prune(keep=2)
            except StateError as error:
                assert "the fault" in str(error)  # noqa: PT017 - later faults are not reached
            bucket.operations.fail_at = 0
            newest = job.stage("s:1").latest().revision
            for revision in range(newest, 0, -1):
                try:
                    assert job.stage("s:1").verify(revision).ok
                except PrunedError:
                    assert revision <= newest - 2


@pytest.mark.parametrize("listed", ["together"], indirect=True)
def test_where_all_is_needed_only_commits_are_read(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """A listing and the kept commits: later ones are asked for only where something looks unused."""
    output = write_output(tmp_path / "out", tiles(3))
    for number in range(10):
        job.stage(f"s:{number}").save(output)
    bucket.operations.names.clear()
    assert job.prune().waiting == ()
    assert (bucket.operations.count("list"), bucket.operations.count("get")) == (1, 10)
    assert bucket.operations.count("head") == 0


def end_at_the_second_delete(bucket: FaultyBucket) -> None:
    """From now on, the second request that deletes is where the process is killed."""
    done = bucket.operations.count("delete")

    def end(_name: str, _key: str) -> None:
        if bucket.operations.count("delete") == done + 2:
            raise KeyboardInterrupt

    bucket.operations.on_operation = end


def test_the_index_of_an_attempt_goes_first(
    job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path
) -> None:
    """A prune that is cut off between its two deletions has told readers already what is pruned."""
    for number in range(2):
        save(job, tmp_path, number)
    clock.forward(2 * DAY)
    end_at_the_second_delete(bucket)
    with pytest.raises(KeyboardInterrupt):
        job.prune(keep=1)
    bucket.operations.names.clear()
    with pytest.raises(PrunedError):
        job.stage("s:1").files(1)


@pytest.mark.parametrize("listed", ["together"], indirect=True)
def test_large_stages_are_pruned_as_well(
    job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path
) -> None:
    """Of stages with many objects only those of unused attempts are listed, and they go all the same."""
    stages = [job.stage(f"s:{number}") for number in range(3)]
    for stage in stages:
        for number in range(2):
            attempt = stage.save(write_output(tmp_path / f"{stage.name}{number}", tiles(3))).commit.attempt
            for rest in range(1500):
                bucket.put(f"j/{stage.name}/attempts/{attempt}/files/more{rest:04}", b"")
    clock.forward(2 * DAY)
    old = [stage.revision(1).attempt for stage in stages]
    bucket.operations.names.clear()
    pruned = job.prune(keep=1)
    assert pruned.attempts == tuple(f"s:{number}/{attempt}" for number, attempt in enumerate(old))
    assert pruned.objects == 3 * (1500 + 5)
    assert bucket.operations.count("list") == 1 + 3 + 3  # the job's, commits, and unused attempts
    for stage, attempt in zip(stages, old, strict=True):
        assert not list(bucket.list(f"j/{stage.name}/attempts/{attempt}/"))
        assert stage.verify().ok


def test_a_removal_that_is_cut_off_leaves_no_hole(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Commits go before what they stand on: a job that is half removed is not found, rather than damaged."""
    save(job, tmp_path, 0)
    end_at_the_second_delete(bucket)
    with pytest.raises(KeyboardInterrupt):
        job.delete()
    bucket.operations.on_operation = lambda _name, _key: None
    with pytest.raises(StageNotFoundError):
        job.stage("s:1").latest()
    job.delete()
    assert not list(bucket.list("j/"))


def test_a_removal_never_makes_an_older_revision_the_newest(
    job: Job, bucket: FaultyBucket, tmp_path: Path
) -> None:
    """Commits go one after the other, as stores delete them, the newest last."""
    for number in range(3):
        save(job, tmp_path, number)
    asked: list[str] = []
    real = bucket.inner.delete

    def delete(keys: Iterable[str]) -> None:
        asked.extend(keys := list(keys))
        real(keys)

    bucket.inner.delete = delete  # type: ignore[method-assign]
    job.delete()
    commits = [key for key in asked if "/commits/" in key]
    assert commits == [f"j/s:1/commits/{number:08}.json" for number in (1, 2, 3)]


def test_what_is_saved_while_its_job_is_removed(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """A save that refers to bytes which then go is removed with them."""
    output = save(job, tmp_path, 0)
    beside = state_on(bucket.inner).job("j").stage("s:1")
    saved: list[Commit] = []

    def save_once(name: str, _key: str) -> None:
        if name == "delete" and not saved:
            saved.append(beside.save(write_output(output, {"more.tif": b"more"})).commit)

    bucket.operations.on_operation = save_once
    job.delete()
    assert saved[0].totals.referenced
    assert not list(bucket.list("j/"))


def test_removing_a_job_removes_all_of_it(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Nothing of the job is left, and the job beside it is untouched."""
    save(job, tmp_path, 0)
    other = job.state.job("j2")
    save(other, tmp_path / "other", 0)
    bucket.start_upload(f"j/s:1/attempts/{uuid.uuid4()}/files/a", 20, 10)
    bucket.start_upload(f"j/inner/s:1/attempts/{uuid.uuid4()}/files/a", 20, 10)  # another store's
    job.delete()
    assert not list(bucket.list("j/"))
    assert [upload.key.split("/")[1] for upload in bucket.uploads("j/")] == ["inner"]
    assert other.stage("s:1").verify().ok
    with pytest.raises(JobNotFoundError, match="it has j2"):
        job.delete()


def test_what_is_not_ours_stays(job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path) -> None:
    """Another store below a job, and files that somebody put there, are left and counted, also by rm."""
    save(job, tmp_path, 0)
    inner = state_on(MemoryBucket(store=bucket.inner.store, prefix="j")).job("foo").stage("attempts")
    inner.save(write_output(tmp_path / "inner", tiles(2)))
    (own,) = job.stage("s:1").history()
    strange = ["j/s:1/readme.txt", "j/s:1/commits/notes.json", f"j/s:1/attempts/{SLOW}/notes.txt"]
    strange += [f"j/s:1/attempts/{own.attempt}/other/file", "j/s:1/attempts/backup/data.json"]
    for key in strange:
        bucket.put(key, b"mine")
    clock.forward(20 * DAY)
    save(job, tmp_path, 1)
    clock.forward(20 * DAY)
    pruned = job.prune(keep=1)
    assert pruned.attempts == (f"s:1/{own.attempt}",)
    assert pruned.foreign > 0
    assert inner.verify().ok
    removed = job.delete()
    assert set(strange) <= set(removed.foreign)
    assert all(bucket.get(key) == b"mine" for key in strange)
    with pytest.raises(JobNotFoundError, match="has no job j – there are objects below this name"):
        job.delete()
    assert inner.verify().ok


@pytest.mark.parametrize(
    "name", [".up42-0123456789abcdef.1.part", f".up42-{'0' * 32}.tmp", ".up42_uploads/a/1"]
)
def test_a_file_called_like_something_of_ours_stays(
    job: Job, clock: Clock, tmp_path: Path, name: str
) -> None:
    """What may go is told by its place, and by what commits refer to."""
    job.stage("odd:1").save(write_output(tmp_path / "odd", {name: b"live"}))
    save(job, tmp_path, 0)
    clock.forward(20 * DAY)
    job.prune(keep=1)
    job.stage("odd:1").restore(tmp_path / "in")
    assert (tmp_path / "in" / name).read_bytes() == b"live"


@pytest.mark.parametrize("grace", [timedelta.max, timedelta(days=999_999), -DAY])
def test_a_grace_beyond_all_bounds_is_refused(job: Job, tmp_path: Path, grace: timedelta) -> None:
    """The message says what the bounds are."""
    save(job, tmp_path, 0)
    with pytest.raises(SettingsError, match="out of range – give 0 to 36500d"):
        job.prune(grace=grace, no_writers=True)


def test_the_clock_is_that_of_an_object_just_written(
    job: Job, bucket: FaultyBucket, clock: Clock, tmp_path: Path
) -> None:
    """Pruning reads no other clock: an object is written and its time looked at, and no trace is left."""
    save(job, tmp_path, 0)
    bucket.operations.names.clear()
    assert bucket.clock() == clock()
    assert [info.key for info in bucket.list("") if not info.key.startswith("j/")] == []
