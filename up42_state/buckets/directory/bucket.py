"""A directory as a bucket: every object is a plain file of its own.

What POSIX gives is used as it is meant: data is fsynced under a temporary name before the name appears by
rename(2) (:meth:`DirectoryBucket.put`) or link(2) (:meth:`DirectoryBucket.create`, which fails if the name is
taken), and then the directory is fsynced. A reader sees a whole object or none, also after a power failure.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import quote

from up42_state.buckets.base import MIB, Bucket, ObjectInfo
from up42_state.buckets.directory import walk
from up42_state.buckets.directory.pending import (
    PendingFile,
    copy_bytes,
    remove_folder,
    store_errors,
    sync_directory,
)
from up42_state.buckets.directory.spelling import Spelling, named_folders
from up42_state.buckets.directory.times import moment
from up42_state.buckets.keys import check_key, check_prefix
from up42_state.buckets.unfinished import UNFINISHED, folder_of, is_unfinished
from up42_state.buckets.uploads import CountedUpload, Upload, UploadInfo
from up42_state.errors import (
    BucketNotFoundError,
    ObjectNotFoundError,
    StateError,
    StorageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from up42_state.buckets.uploads import Buffer, LeftUpload

__all__ = ["DirectoryBucket", "DirectoryUpload"]

_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_STAYS = {errno.ENOTEMPTY, errno.EEXIST, errno.EACCES, errno.EPERM, errno.EBUSY}  # what keeps a directory
_ATTEMPTS = 100  # at making a directory that others keep removing


class DirectoryBucket(Bucket):
    """Objects as files below a directory, which the first write makes.

    :param path: the directory; a relative one is taken from the current directory.
    """

    atomic_create = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.root = os.path.abspath(path)
        self.url = f"file://{quote(self.root)}"
        self._durable: set[str] = set()
        self._spelling = Spelling(self.url, self.root)

    @property
    def identity(self) -> str:
        return f"file://{quote(os.path.realpath(self.root))}"

    @property
    def local_root(self) -> str:
        return self.root

    def head(self, key: str) -> ObjectInfo:
        with store_errors(self.url, key):
            found = os.lstat(self._existing(key))
            if not stat.S_ISREG(found.st_mode):
                raise FileNotFoundError(errno.ENOENT, "not a regular file")
            return _info(key, found)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        return b"".join(self.stream(key, start, length))

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        with store_errors(self.url, key):
            descriptor = _open_object(self._existing(key))
            try:
                size = os.fstat(descriptor).st_size
                end = size if length is None else min(size, start + length)
                while start < end:
                    chunk = os.pread(descriptor, min(MIB, end - start), start)
                    if not chunk:
                        raise StorageError(f"{self.url}/{key} became shorter while it was read")
                    start += len(chunk)
                    yield chunk
            finally:
                os.close(descriptor)

    def put(self, key: str, data: Buffer) -> None:
        with store_errors(self.url, key), self._pending(key) as (pending, name):
            pending.write(data)
            self.publish(pending, lambda: pending.replace(name))

    def create(self, key: str, data: Buffer) -> None:
        with store_errors(self.url, key), self._pending(key) as (pending, name):
            pending.write(data)
            self.publish(pending, lambda: pending.create(name))

    def start_upload(self, key: str, size: int, part_size: int) -> DirectoryUpload:
        with store_errors(self.url, key):
            pending, name = self._start(key)
        return DirectoryUpload(self, key, pending=pending, name=name, size=size, part_size=part_size)

    def continue_upload(self, left: LeftUpload, key: str) -> Upload | None:
        if not is_unfinished(left.token):
            return None
        with suppress(ObjectNotFoundError), self.opened(left.token) as descriptor:
            end = os.fstat(descriptor).st_size
            ends = {n: (n - 1) * left.part_size + left.length(n) for n in left.parts if left.length(n)}
            held = {number for number, last in ends.items() if last <= end}
            if held:
                upload = self.start_upload(key, left.size, left.part_size)
                upload.held, upload.left = frozenset(held), left
                return upload
        return None

    @contextmanager
    def opened(self, key: str) -> Iterator[int]:
        """The descriptor of a regular file."""
        with store_errors(self.url, key):
            descriptor = _open_object(self._existing(key))
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    def uploads(self, prefix: str) -> Iterator[UploadInfo]:
        """Temporary files that were left behind, each under the key of its own path: the key that it would
        have had is not kept.
        """
        with store_errors(self.url, prefix):
            for key, found in self._walk(prefix):
                if is_unfinished(key):
                    yield UploadInfo(key=key, upload_id=key, started=moment(found.st_mtime))

    def abort_upload(self, upload: UploadInfo) -> None:
        path = os.path.join(self.root, check_key(upload.upload_id))
        if not is_unfinished(upload.upload_id):
            raise StorageError(f"{upload.upload_id!r} is not an unfinished upload of {self.url}")
        with store_errors(self.url, upload.upload_id), suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(path)
            self._settle(os.path.dirname(path))

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        self._check_root(prefix)
        with store_errors(self.url, prefix):
            yield from self._objects(prefix, after)

    def prefixes(self, prefix: str) -> Iterator[str]:
        self._check_root(prefix)
        with store_errors(self.url, prefix):
            if self._spelling.is_right(check_prefix(prefix)):
                for name, folder in walk.folders(self.root, prefix):
                    if any(not is_unfinished(key) for key, _ in walk.files(self.root, folder)):
                        yield name

    def delete(self, keys: Iterable[str]) -> None:
        failed: list[StateError] = []
        changed = set()
        for key in keys:
            try:
                with store_errors(self.url, key), suppress(*_MISSING):
                    path = self._existing(key)
                    os.unlink(path)
                    changed.add(os.path.dirname(path))
            except StateError as error:
                failed.append(error)
        for directory in sorted(changed, reverse=True):
            with store_errors(self.url, directory):
                self._settle(directory)
        self._check_deleted(failed)

    def copy(self, source: str, key: str) -> None:
        with self.opened(source) as descriptor, store_errors(self.url, key), self._pending(key) as made:
            pending, name = made
            copy_bytes(descriptor, pending, 0, os.fstat(descriptor).st_size)
            self.publish(pending, lambda: pending.replace(name))

    def object_url(self, key: str) -> str:
        return f"file://{quote(self._path(key))}"

    def gdal_path(self, key: str) -> str:
        return self._path(key)

    def gdal_options(self) -> dict[str, str]:
        return {}

    def _objects(self, prefix: str, after: str = "") -> Iterator[ObjectInfo]:
        for key, found in self._walk(prefix, after):
            if not is_unfinished(key):
                yield _info(key, found)

    def _walk(self, prefix: str, after: str = "") -> Iterator[tuple[str, os.stat_result]]:
        if self._spelling.is_right(check_prefix(prefix)):
            yield from walk.files(self.root, prefix, after)

    def _existing(self, key: str) -> str:
        """The path of an object, if there is one.

        :raises FileNotFoundError: what is found there lies below another job or stage (:mod:`._spelling`).
        """
        path = self._path(key)
        if not self._spelling.is_right(key):
            raise FileNotFoundError(errno.ENOENT, "another job or stage", path)
        return path

    def _path(self, key: str) -> str:
        return os.path.join(self.root, check_key(key))

    @contextmanager
    def _pending(self, key: str) -> Iterator[tuple[PendingFile, str]]:
        pending, name = self._start(key)
        with pending:
            yield pending, name

    def _start(self, key: str) -> tuple[PendingFile, str]:
        """A pending file on the file system of the key's path, and the name it is to get.

        Directories may be removed, as emptied ones, until something is in them: then again.
        """
        directory, name = os.path.split(self._path(key))
        folder = os.path.join(self.root, folder_of(key))
        for _ in range(_ATTEMPTS):
            try:
                self._make_named(key)
                self._make(directory)
                with suppress(FileExistsError):
                    os.mkdir(folder)  # its name need not be durable
            except FileNotFoundError:
                self._durable.clear()  # this directory is gone, or one above it
                continue
            except NotADirectoryError as error:
                raise StorageError(f"{directory}, or one above it, is a file and no directory") from error
            with suppress(FileNotFoundError):  # who ends an upload takes the folder along if it is empty
                return PendingFile(directory, folder), name
        raise StorageError(f"{directory} is removed again each time that it is made")

    def _make_named(self, key: str) -> None:
        """Make the folders of a job and a stage. Each is looked at before anything is put into it.

        :raises UnsupportedStoreError: the file system takes another job's or stage's for it.
        """
        for folder in named_folders(key):
            self._make(os.path.join(self.root, folder))
            self._spelling.check(folder)

    def _make(self, directory: str) -> None:
        """Make a directory and those above it. The name of each that this process meets is synced once,
        since whoever made it may not have got so far.
        """
        if directory in self._durable:
            return
        parent = os.path.dirname(directory)
        if directory != self.root:
            self._make(parent)
            with suppress(FileExistsError):
                os.mkdir(directory)
            sync_directory(parent)
        elif not os.path.isdir(directory):
            os.makedirs(directory, exist_ok=True)
            sync_directory(parent)
        self._durable.add(directory)

    def _settle(self, directory: str) -> None:
        """Make deletions in a directory durable. Directories that are empty then go, but the root."""
        while directory != self.root:
            try:
                remove_folder(os.path.join(directory, UNFINISHED))
                os.rmdir(directory)
            except FileNotFoundError:
                pass
            except OSError as error:
                if error.errno not in _STAYS:
                    raise
                break
            self._durable.discard(directory)
            directory = os.path.dirname(directory)
        with suppress(FileNotFoundError):
            sync_directory(directory)

    def publish(self, pending: PendingFile, appear: Callable[[], None]) -> None:
        """Let a pending file appear. Its directory may have been removed as an emptied one: then again."""
        for _ in range(_ATTEMPTS):
            try:
                appear()
                return
            except FileNotFoundError:
                self._durable.clear()
                self._make(pending.directory)
        raise StorageError(f"{pending.directory} is removed again each time that it is made")

    def _check_root(self, prefix: str) -> None:
        """Asked for everything, a directory that is not there is an error; below a prefix, nothing is."""
        if not prefix and not os.path.isdir(self.root):
            raise BucketNotFoundError(
                f"there is no directory {self.root}", advice="check the store's URL; the first save makes it"
            )


class DirectoryUpload(CountedUpload):
    """An upload whose parts are written, each where it belongs, into one pending file."""

    def __init__(
        self, bucket: DirectoryBucket, key: str, *, pending: PendingFile, name: str, size: int, part_size: int
    ) -> None:
        super().__init__(key, size)
        self._bucket, self._name, self._pending, self._part_size = bucket, name, pending, part_size
        self.token = os.path.relpath(pending.path, bucket.root)
        self._lock = threading.Lock()  # a descriptor must not be closed while it is written to
        self.left: LeftUpload | None = None

    def keep(self, number: int) -> None:
        """Copy a part out of the file that the upload was left in."""
        if self.left is None:
            raise ObjectNotFoundError(f"no part of {self._what} was left")
        start, length = (number - 1) * self._part_size, self.left.length(number)
        with self._bucket.opened(self.left.token) as source, self._lock:
            if copy_bytes(source, self._pending, start, start + length) != length:
                raise ObjectNotFoundError(f"part {number} of {self._what} became shorter")
        self._sent[number] = length

    def put_part(self, number: int, data: Buffer, *, sha256: str = "") -> None:  # noqa: ARG002 - nothing is signed here
        with store_errors(self._bucket.url, self._what), self._lock:
            self._pending.write(data, (number - 1) * self._part_size)
        self._sent[number] = len(data)

    def sync(self) -> None:
        with store_errors(self._bucket.url, self._what):
            with self._lock:
                if self._pending.ended:
                    return  # published, and synced before that
                descriptor = os.dup(self._pending.descriptor)  # so that others may write meanwhile
            try:
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)

    def complete(self) -> None:
        with store_errors(self._bucket.url, self._what):
            self._check_whole()
            with self._lock:
                self._bucket.publish(self._pending, lambda: self._pending.replace(self._name))

    def abort(self) -> None:
        with self._lock:
            self._pending.discard()


def _info(key: str, found: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key=key, size=found.st_size, modified=moment(found.st_mtime))


def _open_object(path: str) -> int:
    """Open a regular file, not through a symbolic link.

    :raises FileNotFoundError: it is something else, or nothing.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:
            raise FileNotFoundError(errno.ENOENT, "not a regular file", path) from error
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise FileNotFoundError(errno.ENOENT, "not a regular file", path)
