"""Looking up features of the current collection by provenance, id, value and data path."""

from __future__ import annotations

from collections import Counter
from sys import intern
from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect, InvalidDataError
from up42_state.features.files.data_paths import data_paths, is_data_property
from up42_state.features.merge.matching.row_numbers import Rows
from up42_state.features.text.fast_layout import batches
from up42_state.features.text.origin import ORIGIN, Origin, may_be_in
from up42_state.features.text.values import (
    digest,
    exact,
    exact_properties,
    feature_id,
    fingerprint,
    head,
    heads,
    ids_of,
    properties_of,
    shape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, KeysView, Sequence

    from up42_state.features.files.catalogue import Files
    from up42_state.features.merge.draft import Draft

    Text = bytes | memoryview
    Id = str | int | float | None

__all__ = [
    "CurrentFeatures",
    "Lookup",
    "first_other",
    "identity_of",
    "loose_key",
    "own_properties",
    "value_key",
]

_BRACE = ord("{")


class Lookup:
    """The indexes of features by some key. Most keys have one, and then no list is made.

    ``shared`` holds the keys that several features have.
    """

    def __init__(self) -> None:
        self._indexes: dict[Hashable, int | list[int]] = {}
        self.shared: set[Hashable] = set()

    def __bool__(self) -> bool:
        return bool(self._indexes)

    def keys(self) -> KeysView[Hashable]:
        """All keys, in the order in which they were noted first."""
        return self._indexes.keys()

    def add(self, key: Hashable, index: int) -> None:
        """Note that a feature has this key."""
        there = self._indexes.setdefault(key, index)
        if isinstance(there, list):
            there.append(index)
        elif there is not index:  # not the one that was just put in
            self._indexes[key] = [there, index]
            self.shared.add(key)

    def add_all(self, keys: Sequence[Hashable], indexes: Sequence[int]) -> None:
        """Note the keys of many features; ``None`` is none."""
        found = dict(zip(keys, indexes, strict=True))
        # Nearly always all keys are new, and no two equal: one call in place of one for each key.
        if len(found) == len(keys) and None not in found and self._indexes.keys().isdisjoint(found):
            self._indexes.update(found)
            return
        for index, key in zip(indexes, keys, strict=True):
            if key is not None:
                self.add(key, index)

    def single(self) -> Iterator[tuple[Hashable, int]]:
        """The keys that one feature has, each with it."""
        return ((key, found) for key, found in self._indexes.items() if isinstance(found, int))

    def get(self, key: Hashable) -> Sequence[int]:
        """The features with this key, in order."""
        found = self._indexes.get(key, ())
        return (found,) if isinstance(found, int) else found


class CurrentFeatures:
    """The features of a draft, and of what is appended to it.

    Provenance and ids are looked up for every feature; the rest only if some earlier feature asks for it.
    """

    def __init__(self, draft: Draft, files: Files) -> None:
        self.draft = draft
        self.files = files
        self.by_origin = Lookup()
        self.by_id = Lookup()
        self.rows = Rows()
        self.directories: set[str] = set()
        self._stages: dict[int, str] = {}
        self._size = 0
        self._by_value: Lookup | None = None
        self._by_properties: Lookup | None = None
        self.update(files)

    def update(self, files: Files) -> None:
        """Take in what was appended to the draft, with the files that are there now."""
        self.files = files
        start = first = self._size
        self._size = len(self.draft)
        collection = self.draft.collection
        # Then whoever laid out the document has read the ids, and nothing is decoded a second time.
        if collection.is_plain and not (self.draft.is_changed or files.directories or first):
            self.by_id.add_all(collection.ids, range(self._size))
            self.rows.note("", collection.ids)
        else:
            for batch in batches(self.draft.raws(first)):
                self._add(start, batch)
                start += len(batch)
        for lookup, key_of in ((self._by_value, value_key), (self._by_properties, self._path_key)):
            if lookup is not None:
                self._fill(lookup, key_of, first)

    def _add(self, start: int, batch: Sequence[Text]) -> None:
        """Take in a batch of features, of which the first has the index ``start``."""
        other = first_other(batch)
        if other is not None:
            raise _no_object(start + other)
        found = heads(batch)
        ids = ids_of(found)
        self.by_id.add_all(ids, range(start, start + len(found)))
        if not self.files.directories and not may_be_in([each.properties for each in found]):
            self.rows.note("", ids)
            return
        for index, each in enumerate(found, start):
            self._add_properties(index, properties_of(each))
            self.rows.note(self.origin_stage(index), (ids[index - start],))

    def _add_properties(self, index: int, properties: dict[str, Any]) -> None:
        identity = identity_of(properties)
        if identity is not None:
            self.by_origin.add(identity, index)
            self._stages[index] = intern(identity.partition("#")[0])  # a few texts for very many features
        if self.files.directories:
            paths = data_paths(properties, self.files).values()
            self.directories.update(path for path in paths if self.files.is_directory(path))

    def origin_stage(self, index: int) -> str:
        """``<job>/<stage>`` that a feature says it was forwarded from; empty for the collection's own."""
        return self._stages.get(index, "")

    def numbers_row(self, index: int) -> bool:
        """True if the feature's id only numbers a row."""
        return self.rows.any and self.rows.number(self.origin_stage(index))

    def the_one(self, indexes: Sequence[int]) -> int | None:
        """The one feature among several with equal keys that is meant, if there is one.

        It is the first, where no other came from the same place as it: those that were forwarded from
        another stage later do not make a feature of the collection ambiguous.
        """
        if len(indexes) < 2:
            return indexes[0] if indexes else None
        first = self.origin_stage(indexes[0])
        return indexes[0] if all(self.origin_stage(other) != first for other in indexes[1:]) else None

    def singles(self, indexes: Sequence[int]) -> Sequence[int]:
        """Of several features with equal keys, those that are the only ones from their stage."""
        if len(indexes) < 2:
            return indexes
        number = Counter(map(self.origin_stage, indexes))
        return [index for index in indexes if number[self.origin_stage(index)] == 1]

    def from_stage(self, stage: str) -> Iterator[int]:
        """The features that were forwarded from a stage, given as ``<job>/<stage>``."""
        for identity in self.by_origin.keys():  # noqa: SIM118 - no dict
            if isinstance(identity, str) and identity.partition("#")[0] == stage:
                yield from self.by_origin.get(identity)

    def with_value(self, key: Hashable) -> Sequence[int]:
        """The features with a :func:`value_key`."""
        if self._by_value is None:
            self._by_value = self._fill(Lookup(), value_key)
        return self._by_value.get(key)

    def with_properties(self, key: Hashable) -> Sequence[int]:
        """The features with a data path and with these properties (their fingerprint)."""
        if self._by_properties is None:
            self._by_properties = self._fill(Lookup(), self._path_key)
        return self._by_properties.get(key)

    def _fill(self, lookup: Lookup, key_of: Callable[[Text], Hashable], start: int = 0) -> Lookup:
        for index, raw in enumerate(self.draft.raws(start), start):
            key = key_of(raw)
            if key is not None:
                lookup.add(key, index)
        return lookup

    def _path_key(self, raw: Text) -> Hashable:
        found = head(raw)
        if not data_paths(properties_of(found), self.files):
            return None
        # A number takes less memory than what it stands for; whoever looks it up compares the whole then.
        return hash(fingerprint(own_properties(exact_properties(found))))


def _no_object(index: int) -> InvalidDataError:
    defect = Defect(f"features[{index}]", "is not an object", "write a GeoJSON Feature, or leave it out")
    return InvalidDataError("the current data.json cannot be merged", defects=[defect])


def first_other(batch: Sequence[Text]) -> int | None:
    """The first of some values that is no object, ``None`` if all are."""
    firsts = [text[0] for text in batch]
    return next((number for number, first in enumerate(firsts) if first != _BRACE), None)


def identity_of(properties: dict[str, Any]) -> str | None:
    """The provenance that a feature carries, the revision aside; ``None`` if it carries none."""
    text = properties.get(ORIGIN)
    if not isinstance(text, str):
        return None
    origin = Origin.parse(text)
    return text if origin is None else origin.identity


def own_properties(properties: dict[str, Any]) -> dict[str, Any]:
    """The properties without the provenance."""
    if ORIGIN not in properties:
        return properties
    return {name: value for name, value in properties.items() if name != ORIGIN}


def value_key(raw: Text) -> Hashable:
    """A number that features of equal value share, whether forwarded or not, and hardly any others."""
    found = head(raw)
    return hash((feature_id(found), fingerprint(own_properties(exact_properties(found))), _rest(raw)))


def loose_key(raw: Text) -> Hashable:
    """A number that features of equal value share, whatever their ids and data paths, and few others do."""
    properties = own_properties(exact_properties(head(raw)))
    kept = {name: value for name, value in properties.items() if not is_data_property(name)}
    return hash((fingerprint(kept), _rest(raw)))


def _rest(raw: Text) -> Hashable:
    """A key of a feature but for id and properties: of its coordinates if it has any, which tell enough."""
    return shape(raw) or digest({k: v for k, v in exact(raw).items() if k not in ("id", "properties")})
