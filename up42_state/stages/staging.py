"""A directory that files are put into, and a staging folder of ours in it, on the same file system."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from up42_state.errors import TargetConflictError
from up42_state.stages.target import Directory, own_folder, remove_own

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Staging"]


class Staging:
    """``<path>/.up42_state/<name>``: files are completed there and renamed into place.

    :param path: the directory; made, with its parents, if it is not there.
    :param name: of the staging folder.
    :raises TargetConflictError: another process is at work here.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self._name = name
        self._made = _make(path)
        self.directory = Directory(path)
        self.folder = own_folder(path) / name
        self._lock = os.open(own_folder(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        self.fd = -1
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise TargetConflictError(
                f"another process restores or propagates into {path}",
                advice="wait for it, or give another directory",
            ) from error

    def open(self, *, fresh: bool) -> None:
        """Make the folder, or take the one that an interrupted call has left.

        :param fresh: empty it first.
        """
        if fresh:
            remove_own(self.path, self._name, keep_folder=True)
        with suppress(FileExistsError):
            self.folder.mkdir()
        self.fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)

    def write(self, name: str, offset: int, data: memoryview, *, executable: bool = False) -> None:
        """Write bytes at an offset of a staged file, which is made if it is not there."""
        mode = 0o777 if executable else 0o666
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, mode, dir_fd=self.fd)
        try:
            while data:
                written = os.pwrite(fd, data, offset)
                data, offset = data[written:], offset + written
        finally:
            os.close(fd)

    def read(self, name: str) -> int | None:
        """A file descriptor to read a staged file; ``None`` where there is none."""
        try:
            return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.fd)
        except FileNotFoundError:
            return None

    def remove(self) -> None:
        """Remove the folder and all that is in it."""
        remove_own(self.path, self._name)

    def discard(self) -> None:
        """Take away everything that was made here, the directory itself included if it was."""
        self.remove()
        for folder in self._made:
            with suppress(OSError):
                folder.rmdir()

    def close(self) -> None:
        """Let go of the directory."""
        for fd in (self.fd, self._lock):
            if fd >= 0:
                os.close(fd)
        self.fd = self._lock = -1
        self.directory.__exit__()


def _make(path: Path) -> list[Path]:
    """Make a directory and its parents; give those that were made, innermost first."""
    missing = []
    folder = path
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    path.mkdir(parents=True, exist_ok=True)
    return missing
