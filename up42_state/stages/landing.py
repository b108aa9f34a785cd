"""A target directory while a revision lands in it: comparison with what is there, staging, the switch."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from up42_state.errors import TargetConflictError
from up42_state.stages.history import some_names
from up42_state.stages.index import BLOCK
from up42_state.stages.target import Directory, own_folder, remove_own, survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from up42_state.stages.index import Entry

__all__ = ["Landing"]

_STAGING = "restore"
_JOURNAL = "journal.json"
_DATA = "data.json"


class _Root:
    """A directory that files land in, with a staging folder on its own file system."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made = _make(path)
        self.directory = Directory(path)
        self.staging = own_folder(path) / _STAGING
        self._lock = os.open(own_folder(path), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TargetConflictError(
                f"another restore into {path} is running", advice="wait for it, or restore elsewhere"
            ) from error
        self.fd = -1

    def open_staging(self, *, fresh: bool) -> None:
        if fresh:
            remove_own(self.path, _STAGING, keep_folder=True)
        with suppress(FileExistsError):
            self.staging.mkdir()
        self.fd = os.open(self.staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)

    def close(self) -> None:
        for fd in (self.fd, self._lock):
            if fd >= 0:
                os.close(fd)
        self.directory.__exit__()

    def discard(self) -> None:
        """Take away everything that was made here."""
        remove_own(self.path, _STAGING)
        for folder in self._made:
            with suppress(OSError):
                folder.rmdir()


def _make(path: Path) -> list[Path]:
    """Make a directory and its parents; give those that were made, innermost first."""
    missing = []
    folder = path
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    path.mkdir(parents=True, exist_ok=True)
    return missing


class Landing:
    """Receives verified bytes in staging, and switches them in at the end.

    An error before the switch takes away what was staged; a kill leaves it for the same call to continue.

    :param target: the directory to restore into; made if it is not there.
    :param quicklooks: the directory for quicklooks, or ``None`` for ``<target>/.quicklooks``.
    :param overwrite: replace files that are in the way.
    """

    def __init__(self, target: Path, quicklooks: Path | None, *, overwrite: bool) -> None:
        self._overwrite = overwrite
        self._switching = False
        self._resumed = False
        self._numbers: dict[str, str] = {}
        self._aside: list[tuple[_Root, str]] = []
        self.kept: set[str] = set()
        self.wanted: list[Entry] = []
        self._main = self._side = _Root(target)
        if quicklooks is not None:
            try:
                self._side = _Root(quicklooks)
            except BaseException:
                self.__exit__(None, None, None)
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for root in self._roots:
            root.close()
            if not self._switching:
                root.discard()

    @property
    def _roots(self) -> list[_Root]:
        return [self._main] if self._side is self._main else [self._side, self._main]

    def _root(self, entry: Entry) -> _Root:
        return self._side if entry.kind == "quicklook" else self._main

    def _place(self, entry: Entry) -> str:
        """Where the entry goes below its root."""
        return entry.name if self._root(entry) is self._main else entry.path

    def begin(self, what: str, data: bytes, entries: Sequence[Entry], directories: Iterable[str]) -> None:
        """Compare what is to land with what is there, and find what an interrupted call has staged.

        :param what: names the revision; only the same one is continued.
        :raises TargetConflictError: other files are there.
        """
        self._numbers = {entry.name: str(number) for number, entry in enumerate(entries)}
        journal = _journal(what, data, self._numbers)
        self._resumed = _read(self._main.staging / _JOURNAL) == journal
        for root in self._roots:
            here = {self._place(entry): entry for entry in entries if self._root(entry) is root}
            self._compare(root, here, data, set(directories) if root is self._main else set())
        for root in self._roots:
            root.open_staging(fresh=not self._resumed)
        (self._main.staging / _JOURNAL).write_bytes(journal)
        self.wanted = [entry for entry in entries if entry.name not in self.kept and not self._staged(entry)]

    def _compare(self, root: _Root, here: dict[str, Entry], data: bytes, directories: set[str]) -> None:
        """Find files to keep and things to move aside.

        :raises TargetConflictError: something would be lost, and ``overwrite`` was not asked for.
        """
        parents = {above for path in (*here, *directories) for above in _parents(path)} | directories
        in_the_way = []
        for path, status in survey(root.path):
            if stat.S_ISDIR(status.st_mode):
                if path in here:
                    self._aside.append((root, path))
            elif path in here and _equal(root, path, status, here[path]):
                self.kept.add(here[path].name)
            elif root is self._main and path == _DATA and _data_equal(root, status, data):
                continue
            elif root is self._main or path in here or path in parents:
                in_the_way.append(path)
                if path in parents:
                    self._aside.append((root, path))
        if in_the_way and not self._overwrite:
            raise TargetConflictError(
                f"{root.path} holds other files: {some_names(sorted(in_the_way))}",
                advice="restore into an empty directory, or overwrite (files in the way are replaced)",
            )

    def _staged(self, entry: Entry) -> bool:
        """Whether an interrupted call has staged the whole of a small file; large ones go by block."""
        if not self._resumed or entry.blocks:
            return False
        try:
            fd = os.open(self._numbers[entry.name], os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self._root(entry).fd)
        except FileNotFoundError:
            return False
        with open(fd, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256

    def known_blocks(self, entry: Entry) -> list[int]:
        """The blocks of a large file that an interrupted call has staged already, by digest."""
        if not self._resumed:
            return []
        try:
            fd = os.open(self._numbers[entry.name], os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self._root(entry).fd)
        except FileNotFoundError:
            return []
        with open(fd, "rb") as file:
            found = enumerate(entry.blocks)
            return [n for n, digest in found if hashlib.sha256(file.read(BLOCK)).hexdigest() == digest]

    def write(self, entry: Entry, offset: int, data: memoryview) -> None:
        """Write verified bytes of a file into staging."""
        fd = os.open(
            self._numbers[entry.name],
            os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC,
            0o777 if entry.executable else 0o666,
            dir_fd=self._root(entry).fd,
        )
        try:
            while data:
                written = os.pwrite(fd, data, offset)
                data, offset = data[written:], offset + written
        finally:
            os.close(fd)

    def switch(self, data: bytes, entries: Iterable[Entry], directories: Iterable[str]) -> None:
        """Put everything in its place, ``data.json`` last."""
        main = self._main
        (main.staging / _DATA).write_bytes(data)
        self._switching = True
        main.directory.move_out(_DATA, main.fd, "old-data.json")
        for number, (root, path) in enumerate(self._aside):
            root.directory.move_out(path, root.fd, f"aside-{number}")
        for path in sorted(directories):
            main.directory.enter(path.split("/"))
        for entry in sorted(entries, key=lambda entry: entry.name):
            self._switch_file(entry)
        main.directory.move_in(main.fd, _DATA, _DATA)
        for root in self._roots:
            remove_own(root.path, _STAGING)

    def _switch_file(self, entry: Entry) -> None:
        root, path = self._root(entry), self._place(entry)
        if entry.name in self.kept:
            root.directory.set_executable(path, executable=entry.executable)
        else:
            root.directory.move_in(root.fd, self._numbers[entry.name], path)


def _journal(what: str, data: bytes, numbers: dict[str, str]) -> bytes:
    """What an interrupted call must have been about for this one to continue it."""
    names = hashlib.sha256(json.dumps(list(numbers)).encode()).hexdigest()
    about = {"restoring": what, "data": hashlib.sha256(data).hexdigest(), "names": names}
    return json.dumps(about).encode()


def _read(path: Path) -> bytes | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with open(fd, "rb") as file:
        return file.read()


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def _equal(root: _Root, path: str, status: os.stat_result, entry: Entry) -> bool:
    """Whether a regular file of these bytes is there."""
    if not stat.S_ISREG(status.st_mode) or status.st_size != entry.size:
        return False
    with open(root.directory.open_file(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == entry.sha256


def _data_equal(root: _Root, status: os.stat_result, data: bytes) -> bool:
    if not stat.S_ISREG(status.st_mode) or status.st_size != len(data):
        return False
    with open(root.directory.open_file(_DATA), "rb") as file:
        return file.read() == data
