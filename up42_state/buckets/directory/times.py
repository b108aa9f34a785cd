"""Times of objects, as a file system gives them."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["LATEST", "in_utc", "moment"]

LATEST = datetime.max.replace(tzinfo=UTC)


def moment(seconds: float) -> datetime:
    """A file's time, in seconds since 1970.

    One that no calendar has counts as the latest of all, since what is old may be deleted.
    """
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return LATEST


def in_utc(time: datetime) -> datetime:
    """Turn a time into one in UTC. A time without a zone is taken to be in UTC."""
    if time.tzinfo is None:
        return time.replace(tzinfo=UTC)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return LATEST
