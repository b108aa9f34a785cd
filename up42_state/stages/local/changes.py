"""Whether a directory can be changed as a switch is going to: asked before anything is changed.

Files are completed in a staging folder and renamed. So each folder that a file goes into, or is moved out of,
must lie on the file system of the staging folder, by the same mount (rename(2), EXDEV), and be writable.
Nothing may be mounted on what is replaced (EBUSY), or in it. What stays as it is may be a mount or read-only.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from up42_state.errors import StateError, TargetConflictError
from up42_state.features.files.data_paths import above, all_above
from up42_state.machine.mounts import mounts_below
from up42_state.stages.local.directory import OURS

if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from pathlib import Path

    from up42_state.stages.local.comparison import Comparison
    from up42_state.stages.local.staging import Staging

__all__ = ["check", "directories_of"]

_UNTOUCHED = "give another directory; nothing there was changed"
_EFFECTIVE = os.access in os.supports_effective_ids
_OPEN = os.R_OK | os.W_OK | os.X_OK


def check(part: Comparison) -> None:
    """Make sure that what is wanted in a directory can be put there.

    :raises TargetConflictError: a file or a folder is a mount, or another file system's.
    :raises StateError: a folder may not be written to, or a file's bits may not be changed.
    """
    root, made = part.root, set(part.directories)
    changed, emptied = part.moved | part.aside, part.emptied
    folders = all_above([*changed, *made]) | emptied | made
    there = directories_of(root, folders)
    nearest = _nearest(folders, there)
    filled = {nearest[path.rpartition("/")[0]] for path in changed} | (emptied & there.keys())
    grown = {nearest[path.rpartition("/")[0]] for path in made - there.keys()}
    _check_mounts(root, changed | filled | all_above(filled), part.aside)
    own = there[""].device
    if os.fstat(root.fd).st_dev != own:
        raise _mounted(root.path, OURS)
    for folder in sorted(filled):
        if there[folder].device != own:
            raise _mounted(root.path, folder)
    for folder in sorted(filled | grown):
        if not there[folder].writable:
            raise _not_writable(root, folder)
    if not _is_writable(root.fd):  # another user's call, root's say, has left the staging folder
        raise _not_writable(root, str(root.folder.relative_to(root.path)))
    for path in sorted(part.modes):
        _check_mode(root, path)


def _check_mounts(root: Staging, changed: set[str], away: set[str]) -> None:
    """Find mounts of single files, and of other parts of the same file system.

    :param away: what is moved out of the way, with all that is in it.
    :raises TargetConflictError: something is mounted at what is to be changed.
    """
    real = os.path.realpath(root.path)
    for point in sorted(os.path.relpath(point, real) for point in mounts_below(root.path)):
        if point in changed or not away.isdisjoint(above(point)):
            raise _mounted(root.path, point)


class _Folder(msgspec.Struct, frozen=True):
    """A directory that is there."""

    device: int
    writable: bool


def directories_of(root: Staging, paths: Iterable[str]) -> dict[str, _Folder]:
    """Those of the paths that are directories. The directory itself, an empty path, is one."""
    there: dict[str, _Folder] = {}
    for path in sorted({"", *paths}):  # a directory comes before what is in it
        folder, _, name = path.rpartition("/")
        if folder in there or not path:
            fd = _enter(root, folder)
            with suppress(FileNotFoundError):
                status = os.lstat(name or ".", dir_fd=fd)
                if stat.S_ISDIR(status.st_mode):
                    there[path] = _Folder(status.st_dev, _is_writable(fd, name or "."))
    return there


def _is_writable(fd: int, name: str = ".") -> bool:
    return os.access(name, _OPEN, dir_fd=fd, effective_ids=_EFFECTIVE)


def _nearest(paths: Iterable[str], there: Container[str]) -> dict[str, str]:
    """The innermost directory that is there, for each path: the path itself, or one above it."""
    found = {"": ""}
    for path in sorted(paths):
        found[path] = path if path in there else found[path.rpartition("/")[0]]
    return found


def _enter(root: Staging, folder: str) -> int:
    """The file descriptor of a directory.

    :raises StateError: it may not be looked into.
    """
    try:
        return root.directory.enter(folder.split("/") if folder else [], make=False)
    except PermissionError as error:
        raise _not_writable(root, folder, errno.EACCES) from error


def _check_mode(root: Staging, path: str) -> None:
    """Make sure that a file's executable bits may be changed (chmod(2)).

    :raises StateError: they may not.
    """
    fd = root.directory.open_file(path)
    try:
        if os.fstatvfs(fd).f_flag & os.ST_RDONLY:
            raise _not_writable(root, path, errno.EROFS)
        if os.geteuid() not in (0, os.fstat(fd).st_uid):
            raise StateError(
                f"{root.path}/{path} is another user's, and its executable bit cannot be changed",
                advice=f"make it your own, or {_UNTOUCHED}",
            )
    finally:
        os.close(fd)


def _mounted(root: Path, path: str) -> TargetConflictError:
    """The error for a mount where files of a directory are to be replaced."""
    return TargetConflictError(
        f"{root}/{path} is a mount or a volume of its own within {root}: "
        "nothing can be renamed into it or out of it",
        advice=f"unmount it, or {_UNTOUCHED}",
    )


def _not_writable(root: Staging, path: str, code: int = 0) -> StateError:
    place = _place(root, path)
    code = code or (errno.EROFS if os.fstatvfs(_enter(root, path)).f_flag & os.ST_RDONLY else errno.EACCES)
    advice = "mount it for writing" if code == errno.EROFS else f"make it writable (chmod u+rwx {place})"
    return StateError(f"cannot write to {place}: {os.strerror(code)}", advice=f"{advice}, or {_UNTOUCHED}")


def _place(root: Staging, path: str) -> str:
    return f"{root.path}/{path}" if path else str(root.path)
