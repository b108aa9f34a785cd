"""What every store says of a bucket that does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.errors import BucketNotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["no_bucket"]

_MOST = 8


def no_bucket(what: str, advice: str, others: Sequence[str]) -> BucketNotFoundError:
    """The error for a bucket that does not exist.

    :param others: names of buckets that do; the first few are told.
    """
    if others:
        advice += f"; there are {', '.join(others[:_MOST])}{' and more' if len(others) > _MOST else ''}"
    return BucketNotFoundError(f"{what}: the bucket does not exist", advice=advice)
