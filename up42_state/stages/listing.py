"""List all stages of a job in few requests."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from up42_state.stages.format.names import after_runs, is_name, parse_commit_key
from up42_state.stages.history import DamagedCommit, History, missing_job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.buckets.base import ObjectInfo
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.store import Store

__all__ = ["list_stages", "newest_commits"]

_PAGE = 1000  # objects that S3 and GCS list in one request at most
# Objects of one stage: a tenth of a page, so listing this many costs a tenth of a request for the stage.
_FEW = 100


def list_stages(store: Store, job: str) -> Iterator[tuple[str, list[ObjectInfo] | None]]:
    """Yield the stages of a job, each with all of its objects, or with ``None`` where these are not listed.

    All objects of the job are listed together while the stages are small: one request then lists the objects
    of several stages. Once the stages seen so far have more than ``_FEW`` objects each, the other stages come
    with ``None``, and the caller makes a request for each of them, side by side. So the common listing adds
    at most a tenth to a request for each stage.

    :param store: the store that the job lies in.
    :param job: a checked job key.
    :return: pairs of a stage's name and its objects.
    """
    count = 0
    listed: set[str] = set()
    # Keys with one slash are no stage's: a web console's empty "folder" of the job, or somebody's file.
    # Records of runs sort before all stages, and there may be more of them than of anything else.
    infos = (info for info in store.bucket.list(f"{job}/", after=after_runs(job)) if info.key.count("/") > 1)
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
    """Read the newest commit of every stage of a job, tombstones included.

    A ``DamagedCommit`` stands for a damaged commit; an older commit is never taken in its place.

    :param store: the store that the job lies in.
    :param job: a checked job key.
    :raises JobNotFoundError: there is no such job.
    """
    with store.transfers() as transfers:
        newest = list(transfers.map(lambda item: _newest(store, job, *item), list_stages(store, job)))
    if not newest:
        raise missing_job(store, job)
    return [commit for commit in newest if commit is not None]


def _newest(
    store: Store, job: str, stage: str, objects: list[ObjectInfo] | None
) -> Commit | DamagedCommit | None:
    history = History(store, job, stage)
    if objects is None:
        revisions = history.revisions()
    else:
        revisions = [parse_commit_key(info.key) or 0 for info in objects]
    return history.last(revisions)
