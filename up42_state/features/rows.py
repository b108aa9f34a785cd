"""Ids that only number rows, as geopandas and ogr2ogr write them: every output has the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    Id = str | int | float | None

__all__ = ["Rows"]

_BROKEN = -1
_FIRST = (0, 1, "0", "1")


class Rows:
    """Whose ids count features: 0, 1, 2 … or 1, 2, 3 … in order, as numbers or text.

    Features are noted with the stage that they say they come from, and each stage's are looked at for
    themselves: features that were forwarded from elsewhere change nothing about a collection's own ones.
    Where several counted lists follow each other, as in a frame put together of others, each counts.
    """

    def __init__(self) -> None:
        self._last: dict[str | None, int] = {}  # by stage; None for all features together

    def note(self, stage: str, ids: Iterable[Id]) -> None:
        """Note the ids of further features of one stage; an empty name for the collection's own."""
        for feature_id in ids:
            last = (self._follow(None, feature_id), self._follow(stage, feature_id))
            if last == (_BROKEN, _BROKEN):
                break

    def _follow(self, stage: str | None, feature_id: Id) -> int:
        last = self._last.get(stage)
        if last == _BROKEN:
            return _BROKEN
        if last is not None and (feature_id == last + 1 or feature_id == str(last + 1)):
            last += 1
        else:
            last = int(feature_id or 0) if feature_id in _FIRST else _BROKEN
        self._last[stage] = last
        return last

    def number(self, stage: str) -> bool:
        """Whether the ids of the features of a stage number rows."""
        return self._last.get(None, _BROKEN) != _BROKEN or self._last.get(stage, _BROKEN) != _BROKEN

    @property
    def any(self) -> bool:
        """Whether the ids of some stage do."""
        return any(last != _BROKEN for last in self._last.values())
