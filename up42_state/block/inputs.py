"""A task's input directory, filled from earlier stages, or compared with them where it is filled already.

One stage is restored as it is. Several are merged by the propagation operator (``docs/propagation.md``) in a
folder of ours inside the directory, and moved up when that is whole, ``data.json`` last: a kill never leaves
an input that looks complete and is not. A note in the folder says which revisions it was made of, so that the
next call continues with those, or refuses what is left of others.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from up42_state.errors import PrunedError, StateError, TargetConflictError
from up42_state.machine.mounts import mounts_below
from up42_state.machine.trees import remove_tree
from up42_state.stages.format.index import QUICKLOOKS
from up42_state.stages.format.names import some_names
from up42_state.stages.local.changes import mounted
from up42_state.stages.local.directory import OURS, own_folder, remove_own, survey, writing_to

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from up42_state.features import Report
    from up42_state.propagation import Propagation
    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.stages.propagate.merged_output import Merging
    from up42_state.state import Stage

__all__ = ["DATA_JSON", "FilledInput", "Inputs", "has_data"]

DATA_JSON = "data.json"
_MERGING = "merging"  # being filled
_MERGED = "merged"  # whole, being moved up
_MADE_OF = "made-of.json"
_CLEAR = "have it cleared (clear=True, --clear), empty it, or give another input directory"


class FilledInput(msgspec.Struct, frozen=True, kw_only=True):
    """An input, and what it is made of.

    :param reports: what became of every feature, where stages were merged.
    """

    commits: list[Commit]
    reports: list[Report] = []


def has_data(directory: Path) -> bool:
    """Whether an input is there: ``data.json`` is what comes last."""
    return (directory / DATA_JSON).exists()


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """The stages that a task's input is made of, in order, and where it goes.

    Of features that are the same and differ in content, the first stage's is kept, if ``options`` do not say
    otherwise. Quicklooks are left out.

    :param stages: at least one.
    :param target: made if it is not there.
    :param options: of the propagation operator, by which the others are merged into the first.
    """

    stages: Sequence[Stage]
    target: Path
    job_mode: JobMode = "DEFAULT"
    options: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def restore(self) -> FilledInput:
        """Fill the directory. Files of a single stage that are there already are kept.

        :raises NotFoundError: there is no such stage.
        :raises TargetConflictError: the directory holds other files; they are untouched.
        """
        if len(self.stages) == 1:
            try:
                restored = self.stages[0].restore(self.target, quicklooks=False, job_mode=self.job_mode)
            except TargetConflictError as error:
                if "overwrite" in error.advice:  # which a restore takes, and no task
                    error.advice = _CLEAR
                raise
            return FilledInput(commits=[restored.commit])
        while True:
            commits = self._current()
            with suppress(PrunedError), writing_to(self.target):  # one was pruned before it was read
                return self._restore_merged(commits)

    def check(self) -> FilledInput:
        """Compare an input that is there already with what the stages would give, by its ``data.json``.

        :raises NotFoundError: there is no such stage.
        :raises TargetConflictError: it is another one.
        """
        while True:
            commits = self._current()
            with suppress(PrunedError):  # one was superseded and pruned before it was read
                return self._check(commits)

    def _check(self, commits: list[Commit]) -> FilledInput:
        reports: list[Report] = []
        if len(commits) == 1:
            wanted = commits[0].data.sha256 if commits[0].data else ""
        else:
            merging, report = self._planned(commits)
            wanted, reports = hashlib.sha256(merging.data).hexdigest(), [report]
        if wanted != _digest(self.target):
            raise TargetConflictError(
                f"{self.target} holds another {DATA_JSON} than {_listed(commits)} would give",
                advice="have it cleared (clear=True, --clear) to restore the input; or name no earlier "
                "stages (after, UP42_STATE_AFTER), if the input that is there is meant",
            )
        return FilledInput(commits=commits, reports=reports)

    def _planned(self, commits: Sequence[Commit]) -> tuple[Merging, Report]:
        """What a merge would give. No file is fetched."""
        from up42_state.stages.propagate.merged_output import Merging, output_of
        from up42_state.stages.revision import load

        contents = load(self.stages[0].job.state.store, commits[0])
        merging, taken = Merging(output_of(contents)), iter(commits[1:])
        return merging, merging.apply(self._others.resolve(), lambda _history: next(taken))

    @property
    def _others(self) -> Propagation:
        from up42_state.propagation import Propagation

        return Propagation(stages=tuple(self.stages[1:]), **self.options)

    def _current(self) -> list[Commit]:
        return [stage.latest(self.job_mode) for stage in self.stages]

    def _made_of(self, commits: Sequence[Commit]) -> bytes:
        """Tells a merged input from others: the revisions, and how they are merged."""
        made_of = [[commit.name, commit.attempt] for commit in commits]
        return msgspec.json.encode([made_of, repr(sorted(self.options.items()))])

    def _restore_merged(self, commits: list[Commit]) -> FilledInput:
        merged = self.target / OURS / _MERGED
        reports: list[Report] | None = None
        if _made_of(merged) != self._made_of(commits) or not self._is_whole(merged):
            if has_data(self.target):
                return self._check(commits)
            self._check_free(commits)
            commits, reports = self._merge(commits)
            _keep(self.target / OURS / _MERGING, merged)
        if reports is None:  # an interrupted call has merged them, and told nobody
            reports = [self._planned(commits)[1]]
        _move_up(merged, self.target)
        remove_own(self.target, _MERGED)
        return FilledInput(commits=commits, reports=reports)

    def _check_free(self, commits: Sequence[Commit]) -> None:
        """Make sure that nothing is in the way. An empty directory, or a mount of one, may be there beside.

        :raises TargetConflictError: something is.
        """
        closed: list[str] = []
        found = list(survey(self.target, closed)) if self.target.is_dir() else []
        files = [path for path, status in found if not stat.S_ISDIR(status.st_mode)]
        _refuse(self.target, sorted({path.partition("/")[0] for path in (*files, *closed)}))
        if found:
            taken = {path for path, _ in found} & self._planned(commits)[0].names
            for point in mounts_below(self.target):
                path = os.path.relpath(point, os.path.realpath(self.target))
                if path.partition("/")[0] in taken:
                    raise mounted(self.target, path)
            _refuse(self.target, sorted(taken))

    def _is_whole(self, merged: Path) -> bool:
        return has_data(merged) or has_data(self.target)

    def _merge(self, commits: Sequence[Commit]) -> tuple[list[Commit], list[Report]]:
        """Merge the stages in a folder of ours, and say in it what it is made of; or leave nothing there."""
        self.target.mkdir(parents=True, exist_ok=True)
        folder = own_folder(self.target) / _MERGING
        remove_tree(folder)
        try:
            return self._merge_in(folder, commits)
        except BaseException:
            remove_own(self.target, _MERGING)
            raise

    def _merge_in(self, folder: Path, commits: Sequence[Commit]) -> tuple[list[Commit], list[Report]]:
        from up42_state.stages.propagate.into_directory import materialise

        first = self.stages[0].restore(folder, quicklooks=False, job_mode=self.job_mode)
        made_of, taken = [first.commit, *commits[1:]], iter(commits[1:])
        reports = materialise(
            folder,
            [self._others.resolve()],
            quicklooks=False,
            job_mode=self.job_mode,
            current=lambda _history: next(taken),
        )
        remove_tree(folder / QUICKLOOKS)
        (own_folder(folder) / _MADE_OF).write_bytes(self._made_of(made_of))
        return made_of, reports


def _made_of(merged: Path) -> bytes | None:
    """What is noted of an input that is being moved up; ``None`` where nothing is.

    :raises OSError: there may be a note, and it cannot be read now.
    """
    try:
        return (merged / OURS / _MADE_OF).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _digest(directory: Path) -> str:
    """The SHA-256 of ``data.json``, in hex; empty where there is none.

    :raises OSError: it cannot be read.
    """
    try:
        with (directory / DATA_JSON).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return ""


def _refuse(target: Path, found: Sequence[str]) -> None:
    if found:
        raise TargetConflictError(
            f"{target} holds other files: {some_names(found)}",
            advice=_CLEAR,
        )


def _keep(merging: Path, merged: Path) -> None:
    """Give a merge that is whole the name of one, in place of an older one."""
    remove_tree(merged)
    merging.rename(merged)


def _move_up(merged: Path, target: Path) -> None:
    """Move everything up, ``data.json`` last; after an error all of it down again.

    :raises TargetConflictError: something of the same name is there, which is not ours.
    :raises StateError: it cannot be moved; the message says what is in the target now.
    """
    names = sorted(path.name for path in merged.iterdir() if path.name not in (OURS, DATA_JSON))
    names += [DATA_JSON] if has_data(merged) else []
    found = [path.name for path in target.iterdir()]
    _refuse(target, sorted(set(names).intersection(found)))
    moved: list[str] = []
    try:
        for name in names:
            (merged / name).rename(target / name)
            moved.append(name)
    except OSError as error:
        error.filename, error.filename2 = str(target / name), None
        try:
            for name in reversed(moved):
                (target / name).rename(merged / name)
        except OSError:
            raise StateError(
                f"{target} holds a part of the input only: {error.strerror}",
                advice="run the same command again once that is mended; it goes on where this one stopped",
            ) from error
        raise


def _listed(commits: Sequence[Commit]) -> str:
    return ", ".join(commit.name for commit in commits)
