"""What a save refers to without moving it, and for how long it may rely on that being there.

Prune deletes bytes that have been unlinked for its grace, at least an hour beside savers. So a save refers
only to bytes of revisions that were current when it read them, and commits within half that hour, or finds
that they are current still.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from up42_state.stages.history import History
from up42_state.stages.prune import MIN_GRACE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from up42_state.stages.store import Store

__all__ = ["References", "StaleError"]


class StaleError(Exception):
    """Bytes that a save refers to are no longer part of a current revision: it starts again."""


class References:
    """The references of one save; made before the first commit that it refers to is read."""

    def __init__(self, store: Store, job: str) -> None:
        self._store = store
        self._job = job
        self._read_at = time.monotonic()
        self._stages: set[str] = set()
        self._owners: set[str] = set()

    def add(self, stage: str, owners: Iterable[str]) -> None:
        """Note that bytes of these attempts (``<stage>/<attempt>``) are referred to.

        :param stage: the stage of this job whose current revision holds them.
        """
        self._stages.add(stage)
        self._owners.update(owners)

    def check(self) -> None:
        """Make sure that everything referred to is safe for long enough to commit.

        :raises StaleError: it is not.
        """
        if not self._owners or time.monotonic() - self._read_at < MIN_GRACE.total_seconds() / 2:
            return
        started = time.monotonic()
        held: set[str] = set()
        for stage in self._stages:
            newest = History(self._store, self._job, stage).newest()
            held.update(newest.refers if newest else ())
        if not self._owners <= held:
            raise StaleError
        self._read_at = started
