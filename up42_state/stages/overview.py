"""A job at a glance: the newest commit of every stage, in few requests."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from up42_state.stages.history import History, missing_job
from up42_state.stages.names import is_name, parse_commit_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.stages.commit import Commit
    from up42_state.stages.store import Store

__all__ = ["newest_commits"]

_PAGE = 1000  # keys that a store lists in one request
_FEW = 100  # keys of a stage that are read over sooner than the stage is asked for its commits


def newest_commits(store: Store, job: str) -> list[Commit]:
    """The commit with the highest number of every stage, by stage name; tombstones too.

    :raises JobNotFoundError: there is no such job.
    :raises IntegrityError: one is damaged. An older one is never taken in its place.
    """
    with store.transfers() as transfers:
        found = list(transfers.map(lambda item: _newest(store, job, *item), _stages(store, job)))
    if not found:
        raise missing_job(store, job)
    return [commit for commit in found if commit is not None]


def _newest(store: Store, job: str, stage: str, revision: int | None) -> Commit | None:
    history = History(store, job, stage)
    if revision is None:
        return history.newest()
    return history.find(revision) if revision else None


def _stages(store: Store, job: str) -> Iterator[tuple[str, int | None]]:
    """Every stage with the number of its newest revision: 0 if it has none, ``None`` if it is to be asked.

    All keys of the job are listed in one go as long as that takes few requests: the stages are small then.
    Where they have more than ``_FEW`` keys each, the stages that are left are to be asked, side by side. So
    there is never more than a tenth on top of what asking each of them takes.
    """
    listed = 0
    done: set[str] = set()
    keys = (info.key for info in store.bucket.list(f"{job}/") if info.key.count("/") > 1)
    for stage, of_stage in groupby(keys, key=lambda key: key.split("/")[1]):
        newest = 0
        for key in of_stage:
            listed += 1
            if listed >= _PAGE + _FEW * len(done):
                yield from ((name, None) for name in store.stages(job) if name not in done)
                return
            newest = parse_commit_key(key) or newest
        done.add(stage)
        if is_name(stage):
            yield stage, newest
