"""What the code of a block works with: directories, parameters, job mode, input, and the stage to save.

The directories and variables are those of the block contract (``docs/block.md``).
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any

from up42_state.block.inputs import Inputs, has_data, local_stores, stage_for
from up42_state.block.outputs import Before, merge_here, write_output
from up42_state.block.recipe.identity import Code, Identity
from up42_state.block.recipe.standing import look
from up42_state.block.steps import Steps
from up42_state.block.view import BlockView
from up42_state.block.workspace import Workspace
from up42_state.contract import INPUT, OUTPUT, QUICKLOOKS
from up42_state.errors import SettingsError
from up42_state.machine.paths import local_path
from up42_state.options import BlockOptions, MergeOptions, PropagationOptions, check_options, spelled_out
from up42_state.propagation import checked_options, given_options
from up42_state.stages.format.commit import check_job_mode
from up42_state.stages.format.names import several
from up42_state.stages.format.recipe import Recipe

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self, Unpack

    from up42_state.features import Report
    from up42_state.propagation import Propagation
    from up42_state.settings.model import Settings
    from up42_state.stages.format.commit import BlockInfo, Commit, JobMode
    from up42_state.stages.write.standing import Standing
    from up42_state.state import Stage
    from up42_state.updating import Change, Updated

    PathLike = str | os.PathLike[str]

__all__ = ["Block"]


class Block(BlockView):
    """One block at work on one task.

    ``with Block.from_env() as block: …`` restores the input if the input directory has no ``data.json``. When
    the body has ended without an exception, or with ``SystemExit(0)``, the block checks the output, merges
    the propagated stages into it, and saves it. After any other exception nothing is saved. A block with a
    stage to save locks its directories meanwhile, and says on stderr what it does.

    :param stage: the stage that the output is saved as; ``None`` saves nothing, and the rest works all the
        same.
    :param after: the stages that the input is made of: names in the stage's job, ``JOB/STAGE``, or handles.
    :param propagate: earlier stages whose features and files become part of the output: names or handles.
    :param parameters: the block's parameters; the manifest's defaults are added.
    :param job_mode: ``DEFAULT`` or ``DRY_RUN``; ``None`` takes the job mode of the stage's settings.
    :param info: the block's name and version; ``None`` takes the name from the manifest.
    :param manifest: the block's manifest, by which the parameters are checked; ``None`` for an
        ``UP42Manifest.json`` beside the running script or in the working directory, if there is one.
    :param command: the program and its arguments, if this process runs one that makes the output.
    :param resume: look on entering whether the task is done: then ``cached`` is its commit, and the body
        decides. ``None`` takes ``UP42_STATE_RESUME``, by which the process ends where the task is done.
    :param input: the directory with the input's ``data.json``.
    :param output: the directory that the block writes ``data.json`` and files to.
    :param quicklooks: the directory that the block writes quicklooks to.
    :param clear: first remove what an earlier run has left in the directories. Without ``clear``, files in
        ``output`` or ``quicklooks`` are an error where there is a stage to save.
    :param force: with ``clear``, remove also the content of directories that are not known to be a block's.
    :param note: called with each message for people; ``None`` writes messages to stderr.
    :param options: how the ``propagate`` stages are merged into the output, and the second and further
        ``after`` stages into the first: ``form``, ``match``, ``on_conflict``, ``where``, ``bbox``, ``ids``,
        ``path`` and ``missing`` of :class:`~up42_state.Propagation`. Options that are ``None`` count as not
        given. ``missing`` holds for ``propagate`` alone: a stage of the input has to exist.
    :raises InvalidNameError: a stage name is malformed.
    :raises SettingsError: stages are given by name, and no job to find them in; a directory cannot be a path;
        or an option or the job mode is none of its choices.
    :raises InvalidWorkflowError: the parameters do not fit the manifest.
    :raises UnknownOptionError: there is no option of this name.
    """

    @spelled_out(MergeOptions)
    def __init__(
        self,
        *,
        stage: Stage | None = None,
        after: Stage | Iterable[str | Stage] = (),
        propagate: Stage | Iterable[str | Stage] = (),
        parameters: Mapping[str, Any] | None = None,
        job_mode: JobMode | None = None,
        info: BlockInfo | None = None,
        manifest: PathLike | None = None,
        command: Sequence[str] = (),
        resume: bool | None = None,
        input: PathLike = INPUT,  # noqa: A002 - the block contract's own word
        output: PathLike = OUTPUT,
        quicklooks: PathLike = QUICKLOOKS,
        clear: bool = False,
        force: bool = False,
        note: Callable[[str], None] | None = None,
        **options: Unpack[MergeOptions],
    ) -> None:
        check_options(Block.__init__, options)
        self._stage = stage
        settings = stage.job.state.settings if stage else None
        self._job_mode = check_job_mode(job_mode or (settings.job_mode if settings else "DEFAULT"))
        self._input_dir = local_path(input)
        self._output_dir = local_path(output)
        self._quicklooks_dir = local_path(quicklooks)
        self._reports: list[Report] = []
        self._steps = Steps(note)
        self._identity = Identity.find(
            info,
            command=command,
            manifest=None if manifest is None else local_path(manifest),
            told=(settings and settings.code) or "",
        )
        task = stage.name if stage else "parameters"
        self._parameters = self._identity.parameters(parameters or {}, task, self.steps.warn)
        self._before: Before | None = None
        self._resumes = bool(settings and settings.resume) if resume is None else resume
        self._ends_if_done = resume is None
        self._clear, self._force = clear, force
        self._held = ExitStack()  # unlocks the directories when the block is left
        self._options = checked_options(options)
        self._after = [stage_for(name, stage) for name in several(after)]
        self._parents: list[Commit] | None = None
        self._merged: list[Report] = []
        self._propagations: list[Propagation] = []
        for name in several(propagate):
            self.propagate(name, **self._options)

    @classmethod
    @spelled_out(BlockOptions)
    def from_env(cls, settings: Settings | None = None, **given: Unpack[BlockOptions]) -> Self:
        """Make the block that the environment describes (``docs/settings.md``).

        :param settings: settings that were read before; ``None`` reads the environment and the secret files.
            They give the stage, ``after``, ``propagate``, the parameters and the job mode.
        :param given: the other arguments of :class:`Block`. ``match`` and ``on_conflict`` go before
            ``UP42_STATE_MATCH`` and ``UP42_STATE_ON_CONFLICT``.
        :raises UnknownOptionError: there is no argument of this name.
        :raises SettingsError: a setting is malformed, or of ``UP42_STATE_URL``, ``UP42_STATE_JOB`` and
            ``UP42_STATE_STAGE`` only some are set.
        """
        check_options(cls.from_env, given)
        if settings is None:
            from up42_state.settings.model import Settings

            settings = Settings()
        from up42_state.state import stage_of

        options: dict[str, Any] = {"match": settings.match, "on_conflict": settings.on_conflict}
        options |= {name: value for name, value in given.items() if value is not None}
        return cls(
            stage=stage_of(settings),
            after=settings.after,
            propagate=settings.propagate,
            parameters=settings.parameters,
            job_mode=settings.job_mode,
            **options,
        )

    @spelled_out(PropagationOptions)
    def propagate(self, *stages: str | Stage, **options: Unpack[PropagationOptions]) -> None:
        """Note earlier stages, whose features and files become part of the output when it is saved.

        :param stages: names in this job, ``JOB/STAGE``, or handles; in order.
        :param options: options of :class:`~up42_state.Propagation`. If ``match`` or ``on_conflict`` is not
            given, the block's own option is used.
        :raises InvalidNameError: a stage name is malformed.
        :raises UnknownOptionError: there is no option of this name.
        :raises SettingsError: an option is none of its choices, or there is no job to find a name in.
        """
        check_options(Block.propagate, options)
        from up42_state.propagation import Propagation

        if self._resumes and "recipe" in self.__dict__:
            self.steps.warn("stages to propagate are named too late for resume: name them before `with`")
        earlier = tuple(stage_for(name, self.stage) for name in stages)
        shared = {name: value for name, value in self._options.items() if name in ("match", "on_conflict")}
        self._propagations.append(Propagation(stages=earlier, **shared | given_options(options)))

    def update(self, stage: str | Stage, change: Change) -> Updated:
        """Change a stage that many jobs change, such as a running maximum; this task changes it once.

        The change is marked with the block's own stage, so running the task again does not make it again, and
        its parents are the stages that the block's input is made of. See :meth:`up42_state.Stage.update`.

        :param stage: the running stage: a name in this job, usually ``JOB/STAGE``, or a handle.
        :param change: called with the current features (none at first) and a directory with the current
            files; returns the new collection, or ``None`` if it has changed the one that it got.
        :return: an ``Updated``: its ``before`` is what the change was made to, also if the task runs again.
        :raises SettingsError: there is no stage to save.
        :raises InvalidOutputError: what the change has made has defects; nothing is saved.
        :raises StageConflictError: others came first for ten minutes.
        """
        running = stage_for(stage, self.stage)
        if self.stage is None:
            raise SettingsError(
                f"{running} is to be changed once, but the block has no stage that tells who changes it",
                advice="set UP42_STATE_URL, UP42_STATE_JOB and UP42_STATE_STAGE",
            )
        with self.steps.timed("update"):
            updated = running.update(
                change,
                mark=self.stage,
                after=self._made_from(),
                block=self._identity.info,
                job_mode=self.job_mode,
            )
        self.steps.updated(updated)
        return updated

    def write(self, collection: Mapping[str, Any]) -> None:
        """Check a collection against the files in the output directory, and write it as ``data.json``.

        A ``data.json`` that is there is replaced by rename, and only if the collection has no defect.

        :param collection: a FeatureCollection, of ``geojson`` objects or plain ``dict``.
        :raises InvalidOutputError: the output has defects; the error lists all of them.
        """
        write_output(self.output_dir, collection, dry_run=self.job_mode == "DRY_RUN")

    @property
    def workspace(self) -> Workspace:
        """The block's directories, which a ``with`` statement of the block checks and locks."""
        return Workspace(
            input=self.input_dir,
            output=self.output_dir,
            quicklooks=self.quicklooks_dir,
            stores=self._local_stores,
            restores=bool(self._after),
        )

    def restore_input(self) -> list[Commit]:
        """Restore the ``after`` stages into the input directory; several stages are merged, in their order.

        A ``with`` statement of the block does this if the input directory has no ``data.json``.

        :return: the commits that the input is made of; none without ``after`` stages.
        :raises NotFoundError: a stage does not exist.
        :raises IntegrityError: stored bytes are damaged.
        :raises TargetConflictError: the input directory holds other files; they are untouched.
        """
        self._parents = []
        if self._after:
            with self.steps.timed("restore"):
                restored = self._inputs.restore()
            self._parents, self._merged = restored.commits, restored.reports
            self._reports = list(self._merged)
            for commit in restored.commits:
                self.steps.done("restore", f"restored {commit.name} into {self.input_dir}: {commit.counted}")
            self.steps.merged("merged into the input", self._merged)
        return self._parents

    def finish(self) -> Commit | None:
        """Check the output, merge the propagated stages into it, and save it.

        The end of a ``with`` statement of the block does this. The saved revision refers to the files of
        propagated stages; the output directory stays as it is. Without a stage to save, the features and
        files are put into the output directory instead.

        Afterwards ``reports`` tells what became of every feature, one report for each propagation, and
        ``outcome`` what was done.

        :return: the commit that is current in the end; ``None`` where there is no stage to save.
        :raises InvalidOutputError: the output has defects; the error lists all of them.
        :raises StateError: the output could not be saved.
        """
        for folder in (self.output_dir, self.quicklooks_dir):
            folder.mkdir(parents=True, exist_ok=True)
        if self.stage is None:
            reports = merge_here(self.output_dir, self.quicklooks_dir, self._propagations, self.job_mode)
            self._reports = [*self._merged, *reports]
            self.steps.merged("propagated", reports)
            return None
        parents, recipe = self._made_from(), self.recipe
        with self.steps.timed("save"):
            saved = self.stage.save(
                self.output_dir,
                after=parents,
                propagate=self._propagations,
                quicklooks=self.quicklooks_dir,
                block=self._identity.info,
                parameters=recipe.parameters,
                code=recipe.block,
                command=recipe.command,
                merged_by=recipe.merged_by,
                job_mode=self.job_mode,
            )
        self._commit, self._outcome = saved.commit, saved.outcome
        self._reports = [*self._merged, *saved.reports]
        self.steps.saved(saved, self.job_mode)
        return saved.commit

    def look(self) -> Standing:
        """Tell whether the task is done: its stage holds what its recipe would give, and the bytes are there.

        :raises NotFoundError: an earlier stage does not exist.
        :raises IntegrityError: a commit is damaged.
        """
        assert self.stage is not None
        if not self._code.is_whole:
            self.steps.warn(self._code.warning)
        self._standing = standing = look(self.stage, self.recipe, self._after, self._propagations)
        return standing

    def take_cached(self) -> bool:
        """Take the stage's current revision for the output if the task is done; say so, or why it runs."""
        standing = self.look()
        self.steps.stands(standing)
        if standing.is_done:
            self._cached = self._commit = standing.commit
            self._outcome, self._before = "cached", Before.look(self.output_dir)
        return standing.is_done

    def __enter__(self) -> Self:
        if self._resumes and self.stage is not None and self.take_cached():
            if self._ends_if_done:  # a body that was not written for it would work without its input
                raise SystemExit(0)
            return self
        with ExitStack() as stack:
            # Without a stage nothing is saved: leftovers do no harm, and a task around it may hold the locks.
            if self.stage is None:
                self.output_dir.mkdir(parents=True, exist_ok=True)
                self.quicklooks_dir.mkdir(parents=True, exist_ok=True)
            else:
                stack.enter_context(self.workspace.held(emptied=self._clear, force=self._force))
                _ = self.recipe  # before the block runs: it may change its parameters and its own folder
            self._take_input()
            self._held = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            ended_well = error is None or (isinstance(error, SystemExit) and error.code in (None, 0))
            if ended_well and (self._before is None or self._before.wrote_since(self.steps.warn)):
                self.finish()

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the block for another process, such as a pool's: the copy does not hold the locks."""
        return self.__dict__ | {"_held": ExitStack()}

    @property
    def _local_stores(self) -> list[Path]:
        """The directories on this machine that stores of this task's stages lie in."""
        propagated = (stage for item in self._propagations for stage in item.stages)
        return local_stores([*self._after, *propagated, *([self.stage] if self.stage else [])])

    @property
    def _inputs(self) -> Inputs:
        options = {name: value for name, value in self._options.items() if name != "missing"}
        return Inputs(stages=self._after, target=self.input_dir, job_mode=self.job_mode, options=options)

    def _take_input(self) -> None:
        """Restore the input, or make sure that the input that is there is made of the ``after`` stages."""
        if self._after and not has_data(self.input_dir):
            self.restore_input()
        else:
            self._made_from()

    def _made_from(self) -> list[Commit]:
        """Return the commits that the input is made of; compare an input that was there with them first.

        :raises TargetConflictError: the input is another one than the ``after`` stages give.
        """
        if self._parents is None:
            present = self._inputs.check() if self._after else None
            self._parents = present.commits if present else []
            self._merged = present.reports if present else []
            self._reports = list(self._merged)
            for commit in self._parents:
                self.steps.say(f"found {commit.name} in {self.input_dir}: {commit.counted}")
            self.steps.merged("merged into the input", self._merged)
        return self._parents

    @cached_property
    def _code(self) -> Code:
        own = (self.input_dir, self.output_dir, self.quicklooks_dir)
        return self._identity.code([*own, *self._local_stores])

    @cached_property
    def recipe(self) -> Recipe:
        """What the output is made of, besides earlier stages; noted when it is first asked for."""
        own = {"input": self.input_dir, "output": self.output_dir, "quicklooks": self.quicklooks_dir}
        return Recipe(
            block=self._code.text,
            command=self._identity.placeless(own),
            parameters=self.parameters,
            job_mode=self.job_mode,
            merged_by=self._inputs.options if len(self._after) > 1 else {},
        )
