"""The merged collection while it is being made: what is kept, changed and added, as offsets and texts."""

from __future__ import annotations

import json
from array import array
from bisect import bisect_right
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Protocol

from up42_state.features.bounds import Bounds, bounds_of_text, union

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from up42_state.features.collection import Collection

    Text = bytes | memoryview

__all__ = ["Added", "Draft"]

_BATCH = 1024 * 1024  # bytes: few calls to write, and little memory


class Source(Protocol):
    """An earlier stage that writes the features which are added from it."""

    def written(self, index: int) -> tuple[Text, ...]:
        """Give a feature as it is added, in pieces."""

    def all_written(self, indexes: Iterable[int]) -> Iterator[tuple[Text, ...]]:
        """Yield features as they are added, each in pieces."""


class Added:
    """The features that are added: the source of each, or its text where it was written anew.

    They are kept as numbers, since a Python object for each of them would take more memory than they do.
    """

    def __init__(self) -> None:
        self._sources: list[Source] = []
        self._starts: list[int] = []
        self._indexes = array("I")
        self._texts: dict[int, bytes] = {}

    def __len__(self) -> int:
        return len(self._indexes)

    def add(self, source: Source, indexes: Sequence[int], text: bytes | None = None) -> None:
        """Add features as their source writes them, or one with another text."""
        if not self._sources or self._sources[-1] is not source:
            self._sources.append(source)
            self._starts.append(len(self))
        if text is not None:
            self._texts[len(self)] = text
        self._indexes.extend(indexes)

    def put(self, number: int, text: bytes) -> None:
        """Let an added feature have another text."""
        self._texts[number] = text

    def __getitem__(self, number: int) -> bytes:
        return b"".join(self._pieces(number))

    def __iter__(self) -> Iterator[bytes]:
        return map(b"".join, self.in_pieces())

    def in_pieces(self) -> Iterator[tuple[Text, ...]]:
        """Yield every added feature, in pieces that need not be put together to be written."""
        if self._texts:
            yield from map(self._pieces, range(len(self)))
            return
        for source, (start, end) in zip(self._sources, pairwise([*self._starts, len(self)]), strict=True):
            yield from source.all_written(self._indexes[start:end])

    def _pieces(self, number: int) -> tuple[Text, ...]:
        text = self._texts.get(number)
        if text is not None:
            return (text,)
        return self._sources[bisect_right(self._starts, number) - 1].written(self._indexes[number])


class Draft:
    """A collection with features added and replaced, and members added to properties.

    :param collection: what it began as; it stays as it is. ``has_bounds`` says whether it has a ``bbox``.
    """

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self.added = Added()
        self.replaced: dict[int, bytes] = {}
        self._bounds = Bounds.from_member(collection.member("bbox"))
        self.has_bounds = "bbox" in collection.members
        self._drops_bounds = False

    def __len__(self) -> int:
        return len(self.collection) + len(self.added)

    def raw(self, index: int) -> Text:
        """The bytes of a feature as it stands now."""
        replaced = self.replaced.get(index)
        if replaced is not None:
            return replaced
        own = len(self.collection.starts)
        return self.collection.raw(index) if index < own else self.added[index - own]

    def raws(self, start: int = 0) -> Iterator[Text]:
        """The bytes of every feature as it stands now, from the one with this index."""
        if start or self.replaced:
            return map(self.raw, range(start, len(self)))
        return chain(self.collection.raws(), self.added)

    @property
    def is_changed(self) -> bool:
        """True if anything differs from the collection that the draft began as."""
        return bool(self.replaced or len(self.added))

    def extend(self, feature: Text) -> None:
        """Let the collection's ``bbox`` take in a feature that is added (RFC 7946 §5)."""
        if not self.has_bounds or self._drops_bounds:
            return
        bounds = bounds_of_text(feature)
        if bounds is None:
            return
        wider = union(self._bounds, bounds) if self._bounds is not None else None
        # Heights are not read, so a box that has them cannot grow. A bbox may be left out (RFC 7946 §5), and
        # must not be wrong.
        if wider is None or (wider != self._bounds and self._has_heights):
            self._drops_bounds = True
        else:
            self._bounds = wider

    def replace(self, index: int, feature: bytes) -> None:
        """Replace a feature by another."""
        if self.has_bounds and bounds_of_text(self.raw(index)) != bounds_of_text(feature):
            self._drops_bounds = True
        if index >= len(self.collection):
            self.added.put(index - len(self.collection), feature)
        else:
            self.replaced[index] = feature

    @property
    def _has_heights(self) -> bool:
        return len(self.collection.member("bbox")) != 4

    def runs(self) -> Iterator[Text]:
        """Yield the document's bytes, in runs as few and long as possible."""
        position = 0
        # By offset alone: texts are iterators, which cannot be compared.
        for start, end, texts in sorted(self._patches(), key=lambda patch: patch[:2]):
            yield from self.collection.runs(position, start)
            yield from texts
            position = end
        yield from self.collection.runs(position)

    def _patches(self) -> Iterator[tuple[int, int, Iterable[Text]]]:
        collection = self.collection
        for index, text in self.replaced.items():
            yield collection.starts[index], collection.ends[index], (text,)
        if len(self.added):
            end = collection.ends[-1] if len(collection) else collection.members["features"].start + 1
            yield end, end, self._batches()
        if self.has_bounds and self.is_changed:
            yield from self._bounds_patch()

    def _batches(self) -> Iterator[bytes]:
        """Yield the added features with what stands between them, in batches of about 1 MiB."""
        separator = self.collection.separator
        pieces: list[Text] = []
        size = 0
        before = separator if len(self.collection) else b""
        for feature in self.added.in_pieces():
            pieces += (before, *feature)
            size += len(feature[0])  # the feature's own text; what is put into it is short
            before = separator
            if size >= _BATCH:
                yield b"".join(pieces)
                pieces, size = [], 0
        yield b"".join(pieces)

    def _bounds_patch(self) -> Iterator[tuple[int, int, Iterable[Text]]]:
        member = self.collection.members["bbox"]
        if self._drops_bounds:
            start, end = self.collection.stretch("bbox")
            yield start, end, ()
        elif self._bounds != Bounds.from_member(self.collection.member("bbox")) and self._bounds is not None:
            b = self._bounds
            yield member.start, member.end, (json.dumps([b.west, b.south, b.east, b.north]).encode(),)
