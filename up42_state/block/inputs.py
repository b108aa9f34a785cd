"""A task's input directory, filled from earlier stages, or compared with them where it is filled already.

One stage is restored as it is. Several are merged by the propagation operator (``docs/propagation.md``): the
merge is planned, and all files of all stages are installed in the directory at once.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from up42_state.contract import DATA_JSON, INPUT
from up42_state.errors import PrunedError, SettingsError, TargetConflictError
from up42_state.machine.paths import local_path
from up42_state.stages.format.names import some_names
from up42_state.stages.local.directory import OURS, remove_own, writing_to
from up42_state.stages.local.installation import FILLING, Installation, Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from up42_state.features import Report
    from up42_state.propagation import Propagation
    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.stages.propagate.merged_output import Added, Merging
    from up42_state.state import Stage

T = TypeVar("T")

__all__ = ["FilledInput", "Inputs", "PlannedInput", "has_data", "local_stores", "stage_for"]

_OLDER = ("merging", "merged")  # folders in which older releases merged an input
_CLEAR = "have it cleared (clear=True, --clear), empty it, or give another input directory"


class PlannedInput(msgspec.Struct, frozen=True, kw_only=True):
    """What an input is made of, before any of its files is fetched.

    :param commits: the revisions of its stages, in order.
    :param made_of: tells this input from others: the revisions, and how they are merged.
    :param merging: the stages after the first, merged into the first.
    :param files: the files of the input, without quicklooks.
    :param reports: what became of every feature, where stages were merged.
    """

    commits: Sequence[Commit]
    made_of: str
    merging: Merging
    files: Sequence[Added]
    reports: Sequence[Report] = ()


class FilledInput(msgspec.Struct, frozen=True, kw_only=True):
    """An input, and what it is made of.

    :param reports: what became of every feature, where stages were merged.
    """

    commits: list[Commit]
    reports: list[Report] = []


def stage_for(stage: str | Stage, own: Stage | None) -> Stage:
    """Return the handle of an earlier stage; a name is looked for in the job of the stage to save.

    :param own: the stage to save.
    :raises SettingsError: a name is given, and there is no stage to save.
    """
    if not isinstance(stage, str):
        if not hasattr(stage, "job"):
            raise SettingsError(
                f"a value of type {type(stage).__name__} is given for an earlier stage",
                advice="give names or stages",
            )
        return stage
    if own is None:
        raise SettingsError(
            f"stage {stage} is named, but no job to find it in",
            advice="set UP42_STATE_URL, UP42_STATE_JOB and UP42_STATE_STAGE",
        )
    return own.job.stage(stage)


def local_stores(stages: Iterable[Stage]) -> list[Path]:
    """Return the directories on this machine that the stores of these stages lie in."""
    roots = {stage.job.state.store.bucket.local_root for stage in stages}
    return [local_path(root) for root in sorted(filter(None, roots))]


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
    target: Path = Path(INPUT)
    job_mode: JobMode = "DEFAULT"
    options: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def restore(self) -> FilledInput:
        """Fill the directory. Files that are there already, byte for byte, are kept.

        :raises NotFoundError: there is no such stage.
        :raises TargetConflictError: the directory holds other files; they are untouched.
        """
        if len(self.stages) == 1:
            with _advising():
                restored = self.stages[0].restore(self.target, quicklooks=False, job_mode=self.job_mode)
            return FilledInput(commits=[restored.commit])
        with writing_to(self.target), _advising():
            return self._of_current(self._restore_merged)

    def check(self) -> FilledInput:
        """Compare an input that is there already with what the stages would give, by its ``data.json``.

        :raises NotFoundError: there is no such stage.
        :raises TargetConflictError: it is another one.
        """
        return self._of_current(self._check)

    def _check(self, commits: list[Commit]) -> FilledInput:
        reports: list[Report] = []
        if len(commits) == 1:
            wanted = commits[0].data.sha256 if commits[0].data else ""
        else:
            planned = self._planned(commits)
            wanted, reports = hashlib.sha256(planned.merging.data).hexdigest(), list(planned.reports)
        if wanted != _digest(self.target):
            raise TargetConflictError(
                f"{self.target} holds another {DATA_JSON} than {_listed(commits)} would give",
                advice="have it cleared (clear=True, --clear) to restore the input; or name no earlier "
                "stages (after, UP42_STATE_AFTER), if the input that is there is meant",
            )
        return FilledInput(commits=commits, reports=reports)

    def planned(self) -> PlannedInput:
        """Read what the input is made of; no file is fetched.

        :raises NotFoundError: there is no such stage.
        :raises IntegrityError: a revision is damaged.
        """
        return self._of_current(self._planned)

    def _planned(self, commits: Sequence[Commit]) -> PlannedInput:
        from up42_state.stages.propagate.merged_output import Added, EarlierStage, Merging, output_of

        store = self.stages[0].job.state.store
        first = EarlierStage.read(store, commits[0])
        merging, taken = Merging(output_of(first)), iter(commits[1:])
        others = [self._others.resolve()] if len(commits) > 1 else []
        reports = [merging.apply(earlier, lambda _history: next(taken)) for earlier in others]
        files = [Added(first, entry, entry.path) for entry in first.contents.index.entries]
        return PlannedInput(
            commits=commits,
            made_of=self._made_of(commits),
            merging=merging,
            files=[added for added in (*files, *merging.additions) if added.entry.kind == "file"],
            reports=reports,
        )

    @property
    def _others(self) -> Propagation:
        from up42_state.propagation import Propagation

        return Propagation(stages=tuple(self.stages[1:]), **self.options)

    def _of_current(self, made: Callable[[list[Commit]], T]) -> T:
        """Make something of the current revisions; one that was pruned meanwhile is taken as it is now."""
        while True:
            with suppress(PrunedError):
                return made([stage.latest(self.job_mode) for stage in self.stages])

    def _made_of(self, commits: Sequence[Commit]) -> str:
        made_of = [[commit.name, commit.attempt] for commit in commits]
        return f"{made_of} {sorted(self.options.items())!r}"

    def _restore_merged(self, commits: list[Commit]) -> FilledInput:
        from up42_state.stages.propagate.into_directory import fetch_added

        left = any((self.target / OURS / name).is_dir() for name in (FILLING, *_OLDER))
        if has_data(self.target) and not left:
            return self._check(commits)
        planned = self._planned(commits)
        merging = planned.merging
        plan = Plan(
            what=planned.made_of,
            data=merging.data,
            entries=[added.renamed for added in planned.files],
            directories=merging.directories,
        )
        with Installation(self.target) as installation:
            installation.begin(plan)
            # An empty directory is somebody's, and would be filled, unless a whole input is there.
            if not has_data(self.target):
                _refuse(self.target, sorted(merging.names & installation.folders))
            fetch_added(installation, planned.files)
            for name in _OLDER:
                remove_own(self.target, name)
            installation.switch(plan)
        return FilledInput(commits=commits, reports=list(planned.reports))


@contextmanager
def _advising() -> Iterator[None]:
    """Advise to clear an input where a restore advises to overwrite files, which no task does."""
    try:
        yield
    except TargetConflictError as error:
        if "overwrite" in error.advice:
            error.advice = _CLEAR
        raise


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


def _listed(commits: Sequence[Commit]) -> str:
    return ", ".join(commit.name for commit in commits)
