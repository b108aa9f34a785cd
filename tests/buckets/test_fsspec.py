"""The bucket on any file system of fsspec."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING, Any

import fsspec
import pytest
from buckets.contract import BucketContract
from fsspec.implementations.local import LocalFileSystem

from up42_state.buckets import open_bucket
from up42_state.buckets.fsspec import FsspecBucket
from up42_state.errors import (
    AccessDeniedError,
    ObjectExistsError,
    SettingsError,
    StorageError,
    StoreUnreachableError,
    UnsupportedStoreError,
)
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.buckets import Bucket


class TestFsspecBucket(BucketContract):
    goes_on = False

    @pytest.fixture
    def bucket(self, tmp_path: Path) -> Bucket:
        return FsspecBucket(f"local://{tmp_path}/a store/")

    def test_unfinished_uploads(self, bucket: Bucket) -> None:
        """Nothing is sent before an upload is complete, so nothing can be left behind."""
        upload = bucket.start_upload("job/big", 2, 1)
        upload.put_part(1, b"x")
        assert list(bucket.uploads("")) == []
        upload.abort()


class Renamed(LocalFileSystem):
    """This machine's files under another protocol, which fsspec 2024.12 does not take off by itself."""

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(os.fspath(path).removeprefix(f"{cls.protocol}://"))


class NoExclusiveMode(Renamed):
    """A file system that, as many, cannot open a file exclusively."""

    protocol = "noexclusive"

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if "x" in mode:
            raise NotImplementedError(mode)
        return super().open(path, mode, **options)


@pytest.fixture
def no_exclusive_mode(tmp_path: Path) -> str:
    """The URL of such a file system."""
    fsspec.register_implementation("noexclusive", NoExclusiveMode, clobber=True)
    return f"noexclusive://{tmp_path}/store"


def test_no_exclusive_mode(no_exclusive_mode: str) -> None:
    """Where nothing can be created exclusively, nothing is created, and the error says what to do."""
    bucket = open_bucket(no_exclusive_mode, Settings())
    with pytest.raises(UnsupportedStoreError, match="UP42_STATE_SINGLE_WRITER"):
        bucket.create("a", b"x")
    assert list(bucket.list("")) == []


def test_no_exclusive_mode_with_a_single_writer(no_exclusive_mode: str) -> None:
    """A single writer looks first."""
    bucket = open_bucket(no_exclusive_mode, Settings(single_writer=True))
    bucket.create("a", b"first")
    with pytest.raises(ObjectExistsError):
        bucket.create("a", b"second")
    assert bucket.get("a") == b"first"


def test_a_single_writer_who_cannot_look(no_exclusive_mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written where the file system does not say what is there."""
    bucket = open_bucket(no_exclusive_mode, Settings(single_writer=True))
    bucket.create("a", b"first")

    def fail(*_: object, **__: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(NoExclusiveMode, "info", fail)
        with pytest.raises(StoreUnreachableError):
            bucket.create("a", b"second")
    assert bucket.get("a") == b"first"


class Unreadable(Renamed):
    """A file system with a directory that it cannot list."""

    protocol = "unreadable"
    error: OSError = PermissionError("no")

    def ls(self, path: str, detail: bool = False, **options: Any) -> Any:
        if path.rstrip("/").endswith("/z:1"):
            raise self.error
        return super().ls(path, detail, **options)

    def isdir(self, path: str) -> bool:
        return not path.endswith("/z:1") and super().isdir(path)  # many say so of what they cannot look at


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (PermissionError("no"), AccessDeniedError),
        (ConnectionResetError("gone"), StoreUnreachableError),
        (OSError(5, "I/O error"), StorageError),
    ],
)
@pytest.mark.parametrize("ask", ["list", "prefixes"])
def test_a_directory_that_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, expected: type[Exception], ask: str
) -> None:
    """A listing is whole or an error: fsspec's own leave out what they cannot look into."""
    monkeypatch.setattr(Unreadable, "error", error)
    fsspec.register_implementation("unreadable", Unreadable, clobber=True)
    bucket = open_bucket(f"unreadable://{tmp_path}/store", Settings())
    bucket.put("job/a:1/commits/1", b"x")
    bucket.put("job/z:1/commits/1", b"x")
    for prefix in ("job/", "job/z:1/"):
        with pytest.raises(expected):
            list(getattr(bucket, ask)(prefix))
    assert [info.key for info in bucket.list("job/a:1/")] == ["job/a:1/commits/1"]
    assert list(bucket.list("nothing/")) == []
    assert list(bucket.prefixes("nothing/")) == []


class Listings(Renamed):
    """A file system that, as many, knows of files what it last saw in a listing of their directory."""

    protocol = "listings"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.seen: dict[str, Any] = {}

    def info(self, path: str, **options: Any) -> Any:
        folder, look = self._parent(path), super().info
        if folder not in self.seen:
            self.seen[folder] = {entry.path: look(entry.path) for entry in os.scandir(folder)}
        if path not in self.seen[folder]:
            raise FileNotFoundError(path)
        return self.seen[folder][path]

    def invalidate_cache(self, path: str | None = None) -> None:
        self.seen.clear()


def test_what_others_write_is_seen(tmp_path: Path) -> None:
    """An object that another process has written is there, whatever was listed before."""
    fsspec.register_implementation("listings", Listings, clobber=True)
    bucket = FsspecBucket(f"listings://{tmp_path}")
    bucket.put("job/a", b"")
    assert bucket.head("job/a").size == 0
    (tmp_path / "job" / "a").write_bytes(b"more")
    (tmp_path / "job" / "b").write_bytes(b"theirs")
    assert bucket.get("job/a") == b"more"
    assert bucket.get("job/b") == b"theirs"


def test_unknown_protocol() -> None:
    """A protocol that fsspec does not know is a wrong setting, named without the credentials in its URL."""
    url = f"nonsense://user:{'planted' + '-secret'}@host/p"
    with pytest.raises(SettingsError, match="nonsense://host/p") as caught:
        open_bucket(url)
    assert "planted-secret" not in "".join(traceback.format_exception(caught.value))


def test_no_state_in_a_state() -> None:
    """The read-only file system of stages is not a place to keep stages."""
    with pytest.raises(SettingsError, match="cannot hold one"):
        open_bucket("up42state://job/stage")


def test_credentials_in_the_url_stay_in_it(tmp_path: Path) -> None:
    """Neither URL nor identity shows a password, which some file systems have nowhere else."""
    bucket = FsspecBucket(f"local://user:planted-secret@{tmp_path}")
    assert "planted-secret" not in f"{bucket.url} {bucket.identity}"
