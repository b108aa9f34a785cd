"""The catalogue of files that checking and merging look things up in.

A catalogue is made from a directory (:func:`up42_state.features.scan`) or from a stage's index. Who asks a
catalogue need not know which.
"""

from __future__ import annotations

import hashlib
import unicodedata
from bisect import bisect_left
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["File", "Files"]

_HERE = "."
_LAST = "\U0010ffff"


class File(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A file of an output, or a quicklook beside it.

    :param path: relative to the output (a quicklook's: to the quicklook directory), with ``/``.
    :param size: in bytes.
    :param executable: whether the file's owner may execute the file.
    :param sha256: the SHA-256 of the file's bytes, in hex, where known.
    :param location: the path to open the file by, where the file lies on this machine.
    :param mtime_ns: when the file was last written, in nanoseconds; a later time tells a changed file.
    """

    path: str
    size: int
    kind: Literal["file", "quicklook"] = "file"
    executable: bool = False
    sha256: str | None = None
    location: str | None = None
    mtime_ns: int | None = None


class Files:
    """All files and directories of one output.

    :param files: files and quicklooks; of two with one path the later counts.
    :param directories: directories that may be empty; the directories that files lie in need not be given.
    """

    def __init__(self, files: Iterable[File] = (), directories: Iterable[str] = ()) -> None:
        self._files: dict[str, File] = {}
        self.quicklooks: dict[str, File] = {}
        self._directories: dict[str, None] = {}
        self._digests: dict[str, str] = {}
        self._take(files, directories)

    def _take(self, files: Iterable[File], directories: Iterable[str]) -> None:
        for file in files:
            (self._files if file.kind == "file" else self.quicklooks)[file.path] = file
            if file.kind == "file":
                self._add_parents(file.path)
        for path in directories:
            self._directories[path] = None
            self._add_parents(path)

    def _add_parents(self, path: str) -> None:
        parent = path.rpartition("/")[0]
        while parent and parent not in self._directories:
            self._directories[parent] = None
            parent = parent.rpartition("/")[0]

    def __len__(self) -> int:
        return len(self._files) + len(self.quicklooks)

    def __iter__(self) -> Iterator[File]:
        """Every file, then every quicklook."""
        yield from self._files.values()
        yield from self.quicklooks.values()

    @property
    def is_empty(self) -> bool:
        """True if there is no file and no directory that a data path could name."""
        return not self._files and not self._directories

    @property
    def directories(self) -> Iterable[str]:
        """Every directory, also those that only files imply."""
        return self._directories.keys()

    def get(self, path: str) -> File | None:
        """The file (not a quicklook) at a path."""
        return self._files.get(path)

    def is_directory(self, path: str) -> bool:
        """True if the path is a directory of this output; ``.`` is the output, if it holds anything."""
        return path in self._directories or (path == _HERE and not self.is_empty)

    def exists(self, path: str) -> bool:
        """True if the path is a file or a directory of this output."""
        return path in self._files or self.is_directory(path)

    def below(self, directory: str) -> list[File]:
        """Every file below a directory, by path."""
        return self.starting("" if directory == _HERE else directory + "/")

    def inside(self, directory: str) -> dict[str, File]:
        """Every file below a directory, by the file's path inside the directory."""
        start = 0 if directory == _HERE else len(directory) + 1
        return {file.path[start:]: file for file in self.below(directory)}

    def starting(self, prefix: str) -> list[File]:
        """Every file whose path starts with ``prefix``, by path."""
        paths = self._sorted
        return [self._files[path] for path in paths[bisect_left(paths, prefix) : _end(paths, prefix)]]

    def number_starting(self, prefix: str) -> int:
        """How many files have a path that starts with ``prefix``."""
        return _end(self._sorted, prefix) - bisect_left(self._sorted, prefix)

    def is_near(self, path: str, prefix: str) -> bool:
        """True if another file's path starts with ``prefix``, which is the beginning of ``path``.

        Paths with one prefix stand side by side in a sorted list, so the two neighbours of ``path`` tell.
        """
        paths = self._sorted
        position = bisect_left(paths, path)
        near = paths[max(position - 1, 0) : position + 2]
        return any(other.startswith(prefix) and other != path for other in near)

    def in_any_case(self, path: str) -> list[File]:
        """The files of the path's directory whose names are the path's name in any case of letters."""
        folder = path.rpartition("/")[0]
        spellings = self._by_lower_case.get(path.lower(), ())
        return [self._files[other] for other in spellings if other.rpartition("/")[0] == folder]

    def alike(self, path: str) -> str | None:
        """A file or directory whose path differs from ``path`` in case or Unicode form alone."""
        return self._by_likeness.get(_likeness(path))

    def directories_below(self, directory: str) -> list[str]:
        """Every directory below a directory, by path."""
        paths, prefix = self._sorted_directories, "" if directory == _HERE else directory + "/"
        return paths[bisect_left(paths, prefix) : _end(paths, prefix)]

    def quicklooks_named(self, stem: str) -> list[File]:
        """The quicklooks whose name without its extension is ``stem``."""
        return self._quicklooks_by_stem.get(stem, [])

    def digest(self, file: File) -> str:
        """The SHA-256 of a file's bytes in hex. A file whose SHA-256 is not known is read once.

        :raises OSError: the file cannot be read.
        """
        if file.sha256 is not None:
            return file.sha256
        if file.location is None:
            raise ValueError(f"{file.path}: neither the SHA-256 nor a location is known")
        known = self._digests.get(file.location)
        if known is None:
            with open(file.location, "rb") as stream:
                known = hashlib.file_digest(stream, "sha256").hexdigest()
            self._digests[file.location] = known
        return known

    def plus(self, files: Iterable[File], directories: Iterable[str]) -> Files:
        """A new catalogue of these files and directories and more. Digests that were computed stay known."""
        more = Files()
        # Copied as they are: 10,000 shards are put together in as many steps, each of which comes here.
        more._files, more.quicklooks = dict(self._files), dict(self.quicklooks)
        more._directories, more._digests = dict(self._directories), self._digests
        more._take(files, directories)
        return more

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self._files)

    @cached_property
    def _sorted_directories(self) -> list[str]:
        return sorted(self._directories)

    @cached_property
    def _by_likeness(self) -> dict[str, str]:
        return {_likeness(path): path for path in (*self._files, *self._directories)}

    @cached_property
    def _by_lower_case(self) -> dict[str, list[str]]:
        spellings: dict[str, list[str]] = {}
        for path in self._files:
            spellings.setdefault(path.lower(), []).append(path)
        return spellings

    @cached_property
    def _quicklooks_by_stem(self) -> dict[str, list[File]]:
        stems: dict[str, list[File]] = {}
        for file in self.quicklooks.values():
            name = file.path.rpartition("/")[2]
            stem, dot, _ = name.rpartition(".")
            stems.setdefault(stem if dot and stem else name, []).append(file)
        return stems


def _likeness(path: str) -> str:
    """Fold a path: those that differ in case or Unicode form alone are one (Unicode, section 3.13, D145)."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def _end(paths: list[str], prefix: str) -> int:
    """The index after the last path that starts with ``prefix`` in a sorted list."""
    prefix = prefix.rstrip(_LAST)  # no character comes after it
    return bisect_left(paths, prefix[:-1] + chr(ord(prefix[-1]) + 1)) if prefix else len(paths)
