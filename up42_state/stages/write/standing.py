"""Whether a task is done: its stage holds what its recipe would give now, and the bytes are there.

The same rule decides for ``exec``, for :class:`~up42_state.Block` and for workflows on every engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from up42_state.stages.format.differences import differences
from up42_state.stages.format.parameters import mask_secrets
from up42_state.stages.format.recipe import Propagated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from up42_state.stages.format.commit import Commit, JobMode
    from up42_state.stages.format.recipe import Recipe
    from up42_state.stages.history import History
    from up42_state.stages.propagate.options import EarlierHistories

__all__ = ["Standing", "standing"]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What stands of a task.

    :param commit: the current revision of its stage; ``None`` if there is none.
    :param reasons: why the task has to run, for people; none if it is done.
    """

    commit: Commit | None
    reasons: Sequence[str]

    @property
    def is_done(self) -> bool:
        """True if the task need not run."""
        return not self.reasons


def standing(
    history: History,
    recipe: Recipe,
    parents: Sequence[Commit],
    propagations: Iterable[EarlierHistories] = (),
) -> Standing:
    """Tell whether the stage of a task holds what its recipe would give now.

    :param history: of the task's stage.
    :param parents: the current revisions of the stages that the input is made of.
    :param propagations: what is merged into the output.
    :raises NotFoundError: a stage to propagate does not exist.
    :raises IntegrityError: a commit is damaged.
    :raises SettingsError: the parameters cannot be written as JSON.
    """
    newest = history.newest()
    missing = _missing(newest, recipe.job_mode)
    if newest is None or missing:
        return Standing(commit=None, reasons=[missing])
    components = recipe.components(
        ((parent.stage, parent.content) for parent in parents), _propagated(propagations, recipe.job_mode)
    )
    reasons = differences(newest, components, mask_secrets(recipe.parameters))
    if newest.missing:
        count = len(newest.missing)
        features = "1 feature" if count == 1 else f"{count} features"
        reasons.append(f"{newest.name} lacks what {features} of the input would give")
    if not reasons and history.states([newest]) != ["restorable"]:
        reasons = [f"the bytes of {newest.name} are gone"]
    return Standing(commit=newest, reasons=reasons)


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
