"""Look whether a task is done already, in the stores that its stages lie in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.stages.history import History
from up42_state.stages.write.standing import standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from up42_state.propagation import Propagation
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
    with stage.job.state.store.transfers() as transfers:
        parents = list(transfers.map(lambda parent: parent.latest(recipe.job_mode), after))
    history = History(stage.job.state.store, stage.job.key, stage.name)
    return standing(history, recipe, parents, [item.resolve() for item in propagations])
