"""A part of a collection: some of its features, and every other byte as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from up42_state.features.collection import Collection

__all__ = ["subset"]


def subset(collection: Collection, kept: Sequence[int]) -> bytes:
    """The text of a collection with some of the features.

    The collection's ``bbox`` was around all features. The ``bbox`` is left out (RFC 7946 §5 makes the member
    optional), unless all features stay.

    :param kept: row numbers of the features that stay, rising.
    """
    document = collection.document
    if len(kept) == len(collection):
        return bytes(document)
    start = collection.starts[0]
    end = collection.ends[-1]
    text = b"".join(_joined(collection, kept))
    pieces: list[tuple[int, int, bytes]] = [(start, end, text)]
    if "bbox" in collection.members:
        pieces.append((*collection.stretch("bbox"), b""))
    parts: list[bytes | memoryview] = []
    position = 0
    for start, end, text in sorted(pieces):  # a bbox may stand before the features or after them
        parts += [document[position:start], text]
        position = end
    return b"".join([*parts, document[position:]])


def _joined(collection: Collection, kept: Sequence[int]) -> Iterator[bytes | memoryview]:
    """The features' bytes, joined as the collection's first two features are."""
    for position, number in enumerate(kept):
        if position:
            yield collection.separator
        yield collection.raw(number)
