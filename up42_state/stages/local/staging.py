"""A directory that files are put into, and a staging folder of ours in it, on the same file system."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

from up42_state.errors import TargetConflictError
from up42_state.machine.trees import remove_tree
from up42_state.stages.local.directory import OURS, UNKNOWN, Directory, open_regular, own_folder, remove_own
from up42_state.stages.transfer.pool import Transfers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from up42_state.stages.format.index import Entry

__all__ = ["Staging", "Stagings"]

_UNHASHED = 32 * 1024 * 1024  # bytes that wait to be hashed
_TRIES = 1000  # at a directory that others make and remove: some milliseconds in all


class Staging:
    """``<path>/.up42_state/<name>``: files are completed there and renamed into place.

    :param path: the directory; made, with its parents, if it is not there.
    :param name: of the staging folder.
    :raises TargetConflictError: another process is at work here.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._name = name
        self.folder = path / OURS / name
        self.fd = -1
        self._made, self._lock = _enter(path)
        try:
            self.directory = Directory(path)
        except BaseException:
            os.close(self._lock)
            raise

    def open(self, *, fresh: bool = False) -> None:
        """Make the staging folder, or take up the folder that a killed call has left.

        :param fresh: empty the folder first, also where it is open.
        """
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if fresh:
            remove_own(self.path, self._name, keep_folder=True)
        with suppress(FileExistsError):
            self.folder.mkdir()
        try:
            self.fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except NotADirectoryError as error:
            raise TargetConflictError(f"{self.folder} is not a directory", advice="move it away") from error
        self._sweep()

    def _sweep(self) -> None:
        """Remove what has a name of ours and would lead a write elsewhere: links, hard ones, and pipes."""
        # An input or an output may come from somebody else, with a folder of this name in it.
        with os.scandir(self.fd) as found:
            names = [item.name for item in found if item.name.isdigit() or item.name.endswith(".json")]
        for name in names:
            status = os.lstat(name, dir_fd=self.fd)
            if stat.S_ISDIR(status.st_mode):
                remove_tree(self.folder / name)
            elif not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
                os.unlink(name, dir_fd=self.fd)

    def write(self, name: str, offset: int, data: memoryview, *, executable: bool = False) -> None:
        """Write bytes at an offset of a staged file, which is made if it is not there.

        :raises TargetConflictError: the name is another file's hard link, so that file would be written, too.
        """
        fd = self._create(name, 0o777 if executable else 0o666)
        try:
            while data:
                written = os.pwrite(fd, data, offset)
                data, offset = data[written:], offset + written
        except OSError as error:
            error.filename = f"{self.folder}/{name}"
            raise
        finally:
            os.close(fd)

    def _create(self, name: str, mode: int) -> int:
        """Give a file descriptor to write a staged file."""
        # As a rule the file is new, and no further call of the system is needed to know that it is ours.
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with suppress(FileExistsError):
            return os.open(name, flags | os.O_EXCL, mode, dir_fd=self.fd)
        fd = os.open(name, flags, mode, dir_fd=self.fd)
        if os.fstat(fd).st_nlink > 1:
            os.close(fd)
            raise TargetConflictError(
                f"{self.folder / name} was put there by somebody else", advice="give another directory"
            )
        return fd

    def put(self, name: str, data: bytes | memoryview) -> None:
        """Write a whole file, in place of a file that has its name: that one stands until this is whole."""
        with self._replacing(name) as new:
            self.write(new, 0, memoryview(data))

    def put_runs(self, name: str, runs: Iterable[bytes | memoryview]) -> str:
        """Write a whole file from runs of its bytes, in place of a file that has its name.

        :return: the SHA-256 of the bytes, in hex.
        """
        digest, size = hashlib.sha256(), 0
        # One thread takes the runs in their order. It hashes one while the next is made and written.
        with self._replacing(name) as new, Transfers(1, _UNHASHED) as hashing:
            self.write(new, 0, memoryview(b""))  # there is a file also where there are no runs
            for run in runs:
                hashing.start(len(run), digest.update, run)
                self.write(new, size, memoryview(run))
                size += len(run)
        return digest.hexdigest()

    @contextmanager
    def _replacing(self, name: str) -> Iterator[str]:
        """Give the name of a new file, which replaces the one that has ``name`` once it is whole."""
        new = f"new-{name}"
        with suppress(FileNotFoundError):
            os.unlink(new, dir_fd=self.fd)
        yield new
        os.rename(new, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def folds_names(self) -> bool:
        """Whether the file system takes names for one that differ in case, in Unicode's form, or in a full
        stop at their end.
        """
        self.put("folds-\u00c9", b"")
        try:
            return any(self._is_there(f"folds-{other}") for other in ("\u00e9", "E\u0301", "\u00c9."))
        finally:
            os.unlink("folds-\u00c9", dir_fd=self.fd)

    def _is_there(self, name: str) -> bool:
        try:
            os.lstat(name, dir_fd=self.fd)
        except FileNotFoundError:
            return False
        return True

    def read(self, name: str) -> int | None:
        """Give a file descriptor to read a staged file; ``None`` where there is none.

        :raises OSError: the file may be there, and cannot be read now.
        """
        try:
            return open_regular(name, dir_fd=self.fd)
        except OSError as error:
            if error.errno in UNKNOWN:
                raise
            return None

    def drop(self, name: str) -> None:
        """Remove a staged file."""
        os.unlink(name, dir_fd=self.fd)

    def remove(self) -> None:
        """Remove the staging folder and all that is in it."""
        remove_own(self.path, self._name)

    def discard(self) -> None:
        """Take away the staging folder, and the directory and its parents if they were made for it.

        What lies in a staging folder that was not opened is an earlier call's, and stays.
        """
        if self.fd >= 0:
            self.remove()
        # Once our folder is gone, a folder of its name is another process's, which must keep it.
        for folder in self._made if self.fd >= 0 else (self.folder.parent, *self._made):
            with suppress(OSError):
                folder.rmdir()

    def close(self) -> None:
        """Close the directory, and with it the lock."""
        for fd in (self.fd, self._lock):
            if fd >= 0:
                os.close(fd)
        self.fd = self._lock = -1
        self.directory.__exit__()


class Stagings:
    """The staging of a directory, and that of its quicklooks: the same one where they lie in it.

    :param quicklooks: their directory, or ``None`` for ``<path>/.quicklooks``.
    :param name: of the staging folders.
    :raises TargetConflictError: another process is at work in one of the two; nothing was changed.
    """

    def __init__(self, path: Path, quicklooks: Path | None, name: str) -> None:
        self.main = self.side = Staging(path, name)
        if quicklooks is not None:
            try:
                self.side = Staging(quicklooks, name)
            except BaseException:
                self.main.discard()
                self.main.close()
                raise

    def __iter__(self) -> Iterator[Staging]:
        """Yield each staging once, the main one last, since ``data.json`` comes last."""
        if self.side is not self.main:
            yield self.side
        yield self.main

    def of(self, entry: Entry) -> Staging:
        """Give the staging of the directory that a file or a quicklook goes into."""
        return self.side if entry.kind == "quicklook" else self.main

    def path_of(self, entry: Entry) -> str:
        """Give the path that a file or a quicklook gets in its directory."""
        return entry.name if self.of(entry) is self.main else entry.path


def _enter(path: Path) -> tuple[list[Path], int]:
    """Make a directory and lock our folder in it; give what was made, and the lock's file descriptor.

    Another process that has just finished here may be removing the directory and the folder. Both are made
    anew then.

    :raises TargetConflictError: another process is at work here.
    """
    made: list[Path] = []
    for left in reversed(range(_TRIES)):
        try:
            made = [*_make(path), *made]
            return made, _lock(own_folder(path), path)
        except (FileNotFoundError, FileExistsError) as error:  # there, says mkdir; not there, the next look
            if not left or isinstance(error, TargetConflictError):
                raise
    raise AssertionError  # the last try returned or raised


def _lock(folder: Path, path: Path) -> int:
    """Open and lock our folder.

    :raises FileNotFoundError: the folder was removed before it was locked.
    """
    with ExitStack() as stack:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        stack.callback(os.close, fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TargetConflictError(
                f"another process restores or propagates into {path}",
                advice="wait for it, or give another directory",
            ) from error
        # A lock on a folder that was removed keeps nobody out: the next process makes and locks another one.
        if not os.path.samestat(os.fstat(fd), os.lstat(folder)):
            raise FileNotFoundError(errno.ENOENT, "removed meanwhile", str(folder))
        stack.pop_all()
        return fd


def _make(path: Path) -> list[Path]:
    """Make a directory and its parents; give those that were made, innermost first."""
    missing = []
    folder = path
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    path.mkdir(parents=True, exist_ok=True)
    return missing
