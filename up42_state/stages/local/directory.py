"""Writing below a directory that others may write to as well.

Every step below the target's root is opened relative to the one before and never through a link, so that a
link planted between a check and a write leads nowhere (openat(2), ``O_NOFOLLOW``).
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from up42_state.errors import StateError, TargetConflictError
from up42_state.machine.lost_found import file_system_names
from up42_state.machine.trees import everything, remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

__all__ = [
    "EXECUTABLE",
    "OURS",
    "UNKNOWN",
    "Directory",
    "executable_bits",
    "open_regular",
    "own_folder",
    "remove_own",
    "survey",
    "writing_to",
]

OURS = ".up42_state"
EXECUTABLE = 0o111
_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

# What says nothing of whether a file is there.
UNKNOWN = {
    *(errno.EIO, errno.EACCES, errno.EPERM, errno.EROFS, errno.EXDEV, errno.ENOSPC),
    *(errno.EMFILE, errno.ENFILE, errno.ENOMEM),
}


class Directory:
    """An open directory. Paths given to it are relative, checked, and never lead through a link.

    Two directories are open: the root, and the one of the path used last. The next path is reached from
    there, so files in path order cost about one step each, however deep they lie. Not for several threads at
    once.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._here = self.fd
        self._names: list[str] = []
        self._above: list[os.stat_result] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._go_to_root()
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = self._here = -1

    def enter(self, parts: list[str], *, make: bool = True) -> int:
        """The file descriptor of a directory below the root; valid until the next call.

        :raises TargetConflictError: a part of it is a file or a link.
        :raises FileNotFoundError: it does not exist and ``make`` is false.
        """
        if parts != self._names:
            shared = _shared(parts, self._names)
            if not shared:
                self._go_to_root()
            while len(self._names) > shared:
                self._go_up()
            for name in parts[len(self._names) :]:
                self._go_down(name, make=make)
        return self._here

    def _go_to_root(self) -> None:
        here, self._here = self._here, self.fd
        self._names, self._above = [], []
        if here != self.fd:
            os.close(here)

    def _go_up(self) -> None:
        """To the directory above; to the root, where this one was moved or removed meanwhile."""
        try:
            fd = os.open("..", _OPEN, dir_fd=self._here)
        except OSError:
            self._go_to_root()
            return
        if not os.path.samestat(os.fstat(fd), self._above[-1]):
            os.close(fd)
            self._go_to_root()
            return
        self._arrive(fd)
        self._names.pop()
        self._above.pop()

    def _go_down(self, name: str, *, make: bool) -> None:
        if make:
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=self._here)
        try:
            fd = os.open(name, _OPEN, dir_fd=self._here)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):
                place = "/".join([*self._names, name])
                raise TargetConflictError(
                    f"{self.root}/{place} is not a directory", advice="move it away, or restore elsewhere"
                ) from error
            error.filename = f"{self.root}/{'/'.join([*self._names, name])}"
            raise
        self._above.append(os.fstat(self._here))
        self._names.append(name)
        self._arrive(fd)

    def _arrive(self, fd: int) -> None:
        here, self._here = self._here, fd
        if here != self.fd:
            os.close(here)

    def move_in(self, fd: int, name: str, path: str) -> None:
        """Rename ``name`` of the directory ``fd`` to ``path``, replacing a file there.

        :raises TargetConflictError: a directory stands there, or a part of the path is none.
        """
        *parents, leaf = path.split("/")
        try:
            self._rename(path, name, leaf, source=fd, to=self.enter(parents))
        except IsADirectoryError as error:
            raise TargetConflictError(
                f"{self.root}/{path} is a directory", advice="move it away, or restore elsewhere"
            ) from error

    def move_new(self, fd: int, name: str, path: str) -> None:
        """Rename ``name`` of the directory ``fd`` to ``path``, where nothing may be yet.

        :raises TargetConflictError: something is there.
        """
        *parents, leaf = path.split("/")
        folder = self.enter(parents)
        with suppress(FileNotFoundError):
            os.lstat(leaf, dir_fd=folder)
            raise TargetConflictError(
                f"{self.root}/{path} appeared meanwhile", advice="nothing was changed; try again"
            )
        self._rename(path, name, leaf, source=fd, to=folder)

    def move_out(self, path: str, fd: int, name: str) -> bool:
        """Rename ``path``, whatever it is, to ``name`` in the directory ``fd``; whether it was there."""
        *parents, leaf = path.split("/")
        try:
            self._rename(path, leaf, name, source=self.enter(parents, make=False), to=fd)
        except FileNotFoundError:
            return False
        return True

    def _rename(self, path: str, name: str, new: str, *, source: int, to: int) -> None:
        """Rename in or out. The error of the system names the path, not its last part alone."""
        try:
            os.rename(name, new, src_dir_fd=source, dst_dir_fd=to)
        except OSError as error:
            error.filename, error.filename2 = f"{self.root}/{path}", None
            raise

    def open_file(self, path: str) -> int:
        """A file descriptor to read a regular file; never through a link.

        :raises OSError: it is not there, or something else.
        """
        *parents, leaf = path.split("/")
        return open_regular(leaf, dir_fd=self.enter(parents, make=False))

    def set_executable(self, path: str, bits: int) -> None:
        """Give a file these executable bits, and no other ones."""
        fd = self.open_file(path)
        try:
            mode = stat.S_IMODE(os.fstat(fd).st_mode)
            wanted = mode & ~EXECUTABLE | bits & EXECUTABLE
            if wanted != mode:
                os.fchmod(fd, wanted)
        finally:
            os.close(fd)


def _shared(one: list[str], other: list[str]) -> int:
    """How many parts two paths have in common at their beginning."""
    for number, (part, theirs) in enumerate(zip(one, other, strict=False)):
        if part != theirs:
            return number
    return min(len(one), len(other))


def executable_bits(mode: int, *, executable: bool) -> int:
    """The executable bits for a file of this mode: where it may be read, besides those it has, or none."""
    return (mode | (mode & 0o444) >> 2) & EXECUTABLE if executable else 0


def survey(root: Path, closed: list[str] | None = None) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a directory, links unfollowed; our own folder and the file system's are left out.

    :param closed: gets the paths of directories that may not be read; without it they are an error.
    """
    return everything(root, without={OURS, *file_system_names(root)}, closed=closed)


def open_regular(path: str | Path, *, dir_fd: int | None = None) -> int:
    """A file descriptor to read a regular file; never through a link, and never waiting for a pipe.

    :raises OSError: it is not there, or something else.
    """
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise FileNotFoundError(errno.ENOENT, "not a regular file", str(path))


def own_folder(root: Path) -> Path:
    """Our folder in a directory, made if need be.

    :raises TargetConflictError: a file or a link stands there.
    :raises FileNotFoundError: it was removed as soon as it was made.
    """
    folder = root / OURS
    with suppress(FileExistsError):
        folder.mkdir()
    if not stat.S_ISDIR(os.lstat(folder).st_mode):
        raise TargetConflictError(f"{folder} is not a directory", advice="move it away")
    return folder


def remove_own(root: Path, name: str, *, keep_folder: bool = False) -> None:
    """Remove one thing from our folder, and the folder when nothing is left in it."""
    folder = root / OURS
    with suppress(OSError, StateError):  # what stays is taken away by the next call
        if not folder.is_symlink():
            remove_tree(folder / name)
            if not keep_folder:
                folder.rmdir()


@contextmanager
def writing_to(*roots: Path) -> Iterator[None]:
    """Say what cannot be written to, where the system says why: a full disk, say.

    :param roots: the directories that are written to; the first is named where the system names no other.
    :raises StateError: something cannot be written to; errors of ours pass.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, StateError) or error.errno is None:
            raise
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise StateError(
            f"cannot write to {_place(error, roots)}: {error.strerror}",
            advice=f"{'free space or ' if full else ''}give another directory; nothing there was changed",
        ) from error


def _place(error: OSError, roots: Sequence[Path]) -> str:
    """What an error of the system is about: one of the directories, or something in it that is not ours."""
    found = str(error.filename)
    place = next((str(root) for root in roots if found.startswith(f"{root}/")), "")
    return found if place and not found.startswith(f"{place}/{OURS}") else place or str(roots[0])
