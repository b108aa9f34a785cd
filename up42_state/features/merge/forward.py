"""The form ``forward``: features of an earlier stage that the current collection lacks are appended."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from up42_state.errors import FeatureConflictError
from up42_state.features.files.data_paths import data_paths
from up42_state.features.merge.matching.compare import Comparison
from up42_state.features.merge.matching.pairing import Matcher
from up42_state.features.merge.new_ids import NewIds
from up42_state.features.merge.placement.paths import Placement
from up42_state.features.merge.report import Conflict, Outcome, StageReport
from up42_state.features.text.edits import rewritten
from up42_state.features.text.values import head, properties_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.features.merge.draft import Draft
    from up42_state.features.merge.matching.current import CurrentFeatures
    from up42_state.features.merge.matching.earlier import EarlierFeatures

__all__ = ["Forward", "OnConflict"]

OnConflict = Literal["current", "earlier", "both", "error"]


class Forward:
    """One earlier stage brought into a draft: matched, placed, written.

    :param number: the stage's place in the order they were given in, from 0.
    :param pairs: as ``match`` of :func:`up42_state.features.merge.operator`.
    """

    def __init__(
        self,
        number: int,
        draft: Draft,
        current: CurrentFeatures,
        earlier: EarlierFeatures,
        *,
        on_conflict: OnConflict,
        pairs: Sequence[tuple[str, str]] | None,
    ) -> None:
        self._draft = draft
        self._current = current
        self._earlier = earlier
        self._output = earlier.output
        self._on_conflict = on_conflict
        self._comparison = Comparison(current.files, earlier.output)
        self._pairs = (
            {} if earlier.output.is_part else Matcher(current, earlier, self._comparison).match(pairs)
        )
        self._outcomes = bytearray(len(earlier.output.collection))
        self._conflicts: list[Conflict] = []
        self._new_ids: dict[int, str] = {}
        self._unused_ids = NewIds(current, earlier)
        self._has_files = bool(earlier.paths) or bool(earlier.output.files.quicklooks)
        self.placement = Placement(
            number,
            earlier.output.label,
            current.files,
            earlier.output.files,
            protected=current.directories,
            others=earlier.paths,
            comparison=self._comparison,
        )

    def run(self) -> StageReport:
        """Decide about every feature, then place the files, then write."""
        for index in self._earlier.wanted:
            self._outcomes[index] = Outcome.APPENDED
        for index in sorted(self._pairs):  # whose order is that of the rules
            self._outcomes[index] = self._settle(index, self._pairs[index])
        coming = [index for index in self._earlier.wanted if self._outcomes[index] in _COMING]
        self._place(coming)
        self._bring(coming)
        return StageReport(
            job=self._output.job,
            stage=self._output.stage,
            revision=self._output.revision,
            outcomes=bytes(self._outcomes),
            conflicts=tuple(self._conflicts),
            moved=self.placement.moved,
            files=len(self.placement.additions),
        )

    def _settle(self, index: int, current: int) -> int:
        """Decide what becomes of a feature that the current collection has; give its outcome."""
        if self._comparison.same_content(self._draft.raw(current), self._earlier.raw(index)):
            return Outcome.SAME
        feature_id = self._earlier.ids[index]
        if self._on_conflict == "error":
            raise FeatureConflictError(
                f"features[{index}] of {self._output.job}/{self._output.stage} (id {feature_id!r}) is "
                f"features[{current}] of the current data.json with other content",
                advice="choose with on_conflict (--on-conflict) which to keep: current, earlier or both",
            )
        if self._on_conflict == "both" and feature_id is not None:
            if self._is_there(index, feature_id):
                return Outcome.SAME
            self._new_ids[index] = self._unused_ids.of(feature_id)
        self._conflicts.append(
            Conflict(index=index, current=current, id=feature_id, new_id=self._new_ids.get(index))
        )
        return _CONFLICTS[self._on_conflict]

    def _is_there(self, index: int, feature_id: str | float) -> bool:
        """True if a feature that can carry no provenance was appended under a new id before."""
        raw = self._earlier.raw(index)
        return self._earlier.cannot_carry_origin(index) and self._unused_ids.has(feature_id, raw)

    def _place(self, coming: list[int]) -> None:
        if not self._has_files:
            return
        for index in coming:
            self.placement.join(self._paths(index).values())
        self.placement.settle()
        for index in coming if self._output.files.quicklooks else ():
            paths = self._paths(index).values()
            self.placement.add_quicklooks(self._earlier.ids[index], self._quicklook_id(index), paths)

    def _quicklook_id(self, index: int) -> str | None:
        """The id that a feature's quicklooks get: its new one, where the old one is its alone."""
        new_id = self._new_ids.get(index)
        is_alone = new_id is not None and self._id_counts[self._earlier.ids[index]] == 1
        return new_id if is_alone else None

    @cached_property
    def _id_counts(self) -> Counter[str | float | None]:
        return Counter(self._earlier.ids)

    def _paths(self, index: int) -> dict[str, str]:
        properties = properties_of(head(self._earlier.raw(index)))
        return data_paths(properties, self._output.files)

    def _bring(self, coming: list[int]) -> None:
        """Append features, or put them in the place of those that they replace."""
        if self._draft.has_bounds:
            for index in coming:
                self._draft.extend(self._earlier.raw(index))
        if not (self.placement.moved or self._new_ids or self._on_conflict == "earlier"):
            # Nothing is rewritten: features are kept as numbers, and rendered when they are written.
            self._draft.added.add(self._earlier, coming)
            return
        for index in coming:
            text = self._rewritten(index)
            if self._outcomes[index] == Outcome.REPLACED:
                self._draft.replace(self._pairs[index], text or self._written(index))
            else:
                self._draft.added.add(self._earlier, (index,), text)

    def _rewritten(self, index: int) -> bytes | None:
        """The feature with its new id and the new places of its files; ``None`` if neither changes."""
        values = {}
        if self.placement.moved:
            for name, path in self._paths(index).items():
                target = self.placement.target(path)
                if target != path:
                    values[name] = target
        new_id = self._new_ids.get(index)
        if new_id is None and not values:
            return None
        return rewritten(self._written(index), feature_id=new_id, values=values)

    def _written(self, index: int) -> bytes:
        return b"".join(self._earlier.written(index))


_COMING = frozenset((Outcome.APPENDED, Outcome.REPLACED, Outcome.BOTH))
_CONFLICTS = {"current": Outcome.KEPT, "earlier": Outcome.REPLACED, "both": Outcome.BOTH}
