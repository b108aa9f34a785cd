"""Laying out a ``data.json``, whatever it looks like: where its members and its features stand."""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from up42_state.errors import Defect, InvalidDataError
from up42_state.features.text import members as text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OUTLINE", "Layout", "read_whole", "refused", "skip"]

_BETWEEN = re.compile(rb"[ \t\n\r]*,[ \t\n\r]*")
_BRACKET, _BRACKET_END = b"[]"


class _Outline(msgspec.Struct):
    features: list[msgspec.Raw]
    type: Any = None


OUTLINE = msgspec.json.Decoder(_Outline)


class Layout(NamedTuple):
    """The offsets of a document's members and features.

    :param type: its ``type`` member.
    :param members: its members, ``features`` among them; of repeated ones the last.
    :param starts: where each feature begins.
    :param ends: where each feature ends.
    :param ids: their ids, where these were read on the way.
    :param is_plain: known to hold nothing but features that are objects, and that carry no provenance.
    :param names_no_files: known to hold nothing but features that are objects and have properties, none of
        which may be a data path by its name.
    """

    type: Any
    members: dict[str, text.Member]
    starts: array[int]
    ends: array[int]
    ids: Sequence[str | int | float | None] | None = None
    is_plain: bool = False
    names_no_files: bool = False


def read_whole(document: memoryview, start: int) -> Layout:
    """Lay out any document.

    :param start: where its text begins, a byte order mark left aside.
    :raises InvalidDataError: it is not JSON, or no collection of features.
    """
    try:
        outline = OUTLINE.decode(document[start:])
    except msgspec.ValidationError as error:
        raise refused("features", f"is not a FeatureCollection: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise refused("data.json", f"is not JSON: {error}") from error
    except RecursionError as error:
        raise refused("data.json", "is nested too deeply") from error
    return _Reader(document, outline).layout(start)


class _Reader:
    """Lays out a document that is known to be valid JSON."""

    def __init__(self, document: memoryview, outline: _Outline) -> None:
        self._document = document
        self._outline = outline
        self._features_start = 0
        self._starts = array("Q")
        self._ends = array("Q")

    def layout(self, start: int) -> Layout:
        members = {}
        try:
            first = skip(self._document, start)
            for member in text.members(self._document, first, end_of=self._end_of):
                members[member.name] = member
        except (ValueError, IndexError) as error:
            raise refused("features", "its members cannot be told apart", "name each of them once") from error
        # Else the decoder has taken another member of this name than the last one.
        if members["features"].start != self._features_start:
            raise refused("features", "is there several times", "name it once")
        return Layout(self._outline.type, members, self._starts, self._ends)

    def _end_of(self, name: str, start: int) -> int:
        end = self._note_features(start) if name == "features" else None
        return text.value_end(self._document, start) if end is None else end

    def _note_features(self, start: int) -> int | None:
        """Note the offsets of all features in the array at ``start``; give the array's end, or ``None`` if it
        holds other values.
        """
        document, starts, ends = self._document, array("Q"), array("Q")
        position = skip(document, start + 1)
        gap = None
        # The decoder gives the text of each element, and not where it stands.
        for raw in self._outline.features:
            if gap is not None:
                position = gap.end()
            starts.append(position)
            position += len(raw)
            ends.append(position)
            gap = _BETWEEN.match(document, position)
            if gap is None and len(starts) < len(self._outline.features):
                return None
        position = skip(document, position)
        if gap is not None or document[start] != _BRACKET or document[position] != _BRACKET_END:
            return None
        self._features_start, self._starts, self._ends = start, starts, ends
        return position + 1


def skip(document: memoryview, position: int) -> int:
    """The offset at which white space that begins at ``position`` ends."""
    found = text.SPACE.match(document, position)
    return found.end() if found else position


def refused(place: str, problem: str, advice: str = "") -> InvalidDataError:
    """The error for a document that is no collection of features."""
    return InvalidDataError("data.json cannot be read", defects=[Defect(place, problem, advice)])
