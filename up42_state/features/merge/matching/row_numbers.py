"""Ids that only number rows, as geopandas and ogr2ogr write them: two outputs have equal ids by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    Id = str | int | float | None

__all__ = ["Rows"]

_DIGITS = 20  # of an id that may number a row; Earth Engine pads with zeros to so many


class Rows:
    """Tells stages whose ids count features: 0, 1, 2 … or 1, 2, 3 …, as numbers or text, in whatever order.

    Features are noted with the stage that they say they come from, and each stage's are looked at for
    themselves: features that were forwarded from elsewhere change nothing about a collection's own ones.
    Where several lists that count in order follow each other, as in a frame put together of others, each
    counts. A frame that was sorted has the same numbers in another order.
    """

    def __init__(self) -> None:
        self._all = _Count()
        self._stages: dict[str, _Count] = {}

    def note(self, stage: str, ids: Iterable[Id]) -> None:
        """Note the ids of further features of one stage; an empty name for the collection's own."""
        own, together = self._stages.setdefault(stage, _Count()), self._all
        for feature_id in ids:
            number = _number(feature_id)
            if number is None:
                own.is_broken = together.is_broken = True
                break
            own.add(number)
            together.add(number)
            if own.is_broken and together.is_broken:
                break

    def number(self, stage: str) -> bool:
        """True if the ids of the features of a stage number rows."""
        own = self._stages.get(stage)
        return self._all.is_whole or (own is not None and own.is_whole)

    @property
    def any(self) -> bool:
        """True if the ids of some stage number rows."""
        return self._all.is_whole or any(count.is_whole for count in self._stages.values())


class _Count:
    """Tells whether numbers count features, in the order in which they came or in another.

    For the second only sums are kept, since there may be very many. Other numbers with these sums have to
    be chosen with care, and then merely pair fewer features.
    """

    __slots__ = ("_high", "_is_ordered", "_last", "_number", "_total", "_total_of_squares", "is_broken")

    def __init__(self) -> None:
        self._number = self._total = self._total_of_squares = self._high = 0
        self._last = -1
        self._is_ordered = True
        self.is_broken = False

    def add(self, number: int) -> None:
        """Note the next number."""
        if number != self._last + 1 and number > 1:
            self._is_ordered = False
        self._last = number
        self._number += 1
        self._total += number
        self._total_of_squares += number * number
        if number > self._high:
            self._high = number

    @property
    def is_whole(self) -> bool:
        """True if the numbers so far count features."""
        if self.is_broken or not self._number:
            return False
        return self._is_ordered or self._is_spread(self._number) or self._is_spread(self._number + 1)

    def _is_spread(self, end: int) -> bool:
        """True if these are the numbers before ``end``, in some order; 0 may be missing."""
        sums = (self._total, self._total_of_squares)
        return self._high == end - 1 and sums == (end * (end - 1) // 2, (end - 1) * end * (2 * end - 1) // 6)


def _number(feature_id: Id) -> int | None:
    """The row number that an id may be; ``None`` for an id that is none."""
    if isinstance(feature_id, str):
        text = feature_id.removesuffix(".0")  # of a frame whose index is floating point
        return int(text) if len(text) <= _DIGITS and text.isascii() and text.isdecimal() else None
    if (
        feature_id is None
        or feature_id < 0
        or (isinstance(feature_id, float) and not feature_id.is_integer())
    ):
        return None
    return int(feature_id)
