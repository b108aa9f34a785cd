"""Propagating into a directory: earlier features and files become part of the ``data.json`` there.

Files are fetched into ``<directory>/.up42_state/propagate/`` and verified first. Then they are renamed to
paths that nothing had used, and ``data.json`` is replaced last, by rename. An error takes away what was
added; after a kill the next call, or the next save, does.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from up42_state.errors import IntegrityError, ObjectNotFoundError
from up42_state.features.files.data_paths import all_above
from up42_state.stages.format.index import QUICKLOOKS
from up42_state.stages.local.changes import Changes
from up42_state.stages.local.directory import OURS, writing_to
from up42_state.stages.local.journal import Journal, digest_of, take_back
from up42_state.stages.local.output import quicklook_folder, read_output
from up42_state.stages.local.staging import Stagings
from up42_state.stages.local.undo import undo
from up42_state.stages.propagate.merged_output import Merging
from up42_state.stages.read.download import Fetcher
from up42_state.stages.revision import missing_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from up42_state.features import Report
    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.stages.format.index import Entry
    from up42_state.stages.history import History
    from up42_state.stages.local.staging import Staging
    from up42_state.stages.propagate.merged_output import Added, EarlierStage
    from up42_state.stages.propagate.options import EarlierHistories

__all__ = ["clean_up", "materialise"]

_STAGING = "propagate"
_DATA = "data.json"


def materialise(
    into: Path,
    propagations: Sequence[EarlierHistories],
    *,
    quicklooks: Path | bool = True,
    job_mode: JobMode = "DEFAULT",
    current: Callable[[History], Commit] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Report]:
    """Carry out propagations in a directory, one after the other, and replace its ``data.json`` once.

    :param quicklooks: the directory of quicklooks, as a save takes it.
    :param job_mode: in ``DRY_RUN`` data paths need not exist, and stages that dry runs saved are taken, too.
    :param current: gives the revision to take of a history, if it is not to be the newest.
    :return: what became of every feature, for each propagation.
    :raises InvalidOutputError: the current output has defects.
    :raises FeatureConflictError: features differ, and a propagation asks for an error then.
    """
    clean_up(into, quicklooks)
    merging = Merging(read_output(into, quicklooks, dry_run=job_mode == "DRY_RUN"))
    current = current or (lambda history: history.current(job_mode))
    reports = [merging.apply(propagation, current) for propagation in propagations]
    if merging.changed:
        folder = _folder_for(into, quicklooks)
        with writing_to(into, *([folder] if folder else [])), _Delivery(into, folder) as delivery:
            delivery.check(merging)
            delivery.fetch(merging.additions, progress)
            delivery.switch(merging)
    return reports


def clean_up(into: Path, quicklooks: Path | bool = True) -> None:
    """Take away what a propagation that was killed has added to a directory."""
    if not (into / OURS / _STAGING).is_dir():
        return
    with _Delivery(into, _folder_for(into, quicklooks)) as delivery:
        delivery.undo()


def _folder_for(into: Path, quicklooks: Path | bool) -> Path | None:
    """Where quicklooks go, or ``None`` for ``<into>/.quicklooks``."""
    folder = quicklook_folder(into, quicklooks)
    if folder is None and quicklooks is True and os.path.abspath(into) == "/tmp/output":  # noqa: S108 - the block contract names it
        folder = Path("/tmp/quicklooks")  # noqa: S108 - the block contract names it
    return None if folder == into / QUICKLOOKS else folder


class _Delivery:
    """Puts files and a new ``data.json`` into a directory, or nothing.

    Each of the two directories keeps a journal of what is put into it, written before the first file.
    """

    def __init__(self, into: Path, quicklooks: Path | None) -> None:
        self._roots = Stagings(into, quicklooks, _STAGING)
        self._main = self._roots.main
        self._names: dict[str, str] = {}
        self._begun: dict[Staging, Journal] = {}  # what the switch puts in, while it is under way

    def __enter__(self) -> Self:
        try:
            for root in self._roots:
                root.open(fresh=False)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if isinstance(error, Exception) and self._begun:
                undo(self._begun, error)
            if error is not None:
                with suppress(OSError):  # what stays of staging is taken away by the next call
                    self.undo()
        finally:
            self._close()

    def _close(self) -> None:
        for root in self._roots:
            root.close()

    def _place(self, added: Added) -> str:
        return self._roots.place(added.renamed)

    def check(self, merging: Merging) -> None:
        """Make sure that the files can be put in their places.

        :raises StateError: a folder may not be written to, or is another file system's.
        """
        for root in self._roots:
            is_main = root is self._main
            places = {
                self._place(added) for added in merging.additions if self._roots.of(added.entry) is root
            }
            made = set(merging.new_directories) if is_main else set()
            Changes(moved=places | ({_DATA} if is_main else set()), made=made).check(root)

    def fetch(self, additions: Sequence[Added], progress: Callable[[int, int], None]) -> None:
        """Fetch the files into staging, verified."""
        by_stage: dict[int, list[Added]] = {}
        for added in additions:
            by_stage.setdefault(id(added.stage), []).append(added)
        for group in by_stage.values():
            self._fetch(group[0].stage, group, progress)

    def _fetch(
        self, stage: EarlierStage, group: Sequence[Added], progress: Callable[[int, int], None]
    ) -> None:
        contents = stage.contents
        wanted: dict[str, list[str]] = {}
        for added in group:
            name = self._names[added.renamed.name] = str(len(self._names))
            wanted.setdefault(added.entry.name, []).append(name)

        def missing(entry: Entry, error: IntegrityError | ObjectNotFoundError) -> None:
            if isinstance(error, ObjectNotFoundError):
                owner = contents.index.objects[entry.object].owner
                raise missing_bytes(stage.store, contents.commit, owner, error) from error
            raise error

        sink = _Sink(lambda entry: [(self._roots.of(entry), name) for name in wanted[entry.name]])
        entries = {added.entry.name: added.entry for added in group}
        Fetcher(stage.store, stage.job, contents.index, sink, missing, progress).fetch(list(entries.values()))

    def switch(self, merging: Merging) -> None:
        """Put the files under paths that nothing uses, then ``data.json`` in its place."""
        main = self._main
        digest = main.put_runs(_DATA, merging.runs())
        merging.check_unchanged()
        journals = {root: self._journal(root, digest, merging) for root in reversed(list(self._roots))}
        for root, journal in journals.items():
            journal.write(root)
        self._begun = journals
        for path in sorted(merging.new_directories):
            main.directory.enter(path.split("/"))
        for added in sorted(merging.additions, key=self._place):
            root = self._roots.of(added.entry)
            root.directory.move_new(root.fd, self._names[added.renamed.name], self._place(added))
        main.directory.move_in(main.fd, _DATA, _DATA)
        self._begun = {}
        for root in self._roots:
            with suppress(OSError):  # all is there; the next call takes away what stays of staging
                root.remove()

    def _journal(self, root: Staging, digest: str, merging: Merging) -> Journal:
        here = [added for added in merging.additions if self._roots.of(added.entry) is root]
        directories = set(merging.new_directories) if root is self._main else set()
        directories |= all_above(self._place(added) for added in here)
        return Journal(
            data=digest,
            files=[(self._place(added), added.entry.sha256) for added in here],
            directories=sorted(path for path in directories if not os.path.exists(f"{root.path}/{path}")),
        )

    def undo(self) -> None:
        """Take away what was put in, unless the new ``data.json`` is in its place already."""
        journal = Journal.read(self._main)
        if journal.data and digest_of(self._main, _DATA) != journal.data:
            for root in self._roots:
                take_back(root, Journal.read(root))
        for root in self._roots:
            root.remove()


class _Sink:
    """Writes a file to each place in staging that it is wanted at."""

    def __init__(self, places: Callable[[Entry], Iterable[tuple[Staging, str]]]) -> None:
        self._places = places

    def write(self, entry: Entry, offset: int, data: memoryview) -> None:
        """Write verified bytes."""
        for root, name in self._places(entry):
            root.write(name, offset, data, executable=entry.executable)
