"""A target directory while a revision lands in it: comparison with what is there, staging, the switch."""

from __future__ import annotations

import hashlib
import json
import stat
import uuid
from contextlib import suppress
from os import SEEK_END
from typing import TYPE_CHECKING, Self

from up42_state.errors import TargetConflictError
from up42_state.features.files.data_paths import above, all_above, folded
from up42_state.features.files.sidecars import JOURNALS
from up42_state.stages.format.index import BLOCK_BYTES
from up42_state.stages.format.names import some_names
from up42_state.stages.local.changes import Changes
from up42_state.stages.local.directory import EXECUTABLE, executable_bits, survey
from up42_state.stages.local.journal import Journal, digest_of
from up42_state.stages.local.staging import Stagings
from up42_state.stages.local.undo import undo

if TYPE_CHECKING:
    import os
    from collections.abc import Container, Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType

    from up42_state.stages.format.index import Entry
    from up42_state.stages.local.staging import Staging

__all__ = ["Landing"]

_STAGING = "restore"
_DATA = "data.json"


class Landing:
    """Receives verified bytes in staging, and switches them in at the end.

    An error before the switch takes away what was staged; a kill leaves it for the same call to continue.
    What a kill during the switch has left of another revision is taken back first: a stage may have a new one
    by the time that the same call is made again.

    :param target: the directory to restore into; made if it is not there.
    :param quicklooks: the directory for quicklooks, or ``None`` for ``<target>/.quicklooks``.
    :param overwrite: replace files that are in the way.
    """

    def __init__(self, target: Path, quicklooks: Path | None, *, overwrite: bool) -> None:
        self._overwrite = overwrite
        self._switching = False
        self._resumed = False
        self._about = ""
        self._left: dict[Staging, Journal] = {}
        self._folders: set[tuple[Staging, str]] = set()
        self._modes: dict[tuple[Staging, str], int] = {}  # of kept files that get other executable bits
        self._numbers: dict[str, str] = {}
        self._aside: list[tuple[Staging, str]] = []
        self.kept: set[str] = set()
        self.wanted: list[Entry] = []
        self._roots = Stagings(target, quicklooks, _STAGING)
        self._main = self._roots.main
        self._begun: dict[Staging, Journal] = {}  # what the switch puts in, while it is under way

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, Exception) and self._begun:
                undo(self._begun, error)
                self._switching = False
        finally:
            for root in self._roots:
                if not self._switching:
                    with suppress(OSError):  # what stays of staging is taken away by the next call
                        root.discard()  # while nobody else can be at work here
                root.close()

    def begin(self, what: str, data: bytes, entries: Sequence[Entry], directories: Iterable[str]) -> None:
        """Compare what is to land with what is there, and find what an interrupted call has staged.

        :param what: names the revision; only the same one is continued.
        :raises TargetConflictError: other files are there.
        """
        self._numbers = {entry.name: str(number) for number, entry in enumerate(entries)}
        self._about = _about(what, data, self._numbers)
        self._recover()
        for root in self._roots:
            if next(survey(root.path), None) is not None:
                here = {self._roots.place(entry): entry for entry in entries if self._roots.of(entry) is root}
                self._compare(root, here, data, set(directories) if root is self._main else set())
        for root in self._roots:
            self._changes(root, entries, directories).check(root)
        if not self._resumed:
            Journal(about=self._about).write(self._main)
        self._check_alike([*self._numbers, *directories])
        self.wanted = [entry for entry in entries if entry.name not in self.kept and not self._staged(entry)]

    def _recover(self) -> None:
        """Take up what an interrupted call has left if it was about the same, or else take it back.

        What had its ``data.json`` in place was whole, and is the user's.
        """
        self._switching = True  # until it is settled, what was left keeps its journal
        for root in self._roots:
            root.open()
        main = Journal.read(self._main)
        self._resumed = main.about == self._about
        if main.data and digest_of(self._main, _DATA) != main.data:
            journals = {root: Journal.read(root) for root in self._roots}
            self._left = {root: found for root, found in journals.items() if found.about == main.about}
        if not self._resumed:
            undo(self._left, TargetConflictError("what an interrupted call had begun is in the way"))
            for root in self._roots:
                root.open(fresh=True)
            self._left = {}
        self._switching = bool(self._left)

    def _check_alike(self, names: Iterable[str]) -> None:
        """Make sure that no file would land upon another one.

        :raises TargetConflictError: the file system makes no difference between two of the names.
        """
        first: dict[str, str] = {}
        for name in names:
            other = first.setdefault(folded(name), name)
            if other != name and self._main.folds_names():
                raise TargetConflictError(
                    f"the file system of {self._main.path} makes no difference between {other} and {name}",
                    advice="restore on a file system that tells names apart by case and Unicode's form",
                )

    def _compare(self, root: Staging, here: dict[str, Entry], data: bytes, directories: set[str]) -> None:
        """Find files to keep and things to move aside.

        :raises TargetConflictError: something would be lost, and ``overwrite`` was not asked for.
        """
        folders = all_above([*here, *directories]) | directories
        in_the_way: list[str] = []  # what may not be read, may hold anything
        for path, status in survey(root.path, in_the_way if root is self._main else []):
            if stat.S_ISDIR(status.st_mode):
                self._folders.add((root, path))
                if path in here:
                    self._aside.append((root, path))
            elif path in here and _equal(root, path, status, here[path]):
                self._keep(root, path, status.st_mode, here[path])
            elif root is self._main and path == _DATA and _data_equal(root, status, data):
                continue
            elif root is self._main or path in here or path in folders:
                in_the_way.append(path)
                if path in here or path in folders or _is_journal(path, here):
                    self._aside.append((root, path))
        if in_the_way and not self._overwrite:
            raise TargetConflictError(
                f"{root.path} holds other files: {some_names(sorted(in_the_way))}",
                advice="give an empty directory, or overwrite=True (--overwrite) to replace files in the way",
            )

    def _keep(self, root: Staging, path: str, mode: int, entry: Entry) -> None:
        self.kept.add(entry.name)
        if executable_bits(mode, executable=entry.executable) != mode & EXECUTABLE:
            self._modes[root, path] = mode

    def _changes(self, root: Staging, entries: Sequence[Entry], directories: Iterable[str]) -> Changes:
        """What the switch is going to change in a directory."""
        new = [e for e in entries if self._roots.of(e) is root and e.name not in self.kept]
        away = {path for where, path in self._aside if where is root}
        folders = {path for where, path in self._folders if where is root}
        replaced = away & folders
        is_main = root is self._main
        return Changes(
            moved={self._roots.place(entry) for entry in new} | ({_DATA} if is_main else set()),
            away=away,
            emptied={path for path in folders if replaced and not replaced.isdisjoint((path, *above(path)))},
            made=set(directories) if is_main else set(),
            modes={path for where, path in self._modes if where is root},
        )

    def _staged(self, entry: Entry) -> bool:
        """Whether an interrupted call has staged the whole of a small file; large ones go by block.

        What else bears the file's number is taken away, or what is longer would keep its end.
        """
        root, number = self._roots.of(entry), self._numbers[entry.name]
        fd = root.read(number) if self._resumed else None
        if fd is None:
            return False
        with open(fd, "rb") as file:
            if entry.blocks and file.seek(0, SEEK_END) <= entry.size:
                return False
            file.seek(0)
            if hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256:
                return True
        root.drop(number)
        return False

    def known_blocks(self, entry: Entry) -> list[int]:
        """The blocks of a large file that an interrupted call has staged already, by digest."""
        fd = self._roots.of(entry).read(self._numbers[entry.name]) if self._resumed else None
        if fd is None:
            return []
        with open(fd, "rb") as file:
            found = enumerate(entry.blocks)
            return [n for n, digest in found if hashlib.sha256(file.read(BLOCK_BYTES)).hexdigest() == digest]

    def write(self, entry: Entry, offset: int, data: memoryview) -> None:
        """Write verified bytes of a file into staging."""
        self._roots.of(entry).write(self._numbers[entry.name], offset, data, executable=entry.executable)

    def switch(self, data: bytes, entries: Sequence[Entry], directories: Sequence[str]) -> None:
        """Put everything in its place, ``data.json`` last."""
        main = self._main
        main.put(_DATA, data)
        aside = {root: self._names_aside(root) for root in reversed(list(self._roots))}
        journals = {
            root: self._journal(root, data, aside[root], entries, directories) for root in self._roots
        }
        for root, journal in journals.items():  # the main one last: what its journal lacks has not begun
            journal.write(root)
        self._switching, self._begun = True, journals
        for root, names in aside.items():
            for name, path in names.items():
                root.directory.move_out(path, root.fd, name)
        for path in sorted(directories):
            main.directory.enter(path.split("/"))
        for entry in sorted(entries, key=lambda entry: entry.name):
            self._switch_file(entry)
        main.directory.move_in(main.fd, _DATA, _DATA)
        self._begun = {}
        for root in self._roots:
            with suppress(OSError):  # all is there; the next call takes away what stays of staging
                root.remove()

    def _names_aside(self, root: Staging) -> dict[str, str]:
        """What is to be moved out of the way, ``data.json`` first, by names for it that no interrupted call
        has used: a directory cannot replace another.
        """
        paths = [path for where, path in self._aside if where is root]
        return {f"aside-{uuid.uuid4()}": path for path in ([_DATA] if root is self._main else []) + paths}

    def _journal(
        self,
        root: Staging,
        data: bytes,
        aside: dict[str, str],
        entries: Iterable[Entry],
        directories: Iterable[str],
    ) -> Journal:
        """What this call, and the one that it continues, put into a directory."""
        left = self._left.get(root, Journal())
        here = [entry for entry in entries if self._roots.of(entry) is root and entry.name not in self.kept]
        files = [(self._roots.place(entry), entry.sha256) for entry in here]
        empty = set(directories) if root is self._main else set()
        made = all_above([*(path for path, _ in files), *empty]) | empty
        return Journal(
            about=self._about,
            data=hashlib.sha256(data).hexdigest(),
            files=[*left.files, *files],
            directories=[*left.directories, *(path for path in made if (root, path) not in self._folders)],
            aside=left.aside | aside,
            kept=[*left.kept, *self._kept_modes(root, entries)],
        )

    def _kept_modes(self, root: Staging, entries: Iterable[Entry]) -> Iterator[tuple[str, str, int]]:
        for entry in entries:
            mode = self._modes.get((root, self._roots.place(entry)))
            if mode is not None and self._roots.of(entry) is root:
                yield self._roots.place(entry), entry.sha256, mode

    def _switch_file(self, entry: Entry) -> None:
        root, path = self._roots.of(entry), self._roots.place(entry)
        mode = self._modes.get((root, path))
        if mode is not None:
            root.directory.set_executable(path, executable_bits(mode, executable=entry.executable))
        elif entry.name not in self.kept:
            root.directory.move_in(root.fd, self._numbers[entry.name], path)


def _about(what: str, data: bytes, numbers: dict[str, str]) -> str:
    """What an interrupted call must have been about for this one to continue it."""
    names = hashlib.sha256(json.dumps(list(numbers)).encode()).hexdigest()
    about = {"restoring": what, "data": hashlib.sha256(data).hexdigest(), "names": names}
    return json.dumps(about)


def _is_journal(path: str, here: Container[str]) -> bool:
    """Whether a file is the journal of a database that is restored, and is another revision's.

    SQLite would apply it to the database that it finds beside it, and so destroy that.
    """
    return any(path.endswith(end) and path.removesuffix(end) in here for end in JOURNALS.split())


def _equal(root: Staging, path: str, status: os.stat_result, entry: Entry) -> bool:
    """Whether a regular file of these bytes is there."""
    if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
        return False
    with open(root.directory.open_file(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256


def _data_equal(root: Staging, status: os.stat_result, data: bytes) -> bool:
    if not stat.S_ISREG(status.st_mode) or status.st_size != len(data):
        return False
    with open(root.directory.open_file(_DATA), "rb") as file:
        return file.read() == data
