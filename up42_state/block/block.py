"""A block's own view of itself: its directories, its parameters, its job mode, and its place in a job.

The directories and variables are those of the block contract (``docs/block.md``).
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

from up42_state.block.identity import Identity
from up42_state.block.inputs import Inputs, has_data
from up42_state.block.outputs import write_output
from up42_state.block.steps import Steps, counted
from up42_state.block.workspace import Workspace
from up42_state.contract import DATA_JSON, INPUT, OUTPUT, QUICKLOOKS
from up42_state.errors import PathNotFoundError, SettingsError
from up42_state.features.objects import feature_collection
from up42_state.machine.paths import local_path
from up42_state.propagation import checked_options
from up42_state.stages.format.commit import check_job_mode
from up42_state.stages.format.names import several

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    import geojson

    from up42_state.features import Report
    from up42_state.propagation import Propagation
    from up42_state.settings.model import Settings
    from up42_state.stages.format.commit import BlockInfo, Commit, JobMode
    from up42_state.stages.write.save import Outcome, Saved
    from up42_state.state import Stage

    PathLike = str | os.PathLike[str]

__all__ = ["Block"]


class Block:
    """One block at work on one task.

    ``with Block.from_env() as block: …`` restores the input where there is none, and on leaving cleanly
    (``SystemExit(0)`` included) checks the output, propagates, and saves it. After an exception nothing is
    saved. A block that is to be saved has its directories for itself meanwhile, and says what it does on
    stderr.

    :param stage: what the output is saved as; ``None`` saves nothing, and the rest works all the same.
    :param after: the stages that the input is made of: names in the stage's job, ``JOB/STAGE``, or handles.
    :param propagate: earlier stages whose features and files become part of the output.
    :param parameters: the block's parameters.
    :param job_mode: ``DEFAULT`` or ``DRY_RUN``; ``None`` takes the stage's settings.
    :param info: the block's name and version; ``None`` takes the name from an ``UP42Manifest.json`` beside
        the running script or in the working directory.
    :param input: the directory with the input's ``data.json``.
    :param output: the directory for ``data.json`` and files.
    :param quicklooks: the directory for quicklooks.
    :param clear: first remove what an earlier run has left in the directories; without it files in ``output``
        or ``quicklooks`` are an error where the block is to be saved.
    :param force: with ``clear``, remove also what is not known to be a block's.
    :param note: takes messages for people; ``None`` writes them to stderr.
    :param options: how the ``propagate`` stages are merged into the output, and the second and further
        ``after`` stages into the first: ``form``, ``match``, ``on_conflict``, ``where``, ``bbox``, ``ids``,
        ``path`` and ``missing`` of :class:`~up42_state.Propagation`; those that are
        ``None`` count as not given. ``missing`` holds for ``propagate`` alone: an input has to be there.
    :raises InvalidNameError: a stage name is malformed.
    :raises SettingsError: stages are named, but no job to find them in; a directory cannot be a path, or
        the job mode is none.
    """

    def __init__(
        self,
        *,
        stage: Stage | None = None,
        after: Iterable[str | Stage] = (),
        propagate: Iterable[str | Stage] = (),
        parameters: Mapping[str, Any] | None = None,
        job_mode: JobMode | None = None,
        info: BlockInfo | None = None,
        input: PathLike = INPUT,  # noqa: A002 - the block contract's own word
        output: PathLike = OUTPUT,
        quicklooks: PathLike = QUICKLOOKS,
        clear: bool = False,
        force: bool = False,
        note: Callable[[str], None] | None = None,
        **options: Any,
    ) -> None:
        self.stage = stage
        self.parameters: dict[str, Any] = dict(parameters or {})
        self.job_mode = check_job_mode(
            job_mode or (stage.job.state.settings.job_mode if stage else "DEFAULT")
        )
        self.input_dir = local_path(input)
        self.output_dir = local_path(output)
        self.quicklooks_dir = local_path(quicklooks)
        self.commit: Commit | None = None
        self.outcome: Outcome | None = None
        self.reports: list[Report] = []
        self.steps = Steps(note)
        self._info = info
        self._clear, self._force = clear, force
        self._left = ExitStack()
        self._options = checked_options(options)
        self._after = [self._earlier(name) for name in several(after)]
        self._parents: list[Commit] | None = None
        self._merged: list[Report] = []
        self._propagations: list[Propagation] = []
        for name in several(propagate):
            self.propagate(name, **self._options)

    @classmethod
    def from_env(
        cls,
        settings: Settings | None = None,
        *,
        info: BlockInfo | None = None,
        input: PathLike = INPUT,  # noqa: A002 - the block contract's own word
        output: PathLike = OUTPUT,
        quicklooks: PathLike = QUICKLOOKS,
        clear: bool = False,
        force: bool = False,
        note: Callable[[str], None] | None = None,
        **options: Any,
    ) -> Self:
        """The block that the environment describes (``docs/settings.md``).

        :param settings: read already; ``None`` reads the environment and the secret files.
        :param options: how stages are merged, as the class takes them; they go before ``UP42_STATE_MATCH``
            and ``UP42_STATE_ON_CONFLICT``.
        :raises SettingsError: a setting is malformed, or of ``UP42_STATE_URL``, ``UP42_STATE_JOB`` and
            ``UP42_STATE_STAGE`` only some are set.
        """
        if settings is None:
            from up42_state.settings.model import Settings

            settings = Settings()
        from up42_state.state import stage_of

        given = {name: value for name, value in options.items() if value is not None}
        return cls(
            stage=stage_of(settings),
            after=settings.after,
            propagate=settings.propagate,
            parameters=settings.parameters,
            job_mode=settings.job_mode,
            info=info,
            input=input,
            output=output,
            quicklooks=quicklooks,
            clear=clear,
            force=force,
            note=note,
            **{"match": settings.match, "on_conflict": settings.on_conflict} | given,
        )

    @cached_property
    def input(self) -> geojson.FeatureCollection:
        """The input's features, read when they are first asked for.

        :raises PathNotFoundError: there is no ``data.json``.
        :raises InvalidDataError: it is not a FeatureCollection.
        """
        path = self.input_dir / DATA_JSON
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise PathNotFoundError(
                f"there is no {path}",
                advice="name earlier stages in UP42_STATE_AFTER to restore them, or put the input there",
            ) from error
        return feature_collection(data)

    def propagate(self, *stages: str | Stage, **options: Any) -> None:
        """Note earlier stages, whose features and files become part of the output at the end.

        :param stages: names in this job, ``JOB/STAGE``, or handles; in order.
        :param options: as of :class:`~up42_state.Propagation`: ``form``, ``match``,
            ``on_conflict``, ``where``, ``bbox``, ``ids``, ``path``, ``missing``, ``properties`` and
            ``manifest``. Without ``match`` and ``on_conflict`` those of the block hold.
        :raises SettingsError: an option is none of its choices, or a name needs a job and there is none.
        """
        from up42_state.propagation import Propagation

        found = tuple(self._earlier(stage) for stage in stages)
        shared = {name: self._options[name] for name in ("match", "on_conflict") if name in self._options}
        self._propagations.append(Propagation(stages=found, **shared | options))

    def write(self, collection: Mapping[str, Any]) -> None:
        """Check a collection against the files in the output directory, then write it as ``data.json``.

        It replaces what was written before, by rename; an output with a defect leaves that as it was.

        :param collection: ``geojson`` objects or plain ``dict``.
        :raises InvalidOutputError: it has defects, all of which are listed.
        """
        write_output(self.output_dir, collection, dry_run=self.job_mode == "DRY_RUN")

    @property
    def warnings(self) -> list[str]:
        """What should be looked at: in the output, and what merging stages has left out."""
        return list(self.steps.warnings)

    @property
    def workspace(self) -> Workspace:
        """The block's directories, to be checked and held. The ``with`` does this."""
        stages = [*self._after, *(stage for item in self._propagations for stage in item.stages)]
        stages += [self.stage] if self.stage else []
        roots = {stage.job.state.store.bucket.local_root for stage in stages}
        return Workspace(
            input=self.input_dir,
            output=self.output_dir,
            quicklooks=self.quicklooks_dir,
            stores=[local_path(root) for root in sorted(filter(None, roots))],
            restores=bool(self._after),
        )

    def restore_input(self) -> list[Commit]:
        """Restore the earlier stages into the input directory; several are merged, in their order.

        :return: what the input is made of.
        :raises NotFoundError: there is no such stage.
        :raises TargetConflictError: the input directory holds other files; they are untouched.
        """
        self._parents = []
        if self._after:
            with self.steps.timed("restore"):
                restored = self._inputs.restore()
            self._parents, self._merged = restored.commits, restored.reports
            self.reports = list(self._merged)
            for commit in restored.commits:
                self.steps.done("restore", f"restored {commit.name} into {self.input_dir}: {counted(commit)}")
            self.steps.merged("merged into the input", self._merged)
        return self._parents

    def finish(self) -> Commit | None:
        """Check the output, propagate, and save it. Leaving the ``with`` does this.

        Saved features and files are referred to, so no bytes move, and the output directory stays as it is;
        without a stage to save, they are put into the output directory instead. ``reports`` then tells what
        became of every feature, for each propagation, and ``outcome`` whether a revision was made, as
        :meth:`~up42_state.Stage.save` has it.

        :return: the commit, or ``None`` where there is no stage to save.
        :raises InvalidOutputError: the output has defects, all of which are listed.
        :raises StateError: it could not be saved.
        """
        for folder in (self.output_dir, self.quicklooks_dir):
            folder.mkdir(parents=True, exist_ok=True)
        if self.stage is None:
            self._finish_here()
            return None
        parents, identity = self._made_from(), Identity.find(self._info)
        with self.steps.timed("save"):
            saved = self.stage.save(
                self.output_dir,
                after=parents,
                propagate=self._propagations,
                quicklooks=self.quicklooks_dir,
                block=identity.info,
                parameters=self.parameters,
                fingerprint=identity.fingerprint(self.parameters, parents),
                job_mode=self.job_mode,
            )
        self.commit, self.outcome = saved.commit, saved.outcome
        self.reports = [*self._merged, *saved.reports]
        self._tell(saved)
        return saved.commit

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            if self.stage is None:  # a helper for the contract, perhaps in a task of its caller's
                self.output_dir.mkdir(parents=True, exist_ok=True)
                self.quicklooks_dir.mkdir(parents=True, exist_ok=True)
            else:
                stack.enter_context(self.workspace.held(emptied=self._clear, force=self._force))
            self._take_input()
            self._left = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._left:
            if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
                self.finish()

    def __repr__(self) -> str:
        return f"Block(stage={str(self.stage) if self.stage else None!r}, job_mode={self.job_mode!r})"

    def __getstate__(self) -> dict[str, Any]:
        """A copy, as a pool of processes makes one, holds no directories."""
        return self.__dict__ | {"_left": ExitStack()}

    @property
    def _inputs(self) -> Inputs:
        options = {name: value for name, value in self._options.items() if name != "missing"}
        return Inputs(stages=self._after, target=self.input_dir, job_mode=self.job_mode, options=options)

    def _take_input(self) -> None:
        """Restore the input, or make sure that what is there is made of the stages that were named."""
        if self._after and not has_data(self.input_dir):
            self.restore_input()
        else:
            self._made_from()

    def _tell(self, saved: Saved) -> None:
        for warning in saved.warnings:
            self.steps.warn(warning)
        self.steps.merged("propagated", saved.reports)
        commit = saved.commit
        if commit.job_mode != self.job_mode:
            why = f"a dry run never supersedes real output, which is {commit.name}"
            self.steps.done("save", f"nothing was saved: {why}")
        else:
            self.steps.done("save", f"{saved.outcome} {commit.name}: {counted(commit)}")

    def _earlier(self, stage: str | Stage) -> Stage:
        if not isinstance(stage, str):
            return stage
        if self.stage is None:
            raise SettingsError(
                f"stage {stage} is named, but no job to find it in",
                advice="set UP42_STATE_URL, UP42_STATE_JOB and UP42_STATE_STAGE",
            )
        return self.stage.job.stage(stage)

    def _made_from(self) -> list[Commit]:
        """What the input is made of: what was restored, or, where one was there, what that was found to be.

        :raises TargetConflictError: it is another input than the stages would give.
        """
        if self._parents is None:
            found = self._inputs.check() if self._after else None
            self._parents = found.commits if found else []
            self._merged = found.reports if found else []
            self.reports = list(self._merged)
            for commit in self._parents:
                self.steps.say(f"found {commit.name} in {self.input_dir}: {counted(commit)}")
            self.steps.merged("merged into the input", self._merged)
        return self._parents

    def _finish_here(self) -> None:
        from up42_state.stages.propagate.into_directory import materialise

        found = materialise(
            self.output_dir,
            [propagation.resolve() for propagation in self._propagations],
            quicklooks=self.quicklooks_dir,
            job_mode=self.job_mode,
        )
        self.reports = [*self._merged, *found]
        self.steps.merged("propagated", found)
