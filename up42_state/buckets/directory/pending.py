"""A file that is being written, and not yet there under its name."""

from __future__ import annotations

import errno
import os
import stat
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from unicodedata import normalize

from up42_state.errors import (
    AccessDeniedError,
    ObjectExistsError,
    ObjectNotFoundError,
    StateError,
    StorageError,
    UnsupportedStoreError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from up42_state.buckets.uploads import Buffer

__all__ = ["PendingFile", "copy_bytes", "remove_folder", "store_errors", "sync_directory"]

_CHUNK = 1024 * 1024
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS}


def sync_directory(path: str) -> None:
    """Make the names in a directory durable (fsync(2): a file's own sync does not cover its name)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def store_errors(url: str, key: str) -> Iterator[None]:
    """Turn the system's errors about an object into those of the storage contract."""
    try:
        yield
    except StateError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ObjectNotFoundError(f"there is no object {url}/{key}") from error
    except PermissionError as error:
        advice = "check the owner and the mode of the directory"
        raise AccessDeniedError(f"{url}/{key}: {error.strerror}", advice=advice) from error
    except OSError as error:
        raise StorageError(f"{url}/{key}: {error.strerror}") from error


def remove_folder(folder: str) -> None:
    """Remove a folder of unfinished files if it is empty."""
    with suppress(OSError):
        os.rmdir(folder)


class PendingFile:
    """A new file in a folder for unfinished ones, on the file system of the directory where it will appear.

    Its temporary name has a length of its own, so a name of the full 255 bytes can be written. Left without
    being published, as a context manager it is removed.

    :param directory: an existing directory, where it will appear.
    :param folder: an existing one, where it is until then.
    :raises OSError: as of open(2).
    """

    def __init__(self, directory: str, folder: str) -> None:
        self.directory = directory
        self.path = os.path.join(folder, uuid.uuid4().hex)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        self._descriptor: int | None = os.open(self.path, flags, 0o666)

    def __enter__(self) -> PendingFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()

    @property
    def ended(self) -> bool:
        """Whether the file was published or discarded."""
        return self._descriptor is None

    @property
    def descriptor(self) -> int:
        """The open file.

        :raises StorageError: it was published or discarded.
        """
        if self._descriptor is None:
            raise StorageError(f"the upload to {self.directory} has ended already")
        return self._descriptor

    def write(self, data: Buffer, offset: int = 0) -> None:
        """Write all of ``data`` at an offset in bytes; several threads may write different parts."""
        view = memoryview(data).cast("B")
        while view:
            written = os.pwrite(self.descriptor, view, offset)
            view, offset = view[written:], offset + written

    def replace(self, name: str) -> None:
        """Appear under ``name``, instead of a file that is there; durable on return.

        :raises StorageError: a file of another name would be replaced.
        """
        os.fsync(self.descriptor)  # before the rename: after a power cut a name must not stand for no bytes
        target = os.path.join(self.directory, name)
        if os.path.lexists(target):
            self._check_name(name)
        os.rename(self.path, target)
        self._close()
        remove_folder(os.path.dirname(self.path))
        sync_directory(self.directory)

    def create(self, name: str) -> None:
        """Appear under ``name`` if nothing is there; durable on return.

        :raises ObjectExistsError: something is there.
        :raises UnsupportedStoreError: the file system knows no hard links.
        """
        os.fsync(self.descriptor)
        try:  # a link fails where the name is taken, and a rename would replace what has it
            os.link(self.path, os.path.join(self.directory, name), follow_symlinks=False)
        except FileExistsError as error:
            self._accept_lost_answer(error, name)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            raise UnsupportedStoreError(
                f"the file system of {self.directory} has no hard links, so nothing is created atomically",
                advice="put the store on a local or NFS file system, or into a bucket",
            ) from error
        sync_directory(self.directory)

    def _check_name(self, name: str) -> None:
        """Make sure that what is found under a name has it, at most in another of Unicode's forms (HFS+)."""
        target = os.path.join(self.directory, name)
        wanted = normalize("NFC", name)
        listed = {normalize("NFC", found) for found in os.listdir(self.directory)}
        alike = {found for found in listed if found.casefold().rstrip(".") == wanted.casefold().rstrip(".")}
        if alike and wanted not in alike and os.path.lexists(target):  # it has not been removed meanwhile
            raise StorageError(
                f"{target} is {min(alike)}: the file system takes the two names for one",
                advice="keep the state where names are told apart by case",
            )

    def _accept_lost_answer(self, error: FileExistsError, name: str) -> None:
        """Pass if the link is ours: NFS may repeat a link(2) whose answer was lost (link(2), BUGS)."""
        if os.fstat(self.descriptor).st_nlink > 1:
            return
        target = os.path.join(self.directory, name)
        with suppress(FileNotFoundError):
            if stat.S_ISDIR(os.lstat(target).st_mode):
                raise StorageError(f"{target} is a directory, so no object can have its name") from error
        raise ObjectExistsError(f"{target} exists already") from error

    def discard(self) -> None:
        """Remove the file, unless it was published by :meth:`replace`. May be called twice."""
        if self._descriptor is not None:
            self._close()
            with suppress(FileNotFoundError):
                os.unlink(self.path)
            remove_folder(os.path.dirname(self.path))

    def _close(self) -> None:
        descriptor, self._descriptor = self.descriptor, None
        os.close(descriptor)


def copy_bytes(source: int, pending: PendingFile, begin: int, end: int) -> int:
    """Copy bytes ``begin`` up to ``end`` of an open file to where they are in that; how many there were.

    In the kernel where it can; a file system that shares blocks (Btrfs, XFS) then moves none
    (copy_file_range(2)).
    """
    done = begin
    with suppress(OSError):
        while done < end:
            copied = os.copy_file_range(source, pending.descriptor, end - done, done, done)
            if not copied:
                break
            done += copied
    while done < end and (chunk := os.pread(source, min(_CHUNK, end - done), done)):
        pending.write(chunk, done)
        done += len(chunk)
    return done - begin
