"""Laying out a ``data.json`` such as most are, in the one pass that also reads its ids.

What stands between two features (``},{"type":"Feature"``) is searched for, and each piece between two of
them is read as an object. A string or an inner object may hold the same text; then some piece is no object,
and the document is left to :func:`~up42_state.features.text.layout.read_whole`. Where all pieces are objects,
and nothing but commas and white space is between them, they are the elements of the array, since JSON can be
read in one way only.
"""

from __future__ import annotations

import re
from array import array
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from up42_state.features.text.data_names import may_name_files
from up42_state.features.text.layout import OUTLINE, Layout, skip
from up42_state.features.text.members import members, value_end
from up42_state.features.text.origin import may_be_in
from up42_state.features.text.values import ids_of, strict_heads

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Text = bytes | memoryview

__all__ = ["BATCH", "batches", "cut"]

BATCH = 1024  # features that are read together: fast, and small in memory

_SPACE = rb"[ \t\n\r]*"
_TYPE = _SPACE.join((b"", b'"type"', b":", b'"Feature"'))
_BEGINNING = re.compile(rb'\{(?:%b|%b("[^"\\]*")%b:)' % (_TYPE, _SPACE, _SPACE))
_BRACKET_END = ord("]")


def cut(document: memoryview, start: int) -> Layout | None:
    """Lay out a document, if it can be cut into features.

    :param start: where its text begins, a byte order mark left aside.
    :returns: ``None`` where it cannot: it may be anything then.
    """
    try:
        return _Cutter(document).layout(start)
    except (ValueError, LookupError, RecursionError, msgspec.DecodeError):
        return None


def batches(features: Iterable[Text]) -> Iterator[Sequence[Text]]:
    """Yield features in lists of at most :data:`BATCH`."""
    features = iter(features)
    while batch := list(islice(features, BATCH)):
        yield batch


class _Cutter:
    """Cuts one document, and checks that each piece is the feature that it was taken for."""

    def __init__(self, document: memoryview) -> None:
        self._document = document
        self._starts = array("Q")
        self._ends = array("Q")

    def layout(self, start: int) -> Layout:
        """Lay out the document; any error means that it cannot be cut."""
        found = {}
        for member in members(self._document, skip(self._document, start), end_of=self._end_of):
            if member.name in found:  # which of the two counts is for read_whole to decide
                raise ValueError(member.name)
            found[member.name] = member
        features = found["features"]
        rest = b"".join((self._document[start : features.start], b"[]", self._document[features.end :]))
        kind = OUTLINE.decode(rest).type
        ids: list[str | int | float | None] = []
        is_plain = names_no_files = True
        for batch in batches(map(self._document.__getitem__, map(slice, self._starts, self._ends))):
            heads = strict_heads(batch)
            ids += ids_of(heads)
            properties = [head.properties for head in heads]
            is_plain = is_plain and not may_be_in(properties)
            names_no_files = names_no_files and all(properties) and not may_name_files(properties)
        return Layout(kind, found, self._starts, self._ends, ids, is_plain, names_no_files)

    def _end_of(self, name: str, start: int) -> int:
        return self._cut(start) if name == "features" else value_end(self._document, start)

    def _cut(self, start: int) -> int:
        """Cut the array at ``start`` into features; give the offset at which the array ends."""
        document, starts, ends = self._document, self._starts, self._ends
        starts.append(skip(document, start + 1))
        for between in _separator(document, starts[0]).finditer(document, starts[0]):
            ends.append(between.start() + 1)
            starts.append(between.end())
        ends.append(value_end(document, starts[-1]))
        end = skip(document, ends[-1])
        if document[end] != _BRACKET_END:
            raise ValueError(end)
        return end + 1


def _separator(document: memoryview, first: int) -> re.Pattern[bytes]:
    """The pattern of what stands between two features which begin as the first one does."""
    beginning = _BEGINNING.match(document, first)
    if beginning is None:
        raise ValueError(first)
    name = beginning.group(1)
    inner = _TYPE if name is None else _SPACE + re.escape(name) + _SPACE + b":"
    return re.compile(rb"\}%b,%b(?=\{%b)" % (_SPACE, _SPACE, inner))
