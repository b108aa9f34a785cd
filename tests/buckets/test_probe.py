"""The probe for stores that do not create atomically."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from doubles.lying import LyingBucket

from up42_state.buckets.memory import MemoryBucket
from up42_state.buckets.probe import creates_atomically, ensure_atomic_create
from up42_state.errors import (
    ObjectExistsError,
    StoreUnreachableError,
    UnsupportedStoreError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.buckets.base import Bucket
    from up42_state.buckets.uploads import Buffer


class Unknown(MemoryBucket):
    """A good store of which nobody knows that it is; counts its creates."""

    atomic_create = None

    def __init__(self) -> None:
        super().__init__()
        self.created = 0
        self._counting = threading.Lock()

    def create(self, key: str, data: Buffer) -> None:
        with self._counting:
            self.created += 1
        super().create(key, data)


class Overwriting(Unknown):
    """A store that does not know the condition, and overwrites."""

    def create(self, key: str, data: Buffer) -> None:
        self.created += 1
        self.put(key, data)


def looking_first() -> LyingBucket:
    """A store that looks, and then writes."""
    return LyingBucket(MemoryBucket(), checks_before_create=True)


class LastOneWins(Unknown):
    """A store that tells one creator that it won, and keeps another's bytes."""

    def create(self, key: str, data: Buffer) -> None:
        try:
            super().create(key, data)
        except ObjectExistsError:
            self.put(key, data)
            raise


class EveryoneWins(Unknown):
    """A store that creates once, and tells all who race that they did it."""

    def create(self, key: str, data: Buffer) -> None:
        in_a_row = self.created < 2
        try:
            super().create(key, data if in_a_row else b"creator 0")  # a winner's: only their number tells
        except ObjectExistsError:
            if in_a_row:
                raise


class LosingAnswers(Unknown):
    """A good store that loses the winner's answer in the first round: its retry meets its own object."""

    lost = False

    def create(self, key: str, data: Buffer) -> None:
        super().create(key, data)
        if not self.lost:
            self.lost = True
            raise ObjectExistsError(key)


class Silent(Unknown):
    """A store that does not answer at first."""

    silent = True

    def create(self, key: str, data: Buffer) -> None:
        if self.silent:
            raise StoreUnreachableError("no answer")
        super().create(key, data)


def test_good_store() -> None:
    """A store on which one creator wins is accepted, and nothing is left there."""
    bucket = Unknown()
    ensure_atomic_create(bucket)
    assert bucket.created == 2 + 8
    assert list(bucket.list("")) == []


@pytest.mark.parametrize("kind", [Overwriting, looking_first, LastOneWins, EveryoneWins])
def test_bad_store(kind: Callable[[], Bucket]) -> None:
    """A store on which several win, or the wrong one, is refused with what to do, and nothing is left."""
    bucket = kind()
    with pytest.raises(UnsupportedStoreError, match="UP42_STATE_SINGLE_WRITER=true"):
        ensure_atomic_create(bucket)
    assert list(bucket.list("")) == []


def test_no_race_where_two_in_a_row_tell() -> None:
    """A store that plainly overwrites is not made to: several writers at once break the listings of some."""
    bucket = Overwriting()
    assert not creates_atomically(bucket)
    assert bucket.created == 2


def test_single_writer_is_not_probed() -> None:
    """Who says that saves never race may use any store, and it is not asked."""
    bucket = Unknown()
    ensure_atomic_create(bucket, single_writer=True)
    assert bucket.created == 0


def test_documented_store_is_not_probed() -> None:
    """Where the documentation says that it creates atomically, a store is not asked."""
    bucket = Unknown()
    bucket.atomic_create = True
    ensure_atomic_create(bucket)
    assert bucket.created == 0


def test_known_bad_store_is_not_probed() -> None:
    """Where it is known that it does not, it is refused at once."""
    bucket = Unknown()
    bucket.atomic_create = False
    with pytest.raises(UnsupportedStoreError):
        ensure_atomic_create(bucket)
    assert bucket.created == 0


def test_asked_once() -> None:
    """A store is asked once in a process, also by threads that come at the same time."""
    bucket = Unknown()
    threads = [threading.Thread(target=ensure_atomic_create, args=[bucket]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bucket.created == 2 + 8


def test_lost_answer() -> None:
    """A round that nobody wins, since an answer was lost, is no proof: they race again."""
    assert creates_atomically(LosingAnswers())


def test_no_answer_is_no_verdict() -> None:
    """A store that does not answer is neither accepted nor refused, and asked again the next time."""
    bucket = Silent()
    with pytest.raises(StoreUnreachableError):
        ensure_atomic_create(bucket)
    bucket.silent = False
    ensure_atomic_create(bucket)
