"""Propagating into a directory: earlier features and files become part of the ``data.json`` there.

The files are fetched and verified first. Then they are renamed to paths that nothing had used, and
``data.json`` is replaced last, by rename. An error takes away what was added; after a kill the next call, or
the next save, does.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from up42_state.contract import QUICKLOOK_FOLDER
from up42_state.stages.local.directory import OURS, writing_to
from up42_state.stages.local.installation import ADDING, Installation, Plan
from up42_state.stages.local.output import read_output
from up42_state.stages.propagate.merged_output import Merging
from up42_state.stages.read.download import fetch
from up42_state.stages.transfer.telling import Telling, begin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from up42_state.errors import StateError
    from up42_state.features import Report
    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.stages.format.index import Entry
    from up42_state.stages.history import History
    from up42_state.stages.propagate.merged_output import Added
    from up42_state.stages.propagate.options import EarlierHistories

__all__ = ["clean_up", "fetch_added", "materialise"]


def materialise(
    into: Path,
    propagations: Sequence[EarlierHistories],
    *,
    quicklooks: Path | None,
    job_mode: JobMode = "DEFAULT",
    current: Callable[[History], Commit] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Report]:
    """Carry out propagations in a directory, one after the other, and replace its ``data.json`` once.

    :param quicklooks: the directory of quicklooks; ``None`` leaves quicklooks out.
    :param job_mode: in ``DRY_RUN`` data paths need not exist, and stages that dry runs saved are taken, too.
    :param current: gives the revision to take of a history, if it is not to be the newest.
    :return: what became of every feature, for each propagation.
    :raises InvalidOutputError: the current output has defects.
    :raises FeatureConflictError: features differ, and a propagation asks for an error then.
    """
    clean_up(into, quicklooks, keep_staged=True)
    merging = Merging(read_output(into, quicklooks, dry_run=job_mode == "DRY_RUN"))
    current = current or (lambda history: history.current(job_mode))
    reports = [merging.apply(propagation, current) for propagation in propagations]
    if not merging.changed:
        clean_up(into, quicklooks)
        return reports
    if quicklooks is None:
        merging.additions = [added for added in merging.additions if added.entry.kind == "file"]
    folder = _folder_for(into, quicklooks)
    commits = [stage.contents.commit for stage in merging.earlier]
    plan = Plan(
        what=" ".join(f"{commit.name} {commit.attempt}" for commit in commits),
        data=partial(_data, merging),
        entries=[added.renamed for added in merging.additions],
        directories=merging.new_directories,
    )
    with (
        writing_to(into, *([folder] if folder else [])),
        Installation(into, folder, adding=True) as installation,
    ):
        installation.begin(plan)
        fetch_added(installation, merging.additions, progress)
        begin(progress, "putting in place")
        installation.switch(plan)
    return reports


def _data(merging: Merging) -> Iterator[bytes | memoryview]:
    """Yield the merged ``data.json`` in runs.

    :raises InvalidOutputError: the current one changed meanwhile: its bytes are part of the merged one.
    """
    yield from merging.runs()
    merging.check_unchanged()


def clean_up(into: Path, quicklooks: Path | None = None, *, keep_staged: bool = False) -> None:
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
    wanted = installation.wanted
    telling = Telling(progress, "fetching", sum(entry.size for entry in wanted), len(wanted))
    for stage in {id(stage): stage for stage in stages.values()}.values():
        entries = [entry for entry in wanted if stages[entry.name] is stage]
        fetch(stage.store, stage.contents, installation, entries, _refuse, telling)


def _refuse(_entry: Entry, error: StateError) -> None:
    raise error


def _folder_for(into: Path, quicklooks: Path | None) -> Path | None:
    """The directory of quicklooks where that lies elsewhere than in the output."""
    return None if quicklooks == into / QUICKLOOK_FOLDER else quicklooks
