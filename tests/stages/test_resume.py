"""A save that was interrupted: the next one goes on where it was, and is right whatever lies there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from doubles.faulty import FaultyBucket
from doubles.outputs import contents, state_on, write_output
from doubles.users import nobody

from up42_state.buckets.directory.bucket import DirectoryBucket
from up42_state.errors import (
    AccessDeniedError,
    ObjectNotFoundError,
    StorageError,
    StoreUnreachableError,
    UnsupportedStoreError,
)
from up42_state.stages.format.names import new_attempt
from up42_state.stages.write import partial
from up42_state.stages.write.partial import Begun
from up42_state.stages.write.resume import find_interrupted
from up42_state.stages.write.writers import Writer, writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.state import Job, Stage

MIB = 1024 * 1024
FILES = {f"tile_{n:02d}.tif": os.urandom(10_000) for n in range(20)}
FILES |= {f"medium_{n}.tif": os.urandom(MIB + n) for n in range(4)}
BYTES = sum(map(len, FILES.values()))


@pytest.fixture(autouse=True)
def worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small outputs are treated as large ones are."""
    monkeypatch.setattr(partial, "WORTH", 1)


@pytest.fixture
def stage(job: Job) -> Stage:
    return job.stage("s:1")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return write_output(tmp_path / "out", FILES)


def interrupt(stage: Stage, output: Path, bucket: FaultyBucket) -> None:
    """Save until the commit is due, and no further."""

    def fail(name: str, _key: str) -> None:
        if name == "create":
            raise Killed

    before, bucket.operations.on_operation = bucket.operations.on_operation, fail
    with pytest.raises(Killed):
        stage.save(output)
    bucket.operations.on_operation = before


class Killed(BaseException):
    """The end of the process, as far as a save can tell."""


def moved(bucket: FaultyBucket, save: Callable[[], object]) -> list[str]:
    """The names, below their attempts, of the objects with bytes of files that a save writes."""
    begin = len(bucket.operations.names)
    save()
    written = [key for name, key in bucket.operations.names[begin:] if name in {"put", "start_upload"}]
    return sorted(key.split("/", 4)[4] for key in written if "/attempts/" in key and key[-5:] != ".json")


def check(stage: Stage, wanted: Path, target: Path) -> None:
    """The stage is intact, and is what was saved."""
    assert stage.verify().ok
    stage.restore(target)
    assert contents(target) == contents(wanted)


def test_nothing_is_moved_twice(stage: Stage, bucket: FaultyBucket, output: Path, tmp_path: Path) -> None:
    """What an interrupted save has stored is copied within the store; the revision owns all of it."""
    interrupt(stage, output, bucket)
    assert moved(bucket, lambda: stage.save(output)) == []
    check(stage, output, tmp_path / "in")
    assert stage.latest().refers == (f"s:1/{stage.latest().attempt}",)
    names = {key.key.split("/", 4)[4] for key in bucket.list(f"3f0c/s:1/attempts/{stage.latest().attempt}/")}
    assert names == {
        "data.json",
        "index.json",
        "packs/r0000.zip",
        *(f"files/medium_{n}.tif" for n in range(4)),
    }


def test_interrupted_twice(stage: Stage, bucket: FaultyBucket, output: Path, tmp_path: Path) -> None:
    """A save that goes on and is interrupted, too, leaves as much to the next one."""
    interrupt(stage, output, bucket)
    interrupt(stage, output, bucket)
    assert moved(bucket, lambda: stage.save(output)) == []
    check(stage, output, tmp_path / "in")


def test_what_has_changed_is_moved(stage: Stage, bucket: FaultyBucket, output: Path, tmp_path: Path) -> None:
    """Files are told by their bytes: one that has changed is moved, and one of another name is not."""
    interrupt(stage, output, bucket)
    (output / "medium_1.tif").write_bytes(os.urandom(MIB + 1))
    (output / "medium_2.tif").rename(output / "new.tif")
    data = (output / "data.json").read_text().replace("medium_2.tif", "new.tif")
    (output / "data.json").write_text(data)
    assert moved(bucket, lambda: stage.save(output)) == ["files/medium_1.tif"]
    check(stage, output, tmp_path / "in")


def test_files_that_change_places(stage: Stage, bucket: FaultyBucket, output: Path, tmp_path: Path) -> None:
    """Two files that swap their names do not become each other's objects."""
    interrupt(stage, output, bucket)
    a, b = FILES["medium_0.tif"], FILES["medium_1.tif"]
    write_output(output, {**FILES, "medium_0.tif": b, "medium_1.tif": a})
    stage.save(output)
    check(stage, output, tmp_path / "in")


def test_names_that_a_file_system_folds(
    stage: Stage, bucket: FaultyBucket, output: Path, tmp_path: Path
) -> None:
    """What is copied and what is moved do not become objects of like keys."""
    interrupt(stage, output, bucket)
    write_output(output, {**FILES, "MEDIUM_0.tif": os.urandom(MIB)})
    stage.save(output)
    prefix = f"3f0c/s:1/attempts/{stage.latest().attempt}/"
    keys = [info.key.casefold() for info in bucket.list(prefix)]
    assert len(set(keys)) == len(keys)
    check(stage, output, tmp_path / "in")


@pytest.mark.parametrize("harm", ["gone", "shorter"])
def test_an_object_that_is_not_there(
    stage: Stage, bucket: FaultyBucket, output: Path, tmp_path: Path, harm: str
) -> None:
    """What a record names and the store lacks is moved."""
    interrupt(stage, output, bucket)
    (key,) = [info.key for info in bucket.list("") if info.key.endswith("medium_3.tif")]
    if harm == "gone":
        bucket.delete([key])
    else:
        bucket.put(key, FILES["medium_3.tif"][:-1])
    assert moved(bucket, lambda: stage.save(output)) == ["files/medium_3.tif"]
    check(stage, output, tmp_path / "in")


def test_an_object_that_goes_meanwhile(
    stage: Stage, bucket: FaultyBucket, output: Path, tmp_path: Path
) -> None:
    """What a prune takes between the listing and the copy is moved."""
    interrupt(stage, output, bucket)

    def prune(name: str, key: str) -> None:
        if name == "copy" and key.endswith("medium_3.tif"):
            bucket.inner.delete([info.key for info in bucket.inner.list("") if info.key.endswith("_3.tif")])

    bucket.operations.on_operation = prune
    assert moved(bucket, lambda: stage.save(output)) == ["files/medium_3.tif"]
    check(stage, output, tmp_path / "in")


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{}",
        b"[" * 100_000,
        b'{"format":"9.0"}',
        b'{"objects":[{"key":"../../x","size":1}]}',
        b'{"entries":[{"path":"../x","size":1,"sha256":"' + b"0" * 64 + b'","object":0}]}',
        b'{"uploads":[{"name":"files/medium_0.tif","key":"../x","token":"t","size":1,"part_size":1,"parts":{}}]}',
    ],
    ids=["empty", "nothing", "deep", "newer", "object", "entry", "upload"],
)
def test_a_hostile_record(
    stage: Stage, bucket: FaultyBucket, output: Path, tmp_path: Path, record: bytes
) -> None:
    """A record that is damaged or leads elsewhere is passed over; the others count."""
    interrupt(stage, output, bucket)
    (first, *_) = [info.key for info in bucket.list("") if "/partial/" in info.key]
    bucket.put(first.replace("0001.json", "0000.json"), record)
    assert moved(bucket, lambda: stage.save(output)) == []
    check(stage, output, tmp_path / "in")


def test_a_save_that_ends_leaves_no_record(stage: Stage, bucket: FaultyBucket, output: Path) -> None:
    """Records are written while a save runs, and are gone when it has ended."""
    stage.save(output)
    assert any("/partial/" in key for name, key in bucket.operations.names if name == "put")
    assert not any("/partial/" in info.key for info in bucket.list(""))


def test_a_small_output_has_no_records(
    stage: Stage, bucket: FaultyBucket, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written or asked for where going on would win little."""
    monkeypatch.setattr(partial, "WORTH", BYTES + 1)
    stage.save(output)
    assert not any("/partial/" in key for _, key in bucket.operations.names)
    assert bucket.operations.count("prefixes", "delete") == 0


def test_records_are_few(stage: Stage, bucket: FaultyBucket, tmp_path: Path) -> None:
    """However many objects there are, there are no more than forty records."""
    output = write_output(tmp_path / "many", {f"{n}.tif": os.urandom(1000) for n in range(200)})
    state_on(bucket, pack_below=0).job("j").stage("s:1").save(output)
    assert 30 <= sum("/partial/" in key for name, key in bucket.operations.names if name == "put") <= 40


def test_a_record_that_cannot_be_written(
    stage: Stage, bucket: FaultyBucket, output: Path, tmp_path: Path
) -> None:
    """A record is a help, and no reason to fail."""

    def refuse(name: str, key: str) -> None:
        if name == "put" and "/partial/" in key:
            raise StoreUnreachableError("not now")

    bucket.operations.on_operation = refuse
    stage.save(output)
    check(stage, output, tmp_path / "in")


def test_what_came_before_the_newest_revision(stage: Stage, bucket: FaultyBucket, output: Path) -> None:
    """What was interrupted before another save made a revision is not gone on with."""
    interrupt(stage, output, bucket)
    stage.save(write_output(output.parent / "other", {"a.tif": b"a"}))
    assert len(moved(bucket, lambda: stage.save(output))) == 5


def test_another_stage(job: Job, bucket: FaultyBucket, output: Path) -> None:
    """Another stage goes on with nothing of this one."""
    interrupt(job.stage("s:1"), output, bucket)
    assert len(moved(bucket, lambda: job.stage("s:2").save(output))) == 5


def test_a_large_file_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parts of a large file that are there are not sent again; one that has changed is."""
    bucket = DirectoryBucket(tmp_path / "store")
    stage = state_on(bucket).job("j").stage("s:1")
    large = os.urandom(40 * MIB)
    output = write_output(tmp_path / "out", {"large.tif": large})
    sent: list[int] = []
    kind = type(bucket.start_upload("x/y/attempts/z/a", 1, 1))
    put = kind.put_part

    def counted(self: object, number: int, data: bytes, *, sha256: str = "") -> None:
        if len(sent) == stop_at:
            raise Killed
        sent.append(number)
        put(self, number, data, sha256=sha256)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "put_part", counted)
    stop_at = 2
    with pytest.raises(Killed):
        stage.save(output)
    first, stop_at = set(sent), -1
    sent.clear()
    (output / "large.tif").write_bytes(large[:-1] + b"!")
    stage.save(output)
    assert set(sent) == {1, 2, 3} - first | {3}
    check(stage, output, tmp_path / "in")


def test_an_upload_that_another_takes_over(stage: Stage, bucket: FaultyBucket, tmp_path: Path) -> None:
    """A save whose upload is gone begins again, and ends well."""
    output = write_output(tmp_path / "out", {"large.tif": os.urandom(40 * MIB)})
    taken: list[str] = []

    def take(name: str, key: str) -> None:
        if name == "complete" and not taken:
            taken.append(key)
            raise ObjectNotFoundError("there is no such upload")

    bucket.operations.on_operation = take
    stage.save(output)
    assert len(taken) == 1
    check(stage, output, tmp_path / "in")


def test_an_error_discards_what_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that fails, and is not killed, leaves no unfinished upload, whether a record names it or not."""
    bucket = DirectoryBucket(tmp_path / "store")
    output = write_output(tmp_path / "out", {"large.tif": os.urandom(40 * MIB)})
    kind = type(bucket.start_upload("x/y/attempts/z/a", 1, 1))
    put = kind.put_part

    def fail(self: object, number: int, data: bytes, *, sha256: str = "") -> None:
        if number == 3:
            raise StoreUnreachableError("not now")
        put(self, number, data, sha256=sha256)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "put_part", fail)
    with pytest.raises(StoreUnreachableError, match="not now"):
        state_on(bucket).job("j").stage("s:1").save(output)
    assert list(bucket.uploads("j/")) == []


def test_the_last_record_of_a_file_that_was_completed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large file that was completed, and last parts of which no record told before, is in a record."""
    bucket = FaultyBucket(DirectoryBucket(tmp_path / "store"))
    bucket.start_upload = bucket.inner.start_upload  # type: ignore[method-assign]
    monkeypatch.setattr(partial, "_SHARE", 2)  # the third part, and the whole file, are told together
    output = write_output(tmp_path / "out", {"large.tif": os.urandom(40 * MIB)})
    stage = state_on(bucket).job("j").stage("s:1")
    interrupt(stage, output, bucket)
    monkeypatch.setattr(bucket, "start_upload", None)
    stage.save(output)
    check(stage, output, tmp_path / "in")


def test_files_of_the_same_bytes(stage: Stage, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Files that share an object are not moved again, whichever of them the object was named after."""
    same = os.urandom(MIB)
    interrupt(stage, write_output(tmp_path / "first", {"2.tif": same}), bucket)
    output = write_output(tmp_path / "out", {f"{n}.tif": same for n in range(4)})
    assert moved(bucket, lambda: stage.save(output)) == []
    check(stage, output, tmp_path / "in")


@pytest.mark.parametrize("error", [AccessDeniedError, StorageError, UnsupportedStoreError])
@pytest.mark.parametrize("at", ["prefixes", "list", "get", "copy", "delete"])
def test_what_was_left_and_cannot_be_reached(
    stage: Stage,
    bucket: FaultyBucket,
    output: Path,
    tmp_path: Path,
    at: str,
    error: type[StorageError],
) -> None:
    """Nothing that concerns an interrupted save alone is a reason to fail."""
    interrupt(stage, output, bucket)
    (left,) = bucket.prefixes("3f0c/s:1/attempts/")

    def refuse(name: str, key: str) -> None:
        if name == at and (left in key or name in {"prefixes", "copy", "delete"}):
            raise error("not this")

    bucket.operations.on_operation = refuse
    stage.save(output)
    bucket.operations.on_operation = lambda _name, _key: None
    check(stage, output, tmp_path / "in")


def test_files_of_another_user(tmp_path: Path) -> None:
    """What another user's save has left, and nobody else may read, is no reason to fail."""
    root = tmp_path / "store"
    output = write_output(tmp_path / "out", {"large.tif": os.urandom(20 * MIB), "a.tif": b"a"})
    bucket = FaultyBucket(DirectoryBucket(root))
    interrupt(state_on(bucket).job("j").stage("s:1"), output, bucket)
    (attempt,) = (root / "j/s:1/attempts").iterdir()
    for folder in [tmp_path, *tmp_path.parents]:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    for path in root.rglob("*"):
        path.chmod(0o777)
    root.chmod(0o777)
    attempt.chmod(0o700)
    with nobody():
        stage = state_on(DirectoryBucket(root)).job("j").stage("s:1")
        assert stage.save(output).commit.revision == 1
    attempt.chmod(0o777)
    check(state_on(DirectoryBucket(root)).job("j").stage("s:1"), output, tmp_path / "in")


def test_attempts_that_told_nothing(
    stage: Stage, bucket: FaultyBucket, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Saves that were killed before they stored much do not hide one that had."""
    interrupt(stage, output, bucket)
    with monkeypatch.context() as patch:
        patch.setattr(partial, "_SHARE", 0)  # no records
        for _ in range(5):
            interrupt(stage, output, bucket)
    assert moved(bucket, lambda: stage.save(output)) == []
    check(stage, output, tmp_path / "in")


def test_an_upload_that_a_running_save_goes_on_with(stage: Stage) -> None:
    """It is not taken from that save, though the one that began it was killed."""
    store = stage.job.state.store
    killed, running = new_attempt(), new_attempt()
    key = f"s:1/attempts/{killed}/files/a"
    begun = Begun(name="files/a", key=key, token="t", size=1, part_size=1, parts={1: ("d",)})
    for attempt in (killed, running):
        record = partial.Record(writer=Writer.here(), uploads=(begun,))
        store.bucket.put(f"3f0c/s:1/attempts/{attempt}/partial/0001.json", msgspec.json.encode(record))
    store.bucket.takes_uploads_away = True  # type: ignore[misc]
    assert find_interrupted(store, "3f0c", "s:1", None, 1).uploads == {"files/a": begun}
    with writing(running):
        assert find_interrupted(store, "3f0c", "s:1", None, 1).uploads == {}
