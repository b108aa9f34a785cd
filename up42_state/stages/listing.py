"""A job at a glance: all of its stages, in few requests."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from up42_state.stages.format.names import is_name, parse_commit_key
from up42_state.stages.history import DamagedCommit, History, missing_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.buckets.base import ObjectInfo
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.store import Store

__all__ = ["list_stages", "newest_commits"]

_PAGE = 1000  # objects that a store lists in one request
_FEW = 100  # objects of a stage that are listed sooner than the stage is asked for what is wanted of it


def list_stages(store: Store, job: str) -> Iterator[tuple[str, list[ObjectInfo] | None]]:
    """Every stage, by name, with all of its objects; ``None`` in their place where it is to be asked.

    All objects of the job are listed together as long as that takes few requests: the stages are small then.
    Where they have more than ``_FEW`` objects each, the stages that are left are to be asked for what is
    wanted of them, side by side. So there is never more than a tenth on top of a request for each stage.
    """
    count = 0
    listed: set[str] = set()
    infos = (info for info in store.bucket.list(f"{job}/") if info.key.count("/") > 1)
    for stage, group in groupby(infos, key=lambda info: info.key.split("/")[1]):
        objects = []
        for info in group:
            objects.append(info)
            count += 1
            if count >= _PAGE + _FEW * len(listed):
                yield from ((name, None) for name in store.stages(job) if name not in listed)
                return
        listed.add(stage)
        if is_name(stage):
            yield stage, objects


def newest_commits(store: Store, job: str) -> list[Commit | DamagedCommit]:
    """Read the commit with the highest number of every stage, by stage name; tombstones too.

    Of a damaged commit the result says why it cannot be read. An older one is never taken in its place.

    :raises JobNotFoundError: there is no such job.
    """
    with store.transfers() as transfers:
        found = list(transfers.map(lambda item: _newest(store, job, *item), list_stages(store, job)))
    if not found:
        raise missing_job(store, job)
    return [item for item in found if item is not None]


def _newest(
    store: Store, job: str, stage: str, objects: list[ObjectInfo] | None
) -> Commit | DamagedCommit | None:
    history = History(store, job, stage)
    if objects is None:
        revisions = history.revisions()
    else:
        revisions = [parse_commit_key(info.key) or 0 for info in objects]
    return history.last(revisions)
