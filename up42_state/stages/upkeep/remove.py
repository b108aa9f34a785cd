"""Removing a stage or a job: unlinked first, deleted later, so that a crash leaves garbage, never a hole."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from up42_state.buckets.probe import ensure_atomic_create
from up42_state.errors import IntegrityError, UnsupportedFormatError
from up42_state.stages.format.names import is_ours
from up42_state.stages.history import History, missing_job
from up42_state.stages.write.lease import StaleError
from up42_state.stages.write.publish import Precondition, create_commit, publish, tombstone

if TYPE_CHECKING:
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.store import Store

__all__ = ["Removed", "remove_job", "remove_stage"]

_ROUNDS = 10  # a saver that commits between two of them leaves a revision whose bytes are gone: again


def remove_stage(store: Store, job: str, stage: str) -> Commit:
    """Unlink a stage: a tombstone becomes its next revision. ``prune`` frees the bytes.

    :raises StageNotFoundError: there is no such stage, or it is removed already.
    :raises UnsupportedFormatError: a newer release saved it.
    """
    history = History(store, job, stage)
    while True:
        with suppress(StaleError):  # the whole job went meanwhile, and may have been begun anew
            try:
                newest = history.current("DRY_RUN")
            except UnsupportedFormatError:
                raise
            except IntegrityError:
                return _bury(store, history)
            return publish(store, tombstone(job, stage, newest.revision + 1), newest, Precondition())


def _bury(store: Store, history: History) -> Commit:
    """Unlink a stage whose newest commit is damaged: the number of the commit is all that must be known.

    :raises StaleError: the damaged commit is not the newest any more, or the whole job went.
    """
    ensure_atomic_create(store.bucket, single_writer=store.single_writer)
    newest = max(history.revisions(), default=0)
    removed = tombstone(history.job, history.stage, newest + 1)
    if newest and create_commit(store, removed):
        return removed
    raise StaleError


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """What removing a job did.

    :param objects: how many objects were deleted.
    :param foreign: keys of objects below the job's that the stage format does not know; they were left.
    """

    objects: int
    foreign: tuple[str, ...] = ()

    def __repr__(self) -> str:
        left = f", {len(self.foreign)} of others left" if self.foreign else ""
        return f"Removed({self.objects} objects{left})"


def remove_job(store: Store, job: str) -> Removed:
    """Delete everything of a job that is ours, its commits first.

    Savers that run meanwhile find out that their job is gone, and start again; what they had finished is
    removed as well, and what they write afterwards stays.

    :raises JobNotFoundError: there is no such job.
    """
    removed = 0
    foreign: tuple[str, ...] = ()
    for _ in range(_ROUNDS):
        listed = [info.key for info in store.bucket.list(f"{job}/")]
        keys = [key for key in listed if is_ours(key)]
        foreign = tuple(key for key in listed if not is_ours(key))
        if not keys:
            break
        commits = [key for key in keys if key.split("/")[2:3] == ["commits"]]
        kept = frozenset(commits)
        store.bucket.delete(sorted(commits))  # oldest first: no reader takes an older revision for the newest
        store.bucket.delete([key for key in keys if key not in kept])
        for upload in store.bucket.uploads(f"{job}/"):
            if is_ours(upload.key):  # another store may lie below the job
                store.bucket.abort_upload(upload)
        removed += len(keys)
    if not removed:
        raise missing_job(store, job)
    return Removed(objects=removed, foreign=foreign)
