"""Any other file system that fsspec knows: what it can, and no more than it can.

Whether its exclusive mode creates atomically, only the probe can tell; whether an object can be seen half
written, nobody can. For a local directory use ``file://``, which knows both.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import fsspec.core

from up42_state.buckets.base import MIB, Bucket, ObjectInfo
from up42_state.buckets.directory.spelling import Spelling, named_folders
from up42_state.buckets.directory.times import in_utc, moment
from up42_state.buckets.keys import check_key, check_prefix, is_key, key_order
from up42_state.buckets.network.logs import hide_secrets
from up42_state.buckets.uploads import CountedUpload, Upload, UploadInfo
from up42_state.errors import (
    AccessDeniedError,
    ObjectExistsError,
    ObjectNotFoundError,
    SettingsError,
    StateError,
    StorageError,
    StoreUnreachableError,
    UnsupportedStoreError,
)
from up42_state.secrets.redaction import clean, public_url, remember, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from up42_state.buckets.uploads import Buffer

__all__ = ["FsspecBucket"]

_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


class FsspecBucket(Bucket):
    """Objects as files below an fsspec URL.

    :param url: with whatever protocol, chained ones included; credentials in it are kept out of messages.
    :param single_writer: create by looking first, where the file system has no exclusive mode.
    :raises SettingsError: fsspec does not know the protocol, or lacks the package for it.
    """

    def __init__(self, url: str, *, single_writer: bool = False) -> None:
        self.url = public_url(url).rstrip("/")
        self._digest = hashlib.sha256(url.encode()).hexdigest() if self.url != url.rstrip("/") else ""
        remember(self, url=url)
        hide_secrets()
        self._single_writer = single_writer
        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError, OSError) as error:
            problem = SettingsError(
                f"fsspec cannot open {self.url}: {_safe(error)}",
                advice="use s3://bucket/prefix, gs://bucket/prefix, file:///directory, "
                "or install what fsspec needs for this scheme",
            )
        else:
            hide_secrets()  # again: of what fsspec has loaded for the protocol
            self._root = self._root.rstrip("/")
            self._spelling = Spelling(self.url, self._root, self._exists, self._names)
            return
        raise problem  # not chained: the cause may quote the URL's credentials

    @property
    def identity(self) -> str:
        """The digest tells stores apart that differ in what is not shown."""
        return f"fsspec:{self.url}#{self._digest}" if self._digest else f"fsspec:{self.url}"

    @property
    def local_root(self) -> str | None:
        inner = self._fs  # of a chain (simplecache::local://…) the last one holds the objects
        while (wrapped := getattr(inner, "fs", None)) is not None:
            inner = wrapped
        protocols = inner.protocol if isinstance(inner.protocol, tuple) else (inner.protocol,)
        return str(self._root) if "file" in protocols or "local" in protocols else None

    def head(self, key: str) -> ObjectInfo:
        with self._errors(key):
            self._fs.invalidate_cache()  # of listings, which many take it from: others write here, too
            found = self._fs.info(self._path(key))
            if found["type"] != "file" or not self._spelling.is_right(key):
                raise FileNotFoundError(key)
        return ObjectInfo(key=key, size=found["size"], modified=_modified(found))

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        end = _end(self.head(key).size, start, length)
        if start >= end:
            return b""
        with self._errors(key):
            data: bytes = self._fs.cat_file(self._path(key), start=start, end=end)
        if len(data) != end - start:
            raise StorageError(f"{self.url}/{key}: {len(data)} bytes came instead of {end - start}")
        return data

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        end = _end(self.head(key).size, start, length)
        with self._errors(key), self._fs.open(self._path(key), "rb") as file:
            file.seek(min(start, end))
            while start < end:
                data: bytes = file.read(min(MIB, end - start))
                if not data:
                    raise StorageError(f"{self.url}/{key} ends at byte {start} instead of {end}")
                start += len(data)
                yield data

    def put(self, key: str, data: Buffer) -> None:
        with self._errors(key):
            self._fs.pipe_file(self._ready(key), bytes(data))

    def create(self, key: str, data: Buffer) -> None:
        """Write an object by the exclusive mode of open(), where the file system has one.

        Not by fsspec's pipe_file(mode="create"), which looks first, then writes: two creators may succeed.
        """
        with self._errors(key):
            path = self._ready(key)
            try:
                with self._fs.open(path, "xb") as file:
                    file.write(bytes(data))
            except (NotImplementedError, ValueError) as error:
                lacks, alone = "this file system has no exclusive mode", self._single_writer
                self._create_alone(key, data, lacks=lacks, single_writer=alone, error=error)

    def start_upload(self, key: str, size: int, part_size: int) -> Upload:
        self._path(key)
        return _SpooledUpload(self, key, size, part_size)

    def uploads(self, prefix: str) -> Iterator[UploadInfo]:
        """No uploads: parts are collected on this machine's disk, and nothing is left in the store."""
        check_prefix(prefix)
        yield from ()

    def abort_upload(self, upload: UploadInfo) -> None:
        """Discard nothing: an upload leaves nothing in the store."""

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        folder = check_prefix(prefix).rpartition("/")[0]
        with self._errors(prefix):
            self._fs.invalidate_cache()
            is_right = self._spelling.is_right(prefix)
            found = list(self._files(f"{self._root}/{folder}".rstrip("/"))) if is_right else []
        objects = {self._key(info["name"]): info for info in found}
        for key in sorted((key for key in objects if key.startswith(prefix) and key > after), key=key_order):
            yield ObjectInfo(key=key, size=objects[key]["size"], modified=_modified(objects[key]))

    def prefixes(self, prefix: str) -> Iterator[str]:
        path = f"{self._root}/{check_prefix(prefix)}".rstrip("/")
        with self._errors(prefix):
            self._fs.invalidate_cache()
            entries = self._entries(path) if self._spelling.is_right(prefix) else []
            folders = [entry["name"].rstrip("/") for entry in entries if entry["type"] == "directory"]
            for folder in sorted(folders, key=lambda folder: key_order(f"{folder}/")):
                name = folder.rpartition("/")[2]
                if is_key(name) and any(True for _ in self._files(folder)):
                    yield name

    def delete(self, keys: Iterable[str]) -> None:
        failed: list[StateError] = []
        for path, key in [(self._path(key), key) for key in keys]:
            try:
                with suppress(ObjectNotFoundError), self._errors(key):
                    if self._spelling.is_right(key):
                        self._fs.rm_file(path)
            except StateError as error:
                failed.append(error)
        self._check_deleted(failed)

    def copy(self, source: str, key: str) -> None:
        self._path(key)
        self.head(source)
        with self._errors(source):
            self._fs.cp_file(self._path(source), self._ready(key))

    def retention(self) -> None:
        """A file system does not say."""

    def gdal_path(self, key: str) -> str:
        if "file" in self._fs.protocol:
            return self._path(key)
        raise UnsupportedStoreError(
            f"GDAL cannot be told how to read {self.url}", advice="restore the file, or open() it"
        )

    def gdal_options(self) -> Mapping[str, str]:
        return {}

    def upload(self, path: str, key: str) -> None:
        """Write an object from a file on this machine."""
        with self._errors(key):
            self._fs.put_file(path, self._ready(key))

    def _files(self, path: str) -> Iterator[dict[str, Any]]:
        """Every file below a path. Not by fsspec's own ``find`` and ``walk``, which leave out without a word
        what cannot be listed: whoever deletes what is not listed would take that for absent.
        """
        waiting = [path]
        while waiting:
            for entry in self._entries(waiting.pop()):
                if entry["type"] == "directory":
                    waiting.append(entry["name"].rstrip("/"))
                else:
                    yield entry

    def _entries(self, path: str) -> Iterator[dict[str, Any]]:
        """What lies right below a path; nothing, where there is no such directory."""
        with suppress(FileNotFoundError, NotADirectoryError):
            for entry in self._fs.ls(path, detail=True):
                if entry["name"].strip("/") != path.strip("/"):  # of some, a directory holds itself
                    yield entry

    def _path(self, key: str) -> str:
        return f"{self._root}/{check_key(key)}"

    def _ready(self, key: str) -> str:
        """The path of a key, in a directory that exists."""
        path = self._path(key)
        for folder in named_folders(key):
            if not self._spelling.is_settled(folder):
                self._fs.makedirs(f"{self._root}/{folder}", exist_ok=True)
                self._spelling.check(folder)
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        return path

    def _exists(self, path: str) -> bool:
        self._fs.invalidate_cache()
        return bool(self._fs.exists(path))

    def _names(self, folder: str) -> Iterator[str]:
        for path in self._fs.ls(folder, detail=False):
            yield path.rstrip("/").rpartition("/")[2]

    def _key(self, path: str) -> str:
        return path.removeprefix(self._root).lstrip("/")

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        """Translate what comes out of fsspec."""
        what = f"{self.url}/{key}"
        try:
            yield
        except StateError:
            raise
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise ObjectNotFoundError(f"there is no object {what}") from clean(error)
        except FileExistsError as error:
            raise ObjectExistsError(f"{what} exists already") from clean(error)
        except PermissionError as error:
            raise AccessDeniedError(f"{what}: {_safe(error)}") from clean(error)
        except (ConnectionError, TimeoutError) as error:
            raise StoreUnreachableError(f"{what}: {_safe(error)}") from clean(error)
        except Exception as error:  # noqa: BLE001 - any package may be behind fsspec, with errors of its own
            raise StorageError(f"{what}: {_safe(error)}") from clean(error)


class _SpooledUpload(CountedUpload):
    """An upload that collects its parts in a temporary file: fsspec has no common way to send parts."""

    def __init__(self, bucket: FsspecBucket, key: str, size: int, part_size: int) -> None:
        super().__init__(key, size)
        self._bucket, self._part_size = bucket, part_size
        self._file = tempfile.NamedTemporaryFile()  # noqa: SIM115 - open until completed or aborted
        self._lock = threading.Lock()  # a descriptor must not be closed while it is written to

    def put_part(self, number: int, data: Buffer, *, sha256: str = "") -> None:  # noqa: ARG002 - nothing is signed here
        view, offset = memoryview(data).cast("B"), (number - 1) * self._part_size
        self._sent[number] = view.nbytes
        with self._lock:
            if self._file.closed:
                raise StorageError(f"the upload of {self._what} has ended already")
            while view:
                written = os.pwrite(self._file.fileno(), view, offset)
                view, offset = view[written:], offset + written

    def complete(self) -> None:
        self._check_whole()
        self._bucket.upload(self._file.name, self._what)
        self.abort()

    def abort(self) -> None:
        with self._lock:
            self._file.close()


def _end(size: int, start: int, length: int | None) -> int:
    return size if length is None else min(size, start + length)


def _modified(info: Mapping[str, Any]) -> datetime:
    """When a file was written; now, where the file system does not know: nothing is ever taken for old."""
    value = next((info[name] for name in _TIMES if info.get(name)), None)
    if isinstance(value, int | float):
        return moment(value)
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return in_utc(value)
    return datetime.now(UTC)


def _safe(error: Exception) -> str:
    return without_credentials(str(error)) or type(error).__name__
