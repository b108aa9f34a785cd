"""Which features of an earlier stage the current collection has already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.features.collection import Feature
from up42_state.features.known import Lookup, loose_key, own_properties, value_key
from up42_state.features.paths import data_paths
from up42_state.features.sameness import same_json
from up42_state.features.selection import ABSENT, property_value
from up42_state.features.values import fingerprint, head, properties_of, same_value

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from up42_state.features.census import Census
    from up42_state.features.known import Known
    from up42_state.features.sameness import Sameness

    Text = bytes | memoryview

__all__ = ["Matcher", "member_key"]


class Matcher:
    """Pairs features of one earlier stage with those of the current collection, one to one.

    The rules, each for what those before it left: equal provenance; equal JSON and files, where ids do not
    tell; equal content, forwarded from this stage before; equal JSON with other files; equal id, unique in
    both; equal properties with equal data paths and equal bytes, unique in both. With ``match`` its pairs
    take the place of ids, JSON and data paths. Equal JSON comes before data paths because several features
    may share one file: only their geometry tells them apart.

    ``found`` gives, by the earlier feature's index, the current one's.
    """

    def __init__(self, known: Known, census: Census, sameness: Sameness) -> None:
        self._known = known
        self._census = census
        self._sameness = sameness
        self._earlier = census.earlier.collection
        self._taken: set[int] = set()
        self.found: dict[int, int] = {}

    def match(self, pairs: Sequence[tuple[str, str]] | None) -> dict[int, int]:
        """Find the pairs.

        :param pairs: (member of the current feature, member of the earlier one), tried in order.
        """
        self._by_origin()
        if pairs is not None:
            self._by_value(index for index in self._unmatched() if self._census.cannot_carry_origin(index))
            self._by_former_origin()
            for current, earlier in pairs:
                self._by_members(current, earlier)
            return self.found
        shared = self._shared_ids()
        ambiguous = self._ambiguous(shared)
        self._by_key(ambiguous, value_key, self._known.with_value, self._sameness.same_content)
        self._by_former_origin()
        if not self._census.earlier.files.is_empty:  # or equal JSON is equal content
            self._by_value(index for index in ambiguous if index not in self.found)
        self._by_id(shared)
        self._by_path()
        return self.found

    def _shared_ids(self) -> Lookup:
        """The earlier features by those ids that current features have too."""
        ids, known = self._census.ids, self._known.by_id.keys()
        indexes = [index for index, key in enumerate(ids) if key in known]
        shared = Lookup()
        shared.add_all([ids[index] for index in indexes], indexes)
        return shared

    def _ambiguous(self, shared: Lookup) -> list[int]:
        """The features that may be current ones, but whose ids do not tell which."""
        ids, unclear = self._census.ids, {None} | shared.shared | self._known.by_id.shared
        return [index for index in self._unmatched() if ids[index] in unclear]

    def _pair(self, earlier: int, current: int) -> None:
        self.found[earlier] = current
        self._taken.add(current)

    def _free(self, indexes: Iterable[int]) -> list[int]:
        return [index for index in indexes if index not in self._taken]

    def _unmatched(self) -> list[int]:
        return [index for index in self._census.wanted if index not in self.found]

    def _by_origin(self) -> None:
        if not self._known.by_origin:
            return
        groups: dict[str, list[int]] = {}
        for index in self._census.wanted:
            identity = self._census.identity(index)
            if identity in self._known.by_origin.keys():  # noqa: SIM118 - no dict
                groups.setdefault(identity, []).append(index)
        for identity, earlier in groups.items():
            self._pair_group(self._free(self._known.by_origin.get(identity)), earlier)

    def _by_former_origin(self) -> None:
        """Pair features that were forwarded from this stage when it was written in another manner.

        Their provenance has another key then, and their files and ids may have been moved out of the way.
        """
        unmatched = self._unmatched() if self._known.by_origin else []
        if not unmatched:
            return
        earlier, former = self._census.earlier, Lookup()
        for index in self._free(self._known.from_stage(f"{earlier.job}/{earlier.stage}")):
            former.add(loose_key(self._known.draft.raw(index)), index)
        if former:
            self._by_key(unmatched, loose_key, former.get, self._sameness.same_content)

    def _pair_group(self, current: list[int], earlier: list[int]) -> None:
        """Pair features of equal provenance: those of equal content first, then in order."""
        if len(current) > 1:
            alike = Lookup()
            for index in current:
                alike.add(loose_key(self._known.draft.raw(index)), index)
            self._by_key(earlier, loose_key, alike.get, self._sameness.same_content)
        rest = [index for index in earlier if index not in self.found]
        for index, other in zip(rest, self._free(current), strict=False):
            self._pair(index, other)

    def _by_members(self, current: str, earlier: str) -> None:
        """Pair by a pair of members; of several current features with one value the first is taken."""
        known = Lookup()
        for index in range(len(self._known.draft)):
            key = member_key(self._known.draft.raw(index), current)
            if key is not None and index not in self._taken:
                known.add(key, index)
        free: dict[Hashable, Iterator[int]] = {}
        for index in self._unmatched():
            key = member_key(self._earlier.raw(index), earlier)
            other = next(free.setdefault(key, iter(known.get(key))), None)
            if other is not None:
                self._pair(index, other)

    def _by_id(self, shared: Lookup) -> None:
        """Pair by ids that one earlier feature has, and one current one."""
        unmatched = set(self._unmatched()) if shared else ()
        for key, index in shared.single():
            if index in unmatched:
                self._pair_one(index, self._known.the_one(self._known.by_id.get(key)))

    def _pair_one(self, earlier: int, current: int | None) -> None:
        if current is not None and current not in self._taken:
            self._pair(earlier, current)

    def _by_value(self, indexes: Iterable[int]) -> None:
        """Pair features that are equal as JSON."""
        self._by_key(indexes, value_key, self._known.with_value, same_json)

    def _by_key(
        self,
        indexes: Iterable[int],
        key_of: Callable[[Text], Hashable],
        having: Callable[[Hashable], Sequence[int]],
        same: Callable[[Text, Text], bool],
    ) -> None:
        """Pair each feature with the first free one that has its key and is the same."""
        pools: dict[Hashable, list[int]] = {}
        for index in indexes:
            raw = self._earlier.raw(index)
            key = key_of(raw)
            pool = pools.get(key)
            if pool is None:
                pool = pools[key] = self._free(having(key))[::-1]
            for place in reversed(range(len(pool))):
                if same(self._known.draft.raw(pool[place]), raw):
                    self._pair(index, pool.pop(place))
                    break

    def _by_path(self) -> None:
        files = self._known.files
        if not any(files.exists(path) for path in self._census.paths):
            return
        groups: dict[Any, list[int]] = {}
        for index, raw in enumerate(self._earlier.raws()):
            properties = properties_of(head(raw))
            paths = data_paths(properties, self._census.earlier.files).values()
            if paths and all(map(files.exists, paths)):
                groups.setdefault(hash(fingerprint(own_properties(properties))), []).append(index)
        wanted = set(self._unmatched())
        for key, indexes in groups.items():
            if len(indexes) == 1 and indexes[0] in wanted:
                current = self._known.the_one(self._known.with_properties(key))
                if current is not None and self._same_data(current, indexes[0]):
                    self._pair_one(indexes[0], current)

    def _same_data(self, current: int, earlier: int) -> bool:
        """Whether properties are equal, data paths among them, and these name equal bytes."""
        one, other = self._known.draft.raw(current), self._earlier.raw(earlier)
        ours, theirs = (own_properties(properties_of(head(raw))) for raw in (one, other))
        return same_value(ours, theirs) and self._sameness.same_files(one, other)


def member_key(raw: Text, name: str) -> Hashable:
    """Something to look a feature up by one of its members; ``None`` where it has none such.

    :param name: ``id``, ``properties.<name>``, or a further member of the feature.
    """
    feature = Feature(raw)
    if name == "id":
        return feature.id
    prefix, _, inner = name.partition(".")
    source, name = (
        (feature.properties, inner) if prefix == "properties" and inner else (feature.value(), name)
    )
    value = property_value(source, name)
    return None if value is ABSENT or value is None else fingerprint(value)
