"""Change a stage that many jobs change, so that no change is lost and none counts twice.

A running result (a baseline, a maximum, what was seen before) lies in one stage, and every job changes it. A
change is: read the newest revision, make the next one of it, and save that one only if no other was saved
meanwhile. Which changes were made already stands in ``data.json`` itself, so that a revision and its list of
changes are never apart.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from up42_state.contract import DATA_JSON
from up42_state.errors import Defect, InvalidOutputError, RevisionNotFoundError, StageConflictError
from up42_state.stages.history import History
from up42_state.stages.revision import load_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from up42_state.features.objects import FeatureCollection
    from up42_state.stage import Stage
    from up42_state.stages.format.commit import BlockInfo, Commit, JobMode

    Change = Callable[[FeatureCollection, Path], Mapping[str, Any] | None]

__all__ = ["APPLIED", "Update", "Updated"]

# The member of a running stage's data.json that says which revision each marked change has made.
APPLIED = "up42.state.applied"
_PATIENCE = 600.0  # seconds in which other writers may come first
_LONGEST_PAUSE = 2.0  # seconds


@dataclass(frozen=True, kw_only=True, repr=False)
class Updated:
    """What an update did.

    :param commit: the commit that is current in the end.
    :param outcome: ``saved``; ``unchanged`` if the change gave what was there; ``kept`` if the change
        was made before, or if a dry run met a real revision.
    :param before: the revision that the change was made to, now or when it was made before; ``None`` if there
        was none.
    :param warnings: what people should hear: that the change was made before, from another output.
    """

    commit: Commit
    outcome: Literal["saved", "unchanged", "kept"]
    before: Commit | None
    warnings: Sequence[str] = ()

    def __repr__(self) -> str:
        before = f"@{self.before.revision}" if self.before else "nothing"
        return f"Updated({self.outcome} {self.commit.name}, before: {before})"


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a running stage, and what it is recorded with.

    :param stage: the running stage.
    :param change: makes the next features of the current ones.
    :param mark: tells this change from others; a change whose mark is known is not made again. Empty for a
        change that is made each time.
    :param parents: the revisions that the change is made from.
    """

    stage: Stage
    change: Change
    mark: str
    parents: Sequence[Commit]
    block: BlockInfo | None
    job_mode: JobMode

    def run(self) -> Updated:
        """Make the change, and make it again to whatever others save meanwhile.

        :raises StageConflictError: others came first for ten minutes.
        """
        deadline, tries = time.monotonic() + _PATIENCE, 0
        while True:
            newest = self._history.newest()
            try:
                current, marks = self._read(newest)
                if self.mark in marks and newest is not None:
                    return self._made_before(newest, marks[self.mark])
                with TemporaryDirectory() as name:
                    return self._once(newest, current, marks, Path(name))
            except _CameFirstError as error:
                if time.monotonic() > deadline:
                    raise error.cause from None
            # The more writers there are, the further apart they should come back.
            tries += 1
            time.sleep(random.uniform(0, min(_LONGEST_PAUSE, 0.02 * 2 ** min(tries, 10))))  # noqa: S311 - spreads callers, no secret

    @property
    def _history(self) -> History:
        return History(self.stage.job.state.store, self.stage.job.key, self.stage.name)

    def _is_current(self, commit: Commit | None) -> bool:
        return commit is not None and commit.is_current(self.job_mode)

    def _read(self, newest: Commit | None) -> tuple[FeatureCollection, dict[str, int]]:
        """Return the current features, and the revision that each marked change has made; none at first."""
        from up42_state.features.objects import feature_collection

        if newest is None or not self._is_current(newest):
            return feature_collection(b'{"type": "FeatureCollection", "features": []}'), {}
        with _others_told():
            features = feature_collection(load_data(self._history.store, newest))
        marks = features.get(APPLIED)
        marks = marks if isinstance(marks, dict) else {}
        return features, {name: number for name, number in marks.items() if _is_revision(number)}

    def _once(
        self,
        newest: Commit | None,
        current: FeatureCollection,
        marks: dict[str, int],
        folder: Path,
    ) -> Updated:
        from up42_state.features.objects import render

        before = newest if self._is_current(newest) else None
        if before is not None and before.totals.files:
            with _others_told():
                self.stage.restore(folder, revision=before.revision)
            (folder / DATA_JSON).unlink()  # the change gets the features themselves
        collection = self._changed(current, folder)
        number = newest.revision if newest else 0
        if self.mark:
            marks = {**marks, self.mark: number + 1}
        if marks:
            collection[APPLIED] = marks
        (folder / DATA_JSON).write_bytes(render(collection))
        with _others_told():
            saved = self.stage.save(
                folder, after=self.parents, expect=number, block=self.block, job_mode=self.job_mode
            )
        return Updated(commit=saved.commit, outcome=saved.outcome, before=before, warnings=saved.warnings)

    def _changed(self, current: FeatureCollection, folder: Path) -> dict[str, Any]:
        """Call the change, and return the collection that it has made.

        :raises InvalidOutputError: it has made something else, which would be lost, or would not be a stage.
        """
        changed = self.change(current, folder)
        if changed is not None and not isinstance(changed, Mapping):
            problem = f"is of type {type(changed).__name__}, not a FeatureCollection"
            advice = "return a FeatureCollection, or None for the one that the change got"
            raise _refused(Defect("what the change returned", problem, advice))
        if not folder.is_dir():
            raise _refused(Defect("the directory", "is gone", "let the change remove files inside it alone"))
        if os.path.lexists(folder / DATA_JSON):
            advice = "return the collection, or change the one that the change got"
            raise _refused(Defect(DATA_JSON, "was written by the change, and would be lost", advice))
        return dict(current if changed is None else changed)

    def _made_before(self, newest: Commit, revision: int) -> Updated:
        """Return what this change did when it was made: the revision before is what it was made to."""
        before = self._history.find(revision - 1)
        made = self._history.find(revision)
        warnings = []
        if made is not None and {parent.content for parent in made.parents} != {
            parent.content for parent in self.parents
        }:
            warnings.append(
                f"{self.mark} is in {made.name} already, from another output than now; that one stays"
            )
        return Updated(
            commit=newest,
            outcome="kept",
            before=before if self._is_current(before) else None,
            warnings=warnings,
        )


def _is_revision(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number > 0


def _refused(defect: Defect) -> InvalidOutputError:
    return InvalidOutputError("the change has made no next revision", defects=[defect])


class _CameFirstError(Exception):
    """Another writer came first: the change has to be made to what that one has saved."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


@contextmanager
def _others_told() -> Iterator[None]:
    """Turn what another writer brings about into an error of its own: a change may raise the same ones."""
    try:
        yield
    except (StageConflictError, RevisionNotFoundError) as error:  # a revision that was read may be pruned
        raise _CameFirstError(error) from error
