"""The keys by which provenance names the features of a collection."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.features.collection import Collection

__all__ = ["Keys"]

# 128 bits of SHA-256: short in every feature, and no two features of a collection collide by chance.
_DIGITS = 32


class Keys:
    """A digest of each feature's bytes in hex; equal features from the second on get a dot and a number.

    Digests are made when they are asked for. Equal features have equal ids, so where all ids differ there are
    no numbers, and features that nobody asks for are never hashed.

    :param ids: the ids of the collection's features, in order.
    """

    def __init__(self, collection: Collection, ids: Sequence[str | int | float | None]) -> None:
        self._collection = collection
        self._ids = ids

    def of(self, index: int, feature: bytes | memoryview | None = None) -> str:
        """The key of a feature.

        :param feature: the feature's bytes, where at hand.
        """
        digest = _digest(self._collection.raw(index) if feature is None else feature)
        number = self._numbers.get(index) if self._numbers else None
        return digest if number is None else f"{digest}.{number}"

    @cached_property
    def _numbers(self) -> dict[int, int]:
        """The numbers of the features that are equal to an earlier one, by index."""
        if None not in self._ids and len(set(self._ids)) == len(self._ids):
            return {}
        numbers: dict[int, int] = {}
        seen: dict[str, int] = {}
        for index, raw in enumerate(self._collection.raws()):
            digest = _digest(raw)
            seen[digest] = seen.get(digest, 0) + 1
            if seen[digest] > 1:
                numbers[index] = seen[digest]
        return numbers


def _digest(feature: bytes | memoryview) -> str:
    return hashlib.sha256(feature).hexdigest()[:_DIGITS]
