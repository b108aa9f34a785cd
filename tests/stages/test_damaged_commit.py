"""A newest commit that cannot be read: it holds up its own stage, which can be removed and saved anew."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from doubles.faulty import FaultyBucket
from doubles.outputs import contents, state_on, tiles, write_output

from up42_state.buckets.memory import MemoryBucket, MemoryStore
from up42_state.errors import IntegrityError, StageNotFoundError, UnsupportedFormatError
from up42_state.stages import listing
from up42_state.stages.format.commit import Commit
from up42_state.stages.format.names import commit_key
from up42_state.stages.history import DamagedCommit

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.clock import Clock

    from up42_state.state import Job, Stage

DAY = timedelta(days=1)


@pytest.fixture
def bucket(clock: Clock) -> FaultyBucket:
    return FaultyBucket(MemoryBucket(store=MemoryStore(now=clock)))


@pytest.fixture
def job(bucket: FaultyBucket) -> Job:
    return state_on(bucket).job("3f0c")


@pytest.fixture
def stage(job: Job, bucket: FaultyBucket, tmp_path: Path) -> Stage:
    """Two revisions, the newest of which has a damaged commit, beside a sound stage.

    The newest refers to files of the first.
    """
    job.stage("sound:1").save(write_output(tmp_path / "sound", tiles(1)))
    output = write_output(tmp_path / "out", {"a.tif": b"a", "b.tif": b"b"})
    job.stage("s:1").save(output)
    (output / "b.tif").write_bytes(b"changed")
    bucket.put(job.stage("s:1").save(output).commit.key, b"{}")
    return job.stage("s:1")


@pytest.mark.parametrize("page", [1, 1000])
def test_listings_name_it_and_give_the_others(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """However stages are listed, one that is damaged hides no other."""
    monkeypatch.setattr(listing, "_PAGE", page)
    monkeypatch.setattr(listing, "_FEW", 0)
    damaged, sound = stage.job.survey()
    assert isinstance(sound, Commit)
    assert isinstance(damaged, DamagedCommit)
    assert sound.name == "3f0c/sound:1@1"
    assert damaged.to_dict() == {
        "job": "3f0c",
        "stage": "s:1",
        "revision": 2,
        "problem": "3f0c/s:1/commits/00000002.json is damaged: it names no format version",
    }


def test_history_names_it_and_gives_the_others(stage: Stage) -> None:
    """Which revisions there are to go back to can be seen, also once the stage was removed."""
    stage.delete()
    found = stage.survey()
    assert [(item.revision, isinstance(item, DamagedCommit)) for item in found] == [
        (3, False),
        (2, True),
        (1, False),
    ]
    assert "rm" not in found[1].error.advice
    with pytest.raises(IntegrityError, match=r"00000002\.json is damaged"):
        stage.history()


def test_a_save_is_refused_and_says_what_to_do(stage: Stage, tmp_path: Path) -> None:
    """Nothing follows a commit that cannot be read but a removal."""
    with pytest.raises(
        IntegrityError, match=r"`up42-state rm --job 3f0c --stage s:1` lets the stage be saved"
    ):
        stage.save(tmp_path / "out")


def test_the_stage_can_be_removed_and_saved_again(stage: Stage, tmp_path: Path) -> None:
    """Numbers go on, no reader gets an older revision meanwhile, and what is saved then is whole."""
    assert (stage.delete().revision, stage.exists()) == (3, False)
    with pytest.raises(StageNotFoundError, match=r"was removed \(revision 3\)"):
        stage.restore(tmp_path / "in")
    assert stage.save(tmp_path / "out").commit.revision == 4
    stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(tmp_path / "out")
    assert all(verified.ok for verified in stage.job.verify())


def test_a_removal_that_loses_its_race_looks_again(stage: Stage, bucket: FaultyBucket) -> None:
    """Whoever else removed the stage at the same moment removed it: there is one tombstone."""
    create = bucket.inner.create

    def overtaken(key: str, data: bytes | bytearray | memoryview) -> None:
        bucket.inner.create = create  # type: ignore[method-assign]
        stage.delete()
        create(key, data)

    bucket.inner.create = overtaken  # type: ignore[method-assign]
    with pytest.raises(StageNotFoundError, match=r"was removed \(revision 3\)"):
        stage.delete()


def test_what_a_newer_release_saved_is_not_removed(stage: Stage, bucket: FaultyBucket) -> None:
    """A format that this release does not know is no damage, and its rules may be others."""
    bucket.put(commit_key("3f0c", "s:1", 2), b'{"format":"2.0"}')
    with pytest.raises(UnsupportedFormatError, match=r"version 2\.0"):
        stage.delete()


def test_prune_deletes_nothing_while_it_is_kept(stage: Stage, bucket: FaultyBucket, clock: Clock) -> None:
    """Below a tombstone it is still one of the kept revisions, and may refer to anything."""
    stage.delete()
    clock.now += 2 * DAY
    before = [info.key for info in bucket.list("")]
    with pytest.raises(IntegrityError, match="nobody knows what it refers to, nothing was deleted"):
        stage.job.prune(keep=2)
    assert [info.key for info in bucket.list("")] == before


def test_prune_waits_for_the_grace_of_a_damaged_commit(stage: Stage, clock: Clock) -> None:
    """It was current until lately, so what it refers to is not known to be out of use for long enough."""
    clock.now += 2 * DAY
    stage.delete()
    with pytest.raises(IntegrityError, match="nothing was deleted"):
        stage.job.prune(keep=1)


def test_prune_goes_on_once_it_is_no_longer_kept(stage: Stage, bucket: FaultyBucket, clock: Clock) -> None:
    """What it referred to goes with it; other stages are whole."""
    stage.delete()
    clock.now += 2 * DAY
    assert len(stage.job.prune(keep=1).attempts) == 2
    assert not [info.key for info in bucket.list("3f0c/s:1/attempts/")]
    assert stage.job.stage("sound:1").verify().ok
