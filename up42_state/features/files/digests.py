"""Digests of directories: two directories are compared without a walk through both each time."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

from up42_state.features.files.data_paths import EVERYTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.features.files.catalogue import File, Files

__all__ = ["Folders"]


class Folders:
    """The directories of one catalogue. Each directory is read once, whatever its depth and contents."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._outlines: dict[str, bytes] = {}
        self._contents: dict[str, bytes] = {}

    def outline(self, directory: str) -> bytes:
        """The paths and sizes of all files below a directory; empty directories do not count."""
        return self._digest(directory, self._outlines, lambda file: str(file.size))

    def content(self, directory: str) -> bytes:
        """The paths and bytes of all files below a directory."""
        return self._digest(directory, self._contents, self._files.digest)

    def _digest(self, directory: str, known: dict[str, bytes], of: Callable[[File], str]) -> bytes:
        directory = "" if directory == EVERYTHING else directory
        # A stack and no recursion: a path may have two thousand parts, more than Python's frames.
        waiting = [directory]
        while waiting:
            path = waiting[-1]
            files, folders = self._inside.get(path, ((), ()))
            unknown = [folder for folder in folders if folder not in known]
            if unknown and path not in known:
                waiting += unknown
                continue
            waiting.pop()
            if path not in known:
                known[path] = _listing_digest(
                    [f"f{_name(file.path)}\0{of(file)}".encode() for file in files],
                    [b"d" + _name(folder).encode() + b"\0" + known[folder] for folder in folders],
                )
        return known[directory]

    @cached_property
    def _inside(self) -> dict[str, tuple[list[File], list[str]]]:
        """The files and folders in each directory that has files somewhere below it."""
        inside: dict[str, tuple[list[File], list[str]]] = {}
        for file in self._files:
            if file.kind == "file":
                parent = file.path.rpartition("/")[0]
                _add_folder(inside, parent)
                inside[parent][0].append(file)
        return inside


def _add_folder(inside: dict[str, tuple[list[File], list[str]]], folder: str) -> None:
    """Add a directory and every directory above, each to its parent's list."""
    new = []
    while folder not in inside:
        inside[folder] = ([], [])
        if folder:
            new.append(folder)
            folder = folder.rpartition("/")[0]
    for path in new:
        inside[path.rpartition("/")[0]][1].append(path)


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _listing_digest(files: list[bytes], folders: list[bytes]) -> bytes:
    # No name holds a NUL, so entries that are joined by two of them cannot be read in another way.
    text = b"\0\0".join(sorted([*files, *folders]))
    return hashlib.sha256(text).hexdigest().encode()
