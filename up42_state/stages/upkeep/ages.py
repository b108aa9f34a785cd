"""What is old enough to be deleted, by the clock of the store that holds it.

A clock may have been wrong when an object was written, or be wrong now. Of what is dated in the future nobody
knows the age, so it counts as new, and is told of.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from up42_state.buckets.base import Bucket

__all__ = ["Ages"]

_EARLIEST = datetime.min.replace(tzinfo=UTC)
_APART = timedelta(minutes=5)  # by which the clocks of one store's servers may differ


class Ages:
    """Compares times of objects with the store's time, and keeps those that lie in the future.

    :param grace: what was written longer ago is old.
    :param everything: all is old, whatever its time: nothing is being written, and there is no grace.
    """

    def __init__(self, bucket: Bucket, grace: timedelta, *, everything: bool) -> None:
        self._now, self._read_at = bucket.clock(), time.monotonic()
        self._before = self._now - min(grace, self._now - _EARLIEST)
        self._everything = everything
        self._future: dict[str, datetime] = {}

    def note(self, key: str, written: datetime) -> None:
        """Keep an object's time if it lies in the future."""
        since = timedelta(seconds=time.monotonic() - self._read_at)  # savers may have been at work
        if written - self._now > since + _APART:
            self._future[key] = written

    def is_old(self, written: datetime) -> bool:
        """Whether the grace is over for what was written then."""
        return self._everything or written <= self._before

    def unlinked(self, commits: Mapping[int, datetime]) -> dict[int, datetime]:
        """When each revision was committed, at the latest: by its own commit's time, and by those before it.

        A commit that is dated before the one that it followed was written by a clock that had been put back.
        """
        found = {}
        latest = _EARLIEST
        for revision, written in sorted(commits.items()):
            found[revision] = max(latest, written)
            if written - self._now <= _APART:
                latest = found[revision]
        return found

    @property
    def future(self) -> int:
        """How many objects are dated in the future."""
        return len(self._future)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say how many objects are dated in the future, and what follows from that."""
        if not self._future:
            return ()
        count = len(self._future)
        what = f"{count} objects are" if count > 1 else "1 object is"
        last = f"{max(self._future.values()):%Y-%m-%d %H:%M} UTC"
        if self._everything:
            done = "taken for old, as no save runs and there is no grace"
        else:
            done = (
                "taken for new, so what belongs to them, or was unlinked by them, stays until then. Look "
                "whether the clock is right; when no save runs, --no-writers --grace 0 deletes what is not "
                "needed"
            )
        return (f"{what} dated in the future by the store's clock, up to {last}: {done}",)
