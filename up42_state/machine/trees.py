"""Read and remove directory trees of any depth.

A path may be longer than the system takes (``PATH_MAX``), a tree may be deeper than Python recurses, and have
more levels than a process may have files open. So one directory is open at a time, and each step goes from
the open directory, never through a link: a link that somebody plants meanwhile leads nowhere.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from up42_state.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

    Found = tuple[str, os.stat_result]

__all__ = ["everything", "remove_below", "remove_tree"]

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def everything(
    root: Path, *, without: Container[str] = (), closed: list[str] | None = None
) -> Iterator[Found]:
    """Yield the path and status of everything below a directory.

    A directory comes before its contents. Links are not followed.

    :param without: names at the top that are left out.
    :param closed: a list that takes the paths of directories that may not be read; without a list, such a
        directory is an error.
    :raises OSError: something cannot be read.
    """
    with _Descent(root, follow=True) as here:
        names: list[str] = []
        waiting = [[found for found in _listed(here.fd) if found[0] not in without]]
        while waiting:
            if not waiting[-1]:
                waiting.pop()
                if names:
                    here.up()
                    names.pop()
                continue
            name, status = waiting[-1].pop()
            path = "/".join([*names, name])
            yield path, status
            try:
                entered = stat.S_ISDIR(status.st_mode) and here.down(name)
            except OSError as error:
                if closed is None or not isinstance(error, PermissionError):
                    error.filename = os.path.join(root, path)
                    raise
                closed.append(path)
                continue
            if entered:
                names.append(name)
                waiting.append(_listed(here.fd))


def remove_below(root: Path, *, keep: Container[str] = (), open_up: bool = False) -> None:
    """Remove everything in a directory, but not the directory itself: it may be a mount.

    :param keep: names at the top that stay, with all that is in them.
    :param open_up: remove what lies in directories of this user that may not be read or written, too.
    :raises OSError: something cannot be removed.
    """
    with _Descent(root) as here:
        names: list[str] = []
        waiting = [_without_files(here.fd, keep)]
        while waiting:
            if waiting[-1]:
                name = waiting[-1].pop()
                if here.down(name, open_up=open_up):
                    names.append(name)
                    waiting.append(_without_files(here.fd))
                continue
            waiting.pop()
            if names:
                here.up()
                with suppress(FileNotFoundError):  # somebody else may remove the same tree
                    os.rmdir(names.pop(), dir_fd=here.fd)


def remove_tree(path: Path, *, open_up: bool = False) -> None:
    """Remove a file, a link, or a directory with everything in it. It is no error if nothing is there.

    :param open_up: remove what lies in directories of this user that may not be read or written, too.
    :raises OSError: something cannot be removed.
    """
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.lstat(path).st_mode):
            remove_below(path, open_up=open_up)
            path.rmdir()
        else:
            path.unlink()


class _Descent:
    """One open directory at a time: going down or up closes it and opens the next one."""

    def __init__(self, root: Path, *, follow: bool = False) -> None:
        self.fd = os.open(root, _OPEN & ~os.O_NOFOLLOW if follow else _OPEN)
        self._above: list[os.stat_result] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)

    def down(self, name: str, *, open_up: bool = False) -> bool:
        """Go into a directory; return False if it is gone.

        :param open_up: give the directory's owner all rights to it first.
        """
        try:
            if open_up:
                _open_up(name, self.fd)
            below = os.open(name, _OPEN, dir_fd=self.fd)
        except FileNotFoundError:
            return False
        try:
            os.lstat(".", dir_fd=below)  # it may be readable, and yet nothing in it be reached
        except BaseException:
            os.close(below)
            raise
        self._above.append(os.fstat(self.fd))
        self._go(below)
        return True

    def up(self) -> None:
        """Go back to the directory above.

        :raises StateError: somebody has moved the directory elsewhere.
        """
        self._go(os.open("..", _OPEN, dir_fd=self.fd))
        if not os.path.samestat(os.fstat(self.fd), self._above.pop()):
            raise StateError(
                "a directory was moved elsewhere while it was being read or removed",
                advice="try again when no other program works there",
            )

    def _go(self, fd: int) -> None:
        os.close(self.fd)
        self.fd = fd


def _open_up(name: str, fd: int) -> None:
    """Give this user, if the directory is the user's own, all rights to a directory, and never to another."""
    place = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
    try:
        status = os.fstat(place)
        if status.st_uid == os.geteuid() and status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
            os.chmod(f"/proc/self/fd/{place}", stat.S_IRWXU)  # a link put there meanwhile leads nowhere
    finally:
        os.close(place)


def _listed(fd: int) -> list[Found]:
    """Return names and statuses in a directory, the last name first: callers pop from the end."""
    with os.scandir(fd) as found:
        items = [(item.name, item.stat(follow_symlinks=False)) for item in found]
    return sorted(items, reverse=True)


def _without_files(fd: int, keep: Container[str] = ()) -> list[str]:
    """Remove all but directories from a directory, and return the names of the directories in it."""
    with os.scandir(fd) as found:
        items = [(item.name, item.is_dir(follow_symlinks=False)) for item in found if item.name not in keep]
    for name, is_directory in items:
        if not is_directory:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=fd)
    return [name for name, is_directory in items if is_directory]
