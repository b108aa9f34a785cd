"""Check paths on this machine as callers give them, and which of them lie in one another."""

from __future__ import annotations

import os
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.errors import SettingsError
from up42_state.machine.mounts import share_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    PathLike = str | os.PathLike[str]
    Key = tuple[int | str, ...]

__all__ = ["check_apart", "check_no_link", "lies_in", "local_path"]

_QUICKLOOKS = ".quicklooks"


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


def check_apart(
    *,
    stores: Iterable[PathLike] = (),
    input: PathLike | None = None,  # noqa: A002 - the block contract's own word
    output: PathLike | None = None,
    quicklooks: PathLike | None = None,
    target: PathLike | None = None,
) -> None:
    """Check that stores and a task's directories do not lie in one another.

    Quicklooks may lie in ``<output>/.quicklooks``, where a save looks for them.

    :param stores: directories that hold state.
    :param target: the directory that a restore fills.
    :raises SettingsError: two directories overlap; the message says which, and what would happen.
    """
    given = {"input": input, "output": output, "quicklooks": quicklooks, "target": target}
    places = {f"{name} directory": path for name, path in given.items() if path is not None}
    for store in stores:
        for name, path in places.items():
            if lies_in(store, path) or lies_in(path, store) or share_files(store, path):
                raise SettingsError(
                    f"the store in {os.fspath(store)} and the {name} {os.fspath(path)} lie in one another",
                    advice="keep the state in another directory (UP42_STATE_URL): it would become part of "
                    "what is saved, and be deleted when the directory is cleared",
                )
    for (name, path), (other, outer) in permutations(places.items(), 2):
        own = Path(outer) / _QUICKLOOKS if other.startswith("output") else None
        if lies_in(path, outer) and not (name.startswith("quicklooks") and own and _same(path, own)):
            raise SettingsError(
                f"the {name} {os.fspath(path)} lies in the {other} {os.fspath(outer)}",
                advice="give directories that do not lie in one another"
                + ("; quicklooks may lie in .quicklooks of the output" if "quicklooks" in name else ""),
            )


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


def _same(path: PathLike, other: PathLike) -> bool:
    return _keys(path)[0] == _keys(other)[0]


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
