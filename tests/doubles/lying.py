"""A bucket around a real one that does otherwise than it says, in the way that a test picks."""

from __future__ import annotations

import math
import threading
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from doubles.faulty import FaultyBucket
from up42_state.errors import AccessDeniedError, ObjectExistsError, ObjectNotFoundError, UnsupportedStoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from up42_state.buckets.base import Bucket, ObjectInfo
    from up42_state.buckets.uploads import Buffer


@dataclass(frozen=True, kw_only=True)
class Lies:
    """What the store does wrong.

    :param ignores_create: a create overwrites.
    :param checks_before_create: a create looks first and writes then, once another has looked as well or a
        moment has passed: right alone, wrong in a race.
    :param refuses_create: it does not know the conditional header.
    :param lag: how many listings do not show a new object.
    :param lists_deleted: how many listings show an object that was deleted.
    """

    ignores_create: bool = False
    checks_before_create: bool = False
    refuses_create: bool = False
    lag: float = 0.0
    lists_deleted: int = 0
    ignores_ranges: bool = False
    keeps_deleted: bool = False
    flips: bool = False
    read_only: bool = False
    clock_apart: float = 0.0


class LyingBucket(FaultyBucket):
    """Lies about some things; the rest goes to ``inner``."""

    def __init__(self, inner: Bucket, **lies: bool | float) -> None:
        super().__init__(inner)
        self.lies = Lies(**lies)  # type: ignore[arg-type]  # by name
        self.atomic_create = None
        self._listings = 0
        self._written: dict[str, int] = {}
        self._deleted: list[tuple[int, ObjectInfo]] = []
        self._lookers: Counter[str] = Counter()
        self._looking = threading.Condition()
        self._identity = f"lying:{uuid.uuid4()}"  # an address in memory may be used again

    @property
    def identity(self) -> str:
        return self._identity

    def put(self, key: str, data: Buffer) -> None:
        if self.lies.read_only:
            raise AccessDeniedError(f"{key}: access denied")
        self._written.setdefault(key, self._listings)
        super().put(key, data)

    def create(self, key: str, data: Buffer) -> None:
        if self.lies.refuses_create:
            raise UnsupportedStoreError(f"{key}: the store does not know this request", advice="none")
        if self.lies.checks_before_create:
            if self._is_there(key):
                raise ObjectExistsError(f"{key} exists already")
            self._wait_for_another(key)
        if self.lies.checks_before_create or self.lies.ignores_create:
            self.put(key, data)
            return
        super().create(key, data)
        self._written.setdefault(key, self._listings)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        if self.lies.ignores_ranges:
            start, length = 0, None
        data = super().get(key, start, length)
        return bytes([data[0] ^ 1]) + data[1:] if self.lies.flips and data else data

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        self._listings += 1
        for info in super().list(prefix, after=after):
            if self._listings - self._written.get(info.key, -math.inf) > self.lies.lag:
                yield info
        for deleted, info in self._deleted:
            if info.key.startswith(prefix) and self._listings - deleted <= self.lies.lists_deleted:
                yield info

    def delete(self, keys: Iterable[str]) -> None:
        if self.lies.keeps_deleted:
            return
        keys = list(keys)
        if self.lies.lists_deleted:
            self._deleted += [(self._listings, self.inner.head(key)) for key in keys if self._is_there(key)]
        super().delete(keys)

    def clock(self) -> datetime:
        return super().clock() + timedelta(seconds=self.lies.clock_apart)

    def _wait_for_another(self, key: str) -> None:
        """Wait until another creator has looked for this key as well; not for long, as there may be none."""
        with self._looking:
            self._lookers[key] += 1
            self._looking.notify_all()
            self._looking.wait_for(lambda: self._lookers[key] > 1, timeout=0.5)

    def _is_there(self, key: str) -> bool:
        try:
            self.inner.head(key)
        except ObjectNotFoundError:
            return False
        return True
