"""What a save stands on, and for how long it may rely on that being there.

Prune deletes bytes that have been unlinked for its grace, at least an hour beside savers. So a save refers
only to bytes of revisions that were current when it read them, and commits within half that hour, or finds
that they are current still – and that its own objects are there, which prune takes for garbage once none was
added for its grace. Removing a job deletes commits before anything else: while a commit that the save has
read stands, nothing of the job has gone with it.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING

from up42_state.errors import ObjectNotFoundError
from up42_state.stages.history import History

if TYPE_CHECKING:
    from collections.abc import Iterable

    from up42_state.stages.format.commit import Commit
    from up42_state.stages.store import Store

__all__ = ["MIN_GRACE", "References", "StaleError"]

MIN_GRACE = timedelta(hours=1)  # for which prune leaves unlinked bytes alone, at least


class StaleError(Exception):
    """Bytes that a save stands on are no longer safe: it starts again."""


class References:
    """What one save stands on; made before the first commit that it refers to is read."""

    def __init__(self, store: Store, job: str) -> None:
        self._store = store
        self._job = job
        self._read_at = _clocks()
        self._read: dict[str, Commit] = {}
        self._owners: set[str] = set()
        self._prefix = ""
        self._written: frozenset[str] = frozenset()

    def read(self, commit: Commit | None) -> None:
        """Note a commit of this job that was read, the current one of its stage."""
        if commit is not None:
            self._read[commit.stage] = commit

    def add(self, owners: Iterable[str]) -> None:
        """Note that bytes of these attempts (``<stage>/<attempt>``) are referred to: attempts that the
        commits which were read refer to.
        """
        self._owners.update(owners)

    def wrote(self, prefix: str, keys: Iterable[str]) -> None:
        """Note the objects that this save wrote itself, all below a prefix."""
        self._prefix, self._written = prefix, frozenset(keys)

    def check(self) -> None:
        """Make sure that everything the save stands on is there, and is safe for long enough to commit.

        :raises StaleError: something is gone, or may be deleted before the commit is written.
        """
        started = _clocks()
        elapsed = max(now - then for now, then in zip(started, self._read_at, strict=True))
        late = elapsed >= MIN_GRACE.total_seconds() / 2
        if late:
            self._check_owners()
        elif self._read:
            self._check_commit(next(iter(self._read.values())))
        self._check_written()
        if late:
            self._read_at = started

    def _check_owners(self) -> None:
        """Make sure that current revisions still refer to the attempts that this save refers to."""
        held: set[str] = set()
        for stage in self._read if self._owners else ():
            newest = History(self._store, self._job, stage).newest()
            held.update(newest.refers if newest else ())
        if not self._owners <= held:
            raise StaleError

    def _check_commit(self, commit: Commit) -> None:
        """Make sure that a commit stands as it was read: a removal of its job deletes commits first."""
        try:
            stands = History(self._store, commit.job, commit.stage).read(commit.revision)
        except ObjectNotFoundError as error:
            raise StaleError from error
        if stands.attempt != commit.attempt:
            raise StaleError

    def _check_written(self) -> None:
        """Make sure that the objects of this save are there; a listing may lag, so ask for what it lacks."""
        bucket = self._store.bucket
        listed = {info.key for info in bucket.list(self._prefix)} if self._written else set()
        for key in self._written - listed:
            try:
                bucket.head(key)
            except ObjectNotFoundError as error:
                raise StaleError from error


def _clocks() -> tuple[float, float]:
    """Seconds on two clocks: one stands still while the machine sleeps, the other may be put back."""
    return time.monotonic(), time.time()
