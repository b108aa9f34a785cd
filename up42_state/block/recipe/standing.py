"""Look whether a task is done already, in the stores that its stages lie in."""

from __future__ import annotations

from functools import cached_property, partial
from typing import TYPE_CHECKING

from up42_state.stages.history import History
from up42_state.stages.write.standing import standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from up42_state.propagation import Propagation
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.format.recipe import Recipe
    from up42_state.stages.write.standing import Standing
    from up42_state.state import Stage

__all__ = ["look"]


def look(
    stage: Stage, recipe: Recipe, after: Sequence[Stage], propagations: Iterable[Propagation]
) -> Standing:
    """Tell what stands of the task whose output is saved as a stage.

    :param after: the stages that the input is made of.
    :raises NotFoundError: one of the earlier stages does not exist.
    :raises IntegrityError: a commit is damaged.
    """
    history = _Once(stage.job.state.store, stage.job.key, stage.name)
    asked: list[Callable[[], Commit | None]] = [history.newest]
    asked += [partial(parent.latest, recipe.job_mode) for parent in after]
    with stage.job.state.store.transfers() as transfers:
        _, *found = transfers.map(lambda ask: ask(), asked)
    return standing(history, recipe, filter(None, found), [item.resolve() for item in propagations])


class _Once(History):
    """A stage whose newest commit is read once."""

    def newest(self) -> Commit | None:
        """Read the newest commit, or give the one that was read."""
        return self._newest

    @cached_property
    def _newest(self) -> Commit | None:
        return super().newest()
