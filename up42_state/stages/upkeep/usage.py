"""How much of a store a job takes, and when anything was last saved or run in it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from up42_state.stages.format.names import is_name, is_ours, parse_commit_key, shard_of
from up42_state.stages.history import DamagedCommit, History

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from up42_state.stages.store import Store

__all__ = ["StageUsage", "Usage", "stage_usage", "usages", "was_written_since"]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in the store under a job's key, as one listing of all its objects shows it.

    :param stages: how many stages there are. Removed ones, and shards of tasks, are not counted.
    :param objects: how many objects of this library lie there.
    :param bytes: the size of these objects together: all revisions, and what prune has not deleted yet.
    :param last_save: when the newest commit was written, by the store's clock.
    :param last_run: when a record of a run was last written.
    :param run: the id of the newest run of a workflow; empty if there was none.
    """

    job: str
    stages: int
    objects: int
    bytes: int
    last_save: datetime | None
    last_run: datetime | None
    run: str = ""

    @property
    def last(self) -> datetime | None:
        """When anything was last saved or run."""
        return max(filter(None, (self.last_save, self.last_run)), default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the members as JSON types."""
        members: dict[str, Any] = msgspec.to_builtins(self)
        return members


class StageUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What lies in the store of one stage.

    :param revisions: how many revisions the stage has, tombstones counted.
    """

    job: str
    stage: str
    revisions: int
    objects: int
    bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the members as JSON types."""
        members: dict[str, Any] = msgspec.to_builtins(self)
        return members


def usages(store: Store, jobs: Sequence[str]) -> list[Usage]:
    """Return what each job takes, side by side.

    Costs a request for each 1,000 objects of a job, and one for each stage that is no shard: only the newest
    commit tells whether the stage was removed.
    """
    with store.transfers() as transfers:
        return list(transfers.map(partial(_usage, store), jobs))


def _usage(store: Store, job: str) -> Usage:
    revisions: dict[str, list[int]] = {}
    count = total = 0
    last_save = last_run = None
    run = ""
    for info in store.bucket.list(f"{job}/"):
        if not is_ours(info.key):
            continue
        count += 1
        total += info.size
        stage = info.key.split("/")[1]
        if revision := parse_commit_key(info.key):
            revisions.setdefault(stage, []).append(revision)
            last_save = _later(last_save, info.modified)
        elif not is_name(stage):
            run = max(run, info.key.split("/")[2])
            last_run = _later(last_run, info.modified)
    found = [
        History(store, job, stage).last(numbers)
        for stage, numbers in revisions.items()
        if not shard_of(stage)
    ]
    there = sum(isinstance(item, DamagedCommit) or (item is not None and not item.removed) for item in found)
    return Usage(
        job=job,
        stages=there,
        objects=count,
        bytes=total,
        last_save=last_save,
        last_run=last_run,
        run=run,
    )


def stage_usage(store: Store, job: str, stage: str) -> StageUsage:
    """Return what a stage takes: one listing."""
    infos = [info for info in store.bucket.list(f"{job}/{stage}/") if is_ours(info.key)]
    return StageUsage(
        job=job,
        stage=stage,
        revisions=sum(parse_commit_key(info.key) is not None for info in infos),
        objects=len(infos),
        bytes=sum(info.size for info in infos),
    )


def was_written_since(store: Store, job: str, time: datetime) -> bool:
    """Return True if an object of the job was written at this time of the store's clock, or later.

    Costs at most one listing of the job. It ends at the first such object; records of runs come first.
    """
    return any(info.modified >= time for info in store.bucket.list(f"{job}/") if is_ours(info.key))


def _later(one: datetime | None, other: datetime) -> datetime:
    return other if one is None else max(one, other)
