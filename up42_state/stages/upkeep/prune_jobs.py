"""Pruning all jobs of a store, or those in which nothing was saved or run for long."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from up42_state.errors import JobNotFoundError, StateError, StoreUnreachableError
from up42_state.stages.upkeep.prune import check_prune, prune
from up42_state.stages.upkeep.usage import was_written_since

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from up42_state.stages.store import Store
    from up42_state.stages.upkeep.prune import Pruned

__all__ = ["NotPruned", "prune_jobs"]

_EARLIEST = datetime.min.replace(tzinfo=UTC)


class NotPruned(msgspec.Struct, frozen=True, kw_only=True):
    """A job that was left as it is.

    :param error: why the job cannot be pruned; ``None`` for one that was in use lately.
    """

    job: str
    error: StateError | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the members as JSON types."""
        if self.error is None:
            return {"job": self.job, "skipped": True}
        return {"job": self.job, "problem": self.error.message}


def prune_jobs(
    store: Store,
    *,
    keep: int,
    grace: timedelta,
    older_than: timedelta | None = None,
    no_writers: bool = False,
    dry_run: bool = False,
) -> Iterator[Pruned | NotPruned]:
    """Prune one job of the store after the other, each by the rules of :func:`prune`.

    :param older_than: leave jobs in which anything was written, by a save or by a run, more lately than this.
    :return: for each job what was done. A job that cannot be pruned hides no other.
    :raises SettingsError: ``keep`` or ``grace`` is out of range.
    :raises StoreUnreachableError: the store does not answer.
    """
    check_prune(keep, grace, no_writers=no_writers)
    since = None
    if older_than is not None:
        now = store.bucket.clock()
        since = now - min(older_than, now - _EARLIEST)
    work = partial(prune, store, keep=keep, grace=grace, no_writers=no_writers, dry_run=dry_run)
    for job in store.jobs():
        try:
            if since is not None and was_written_since(store, job, since):
                yield NotPruned(job=job)
            else:
                yield work(job)
        except JobNotFoundError:  # removed meanwhile, or a folder that is none of ours
            continue
        except StoreUnreachableError:  # every other job would say the same
            raise
        except StateError as error:
            yield NotPruned(job=job, error=error)
