"""The digests of files and folders by what they hold: equal wherever they lie and whenever they were made."""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["file_digest", "folder_digest"]

MOST_FILES, MOST_BYTES = 20_000, 1024**3  # of a folder; what holds more is no program, but data
_LEFT_OUT = frozenset(("__pycache__", "node_modules"))  # made by tools, and made anew by them
_COMPILED = (".pyc", ".pyo")


def file_digest(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, in hex.

    :raises OSError: the file cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def folder_digest(folder: Path, *, besides: Iterable[Path] = (), bounded: bool = False) -> str:
    """The SHA-256, in hex, over a folder's files: paths, contents, executable bits.

    What tools put there by themselves is left out: hidden files, bytecode, virtual environments. A link to a
    file counts as the file; any other link as the text that it holds.

    :param besides: files and directories that are left out as well, such as a block's output in its folder.
    :param bounded: give up for a folder with more than 20,000 files or 1 GiB, and return an empty text.
    :raises OSError: a file or a directory cannot be read.
    """
    left_out = {os.path.realpath(path) for path in besides}
    found: dict[str, os.stat_result] = {}
    size = 0
    for path, status in _files(str(folder), left_out):
        found[path] = status
        size += status.st_size
        if bounded and (len(found) > MOST_FILES or size > MOST_BYTES):
            return ""
    digest = hashlib.sha256()
    for path, status in sorted(found.items()):
        digest.update(os.fsencode(path) + b"\0" + _content(os.path.join(folder, path), status) + b"\0")
    return digest.hexdigest()


def _files(folder: str, left_out: set[str]) -> Iterator[tuple[str, os.stat_result]]:
    """The relative paths of the files and links in a folder, with the status of what they lead to."""
    for root, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = [name for name in folders if _counts(root, name, left_out) and not _is_venv(root, name)]
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        for name in (*(name for name in names if _counts(root, name, left_out)), *links):
            path = os.path.join(root, name)
            yield os.path.relpath(path, folder), _status(path)


def _raise(error: OSError) -> None:
    raise error


def _counts(root: str, name: str, left_out: set[str]) -> bool:
    if name.startswith(".") or name in _LEFT_OUT or name.endswith(_COMPILED):
        return False
    return os.path.realpath(os.path.join(root, name)) not in left_out


def _is_venv(root: str, name: str) -> bool:
    return os.path.exists(os.path.join(root, name, "pyvenv.cfg"))


def _status(path: str) -> os.stat_result:
    try:
        return os.stat(path)
    except OSError:  # a link that leads nowhere
        return os.lstat(path)


def _content(path: str, status: os.stat_result) -> bytes:
    """What a file or link adds to the digest."""
    if stat.S_ISREG(status.st_mode):
        kind = b"program " if status.st_mode & stat.S_IXUSR else b"file "
        return kind + file_digest(path).encode()
    return b"link " + os.fsencode(os.readlink(path)) if os.path.islink(path) else b"other"
