"""The digest of a folder by what its files hold: equal wherever it lies and whenever it was made."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["folder_digest"]

_LEFT_OUT = frozenset(("__pycache__", "node_modules"))  # made by tools, and made anew by them
_COMPILED = (".pyc", ".pyo")


def folder_digest(folder: Path, *, besides: Iterable[Path] = ()) -> str:
    """The SHA-256, in hex, over a folder's files and links: paths, contents, executable bits.

    What tools put there by themselves is left out: hidden files, bytecode.

    :param besides: directories that are left out as well, such as a block's output in its own folder.
    :raises OSError: a file or a directory cannot be read.
    """
    left_out = {os.path.realpath(path) for path in besides}
    digest = hashlib.sha256()
    for path in sorted(_files(str(folder), left_out)):
        digest.update(b"%b\0" % os.fsencode(path))
        digest.update(_content(os.path.join(folder, path)) + b"\0")
    return digest.hexdigest()


def _files(folder: str, left_out: set[str]) -> Iterator[str]:
    """The relative paths of the files and links in a folder."""
    for root, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [
            name
            for name in folders
            if not _is_made_by_tools(name) and os.path.realpath(os.path.join(root, name)) not in left_out
        ]
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        for name in (*names, *links):  # os.walk does not follow links to directories
            if not _is_made_by_tools(name):
                yield os.path.relpath(os.path.join(root, name), folder)


def _raise(error: OSError) -> None:
    raise error


def _is_made_by_tools(name: str) -> bool:
    return name.startswith(".") or name in _LEFT_OUT or name.endswith(_COMPILED)


def _content(path: str) -> bytes:
    """What a file or link adds to the digest."""
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return b"link " + os.fsencode(os.readlink(path))
    if not stat.S_ISREG(status.st_mode):
        return b"other"
    with open(path, "rb") as file:
        kind = b"program " if status.st_mode & stat.S_IXUSR else b"file "
        return kind + hashlib.file_digest(file, "sha256").digest()
