"""What the code of a block sees of its task: its place, its input, and in the end what came of it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from up42_state.contract import DATA_JSON
from up42_state.errors import PathNotFoundError
from up42_state.features.objects import feature_collection

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Literal

    from up42_state.block.steps import Steps
    from up42_state.features import Report
    from up42_state.features.objects import FeatureCollection
    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.stages.write.save import Outcome
    from up42_state.stages.write.standing import Standing
    from up42_state.state import Stage

__all__ = ["BlockView"]


class BlockView:
    """What can be read of a block; :class:`~up42_state.Block` is the whole.

    Nothing here changes the task or the store.
    """

    _stage: Stage | None
    _job_mode: JobMode
    _input_dir: Path
    _output_dir: Path
    _quicklooks_dir: Path
    _parameters: dict[str, Any]
    _steps: Steps
    _cached: Commit | None = None
    _standing: Standing | None = None
    _commit: Commit | None = None
    _outcome: Outcome | Literal["cached"] | None = None
    _reports: list[Report]

    @property
    def stage(self) -> Stage | None:
        """The stage that the output is saved as; ``None`` if nothing is saved."""
        return self._stage

    @property
    def parameters(self) -> dict[str, Any]:
        """The block's parameters, with the manifest's defaults."""
        return self._parameters

    @property
    def job_mode(self) -> JobMode:
        """``DEFAULT``; or ``DRY_RUN``, in which a block says what there would be, without the files."""
        return self._job_mode

    @property
    def input_dir(self) -> Path:
        """The directory with the input's ``data.json`` and files, ``/tmp/input`` if none was given."""
        return self._input_dir

    @property
    def output_dir(self) -> Path:
        """The directory for ``data.json`` and the files of the output, ``/tmp/output`` if none was given."""
        return self._output_dir

    @property
    def quicklooks_dir(self) -> Path:
        """The directory for quicklooks of the output, ``/tmp/quicklooks`` if none was given."""
        return self._quicklooks_dir

    @cached_property
    def input(self) -> FeatureCollection:
        """The features of the input, read when they are first asked for, with values as ``json.loads`` gives.

        :raises PathNotFoundError: the input directory has no ``data.json``.
        :raises InvalidDataError: ``data.json`` is not a FeatureCollection.
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

    @property
    def cached(self) -> Commit | None:
        """The commit that the task has already, where ``resume`` has found it done; ``None`` if it runs."""
        return self._cached

    @property
    def standing(self) -> Standing | None:
        """Whether the task is done, and why not; ``None`` if that was not looked after."""
        return self._standing

    @property
    def commit(self) -> Commit | None:
        """The commit that is current after the save; ``None`` before, and without a stage to save."""
        return self._commit

    @property
    def outcome(self) -> Outcome | Literal["cached"] | None:
        """What the save did: ``saved``, ``unchanged`` or ``kept``; or ``cached``; ``None`` before."""
        return self._outcome

    @property
    def reports(self) -> list[Report]:
        """What became of every feature: reports of the merged input, then of the propagated stages."""
        return self._reports

    @property
    def steps(self) -> Steps:
        """What the block has done so far: ``steps.seconds`` holds how long each step took, by its name."""
        return self._steps

    @property
    def warnings(self) -> list[str]:
        """Messages about what should be looked at in the output, and about features that merging left out."""
        return list(self.steps.warnings)

    def __repr__(self) -> str:
        done = f", {self.outcome} {self.commit.name}" if self.commit else ""
        return f"Block(stage={str(self.stage) if self.stage else None!r}, job_mode={self.job_mode!r}{done})"
