"""Restoring a revision into a directory.

A revision, or what is chosen of it, is the plan of an installation. Its files are fetched and verified first.
Then the target's ``data.json``, if any, is moved aside, the files are renamed in, and the new ``data.json``
comes last. After a kill in the middle of this there is no ``data.json``, and the same call continues.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import msgspec

from up42_state.contract import QUICKLOOK_FOLDER
from up42_state.errors import PrunedError, StateError
from up42_state.stages.history import History
from up42_state.stages.local.directory import writing_to
from up42_state.stages.local.installation import Installation, Plan
from up42_state.stages.read.download import fetch
from up42_state.stages.revision import Contents, load
from up42_state.stages.transfer.telling import Telling, begin
from up42_state.units import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.stages.format.index import Entry
    from up42_state.stages.store import Store

__all__ = ["Chosen", "Restored", "restore", "whole"]


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a revision that is wanted.

    :param data: the ``data.json`` that goes with it.
    :param features: how many there are in that.
    :param warnings: what people should hear about the choice.
    """

    data: bytes
    features: int
    entries: Sequence[Entry]
    directories: Sequence[str]
    warnings: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class Restored:
    """What a restore did.

    :param features: how many features were restored.
    :param kept: names of files that were there already, byte for byte.
    :param written: names of files that were fetched.
    :param damaged: what could not be restored, and why (only where ``partial`` was asked for).
    :param quicklooks: the directory that quicklooks went into; ``None`` where there were none to restore.
    :param warnings: what people should hear about what was chosen, and about files that no feature carries.
    """

    commit: Commit
    features: int
    kept: Sequence[str]
    written: Sequence[str]
    damaged: dict[str, str] = field(default_factory=dict)
    quicklooks: Path | None = None
    warnings: Sequence[str] = ()

    def __repr__(self) -> str:
        files = f"{counted(len(self.written), 'file')} written, {len(self.kept)} kept"
        damaged = f", {len(self.damaged)} damaged" if self.damaged else ""
        return f"Restored({self.commit.name}: {counted(self.features, 'feature')}, {files}{damaged})"


def whole(contents: Contents) -> Chosen:
    """All of a revision."""
    return Chosen(
        data=contents.data,
        features=contents.commit.totals.features,
        entries=contents.index.entries,
        directories=contents.index.directories,
    )


def restore(
    store: Store,
    job: str,
    stage: str,
    target: Path,
    *,
    revision: int | None = None,
    job_mode: JobMode = "DEFAULT",
    choose: Callable[[Contents], Chosen] = whole,
    without: Callable[[Chosen, set[str]], Chosen] | None = None,
    quicklooks: Path | None,
    overwrite: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Restored:
    """Restore a revision, or what is chosen of it, into a directory.

    :param revision: a number, or ``None`` for the current one.
    :param choose: picks the wanted part.
    :param without: leaves out what depends on damaged files, given by name: then damage is reported, not
        raised.
    :param quicklooks: the directory that quicklooks go into; ``None`` leaves quicklooks out.
    :param overwrite: replace files that are in the way; others stay.
    :raises NotFoundError: there is no such stage or revision, or it was pruned.
    :raises TargetConflictError: the target holds other files; it is untouched.
    :raises IntegrityError: stored bytes are damaged; the target is untouched.
    """
    history = History(store, job, stage)
    begin(progress, "reading")
    folder = None if quicklooks == target / QUICKLOOK_FOLDER else quicklooks

    def once() -> Restored:
        commit = history.current(job_mode) if revision is None else history.at(revision)
        contents = load(store, commit)
        chosen = choose(contents)
        if quicklooks is None:
            files = [entry for entry in chosen.entries if entry.kind == "file"]
            chosen = msgspec.structs.replace(chosen, entries=files)
        with Installation(target, folder, overwrite=overwrite) as installation:
            restored = _install(store, contents, chosen, installation, without, progress)
        pictures = any(entry.kind == "quicklook" for entry in chosen.entries)
        place = quicklooks if pictures else None
        return replace(restored, quicklooks=place, warnings=chosen.warnings)

    while True:
        try:
            with writing_to(target, *([folder] if folder else [])):
                return once()
        except PrunedError:  # it was current, and was superseded and pruned while it was read
            if revision is not None:
                raise


def _install(
    store: Store,
    contents: Contents,
    chosen: Chosen,
    installation: Installation,
    without: Callable[[Chosen, set[str]], Chosen] | None,
    progress: Callable[[int, int], None],
) -> Restored:
    commit = contents.commit
    damaged: dict[str, str] = {}

    def leave_out(entry: Entry, error: StateError) -> None:
        if without is None or isinstance(error, PrunedError):
            raise error
        damaged[entry.name] = error.message

    installation.begin(_plan(commit, chosen))
    wanted = installation.wanted
    telling = Telling(progress, "restoring", sum(entry.size for entry in wanted), len(wanted))
    fetch(store, contents, installation, wanted, leave_out, telling)
    begin(progress, "putting in place")
    if damaged and without is not None:
        chosen = without(chosen, set(damaged))
    installation.switch(_plan(commit, chosen))
    left = {entry.name for entry in chosen.entries}
    return Restored(
        commit=commit,
        features=chosen.features,
        kept=sorted(installation.kept & left),
        written=sorted(left - installation.kept),
        damaged=damaged,
    )


def _plan(commit: Commit, chosen: Chosen) -> Plan:
    return Plan(
        what=f"{commit.name} {commit.attempt}",
        data=chosen.data,
        entries=chosen.entries,
        directories=chosen.directories,
    )
