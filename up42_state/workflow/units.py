"""The shards of a task as units: how each is filled and saved, on whichever machine it runs."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from up42_state.stages.revision import Listing, load_index
from up42_state.stages.write.publish import Precondition
from up42_state.workflow.attempt import Unit
from up42_state.workflow.shards.stored import StoredShards
from up42_state.workflow.task import StoredTask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.stages.format.commit import Parent
    from up42_state.stages.write.save import Saved
    from up42_state.workflow.model import Task
    from up42_state.workflow.planner import Planner
    from up42_state.workflow.scratch import Folder
    from up42_state.workflow.shards.cut import Shard
    from up42_state.workflow.shards.inputs import WholeInput

__all__ = ["ShardUnits"]


class ShardUnits(StoredTask):
    """Makes a unit of each shard of a task.

    :param whole: the input, which fills the shards.
    :param parents: the revisions that the input is made of.
    """

    def __init__(self, planner: Planner, task: Task, whole: WholeInput, parents: Sequence[Parent]) -> None:
        super().__init__(planner, task)
        self.parents = parents
        self._whole = whole

    @cached_property
    def nearby(self) -> list[Listing]:
        """What the parents hold in this job, read once: each shard may pass some of it on."""
        store, own = self.job.state.store, self.job.key
        found = [self.planner.history(parent.stage).newest() for parent in self.parents if parent.job == own]
        return [
            Listing(commit=commit, index=load_index(store, commit))
            for commit in found
            if commit is not None and not commit.removed
        ]

    def unit(self, shard: Shard, *, why: str, seen: int) -> Unit:
        """What is run for a shard.

        :param why: why it runs, for people.
        :param seen: the number of its stage's newest revision when it was found that it has to run.
        """

        def save(folder: Folder) -> Saved:
            return (
                StoredShards(self)
                .saving(
                    shard.stage,
                    shard.content,
                    folder.output,
                    folder.quicklooks,
                    nearby=self.nearby,
                    with_contents=True,
                    precondition=Precondition(seen=seen),
                )
                .run()
            )

        return Unit(
            task=self.task,
            stage=shard.stage,
            why=why,
            fill=lambda folder: self._whole.fill(shard, folder.input),
            save=save,
            seen=seen,
            inputs=tuple(parent.attempt for parent in self.parents),
        )
