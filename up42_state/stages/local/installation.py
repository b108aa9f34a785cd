"""The one way to fill a directory: files are staged in it, and then all switched in, or none.

A restored revision, earlier stages that are propagated into an output, and an input that is merged of several
stages are plans of an installation. An error leaves the directory as it was. After a kill the next call for
the same plan goes on; one for another plan takes back what was put in.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from os import SEEK_END
from typing import TYPE_CHECKING, Self

import msgspec

from up42_state.contract import DATA_JSON
from up42_state.errors import TargetConflictError
from up42_state.features.files.data_paths import folded
from up42_state.stages.format.index import BLOCK_BYTES
from up42_state.stages.local.changes import check, directories_of
from up42_state.stages.local.comparison import Comparison
from up42_state.stages.local.directory import executable_bits
from up42_state.stages.local.journal import Journal, digest_of, undo
from up42_state.stages.local.staging import Stagings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path
    from types import TracebackType

    from up42_state.stages.format.index import Entry
    from up42_state.stages.local.staging import Staging

__all__ = ["ADDING", "FILLING", "Installation", "Plan"]

# Names of the staging folder. They differ, since a save takes back what was added to an output, and must not
# take back what was restored into the directory before that became an output.
FILLING = "restore"
ADDING = "propagate"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted in a directory.

    :param what: names the revisions and options that it is made of.
    :param data: the new ``data.json``. Where files are added to an output, what gives its bytes in runs: a
        large one is never held as a whole.
    :param entries: files and quicklooks, under the paths that they get.
    :param directories: those that hold no file.
    """

    what: str
    data: bytes | memoryview | Callable[[], Iterable[bytes | memoryview]]
    entries: Sequence[Entry]
    directories: Sequence[str]

    @property
    def about(self) -> str:
        """What a killed call must have been about for another to continue it."""
        names = json.dumps([entry.name for entry in self.entries]).encode()
        return json.dumps(
            {
                "restoring": self.what,
                "data": "" if callable(self.data) else hashlib.sha256(self.data).hexdigest(),
                "names": hashlib.sha256(names).hexdigest(),
            }
        )


class Installation:
    """Receives verified bytes in staging, and switches them in at the end.

    :param target: the directory; made if it is not there.
    :param quicklooks: the directory for quicklooks, or ``None`` for ``<target>/.quicklooks``.
    :param overwrite: replace files that are in the way.
    :param adding: put files beside those of an output, whose ``data.json`` stands until the new one replaces
        it. Without it the directory is compared with what is wanted, and other files are in the way.
    """

    def __init__(
        self, target: Path, quicklooks: Path | None = None, *, overwrite: bool = False, adding: bool = False
    ) -> None:
        self._overwrite = overwrite
        self._adding = adding
        self._about = ""
        self._parts: dict[Staging, Comparison] = {}
        self._numbers: dict[str, str] = {}  # the names of files in staging
        self._left: dict[Staging, Journal] = {}  # what a killed call has put in
        self._begun: dict[Staging, Journal] = {}  # what the switch puts in, while it is under way
        self._keeps = False  # whether staging and journals stay for the next call
        self._resumed = False
        self.wanted: list[Entry] = []
        self._roots = Stagings(target, quicklooks, ADDING if adding else FILLING)
        self._main = self._roots.main

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # Half an input has no data.json, and whoever interrupted the call can make it again. An output
            # has one, and may be used at once.
            if error is not None and self._begun and (self._adding or isinstance(error, Exception)):
                undo(self._begun, error)
                self._keeps = False
        finally:
            for root in self._roots:
                if not self._keeps:
                    with suppress(OSError):  # what stays of staging is taken away by the next call
                        root.discard()  # while nobody else can be at work here
                root.close()

    @property
    def kept(self) -> set[str]:
        """The names of files that are there already, byte for byte."""
        parts = self._parts.values()
        return {entry.name for part in parts for path, entry in part.wanted.items() if path in part.kept}

    @property
    def folders(self) -> set[str]:
        """Directories that are there, and that no killed call for this plan has made."""
        made = self._left.get(self._main, Journal()).directories
        return self._parts[self._main].folders.difference(made)

    def begin(self, plan: Plan) -> None:
        """Compare what is wanted with what is there, and find what a killed call has staged.

        :raises TargetConflictError: other files are there.
        """
        self._about = plan.about
        self._numbers = {entry.name: str(number) for number, entry in enumerate(plan.entries)}
        self._recover()
        self._parts = {root: Comparison(root, is_main=root is self._main) for root in self._roots}
        self._narrow(plan)
        for part in self._parts.values():
            if self._adding:
                part.folders = set(directories_of(part.root, part.made)) - {""}  # what is in them stays
            else:
                assert not callable(plan.data)  # it is compared with the one that is there
                part.compare(plan.data, overwrite=self._overwrite)
        for part in self._parts.values():
            check(part)
        if not self._resumed:
            Journal(about=self._about).write(self._main)
        self._check_alike([*self._numbers, *plan.directories])
        kept = self.kept
        self.wanted = [entry for entry in plan.entries if entry.name not in kept and not self._staged(entry)]

    def _narrow(self, plan: Plan) -> None:
        """Make a plan's files and directories those that are wanted."""
        for part in self._parts.values():
            part.wanted = {}
        for entry in plan.entries:
            self._parts[self._roots.of(entry)].wanted[self._roots.path_of(entry)] = entry
        self._parts[self._main].directories = plan.directories

    def _recover(self) -> None:
        """Take up what a killed call has left if it was about the same plan, or else take it back."""
        self._resumed = self._open().about == self._about
        if not self._resumed:
            self._take_back()
            for root in self._roots:
                root.open(fresh=True)
        self._keeps = bool(self._left)

    def _open(self) -> Journal:
        """Open staging, and read what a killed call has put in; give the main journal."""
        self._keeps = True  # until it is settled, what was left keeps its journal
        for root in self._roots:
            root.open()
        main = Journal.read(self._main)
        # A call whose data.json is in its place was done but for its staging; what it put in is the user's.
        if main.data and digest_of(self._main, DATA_JSON) != main.data:
            journals = {root: Journal.read(root) for root in self._roots}
            self._left = {root: found for root, found in journals.items() if found.about == main.about}
        return main

    def _take_back(self) -> None:
        undo(self._left, TargetConflictError("what an interrupted call had begun is in the way"))
        self._left = {}

    def clean_up(self, *, keep_staged: bool) -> None:
        """Take back what a killed call has put in.

        :param keep_staged: leave what it has only staged, for the same call.
        """
        about = self._open().about
        self._take_back()
        self._keeps = keep_staged and bool(about)
        if self._keeps:
            Journal(about=about).write(self._main)

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

    def _staged(self, entry: Entry) -> bool:
        """Whether a killed call has staged the whole of a small file; large ones go by block.

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
        """The numbers of a large file's blocks that a killed call has staged, by their digests."""
        fd = self._roots.of(entry).read(self._numbers[entry.name]) if self._resumed else None
        if fd is None:
            return []
        with open(fd, "rb") as file:
            found = enumerate(entry.blocks)
            return [n for n, digest in found if hashlib.sha256(file.read(BLOCK_BYTES)).hexdigest() == digest]

    def write(self, entry: Entry, offset: int, data: memoryview) -> None:
        """Write verified bytes of a file into staging."""
        self._roots.of(entry).write(self._numbers[entry.name], offset, data, executable=entry.executable)

    def switch(self, plan: Plan) -> None:
        """Put everything in its place, ``data.json`` last.

        :param plan: the one that was begun, or a part of it.
        """
        main = self._main
        digest = main.put_runs(DATA_JSON, plan.data() if callable(plan.data) else (plan.data,))
        self._narrow(plan)
        journals = {
            root: part.journal(self._about, digest, self._left.get(root, Journal()))
            for root, part in self._parts.items()
        }
        for root, journal in journals.items():  # the main one last: what its journal lacks has not begun
            journal.write(root)
        self._keeps, self._begun = True, journals
        self._move(plan)
        self._begun = {}
        for root in self._roots:
            with suppress(OSError):  # all is there; the next call takes away what stays of staging
                root.remove()

    def _move(self, plan: Plan) -> None:
        main = self._main
        for root, journal in reversed(self._begun.items()):
            before = self._left.get(root, Journal()).aside
            for name, path in journal.aside.items():
                if name not in before:
                    root.directory.move_out(path, root.fd, name)
        for path in sorted(plan.directories):
            main.directory.enter(path.split("/"))
        for entry in sorted(plan.entries, key=lambda entry: entry.name):
            self._switch_file(entry)
        main.directory.move_in(main.fd, DATA_JSON, DATA_JSON)

    def _switch_file(self, entry: Entry) -> None:
        root, path = self._roots.of(entry), self._roots.path_of(entry)
        part = self._parts[root]
        if path in part.modes:
            root.directory.set_executable(
                path, executable_bits(part.modes[path], executable=entry.executable)
            )
        elif path not in part.kept:
            root.directory.move_new(root.fd, self._numbers[entry.name], path)
