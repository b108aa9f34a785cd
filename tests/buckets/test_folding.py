"""Stores in directories whose file system takes names for one that differ in case alone."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from doubles.folding import fold_names
from doubles.outputs import contents, state_on, write_output

from up42_state.buckets.directory.bucket import DirectoryBucket
from up42_state.buckets.fsspec import FsspecBucket
from up42_state.errors import (
    JobNotFoundError,
    ObjectNotFoundError,
    StageNotFoundError,
    StorageError,
    UnsupportedStoreError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from up42_state.buckets import Bucket

KEY = "J/S:1/commits/00000001.json"
OTHERS = [
    "j/S:1/commits/00000001.json",
    "J/s:1/commits/00000001.json",
    "j/other",
    "J./S:1/commits/00000001.json",
    "J/S:1./commits/00000001.json",
]


@pytest.fixture(params=["directory", "fsspec"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    """On an ordinary file system, until a test folds its names."""
    root = tmp_path / "store"
    return DirectoryBucket(root) if request.param == "directory" else FsspecBucket(f"local://{root}")


@pytest.fixture
def folding(bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """The same on a file system that folds names."""
    fold_names(tmp_path / "store", monkeypatch)
    return bucket


@pytest.mark.parametrize("key", OTHERS)
def test_what_another_job_or_stage_has_is_not_found(folding: Bucket, key: str) -> None:
    """Nothing is read, listed or deleted under a name that only the file system takes for the right one."""
    folding.put(KEY, b"theirs")
    with pytest.raises(ObjectNotFoundError):
        folding.head(key)
    with pytest.raises(ObjectNotFoundError):
        folding.get(key)
    with pytest.raises(ObjectNotFoundError):
        folding.copy(key, "J/S:1/copy")
    above = key.rpartition("/")[0] + "/"
    assert list(folding.list(above)) == []
    assert list(folding.prefixes(above)) == []
    assert list(folding.uploads(above)) == []
    folding.delete([key])
    assert folding.get(KEY) == b"theirs"


@pytest.mark.parametrize("key", OTHERS)
@pytest.mark.parametrize(
    "write",
    [
        lambda bucket, key: bucket.put(key, b"ours"),
        lambda bucket, key: bucket.create(key, b"ours"),
        lambda bucket, key: bucket.copy(KEY, key),
        lambda bucket, key: _upload(bucket, key),
    ],
    ids=["put", "create", "copy", "upload"],
)
def test_nothing_is_written_into_another_job_or_stage(
    folding: Bucket, key: str, write: Callable[[Bucket, str], None]
) -> None:
    """A write is refused, says what is there, and leaves it as it was."""
    folding.put(KEY, b"theirs")
    with pytest.raises(
        UnsupportedStoreError, match=r"holds (J|S:1), and its file system makes no difference"
    ):
        write(folding, key)
    assert [info.key for info in folding.list("")] == [KEY]
    assert folding.get(KEY) == b"theirs"


def _upload(bucket: Bucket, key: str) -> None:
    upload = bucket.start_upload(key, 1, 1)
    with suppress(ObjectNotFoundError):
        upload.put_part(1, b"x")
        upload.complete()


def test_a_name_that_the_file_system_does_not_keep_is_refused(folding: Bucket) -> None:
    """Where full stops at the end of a name are lost, a job with one would be another job."""
    with pytest.raises(UnsupportedStoreError, match=r"holds J, .* between that and J\."):
        folding.put("J./S/commits/00000001.json", b"x")
    assert list(folding.list("")) == []


def test_names_of_another_case_are_others_where_they_can_be(bucket: Bucket) -> None:
    """An ordinary file system has both jobs, and each its own objects."""
    for number, key in enumerate([KEY, *OTHERS]):
        bucket.put(key, b"%d" % number)
    assert [bucket.get(key) for key in [KEY, *OTHERS]] == [b"%d" % n for n in range(len(OTHERS) + 1)]
    assert list(bucket.prefixes("")) == ["J.", "J", "j"]


def test_a_job_that_came_back_in_another_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a bucket has seen of a job's folder does not count once another made the folder anew."""
    fold_names(tmp_path / "store", monkeypatch)
    ours, theirs = DirectoryBucket(tmp_path / "store"), DirectoryBucket(tmp_path / "store")
    ours.put(KEY, b"ours")
    theirs.delete([KEY])
    theirs.put(KEY.lower(), b"theirs")
    with pytest.raises(UnsupportedStoreError, match="holds j"):
        ours.put(KEY, b"ours")
    assert theirs.get(KEY.lower()) == b"theirs"


def test_an_object_is_not_replaced_by_one_of_another_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below a stage, too, a name is only replaced by itself."""
    fold_names(tmp_path / "store", monkeypatch)
    bucket = DirectoryBucket(tmp_path / "store")
    bucket.put("J/S/attempts/1/files/a.tif", b"theirs")
    with pytest.raises(StorageError, match=r"is a\.tif: the file system takes the two names for one"):
        bucket.put("J/S/attempts/1/files/A.tif", b"ours")
    assert bucket.get("J/S/attempts/1/files/a.tif") == b"theirs"
    bucket.put("J/S/attempts/1/files/a.tif", b"again")
    assert bucket.get("J/S/attempts/1/files/a.tif") == b"again"


def test_a_job_or_stage_of_another_case_is_told(folding: Bucket, tmp_path: Path) -> None:
    """Saving, reading, removing and pruning name the one that is there, which stays as it is."""
    state = state_on(folding)
    output = write_output(tmp_path / "out", {"a.tif": b"a"})
    state.job("J").stage("S:1").save(output)
    with pytest.raises(UnsupportedStoreError, match="holds J"):
        state.job("j").stage("S:1").save(output)
    with pytest.raises(UnsupportedStoreError, match="holds S:1"):
        state.job("J").stage("s:1").save(output)
    with pytest.raises(StageNotFoundError, match="it has S:1"):
        state.job("J").stage("s:1").restore(tmp_path / "in")
    with pytest.raises(StageNotFoundError, match="it has S:1"):
        state.job("J").stage("s:1").delete()
    for call in (state.job("j").delete, state.job("j").prune, state.job("j").stages):
        with pytest.raises(JobNotFoundError, match="it has J"):
            call()
    assert [job.key for job in state.jobs()] == ["J"]
    assert state.job("J").stage("S:1").verify().ok


def test_files_that_the_store_folds_keep_their_bytes(folding: Bucket, tmp_path: Path) -> None:
    """Files whose names differ in case alone, in Unicode's form or in full stops are all saved."""
    names = ["A.tif", "a.tif", "B", "b/x", "c.", "c", "D/e", "d/e", "caf\u00e9", "cafe\u0301", "x", "Y/x"]
    output = write_output(tmp_path / "out", {name: name.encode() for name in names}, [])
    stage = state_on(folding, pack_below=0).job("J").stage("S:1")
    stage.save(output)
    assert stage.verify().ok
    stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)
    assert {"x", "Y/x"} <= {info.key.partition("/files/")[2] for info in folding.list("J/")}


def test_large_files_that_the_store_folds_keep_their_bytes(
    folding: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files too large for a pack lie under digests of their names, not under those."""
    monkeypatch.setattr("up42_state.stages.write.upload.MAX_BYTES", 8)
    output = write_output(
        tmp_path / "out", {"A": b"1" * 30, "a": b"2" * 31, "B": b"3" * 40, "b": b"4" * 41}, []
    )
    stage = state_on(folding, pack_below=0).job("J").stage("S:1")
    stage.save(output)
    keys = [info.key.split("/")[4] for info in folding.list("J/S:1/attempts/")]
    assert keys.count("long") == 4
    stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)
