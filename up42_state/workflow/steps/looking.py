"""Tell an engine whether a task is to run, and which of its shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from up42_state.stages.local.directory import writing_to
from up42_state.workflow.shards.stored import StoredShards
from up42_state.workflow.steps.chosen import Chosen, digest_of_cut

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.workflow.planner import Planned
    from up42_state.workflow.task import StoredTask

__all__ = ["Look", "look"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is to happen with a task.

    :param shards: those that must run; ``None`` for a task that is not split, or that does not run.
    :param total: how many shards there are, done or not.
    """

    planned: Planned
    shards: Chosen | None = None
    total: int = 0

    @property
    def runs(self) -> bool:
        """True if the task is to run."""
        return self.planned.status == "runs"

    def to_dict(self) -> dict[str, Any]:
        """Return what is to happen as a JSON object."""
        return {
            **self.planned.to_dict(),
            "run": self.runs,
            "shards": str(self.shards) if self.shards else "",
            "count": self.shards.count if self.shards else 0,
            "indices": self.shards.indices if self.shards else [],
        }

    def lines(self) -> list[str]:
        """Tell people, as ``plan`` does: that the task is done, or each reason why it runs."""
        planned = self.planned
        name = planned.task.name
        if planned.status == "cached" and planned.commit:
            return [f"cached {planned.commit.name}"]
        found = [f"{name} {'runs' if self.runs else 'is skipped'}: {reason}" for reason in planned.reasons]
        if self.shards is not None:
            found.append(f"{self.shards.count} of {self.total} shards run: {self.shards}")
        return found

    def write(self, folder: Path) -> None:
        """Write a file for each output parameter of an engine: ``run``, ``count`` and ``shards``.

        :raises StateError: they cannot be written.
        """
        value = self.to_dict()
        with writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "run").write_text("true" if self.runs else "false")
            (folder / "count").write_text(str(value["count"]))
            (folder / "shards").write_text(value["shards"])


def look(stored: StoredTask, *, force: bool = False) -> Look:
    """Read the store: is a task done, and if it is split, which of its shards are?

    :param force: the task runs even if it is done, and so do all its shards.
    :raises StageNotFoundError: something that the task stands on is not there.
    """
    task = stored.task
    planned = stored.planner.look(task, force=force)
    if planned.status != "runs" or not task.chunk:
        return Look(planned=planned)
    shards, saved = stored.stored_input().split(task.name, task.chunk), StoredShards(stored)
    done = {} if force else saved.find(shards, saved.newest(shards))
    waiting = (index for index, shard in enumerate(shards) if shard.stage not in done)
    return Look(planned=planned, shards=Chosen.of(digest_of_cut(shards), waiting), total=len(shards))
