"""Evidence that two features are one, besides an id or a provenance that need not be believed."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING

from up42_state.features.files.data_paths import data_paths
from up42_state.features.merge.matching.current import own_properties
from up42_state.features.merge.matching.equality_keys import former_id
from up42_state.features.text.values import (
    digest,
    exact,
    feature_id,
    geometry_of,
    head,
    properties_of,
    same_text_value,
    shape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from up42_state.features.files.catalogue import Files
    from up42_state.features.merge.matching.compare import Comparison
    from up42_state.features.merge.matching.current import CurrentFeatures
    from up42_state.features.merge.matching.earlier import EarlierFeatures

    Text = bytes | memoryview

__all__ = ["Evidence", "Geometries", "same_geometry"]


class Evidence:
    """Compares features of the current collection with features of an earlier stage."""

    def __init__(self, current: CurrentFeatures, earlier: EarlierFeatures, comparison: Comparison) -> None:
        self._current = current
        self._earlier = earlier
        self._output = earlier.output
        self._comparison = comparison

    def speaks_for(self, current: int, earlier: int) -> bool:
        """True if two features with one row number are the same: they have a geometry or a file in common.

        A geometry or a file that several features of one stage have proves nothing about any feature.
        """
        one, other = self._current.draft.raw(current), self._earlier.raw(earlier)
        stage = self._current.origin_stage(current)
        if self._have_one_geometry(stage, one, other):
            return True
        ours = set(data_paths(properties_of(head(one)), self._current.files).values())
        theirs = set(data_paths(properties_of(head(other)), self._output.files).values())
        return any(
            self._their_paths[path] == 1
            and self._our_paths[stage, path] == 1
            and self._comparison.same_path(path, path)
            for path in ours & theirs
        )

    def _have_one_geometry(self, stage: str, one: Text, other: Text) -> bool:
        if not same_geometry(one, other):
            return False
        return self._their_geometries.is_alone("", other) and self._our_geometries.is_alone(stage, one)

    def agree(self, current: int, earlier: int) -> bool:
        """True if a feature that carries the provenance of another may be that one, changed by a block.

        Equal ids or equal files show that. An equal geometry shows that where neither ids nor files differ.
        A geometry alone is weak: a feature that a block derived, with copied properties, often keeps the
        footprint.
        """
        one, other = self._current.draft.raw(current), self._earlier.raw(earlier)
        ids = self._same_id(current, one, earlier)
        if ids:
            return True
        ours = data_paths(properties_of(head(one)), self._current.files).values()
        theirs = data_paths(properties_of(head(other)), self._output.files).values()
        if theirs and self._comparison.same_files(one, other):
            return True
        # A block that derives a feature gives it another id or another file, and may keep the footprint.
        are_apart = ids is False or (ours and theirs and _names(ours).isdisjoint(_names(theirs)))
        if not are_apart and same_geometry(one, other):
            return True
        has_no_files = not ours and not theirs
        return self._comparison.same_content(one, other) or (has_no_files and _but_for_id(one, other))

    def _same_id(self, current: int, one: Text, earlier: int) -> bool | None:
        """True if two features have equal ids; ``None`` where one of the ids tells nothing."""
        ours, theirs = feature_id(head(one)), self._earlier.ids[earlier]
        if ours is None or theirs is None:
            return None
        if self._earlier.numbers_row(earlier) or self._current.numbers_row(current):
            return None
        return ours == theirs or former_id(ours, self._output.label, theirs)

    @cached_property
    def _our_geometries(self) -> Geometries:
        return Geometries(lambda: ((self._current.origin_stage(index), raw) for index, raw in self._ours()))

    @cached_property
    def _their_geometries(self) -> Geometries:
        return Geometries(lambda: (("", raw) for raw in self._earlier.raws()))

    @cached_property
    def _our_paths(self) -> Counter[tuple[str, str]]:
        files, stage = self._current.files, self._current.origin_stage
        return Counter((stage(index), path) for index, raw in self._ours() for path in _paths(raw, files))

    @cached_property
    def _their_paths(self) -> Counter[str]:
        raws, files = self._earlier.raws(), self._output.files
        return Counter(path for raw in raws for path in _paths(raw, files))

    def _ours(self) -> Iterator[tuple[int, Text]]:
        return enumerate(self._current.draft.raws())


class Geometries:
    """Tells which features of a stage are the only ones with their geometry.

    :param features: gives the features' texts, each with the stage that it counts for.
    """

    def __init__(self, features: Callable[[], Iterable[tuple[str, Text]]]) -> None:
        self._features = features
        # Hashes first: they are quick, and differ for nearly all geometries that do.
        self._shapes = Counter((stage, shape(raw)) for stage, raw in features())

    def is_alone(self, stage: str, raw: Text) -> bool:
        """True if no other feature of the stage has the geometry of this one."""
        found = stage, shape(raw)
        return self._shapes[found] == 1 or self._geometries[_geometry_key(stage, raw)] == 1

    @cached_property
    def _geometries(self) -> Counter[Hashable]:
        """How many features have each geometry, among those that share a hash of their coordinates."""
        crowded = (each for each in self._features() if self._shapes[each[0], shape(each[1])] > 1)
        return Counter(_geometry_key(stage, raw) for stage, raw in crowded)


def _geometry_key(stage: str, raw: Text) -> Hashable:
    geometry = geometry_of(raw)
    return stage, digest(exact(geometry)) if geometry else b""


def same_geometry(one: Text, other: Text) -> bool:
    """True if two features have equal geometries that say a place."""
    if shape(one) != shape(other):
        return False
    geometry = geometry_of(one)
    return bool(geometry) and _same_texts(geometry, geometry_of(other))


def _same_texts(one: bytes, other: bytes) -> bool:
    return bool(one) == bool(other) and (not one or same_text_value(one, other))


def _but_for_id(one: Text, other: Text) -> bool:
    """True if two features are equal in all but id and provenance."""
    values = [{name: value for name, value in exact(raw).items() if name != "id"} for raw in (one, other)]
    for value in values:
        if isinstance(properties := value.get("properties"), dict):
            value["properties"] = own_properties(properties) or None
    return digest(values[0]) == digest(values[1])


def _names(paths: Iterable[str]) -> set[str]:
    """The names of files without their folders, which forwarding may have changed."""
    return {path.rpartition("/")[2] for path in paths}


def _paths(raw: Text, files: Files) -> set[str]:
    return set(data_paths(properties_of(head(raw)), files).values())
