"""Pairing the features of an earlier stage with those that the current collection has already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.features.files.data_paths import data_paths
from up42_state.features.merge.matching.compare import same_json
from up42_state.features.merge.matching.current import Lookup, loose_key, own_properties, value_key
from up42_state.features.merge.matching.equality_keys import alike
from up42_state.features.merge.matching.evidence import Evidence
from up42_state.features.selection import ABSENT, property_value
from up42_state.features.text.values import (
    digest,
    exact,
    exact_properties,
    feature_id,
    fingerprint,
    head,
    properties_of,
    same_value,
    shape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from up42_state.features.merge.matching.compare import Comparison
    from up42_state.features.merge.matching.current import CurrentFeatures
    from up42_state.features.merge.matching.earlier import EarlierFeatures

    Text = bytes | memoryview

__all__ = ["Matcher", "member_key"]


_FEW = 16  # comparisons that cost less than to read the features once more


class Matcher:
    """Pairs features of one earlier stage with those of the current collection, one to one.

    The rules, each for what those before it left: equal provenance, which no other feature has; equal JSON
    and files, where ids do not tell; equal content, forwarded from this stage before; equal JSON with other
    files; equal id, unique in both, and where it only numbers a row an equal geometry or file as well; equal
    properties with equal data paths and equal bytes, unique in both. With ``match`` its pairs take the place
    of ids, JSON and data paths. Equal JSON comes before data paths because several features may share one
    file: only their geometry tells them apart.

    ``pairs`` gives, by the earlier feature's index, the current one's.
    """

    def __init__(self, current: CurrentFeatures, earlier: EarlierFeatures, comparison: Comparison) -> None:
        self._current = current
        self._earlier = earlier
        self._comparison = comparison
        self._evidence = Evidence(current, earlier, comparison)
        self._taken: set[int] = set()
        self.pairs: dict[int, int] = {}

    def match(self, pairs: Sequence[tuple[str, str]] | None) -> dict[int, int]:
        """Find the pairs.

        :param pairs: (member of the current feature, member of the earlier one), tried in order.
        """
        self._by_origin()
        if pairs is not None:
            self._by_value(index for index in self._unmatched() if self._earlier.cannot_carry_origin(index))
            self._by_former_origin()
            for current, earlier in pairs:
                self._by_members(current, earlier)
            return self.pairs
        # What costs least and tells most comes first; each step looks only at what is left.
        shared = self._shared_ids()
        ambiguous = self._ambiguous(shared)
        self._by_key(ambiguous, value_key, self._current.with_value, self._comparison.same_content)
        self._by_former_origin()
        if not self._earlier.output.files.is_empty:  # or equal JSON is equal content
            self._by_value(index for index in ambiguous if index not in self.pairs)
        self._by_id(shared)
        self._by_path()
        return self.pairs

    def _shared_ids(self) -> Lookup:
        """The earlier features by those ids that current features have too."""
        ids, current_ids = self._earlier.ids, self._current.by_id.keys()
        indexes = [index for index, key in enumerate(ids) if key in current_ids]
        shared = Lookup()
        shared.add_all([ids[index] for index in indexes], indexes)
        return shared

    def _ambiguous(self, shared: Lookup) -> list[int]:
        """The features that may be current ones, but whose ids do not tell which."""
        ids, unclear = self._earlier.ids, {None} | shared.shared | self._current.by_id.shared
        return [index for index in self._unmatched() if ids[index] in unclear]

    def _pair(self, earlier: int, current: int) -> None:
        self.pairs[earlier] = current
        self._taken.add(current)

    def _free(self, indexes: Iterable[int]) -> list[int]:
        return [index for index in indexes if index not in self._taken]

    def _unmatched(self) -> list[int]:
        return [index for index in self._earlier.wanted if index not in self.pairs]

    def _by_origin(self) -> None:
        """Pair features of equal provenance. The earlier gives each earlier feature one that no other has."""
        carrying = self._current.by_origin
        for index in self._earlier.wanted if carrying else ():
            claimants = carrying.get(self._earlier.identity(index))
            current = self._claimed(index, claimants) if claimants else None
            if current is not None:
                self._pair(index, current)

    def _claimed(self, index: int, claimants: Sequence[int]) -> int | None:
        """The current feature that has a provenance by right, of those that carry it.

        Where several do it is the one with the content that was forwarded; a block may have copied the
        provenance to what it derived from the feature. A single one may have been changed since, but not in
        everything that tells features apart.
        """
        if len(claimants) == 1:
            return claimants[0] if self._evidence.agree(claimants[0], index) else None
        draft, raw = self._current.draft, self._earlier.raw(index)
        same = self._comparison.same_content
        return next((other for other in claimants if same(draft.raw(other), raw)), None)

    def _by_former_origin(self) -> None:
        """Pair features that were forwarded from this stage when it was written in another manner.

        Their provenance has another key then, and their files and ids may have been moved out of the way.
        """
        unmatched = self._unmatched() if self._current.by_origin else []
        if not unmatched:
            return
        output, former = self._earlier.output, Lookup()
        for index in self._free(self._current.from_stage(f"{output.job}/{output.stage}")):
            former.add(loose_key(self._current.draft.raw(index)), index)
        if former:
            self._by_key(unmatched, loose_key, former.get, self._comparison.same_content)

    def _by_members(self, current: str, earlier: str) -> None:
        """Pair by a pair of members; of several current features with one value the first is taken."""
        having = Lookup()
        for index in range(len(self._current.draft)):
            key = member_key(self._current.draft.raw(index), current)
            if key is not None and index not in self._taken:
                having.add(key, index)
        free: dict[Hashable, Iterator[int]] = {}
        for index in self._unmatched():
            key = member_key(self._earlier.raw(index), earlier)
            other = next(free.setdefault(key, iter(having.get(key))), None)
            if other is not None:
                self._pair(index, other)

    def _by_id(self, shared: Lookup) -> None:
        """Pair by ids that one earlier feature has, and one current one."""
        unmatched = set(self._unmatched()) if shared else ()
        has_rows = self._earlier.has_rows or self._current.rows.any
        having, the_one = self._current.by_id.get, self._current.the_one
        for key, index in shared.single():
            if index in unmatched:
                current = having(key)
                self._pair_one(index, self._with_id(index, current) if has_rows else the_one(current))

    def _with_id(self, index: int, current: Sequence[int]) -> int | None:
        """The current feature that is meant, of those with the id of an earlier one."""
        first = self._current.the_one(current)
        if first is None or not self._numbers_row(index, current):
            return first
        others = self._free(self._current.singles(current))
        return next((other for other in others if self._is_meant(other, index)), None)

    def _numbers_row(self, index: int, current: Sequence[int]) -> bool:
        return self._earlier.numbers_row(index) or any(map(self._current.numbers_row, current))

    def _is_meant(self, current: int, index: int) -> bool:
        """True if an equal id tells that two features are the same."""
        if not self._numbers_row(index, (current,)):
            return True
        one, other = self._current.draft.raw(current), self._earlier.raw(index)
        is_equal = shape(one) == shape(other) and value_key(one) == value_key(other) and same_json(one, other)
        return is_equal or self._evidence.speaks_for(current, index)

    def _pair_one(self, earlier: int, current: int | None) -> None:
        if current is not None and current not in self._taken:
            self._pair(earlier, current)

    def _by_value(self, indexes: Iterable[int]) -> None:
        """Pair features that are equal as JSON."""
        self._by_key(indexes, value_key, self._current.with_value, same_json)

    def _by_key(
        self,
        indexes: Iterable[int],
        key_of: Callable[[Text], Hashable],
        having: Callable[[Hashable], Sequence[int]],
        same: Callable[[Text, Text], bool],
    ) -> None:
        """Pair each feature with the first free one that has its key and is the same."""
        groups: dict[Hashable, list[int]] = {}
        for index in indexes:
            groups.setdefault(key_of(self._earlier.raw(index)), []).append(index)
        for key, group in groups.items():
            pool = self._free(having(key))
            # Quick keys can be made to collide: many are not compared each with each.
            if len(group) * len(pool) <= _FEW:
                self._pair_few(group, pool, same)
            else:
                self._pair_many(group, pool, same)

    def _pair_few(self, group: list[int], pool: list[int], same: Callable[[Text, Text], bool]) -> None:
        for index in group:
            raw = self._earlier.raw(index)
            found = next((other for other in pool if same(self._current.draft.raw(other), raw)), None)
            if found is not None:
                self._pair(index, found)
                pool.remove(found)

    def _pair_many(self, group: list[int], pool: list[int], same: Callable[[Text, Text], bool]) -> None:
        draft, label = self._current.draft, self._earlier.output.label
        earlier = [(index, self._earlier.raw(index)) for index in group]
        for equal, found in alike(earlier, ((other, draft.raw(other)) for other in pool), label, same):
            for index, other in zip(equal, self._free(found), strict=False):
                self._pair(index, other)

    def _by_path(self) -> None:
        files = self._current.files
        if not any(files.exists(path) for path in self._earlier.paths):
            return
        groups: dict[Hashable, list[int]] = {}
        for index, raw in enumerate(self._earlier.raws()):
            found = head(raw)
            paths = data_paths(properties_of(found), self._earlier.output.files).values()
            if paths and all(map(files.exists, paths)):
                number = hash(fingerprint(own_properties(exact_properties(found))))
                groups.setdefault(number, []).append(index)
        wanted = set(self._unmatched())
        for key, indexes in groups.items():
            for index, others in self._with_properties(indexes, self._current.with_properties(key)):
                current = self._current.the_one(others) if index in wanted else None
                if current is not None and self._same_data(current, index):
                    self._pair_one(index, current)

    def _with_properties(
        self, earlier: Sequence[int], current: Sequence[int]
    ) -> Iterator[tuple[int, Sequence[int]]]:
        """Features with properties that no other earlier one has, and current ones that have the same.

        :param earlier: features whose properties have one hash; nearly always it is one feature.
        :param current: current features with this hash.
        """
        if not current or (len(earlier) == 1 and len(current) == 1):
            yield from ((index, current) for index in earlier if current)
            return
        ours, theirs = Lookup(), Lookup()
        for other in current:
            ours.add(_properties_key(self._current.draft.raw(other)), other)
        for index in earlier:
            theirs.add(_properties_key(self._earlier.raw(index)), index)
        for text, index in theirs.single():
            yield index, ours.get(text)

    def _same_data(self, current: int, earlier: int) -> bool:
        """True if two features have equal properties, data paths among them, which name equal bytes."""
        one, other = self._current.draft.raw(current), self._earlier.raw(earlier)
        ours, theirs = (own_properties(exact_properties(head(raw))) for raw in (one, other))
        return same_value(ours, theirs) and self._comparison.same_files(one, other)


def _properties_key(raw: Text) -> bytes:
    return digest(own_properties(exact_properties(head(raw))))


def member_key(raw: Text, name: str) -> Hashable:
    """Something to look a feature up by one of its members; ``None`` where it has none such.

    :param name: ``id``, ``properties.<name>``, or a further member of the feature.
    """
    if name == "id":
        return feature_id(head(raw))
    prefix, _, inner = name.partition(".")
    is_property = prefix == "properties" and bool(inner)
    source = exact_properties(head(raw)) if is_property else exact(raw)
    value = property_value(source, inner if is_property else name)
    return None if value is ABSENT or value is None else fingerprint(value)
