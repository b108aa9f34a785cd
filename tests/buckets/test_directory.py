"""The bucket in a directory."""

from __future__ import annotations

import os
import tempfile
import threading
from typing import TYPE_CHECKING, Any

import pytest
from buckets.contract import BucketContract
from buckets.uploads import MIB
from doubles.users import nobody

from up42_state.buckets import open_bucket
from up42_state.buckets.directory.bucket import DirectoryBucket
from up42_state.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ObjectNotFoundError,
    StorageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from up42_state.buckets import Bucket


class TestDirectoryBucket(BucketContract):
    @pytest.fixture
    def bucket(self, tmp_path: Path) -> Bucket:
        return DirectoryBucket(tmp_path / "a store")


def test_url_is_decoded_and_encoded(tmp_path: Path) -> None:
    """The path of a URL is percent-decoded, and encoded in the bucket's own URL."""
    bucket = open_bucket(f"file://{tmp_path}/a%20b%2525")
    bucket.put("c", b"x")
    assert (tmp_path / "a b%25" / "c").read_bytes() == b"x"
    assert bucket.url == f"file://{tmp_path}/a%20b%2525"


def test_objects_are_plain_files(tmp_path: Path) -> None:
    """An object lies under its own name, with nothing beside it."""
    bucket = DirectoryBucket(tmp_path)
    bucket.put("a/b.txt", b"x")
    bucket.create("a/c.txt", b"y")
    assert sorted(os.listdir(tmp_path / "a")) == ["b.txt", "c.txt"]
    assert bucket.gdal_path("a/b.txt") == str(tmp_path / "a" / "b.txt")


@pytest.mark.parametrize("ask", ["list", "prefixes", "uploads"])
def test_link_to_a_directory(tmp_path: Path, ask: str) -> None:
    """A listing that left out what lies behind a link would let prune take it for absent: it is an error."""
    bucket = DirectoryBucket(tmp_path / "store")
    bucket.put("job/a:1/commits/1", b"x")
    bucket.put("job/z:1/commits/1", b"x")
    (tmp_path / "store" / "job" / "z:1").rename(tmp_path / "elsewhere")
    (tmp_path / "store" / "job" / "z:1").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "store" / "job" / "note").symlink_to(tmp_path / "nothing")
    with pytest.raises(StorageError, match="z:1 is a link to a directory"):
        list(getattr(bucket, ask)("job/"))


def test_missing_directory_as_a_whole(tmp_path: Path) -> None:
    """Asked for all that is in it, a directory that is not there is an error that names it."""
    bucket = DirectoryBucket(tmp_path / "typo")
    with pytest.raises(BucketNotFoundError, match="typo"):
        list(bucket.prefixes(""))
    with pytest.raises(BucketNotFoundError, match="typo"):
        list(bucket.list(""))


def test_missing_directory_below_a_prefix(tmp_path: Path) -> None:
    """Below a prefix it holds nothing yet, and the first write makes it."""
    bucket = DirectoryBucket(tmp_path / "new" / "store")
    assert list(bucket.list("job/")) == []
    assert list(bucket.uploads("job/")) == []
    bucket.create("job/a", b"x")
    assert list(bucket.prefixes("")) == ["job"]


def test_name_of_255_bytes(tmp_path: Path) -> None:
    """A name as long as the file system allows can be put, created and uploaded."""
    bucket = DirectoryBucket(tmp_path)
    name = "n" * 255
    bucket.put(f"put/{name}", b"")
    bucket.create(f"create/{name}", b"")
    assert bucket.get(f"create/{name}") == b""


def test_name_too_long(tmp_path: Path) -> None:
    """A longer one is a storage error that says so, and leaves nothing."""
    bucket = DirectoryBucket(tmp_path)
    with pytest.raises(StorageError, match="File name too long"):
        bucket.put("n" * 256, b"")
    assert os.listdir(tmp_path) == []


def test_file_where_a_directory_is_needed(tmp_path: Path) -> None:
    """A key below another object's key is refused, and that object stays."""
    bucket = DirectoryBucket(tmp_path)
    bucket.put("a", b"x")
    with pytest.raises(StorageError, match="is a file and no directory"):
        bucket.put("a/b/c", b"")
    with pytest.raises(ObjectNotFoundError, match="a/b"):
        bucket.get("a/b")
    assert bucket.get("a") == b"x"


@pytest.mark.parametrize("write", ["put", "create"])
def test_directory_where_a_file_is_needed(tmp_path: Path, write: str) -> None:
    """A key that is a directory's name is refused, and nothing is left behind."""
    bucket = DirectoryBucket(tmp_path)
    bucket.put("a/b", b"x")
    with pytest.raises(StorageError, match="directory"):
        getattr(bucket, write)("a", b"")
    assert os.listdir(tmp_path) == ["a"]


def test_directory_is_no_object(tmp_path: Path) -> None:
    """A directory, a link, and a pipe are not objects, whoever put them there."""
    bucket = DirectoryBucket(tmp_path)
    bucket.put("d/a", b"x")
    os.symlink(tmp_path / "d" / "a", tmp_path / "link")
    os.symlink(tmp_path / "d", tmp_path / "linked")
    os.mkfifo(tmp_path / "pipe")
    for key in ("d", "link", "pipe"):
        with pytest.raises(ObjectNotFoundError):
            bucket.get(key)
        with pytest.raises(ObjectNotFoundError):
            bucket.head(key)
    assert [found.key for found in bucket.list("")] == ["d/a"]
    assert list(bucket.prefixes("")) == ["d"]


def test_delete_prunes_directories(tmp_path: Path) -> None:
    """Directories that are left empty go, up to the root, and those that are not stay."""
    bucket = DirectoryBucket(tmp_path)
    for key in ["a/b/c/1", "a/b/c/2", "a/d/3"]:
        bucket.put(key, b"")
    bucket.delete(["a/b/c/1", "a/b/c/2"])
    assert os.listdir(tmp_path / "a") == ["d"]
    bucket.delete(["a/d/3"])
    assert os.listdir(tmp_path) == []


def test_delete_where_the_directory_above_is_not_ours() -> None:
    """An emptied directory that may not be removed stays: what was to be deleted is, and that is no error."""
    with tempfile.TemporaryDirectory() as root:  # nobody could not get to pytest's
        os.mkdir(f"{root}/job")
        os.chmod(f"{root}/job", 0o777)
        os.chmod(root, 0o555)
        with nobody():
            bucket = DirectoryBucket(root)
            bucket.put("job/stage/a", b"x")
            bucket.delete(["job/stage/a"])
        assert os.listdir(f"{root}/job") == []


def test_writes_beside_deletes(tmp_path: Path) -> None:
    """A directory that a delete removes while it is written into is made again: no write fails or is lost."""
    ours, theirs = DirectoryBucket(tmp_path), DirectoryBucket(tmp_path)
    done = threading.Event()

    def churn() -> None:
        while not done.is_set():
            theirs.put("a/b/theirs", b"")
            theirs.delete(["a/b/theirs"])

    other = threading.Thread(target=churn)
    other.start()
    try:
        for number in range(300):
            ours.create("a/b/ours", b"%d" % number)
            assert ours.get("a/b/ours") == b"%d" % number
            ours.delete(["a/b/ours"])
    finally:
        done.set()
        other.join()


def put(bucket: Bucket, key: str) -> None:
    bucket.put(key, b"x")


def create(bucket: Bucket, key: str) -> None:
    bucket.create(key, b"x")


def upload(bucket: Bucket, key: str) -> None:
    begun = bucket.start_upload(key, 1, 1)
    begun.put_part(1, b"x")
    begun.complete()


def copy(bucket: Bucket, key: str) -> None:
    bucket.put("source", b"x")
    bucket.copy("source", key)


Step = tuple[str, int | str]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[Step]:
    """What is done from now on, in turn: inodes that are synced, paths that appear, paths that go."""
    done: list[Step] = []

    def note(name: str, told: Callable[..., Step]) -> None:
        real = getattr(os, name)

        def call(*arguments: Any, **options: Any) -> Any:
            result = real(*arguments, **options)
            done.append(told(*arguments))
            return result

        monkeypatch.setattr(os, name, call)

    note("fsync", lambda descriptor: ("synced", os.fstat(descriptor).st_ino))
    note("mkdir", lambda path, *_: ("made", str(path)))
    note("rename", lambda _, path: ("made", path))
    note("link", lambda _, path: ("made", path))
    note("unlink", lambda path: ("gone", path))
    note("rmdir", lambda path: ("gone", path))
    return done


@pytest.mark.parametrize("write", [put, create, upload, copy], ids=lambda write: write.__name__)
def test_written_objects_are_durable(
    tmp_path: Path, steps: list[Step], write: Callable[[Bucket, str], None]
) -> None:
    """Bytes are synced before their name appears; every new name, a directory's too, before it is used."""
    path = tmp_path / "store" / "a" / "b" / "object"
    write(DirectoryBucket(tmp_path / "store"), "a/b/object")
    named = steps.index(("made", str(path)))
    assert ("synced", path.stat().st_ino) in steps[:named]
    assert ("synced", path.parent.stat().st_ino) in steps[named:]
    for folder in [path.parent, path.parent.parent, tmp_path / "store"]:
        made = steps.index(("made", str(folder)))
        assert ("synced", folder.parent.stat().st_ino) in steps[made:named]


def test_names_that_another_writer_made_are_durable(tmp_path: Path, steps: list[Step]) -> None:
    """Who made a directory may not have got as far as to sync its name."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    DirectoryBucket(tmp_path).put("a/b/object", b"x")
    for folder in (tmp_path, tmp_path / "a"):
        assert ("synced", folder.stat().st_ino) in steps


def test_deletions_are_durable(tmp_path: Path, steps: list[Step]) -> None:
    """The directory that stays is synced once all below it is gone."""
    bucket = DirectoryBucket(tmp_path / "store")
    bucket.put("a/b/one", b"x")
    bucket.put("a/two", b"x")
    for key, last, stays in (("a/b/one", "a/b", "a"), ("a/two", "a", "")):
        bucket.delete([key])
        gone = steps.index(("gone", str(tmp_path / "store" / last)))
        assert ("synced", (tmp_path / "store" / stays).stat().st_ino) in steps[gone:]


def test_link_whose_answer_was_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """NFS may send a link(2) again that took effect (link(2), BUGS): the object that is there is ours."""
    link = os.link

    def twice(source: str, target: str, **options: Any) -> None:
        for _ in range(2):
            link(source, target, **options)

    monkeypatch.setattr(os, "link", twice)
    bucket = DirectoryBucket(tmp_path)
    bucket.create("a", b"x")
    assert bucket.get("a") == b"x"
    assert os.listdir(tmp_path) == ["a"]


def test_object_that_becomes_shorter(tmp_path: Path) -> None:
    """Bytes that go while they are read are an error, and not the end of the object."""
    bucket = DirectoryBucket(tmp_path)
    bucket.put("a", bytes(3 * MIB))
    stream = bucket.stream("a")
    next(stream)
    os.truncate(tmp_path / "a", MIB)
    with pytest.raises(StorageError, match="a became shorter while it was read"):
        list(stream)


def test_killed_writer_leaves_no_object(tmp_path: Path) -> None:
    """What a killed writer leaves is no object, but an unfinished upload that can be discarded."""
    bucket = DirectoryBucket(tmp_path)
    bucket.start_upload("a/b", 10, 10).put_part(1, b"half")
    other = DirectoryBucket(tmp_path)
    assert list(other.list("")) == []
    assert list(other.prefixes("")) == []
    for upload in other.uploads("a/"):
        other.abort_upload(upload)
    assert os.listdir(tmp_path) == []


def test_abort_upload_takes_only_pending_files(tmp_path: Path) -> None:
    """Nothing but an unfinished upload can be removed by aborting."""
    from up42_state.buckets import UploadInfo

    bucket = DirectoryBucket(tmp_path)
    bucket.put("a", b"x")
    with pytest.raises(StorageError, match="not an unfinished upload"):
        bucket.abort_upload(UploadInfo(key="a", upload_id="a", started=bucket.clock()))
    assert bucket.get("a") == b"x"


def test_error_leaves_nothing(tmp_path: Path) -> None:
    """A write that fails removes its temporary file."""
    bucket = DirectoryBucket(tmp_path)
    bucket.create("a", b"x")
    with pytest.raises(FileExistsError):
        bucket.create("a", b"y")
    assert os.listdir(tmp_path) == ["a"]


def test_no_permission(tmp_path: Path) -> None:
    """A directory that may not be written to is an access error that names the object."""
    tmp_path.chmod(0o500)
    with nobody(), pytest.raises(AccessDeniedError, match="store/a: Permission denied"):
        DirectoryBucket(tmp_path / "store").put("a", b"")
