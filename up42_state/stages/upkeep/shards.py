"""Shards of tasks (``foreach`` of a workflow) that no kept revision of their task stands on any more.

A feature that goes leaves its shard behind. The shard is of use again if the feature comes back soon; later
the shard is removed as a stage is: it gets a tombstone, and a later pruning frees its bytes.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from up42_state.errors import StageNotFoundError
from up42_state.stages.format.names import shard_of
from up42_state.stages.upkeep.remove import remove_stage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from up42_state.stages.store import Store
    from up42_state.stages.upkeep.ages import Ages

__all__ = ["left_shards", "remove_shards"]


def left_shards(
    commits: Mapping[str, Mapping[int, datetime]], in_use: set[str], removed: set[str], ages: Ages
) -> list[str]:
    """The shards that were left behind, and are old.

    :param commits: when each revision was committed, by stage.
    :param in_use: attempts that kept revisions refer to, those of shards' own left out.
    :param removed: stages that are removed already.
    """
    used = {attempt.partition("/")[0] for attempt in in_use}
    return sorted(
        stage
        for stage, times in commits.items()
        if shard_of(stage) in commits  # the task has been put together, or its shards are still being made
        and stage not in used | removed
        and ages.is_old(max(times.values()))
    )


def remove_shards(store: Store, job: str, shards: list[str]) -> None:
    """Remove shards, side by side."""

    def remove(stage: str) -> None:
        with suppress(StageNotFoundError):  # another pruning was faster
            remove_stage(store, job, stage)

    with store.transfers() as transfers:
        list(transfers.map(remove, shards))
