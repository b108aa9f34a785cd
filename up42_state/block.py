"""A block's own view of itself: its directories, its parameters, its job mode, and its place in a job.

The directories and variables are those of the block contract (``docs/block.md``).
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from up42_state.errors import PathNotFoundError, SettingsError
from up42_state.features.objects import feature_collection
from up42_state.local_paths import local_path
from up42_state.stages.commit import check_job_mode
from up42_state.stages.names import several
from up42_state.tasks.identity import Identity
from up42_state.tasks.inputs import DATA_JSON, has_data, restore_input
from up42_state.tasks.outputs import write_output

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    import geojson

    from up42_state.features import Report
    from up42_state.settings import Settings
    from up42_state.stages.commit import BlockInfo, Commit, JobMode
    from up42_state.stages.propagation import Propagation
    from up42_state.stages.save import Outcome
    from up42_state.state import Stage

    PathLike = str | os.PathLike[str]

__all__ = ["INPUT", "OUTPUT", "QUICKLOOKS", "Block"]

INPUT, OUTPUT, QUICKLOOKS = "/tmp/input", "/tmp/output", "/tmp/quicklooks"  # noqa: S108 - the contract's


class Block:
    """One block at work on one task.

    ``with Block.from_env() as block: …`` restores the input where there is none, and on leaving cleanly
    (``SystemExit(0)`` included) checks the output, propagates, and saves it. After an exception nothing is
    saved.

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
        self.warnings: list[str] = []
        self._info = info
        self._after = [self._earlier(name) for name in several(after)]
        self._parents: list[Commit] | None = None
        self._propagations: list[Propagation] = []
        for name in several(propagate):
            self.propagate(name)

    @classmethod
    def from_env(
        cls,
        settings: Settings | None = None,
        *,
        info: BlockInfo | None = None,
        input: PathLike = INPUT,  # noqa: A002 - the block contract's own word
        output: PathLike = OUTPUT,
        quicklooks: PathLike = QUICKLOOKS,
    ) -> Self:
        """The block that the environment describes (``docs/settings.md``).

        :param settings: read already; ``None`` reads the environment and the secret files.
        :raises SettingsError: a setting is malformed, or of ``UP42_STATE_URL``, ``UP42_STATE_JOB`` and
            ``UP42_STATE_STAGE`` only some are set.
        """
        if settings is None:
            from up42_state.settings import Settings

            settings = Settings()
        return cls(
            stage=_stage_of(settings),
            after=settings.after,
            propagate=settings.propagate,
            parameters=settings.parameters,
            job_mode=settings.job_mode,
            info=info,
            input=input,
            output=output,
            quicklooks=quicklooks,
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
        :param options: as of :class:`~up42_state.stages.propagation.Propagation`: ``form``, ``match``,
            ``on_conflict``, ``where``, ``bbox``, ``ids``, ``path``, ``missing``, ``properties`` and
            ``manifest``.
        :raises SettingsError: an option is none of its choices, or a name needs a job and there is none.
        """
        from up42_state.stages.propagation import Propagation

        found = tuple(self._earlier(stage) for stage in stages)
        self._propagations.append(Propagation(stages=found, **options))

    def write(self, collection: Mapping[str, Any]) -> None:
        """Check a collection against the files in the output directory, then write it as ``data.json``.

        It replaces what was written before, by rename; an output with a defect leaves that as it was.

        :param collection: ``geojson`` objects or plain ``dict``.
        :raises InvalidOutputError: it has defects, all of which are listed.
        """
        write_output(self.output_dir, collection, dry_run=self.job_mode == "DRY_RUN")

    def restore_input(self) -> list[Commit]:
        """Restore the earlier stages into the input directory; several are merged, in their order.

        :return: what the input is made of.
        :raises NotFoundError: there is no such stage.
        :raises TargetConflictError: the input directory holds other files; they are untouched.
        """
        self._parents = []
        if self._after:
            self._parents = restore_input(self._after, self.input_dir, job_mode=self.job_mode)
        return self._parents

    def finish(self) -> Commit | None:
        """Check the output, propagate, and save it. Leaving the ``with`` does this.

        Saved features and files are referred to, so no bytes move, and the output directory stays as it is;
        without a stage to save, they are put into the output directory instead. ``reports`` then tells what
        became of every feature, for each propagation, ``warnings`` what should be looked at in the output,
        and ``outcome`` whether a revision was made, as
        :meth:`~up42_state.Stage.save` has it.

        :return: the commit, or ``None`` where there is no stage to save.
        :raises InvalidOutputError: the output has defects, all of which are listed.
        :raises StateError: it could not be saved.
        """
        quicklooks = self.quicklooks_dir if self.quicklooks_dir.is_dir() else False
        if self.stage is None:
            self._finish_here(quicklooks)
            return None
        parents, identity = self._made_from(), Identity.find(self._info)
        self.reports, self.warnings = [], []
        outcomes: list[Outcome] = []
        self.commit = self.stage.save(
            self.output_dir,
            after=parents,
            propagate=self._propagations,
            quicklooks=quicklooks,
            block=identity.info,
            parameters=self.parameters,
            fingerprint=identity.fingerprint(self.parameters, parents),
            job_mode=self.job_mode,
            report=self.reports.append,
            warning=self.warnings.append,
            outcome=outcomes.append,
        )
        (self.outcome,) = outcomes
        return self.commit

    def __enter__(self) -> Self:
        for folder in (self.output_dir, self.quicklooks_dir):
            folder.mkdir(parents=True, exist_ok=True)
        if self._after and not has_data(self.input_dir):
            self.restore_input()
        else:
            self._made_from()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
            self.finish()

    def __repr__(self) -> str:
        return f"Block(stage={str(self.stage) if self.stage else None!r}, job_mode={self.job_mode!r})"

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
        """What the input is made of: what was restored, or, where the input was there, what is current."""
        if self._parents is None:
            self._parents = [stage.latest(self.job_mode) for stage in self._after]
        return self._parents

    def _finish_here(self, quicklooks: Path | bool) -> None:
        from up42_state.stages.materialise import materialise

        self.reports = materialise(
            self.output_dir, self._propagations, quicklooks=quicklooks, job_mode=self.job_mode
        )


def _stage_of(settings: Settings) -> Stage | None:
    """The stage that the settings name; ``None`` where they name nothing.

    :raises SettingsError: they name only a part of it.
    """
    from up42_state.state import State

    given = {
        "UP42_STATE_URL": settings.url,
        "UP42_STATE_JOB": settings.job,
        "UP42_STATE_STAGE": settings.stage,
    }
    missing = [name for name, value in given.items() if not value]
    if not missing:
        return State(settings=settings).job(settings.job or "").stage(settings.stage or "")
    asked = [name for name, value in given.items() if value]
    asked += ["UP42_STATE_AFTER"] if settings.after else []
    asked += ["UP42_STATE_PROPAGATE"] if settings.propagate else []
    if asked:
        raise SettingsError(
            f"{_listed(asked)} set, but {_listed(missing)} not",
            advice="set all three of the store's URL, the job and the stage, or none to save nothing",
        )
    return None


def _listed(names: list[str]) -> str:
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'}"
