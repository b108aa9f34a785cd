"""Propagating into a directory: earlier features and files become part of the ``data.json`` there.

The files are fetched and verified first. Then they are renamed to paths that nothing had used, and
``data.json`` is replaced last, by rename. An error takes away what was added; after a kill the next call, or
the next save, does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.stages.format.index import QUICKLOOKS
from up42_state.stages.local.directory import OURS, writing_to
from up42_state.stages.local.installation import ADDING, Installation, Plan
from up42_state.stages.local.output import quicklook_folder, read_output
from up42_state.stages.propagate.merged_output import Merging
from up42_state.stages.read.download import fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from up42_state.errors import StateError
    from up42_state.features import Report
    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.stages.format.index import Entry
    from up42_state.stages.propagate.merged_output import Added
    from up42_state.stages.propagate.options import Propagation
    from up42_state.state import Stage

__all__ = ["clean_up", "fetch_added", "materialise"]


def materialise(
    into: Path,
    propagations: Sequence[Propagation],
    *,
    quicklooks: Path | bool = True,
    job_mode: JobMode = "DEFAULT",
    current: Callable[[Stage], Commit] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Report]:
    """Carry out propagations in a directory, one after the other, and replace its ``data.json`` once.

    :param quicklooks: the directory of quicklooks, as a save takes it.
    :param job_mode: in ``DRY_RUN`` data paths need not exist, and stages that dry runs saved are taken, too.
    :param current: gives the revision to take of a stage, if it is not to be the newest.
    :return: what became of every feature, for each propagation.
    :raises InvalidOutputError: the current output has defects.
    :raises FeatureConflictError: features differ, and a propagation asks for an error then.
    """
    clean_up(into, quicklooks, keep_staged=True)
    merging = Merging(read_output(into, quicklooks, dry_run=job_mode == "DRY_RUN"))
    current = current or (lambda stage: stage.latest(job_mode))
    reports = [merging.apply(propagation, current) for propagation in propagations]
    if not merging.changed:
        clean_up(into, quicklooks)
        return reports
    folder = _folder_for(into, quicklooks)
    plan = Plan(
        what="propagation",
        data=merging.data,
        entries=[added.renamed for added in merging.additions],
        directories=merging.new_directories,
    )
    with (
        writing_to(into, *([folder] if folder else [])),
        Installation(into, folder, adding=True) as installation,
    ):
        installation.begin(plan)
        fetch_added(installation, merging.additions, progress)
        installation.switch(plan)
    return reports


def clean_up(into: Path, quicklooks: Path | bool = True, *, keep_staged: bool = False) -> None:
    """Take back what a propagation that was killed has added to a directory.

    :param keep_staged: leave what it has only fetched, for the same call.
    """
    if (into / OURS / ADDING).is_dir():
        with Installation(into, _folder_for(into, quicklooks), adding=True) as installation:
            installation.clean_up(keep_staged=keep_staged)


def fetch_added(
    installation: Installation,
    added: Iterable[Added],
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> None:
    """Fetch files of earlier stages into staging, each stage's from its own store.

    :param progress: called with bytes done and bytes in all, over all stages.
    """
    stages = {file.name: file.stage for file in added}
    total, before = sum(entry.size for entry in installation.wanted), 0

    def advance(done: int, _total: int) -> None:
        progress(before + done, total)

    for stage in {id(stage): stage for stage in stages.values()}.values():
        entries = [entry for entry in installation.wanted if stages[entry.name] is stage]
        fetch(stage.store, stage.contents, installation, entries, _refuse, advance)
        before += sum(entry.size for entry in entries)


def _refuse(_entry: Entry, error: StateError) -> None:
    raise error


def _folder_for(into: Path, quicklooks: Path | bool) -> Path | None:
    """Where quicklooks go, or ``None`` for ``<into>/.quicklooks``."""
    folder = quicklook_folder(into, quicklooks)
    if folder is None and quicklooks is True and os.path.abspath(into) == "/tmp/output":  # noqa: S108 - the block contract names it
        folder = Path("/tmp/quicklooks")  # noqa: S108 - the block contract names it
    return None if folder == into / QUICKLOOKS else folder
