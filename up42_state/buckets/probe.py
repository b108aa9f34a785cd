"""Finding out whether a store creates atomically, where its documentation does not say so.

The stage format stands on it: of two saves that create the commit of one number, one must fail.
"""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

from up42_state.errors import ObjectExistsError, StorageError, UnsupportedStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from up42_state.buckets.base import Bucket

__all__ = ["creates_atomically", "ensure_atomic_create"]

_CREATORS = 8
_ROUNDS = 3


def ensure_atomic_create(bucket: Bucket, *, single_writer: bool = False) -> None:
    """Refuse a store on which racing saves could be lost. The store is asked once in a process; not at all
    where its documentation answers, nor with a single writer.

    :param single_writer: the user's word that no two saves race (``UP42_STATE_SINGLE_WRITER``).
    :raises UnsupportedStoreError: it does not create atomically.
    """
    if single_writer or bucket.atomic_create:
        return
    if bucket.atomic_create is False or not _verdict(bucket.identity).of(bucket):
        raise UnsupportedStoreError(
            f"{bucket.url} does not create atomically: of saves that race, one could be lost unnoticed",
            advice="use a store that enforces If-None-Match (or a newer version of this one), or set"
            " UP42_STATE_SINGLE_WRITER=true if no two saves of a stage ever run at once",
        )


def creates_atomically(bucket: Bucket) -> bool:
    """Create one object below ``.up42_state/`` twice, one after the other; then let eight creators race for
    another: whether the second is refused, exactly one of the eight wins, and the object is the winner's.

    Nobody wins where the winner's answer was lost and its retry met its own object; then they race again.

    The two come first, since they find out most stores that do not, and a race may break what those keep:
    ``rclone serve s3`` goes on listing an object that several writers wrote at once, after it was deleted.

    :raises StorageError: the store does not answer, or says itself that it cannot.
    """
    with _keys(bucket) as new_key:
        if _overwrites(bucket, new_key()):
            return False
        for _ in range(_ROUNDS):
            key = new_key()
            winners = _race(bucket, key)
            if winners:
                return len(winners) == 1 and bucket.get(key) == _text(winners[0])
    return False


class _Verdict:
    """Whether one store creates atomically, as far as that is known. Who asks during the probe waits."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: bool | None = None

    def of(self, bucket: Bucket) -> bool:
        with self._lock:
            if self._known is None:
                self._known = creates_atomically(bucket)
            return self._known


@cache
def _verdict(identity: str) -> _Verdict:  # noqa: ARG001 - the key of the cache: one verdict for each store
    return _Verdict()


@contextmanager
def _keys(bucket: Bucket) -> Iterator[Callable[[], str]]:
    """A function that gives new keys. Objects of these keys are deleted at the end of the block."""
    used: list[str] = []

    def new_key() -> str:
        used.append(f".up42_state/probe-{uuid.uuid4().hex}")
        return used[-1]

    try:
        yield new_key
    finally:
        with suppress(StorageError):
            bucket.delete(used)


def _overwrites(bucket: Bucket, key: str) -> bool:
    """Whether a second creator succeeds where the first one has long had its answer."""
    with suppress(ObjectExistsError):  # its retry met its own object
        bucket.create(key, _text(1))
    try:
        bucket.create(key, _text(2))
    except ObjectExistsError:
        return False
    return True


def _race(bucket: Bucket, key: str) -> list[int]:
    """The creators that were told that they had created the object."""
    start = threading.Barrier(_CREATORS)

    def create(number: int) -> bool:
        start.wait()
        try:
            bucket.create(key, _text(number))
        except ObjectExistsError:
            return False
        return True

    with ThreadPoolExecutor(_CREATORS) as pool:
        return [number for number, won in enumerate(pool.map(create, range(_CREATORS))) if won]


def _text(number: int) -> bytes:
    return f"creator {number}".encode()
