"""Ids for features that are kept beside a current one: ``<stage>~<id>``, or the next that is unused."""

from __future__ import annotations

from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING

from up42_state.features.merge.matching.equality_keys import former_ids
from up42_state.features.text.origin import ORIGIN
from up42_state.features.text.values import digest, exact, feature_id, head

if TYPE_CHECKING:
    from up42_state.features.merge.matching.current import CurrentFeatures
    from up42_state.features.merge.matching.earlier import EarlierFeatures

    Text = bytes | memoryview

__all__ = ["NewIds"]


class NewIds:
    """Gives new ids to features of one earlier stage. No other feature of the merged collection has a new id.

    Stages of two jobs may have one name, and names that differ in ``:`` and ``-`` give one label.
    """

    def __init__(self, current: CurrentFeatures, earlier: EarlierFeatures) -> None:
        self._current = current
        self._earlier = earlier
        self._label = earlier.output.label
        self._next: dict[str, int] = {}

    def of(self, earlier_id: str | float) -> str:
        """Make a new id: ``<stage>~<id>``, else ``<stage>~2~<id>`` and so on."""
        text = str(earlier_id)
        for number in count(self._next.get(text, 1)):
            new = f"{self._label}~{text}" if number == 1 else f"{self._label}~{number}~{text}"
            if new not in self._current.by_id.keys() and new not in self._earlier_ids:  # noqa: SIM118 - no dict
                self._next[text] = number + 1
                break
        return new

    @cached_property
    def _earlier_ids(self) -> frozenset[str | float | None]:
        return frozenset(self._earlier.ids)

    def has(self, earlier_id: str | float, feature: Text) -> bool:
        """True if a feature that can carry no provenance is there under a new id already."""
        return (str(earlier_id), _without_id(feature)) in self._renamed

    @cached_property
    def _renamed(self) -> set[tuple[str, bytes]]:
        renamed: set[tuple[str, bytes]] = set()
        for raw in self._current.draft.raws():
            own = feature_id(head(raw))
            if isinstance(own, str) and (former := former_ids(own, self._label)):
                key = _without_id(raw)
                renamed.update((each, key) for each in former)
        return renamed


def _without_id(feature: Text) -> bytes:
    value = exact(feature)
    properties = value.get("properties")
    if isinstance(properties, dict):
        properties.pop(ORIGIN, None)
    return digest({name: inner for name, inner in value.items() if name != "id"})
