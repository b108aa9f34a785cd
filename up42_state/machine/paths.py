"""Check paths on this machine as callers give them, and which of them lie in one another."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.errors import SettingsError

if TYPE_CHECKING:
    PathLike = str | os.PathLike[str]
    Key = tuple[int | str, ...]

__all__ = ["check_no_link", "lies_in", "local_path"]


def local_path(path: PathLike) -> Path:
    """Return a path that the system can be asked about; whether it exists is not looked at.

    :raises SettingsError: the path is empty (as a variable that nobody has set; it does not mean the working
        directory), or holds a character that no file name can have: NUL, which ends a path (POSIX,
        "Pathname"), or a lone surrogate, which stands for no bytes.
    """
    name = os.fspath(path)
    if not name:
        raise SettingsError("an empty text cannot be a path", advice="write . for the working directory")
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise SettingsError(
            f"{name!r} cannot be a path",
            advice="it holds NUL or half a character, which no file can have in its name",
        )
    return Path(name)


def lies_in(inner: PathLike, outer: PathLike) -> bool:
    """Return True if a path is a directory or lies somewhere below it; neither needs to exist.

    Directories are compared by device and inode, so that links and ``..`` hide nothing.
    """
    return _keys(outer)[0] in _keys(inner)


def check_no_link(path: Path, name: str) -> None:
    """Refuse a directory that is a link: filling or emptying it would change another directory.

    Its parents may be links, as ``/tmp`` is on some systems.

    :param name: what the directory is, for the message.
    :raises SettingsError: the directory is a link.
    """
    if path.is_symlink():
        raise SettingsError(
            f"the {name} directory {path} is a link to {os.readlink(path)}",
            advice="remove the link, or give the directory itself",
        )


def _keys(path: PathLike) -> list[Key]:
    """Return an identity of a path and of each directory above it, innermost first.

    The identity is the device and the inode. A part that does not exist is identified by the directory above
    it and its own name.
    """
    real = Path(os.path.realpath(path))
    keys: list[Key] = []
    for place in reversed([real, *real.parents]):
        try:
            status = os.stat(place)
        except OSError:
            keys.append((*(keys[-1] if keys else ()), place.name))
        else:
            keys.append((status.st_dev, status.st_ino))
    return keys[::-1]
