"""Numbers of revisions: they have no gaps, and an end."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import tiles, write_output

from up42_state.errors import IntegrityError
from up42_state.stages.format.commit import Commit
from up42_state.stages.format.names import LAST_REVISION, commit_key, is_ours
from up42_state.stages.history import DamagedCommit

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job

RUN = "20260504T030201.000Z-0a1b2c3d"
ATTEMPT = "01a1fea6-75cb-78bd-a8b3-45bab4b8b7d0"


def forge(bucket: FaultyBucket, job: Job, revision: int) -> str:
    """Write the first commit again under another number, digest and all; give its key."""
    members = json.loads(bucket.get(commit_key(job.key, "s:1", 1)))
    members.pop("digest")
    body = json.dumps(members | {"revision": revision}, separators=(",", ":"))[:-1].encode()
    key = commit_key(job.key, "s:1", revision)
    bucket.put(key, body + b',"digest":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n')
    return key


@pytest.mark.parametrize("revision", [3, 5000, LAST_REVISION])
def test_a_commit_beyond_a_gap_is_refused_and_named(
    job: Job, bucket: FaultyBucket, tmp_path: Path, revision: int
) -> None:
    """Nobody reads it, no save goes on after it, and nothing is lost once it is deleted."""
    output = write_output(tmp_path / "out", tiles(2))
    stage = job.stage("s:1")
    stage.save(output)
    key = forge(bucket, job, revision)
    (output / "tile_0000.tif").write_bytes(b"new")
    for call in (lambda: stage.save(output), stage.latest, lambda: stage.restore(tmp_path / "in")):
        with pytest.raises(IntegrityError, match=f"{key} is no commit of ours.*delete it"):
            call()
    assert [type(found) for found in job.survey()] == [DamagedCommit]
    assert [type(found) for found in stage.survey()] == [DamagedCommit, Commit]
    assert not stage.verify().ok
    assert [found.ok for found in job.verify()] == [False]
    assert stage.verify(revision=1).ok
    bucket.delete([key])
    assert stage.save(output).commit.revision == 2


def test_prune_deletes_nothing_for_a_commit_beyond_a_gap(
    job: Job, bucket: FaultyBucket, tmp_path: Path
) -> None:
    """It counts for no revision that would push real ones out of those that are kept."""
    stage = job.stage("s:1")
    stage.save(write_output(tmp_path / "out", tiles(2)))
    key = forge(bucket, job, 99)
    for keep in (1, 2):
        with pytest.raises(
            IntegrityError, match=f"{key} is no commit of ours.*nothing was deleted"
        ) as caught:
            job.prune(keep=keep, grace=timedelta(), no_writers=True)
        assert "delete it if it is none of yours" in caught.value.advice
    bucket.delete([key])
    assert stage.verify().ok


def test_a_removal_lets_a_stage_go_on_beyond_a_gap(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Removing the stage needs no more of the commit than its number, and saving goes on after that."""
    stage = job.stage("s:1")
    stage.save(write_output(tmp_path / "out", tiles(2)))
    forge(bucket, job, 7)
    assert stage.delete().revision == 8
    assert stage.save(tmp_path / "out").commit.revision == 9


def test_no_removal_is_advised_where_none_can_follow(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Beyond the last number there is no tombstone: the object has to go."""
    stage = job.stage("s:1")
    stage.save(write_output(tmp_path / "out", tiles(2)))
    for revision, advised in ((7, True), (LAST_REVISION, False)):
        forge(bucket, job, revision)
        with pytest.raises(IntegrityError, match="delete it if it is none of yours") as caught:
            stage.latest()
        assert ("up42-state rm" in str(caught.value)) is advised


def test_no_revision_follows_the_last_number(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """A commit that no reader would see is not written."""
    stage = job.stage("s:1")
    output = write_output(tmp_path / "out", tiles(2))
    stage.save(output)
    for revision in (LAST_REVISION - 1, LAST_REVISION):
        forge(bucket, job, revision)
    (output / "tile_0000.tif").write_bytes(b"new")
    with pytest.raises(IntegrityError, match=f"no revision can follow 3f0c/s:1@{LAST_REVISION}"):
        stage.save(output)
    with pytest.raises(IntegrityError, match="no revision can follow"):
        stage.delete()
    assert max(stage._history.revisions()) == LAST_REVISION


def test_earlier_commits_may_be_gone(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Where a rule of the bucket has deleted what is old, the newest revision is read all the same."""
    stage = job.stage("s:1")
    output = write_output(tmp_path / "out", tiles(2))
    stage.save(output)
    (output / "tile_0000.tif").write_bytes(b"new")
    stage.save(output)
    bucket.delete([commit_key(job.key, "s:1", 1)])
    assert stage.latest().revision == 2


@pytest.mark.parametrize(
    ("key", "ours"),
    [
        ("j/s:1/commits/00000001.json", True),
        ("j/s:1/commits/1.json", False),
        ("j/s:1/commits/.up42_uploads/00", True),
        (f"j/s:1/attempts/{ATTEMPT}/data.json", True),
        (f"j/s:1/attempts/{ATTEMPT}/index.json", True),
        (f"j/s:1/attempts/{ATTEMPT}/files/any/name", True),
        (f"j/s:1/attempts/{ATTEMPT}/packs/0000.zip", True),
        (f"j/s:1/attempts/{ATTEMPT}/long/0a", True),
        (f"j/s:1/attempts/{ATTEMPT}/copies/0000", True),
        (f"j/s:1/attempts/{ATTEMPT}/.up42_uploads/0/00001", True),
        (f"j/s:1/attempts/{ATTEMPT}/notes.txt", False),
        (f"j/s:1/attempts/{ATTEMPT}/files", False),
        ("j/s:1/attempts/commits/00000001.json", False),
        (f"j/.hidden/attempts/{ATTEMPT}/data.json", False),
        (f"j/.runs/{RUN}/run.json", True),
        (f"j/.runs/{RUN}/s:1.1.json", True),
        (f"j/.runs/{RUN}/s:1+0a.12.log", True),
        (f"j/.runs/{RUN}/.up42_uploads/0", True),
        (f"j/.runs/{RUN}/s:1.0.json", False),
        (f"j/.runs/{RUN}/s:1.json", False),
        (f"j/.runs/{RUN}/.1.json", False),
        (f"j/.runs/{RUN}/files/run.json", False),
        (f"j/.runs/{RUN}", False),
        ("j/.runs/today/run.json", False),
        ("j/.runs/run.json", False),
        ("j/s:1/readme.txt", False),
        ("j/readme.txt", False),
        ("j", False),
    ],
)
def test_which_keys_are_ours(key: str, ours: bool) -> None:
    """The place tells: what the stage format never writes is somebody else's."""
    assert is_ours(key) is ours
