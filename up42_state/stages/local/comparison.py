"""A directory that files are put into: what is wanted in it, compared with what is there."""

from __future__ import annotations

import hashlib
import stat
import uuid
from typing import TYPE_CHECKING

from up42_state.contract import DATA_JSON
from up42_state.errors import TargetConflictError
from up42_state.features.files.data_paths import above, all_above
from up42_state.features.files.sidecars import JOURNALS
from up42_state.stages.format.names import some_names
from up42_state.stages.local.directory import EXECUTABLE, executable_bits, survey
from up42_state.stages.local.journal import Journal

if TYPE_CHECKING:
    import os
    from collections.abc import Container, Iterator, Sequence

    from up42_state.stages.format.index import Entry
    from up42_state.stages.local.staging import Staging

__all__ = ["Comparison"]


class Comparison:
    """One directory of an installation. Paths are relative to it.

    :param root: the directory and its staging folder.
    :param is_main: whether ``data.json`` goes there; in a directory of quicklooks other files may lie.
    """

    def __init__(self, root: Staging, *, is_main: bool) -> None:
        self.root = root
        self._is_main = is_main
        self.wanted: dict[str, Entry] = {}  # files by path
        self.directories: Sequence[str] = ()  # those that are wanted and hold no file
        self.kept: set[str] = set()  # files that are there, byte for byte
        self.modes: dict[str, int] = {}  # of kept files that get other executable bits
        self.folders: set[str] = set()  # directories that are there
        self.aside: set[str] = set()  # what is moved out of the way, with all that is in it

    def compare(self, data: bytes | memoryview, *, overwrite: bool) -> None:
        """Find files to keep and things to move aside.

        :param data: the ``data.json`` that is wanted.
        :raises TargetConflictError: something would be lost, and ``overwrite`` was not asked for.
        """
        self.aside = {DATA_JSON} if self._is_main else set()
        in_the_way: list[str] = []  # what may not be read may hold anything
        found = list(survey(self.root.path, in_the_way if self._is_main else []))
        made = self.made if found else set()
        for path, status in found:
            if stat.S_ISDIR(status.st_mode):
                self.folders.add(path)
                if path in self.wanted:
                    self.aside.add(path)
            elif path in self.wanted and self._is_equal(path, status, self.wanted[path]):
                self._keep(path, status.st_mode)
            elif self._is_main and path == DATA_JSON and self._is_data(status, data):
                continue
            elif self._is_main or path in self.wanted or path in made:
                in_the_way.append(path)
                if path in self.wanted or path in made or _is_journal(path, self.wanted):
                    self.aside.add(path)
        if in_the_way and not overwrite:
            raise TargetConflictError(
                f"{self.root.path} holds other files: {some_names(sorted(in_the_way))}",
                advice="give an empty directory, or overwrite=True (--overwrite) to replace files in the way",
            )

    @property
    def made(self) -> set[str]:
        """The directories that files go into, and those that hold no file, with all above them."""
        return all_above([*self.wanted, *self.directories]).union(self.directories)

    def _keep(self, path: str, mode: int) -> None:
        self.kept.add(path)
        if executable_bits(mode, executable=self.wanted[path].executable) != mode & EXECUTABLE:
            self.modes[path] = mode

    def _is_equal(self, path: str, status: os.stat_result, entry: Entry) -> bool:
        """Whether a regular file of these bytes is there."""
        if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
            return False
        with open(self.root.directory.open_file(path), "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256

    def _is_data(self, status: os.stat_result, data: bytes | memoryview) -> bool:
        if not stat.S_ISREG(status.st_mode) or status.st_size != len(data):
            return False
        with open(self.root.directory.open_file(DATA_JSON), "rb") as file:
            return file.read() == data

    @property
    def new(self) -> dict[str, Entry]:
        """The files that are put in."""
        return {path: entry for path, entry in self.wanted.items() if path not in self.kept}

    @property
    def moved(self) -> set[str]:
        """Where files are moved to, ``data.json`` included."""
        return self.new.keys() | ({DATA_JSON} if self._is_main else set())

    @property
    def emptied(self) -> set[str]:
        """Directories that are moved aside, and those in them."""
        replaced = self.aside & self.folders
        return {path for path in self.folders if replaced and not replaced.isdisjoint((path, *above(path)))}

    def journal(self, about: str, data: str, left: Journal) -> Journal:
        """Give the journal of what the switch puts into the directory, and moves aside.

        :param data: the digest of the new ``data.json``.
        :param left: what the call that is continued has put in.
        """
        new = self.new
        made = all_above([*new, *self.directories]).union(self.directories)
        # Names that no killed call has used: a directory cannot be renamed onto another that holds files.
        # data.json comes first: it describes nothing any more once another file is replaced.
        paths = sorted(self.aside, key=lambda path: (path != DATA_JSON, path))
        aside = {f"aside-{uuid.uuid4()}": path for path in paths}
        return Journal(
            about=about,
            data=data,
            files=[*left.files, *((path, entry.sha256) for path, entry in new.items())],
            directories=[*left.directories, *(made - self.folders)],
            aside=left.aside | aside,
            kept=[*left.kept, *self._kept_modes()],
        )

    def _kept_modes(self) -> Iterator[tuple[str, str, int]]:
        for path, mode in self.modes.items():
            if path in self.wanted:
                yield path, self.wanted[path].sha256, mode


def _is_journal(path: str, wanted: Container[str]) -> bool:
    """Whether a file is the journal of a database that is wanted, and is another revision's.

    SQLite would apply it to the database that it finds beside it, and so destroy that.
    """
    return any(path.endswith(end) and path.removesuffix(end) in wanted for end in JOURNALS.split())
