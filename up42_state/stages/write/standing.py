"""Whether a task is done: its stage holds what its recipe would give now, and the bytes are there.

The same rule decides for ``exec``, for :class:`~up42_state.Block` and for workflows on every engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from up42_state.errors import IntegrityError, NotFoundError
from up42_state.stages.format.differences import differences
from up42_state.stages.format.names import some_names
from up42_state.stages.format.recipe import Propagated
from up42_state.stages.revision import load_index
from up42_state.stages.write.presence import lost_objects

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.stages.format.recipe import Recipe
    from up42_state.stages.history import History
    from up42_state.stages.propagate.options import EarlierHistories
    from up42_state.stages.store import Store

__all__ = ["Standing", "standing"]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What stands of a task.

    :param stage: the name of the task's stage.
    :param commit: the current revision of the stage; ``None`` if there is none.
    :param reasons: why the task has to run, for people; none if it is done.
    :param newest: the number of the newest revision, whatever that holds; 0 if there is none.
    """

    stage: str
    commit: Commit | None
    reasons: Sequence[str]
    newest: int = 0

    @property
    def is_done(self) -> bool:
        """True if the task need not run."""
        return not self.reasons

    def lines(self) -> list[str]:
        """Tell people: that the task is done, ``cached tiling:1@3``, or each reason why it runs."""
        if self.commit is not None and self.is_done:
            return [f"cached {self.stage}@{self.commit.revision}"]
        return [f"{self.stage} runs: {reason}" for reason in self.reasons]


def standing(
    history: History,
    recipe: Recipe,
    parents: Iterable[Commit],
    propagations: Iterable[EarlierHistories] = (),
) -> Standing:
    """Tell whether the stage of a task holds what its recipe would give now.

    Objects are there if a listing names them in their full size; their bytes are not read.

    :param history: of the task's stage.
    :param parents: the current revisions of the stages that the input is made of.
    :param propagations: what is merged into the output.
    :raises NotFoundError: a stage to propagate does not exist.
    :raises IntegrityError: a commit is damaged.
    """
    newest = history.newest()
    number = newest.revision if newest else 0
    missing = _missing(newest, recipe.job_mode)
    if newest is None or missing:
        return Standing(stage=history.stage, commit=None, reasons=[missing], newest=number)
    components = recipe.components(
        ((parent.stage, parent.content) for parent in parents), _propagated(propagations, recipe.job_mode)
    )
    reasons = differences(newest, components, recipe.parameters)
    if newest.missing:
        count = len(newest.missing)
        features = "1 feature" if count == 1 else f"{count} features"
        reasons.append(f"{newest.name} lacks what {features} of the input would give")
    reasons = reasons or _gone(history.store, newest)
    return Standing(stage=history.stage, commit=newest, reasons=reasons, newest=number)


def _missing(newest: Commit | None, job_mode: JobMode) -> str:
    """Why there is no current revision; empty if there is one."""
    if newest is None:
        return "it was not saved yet"
    if newest.removed:
        return "its stage was removed"
    return "" if newest.is_current(job_mode) else f"{newest.name} holds only the output of a dry run"


def _propagated(propagations: Iterable[EarlierHistories], job_mode: JobMode) -> Iterator[Propagated]:
    for propagation in propagations:
        commits = propagation.commits(lambda history: history.current(job_mode))
        for commit in filter(None, commits):
            name = f"{commit.job}/{commit.stage}"
            yield Propagated(stage=name, content=commit.content, options=propagation.given)


def _gone(store: Store, commit: Commit) -> list[str]:
    """Why the bytes of a revision cannot be had; empty if all of its objects are there."""
    try:
        lost = lost_objects(store, commit, load_index(store, commit))
    except NotFoundError:
        return [f"the bytes of {commit.name} are gone"]
    except IntegrityError:
        return [f"the index of {commit.name} is missing or damaged"]
    if not lost:
        return []
    return [f"objects of {commit.name} are gone or cut off: {some_names(lost)}"]
