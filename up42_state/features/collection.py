"""A ``data.json`` kept as its bytes.

The file is mapped, not read. One pass finds out where each feature begins and ends; geometry is never
parsed, and what is not changed is written back byte for byte.
"""

from __future__ import annotations

import mmap
import os
import re
from array import array
from collections.abc import Sequence
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any, overload

import msgspec

from up42_state.errors import Defect, InvalidDataError
from up42_state.features import members as text
from up42_state.features.values import Head, decode, feature_id, head, properties_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Collection", "Feature"]

BOM = b"\xef\xbb\xbf"
RUN = 8 * 1024 * 1024

_BETWEEN = re.compile(rb"[ \t\n\r]*,[ \t\n\r]*")
_BRACKET, _BRACKET_END = b"[]"


class _Outline(msgspec.Struct):
    features: list[msgspec.Raw]
    type: Any = None


_OUTLINE = msgspec.json.Decoder(_Outline)


class Feature:
    """One feature of a collection, read where it lies.

    :param raw: its bytes.
    """

    __slots__ = ("_head", "raw")

    def __init__(self, raw: memoryview | bytes) -> None:
        self.raw = raw
        self._head: Head | None = None

    def __repr__(self) -> str:
        return f"Feature(id={self.id!r})"

    @property
    def _read(self) -> Head:
        if self._head is None:
            self._head = head(self.raw)
        return self._head

    @property
    def id(self) -> str | int | float | None:
        """Its ``id``, if that is a string or a number (RFC 7946 §3.2)."""
        return feature_id(self._read)

    @property
    def properties(self) -> dict[str, Any]:
        """Its properties; empty where they are absent or ``null``."""
        return properties_of(self._read)

    @property
    def bbox(self) -> list[float] | None:
        """Its ``bbox`` member as it stands, if it is a list (RFC 7946 §5)."""
        value = self.value().get("bbox")
        return value if isinstance(value, list) else None

    def value(self) -> dict[str, Any]:
        """The whole feature, decoded."""
        value = decode(self.raw)
        return value if isinstance(value, dict) else {}


class Collection(Sequence[Feature]):
    """A GeoJSON FeatureCollection (RFC 7946 §3.3) as it was written.

    :param document: all of its bytes, a byte order mark included.
    :param any_type: take it although its ``type`` says that it is something else.
    :raises InvalidDataError: it is not JSON, or not a FeatureCollection.
    """

    def __init__(
        self, document: bytes | bytearray | memoryview | mmap.mmap, *, any_type: bool = False
    ) -> None:
        self.document = memoryview(document)
        self.start = len(BOM) if bytes(self.document[:3]) == BOM else 0
        outline = self._outline()
        self.features_start = 0
        self.starts = array("Q")
        self.ends = array("Q")
        self.members: dict[str, text.Member] = {}
        self._lay_out(outline.features)
        self.type = outline.type
        if not any_type and self.type != "FeatureCollection":
            raise _refused("type", "is not a FeatureCollection", 'write "type": "FeatureCollection"')

    @classmethod
    def read(cls, source: str | os.PathLike[str] | bytes) -> Collection:
        """Map a file, or take bytes.

        :param source: a path, or the document itself as bytes.
        :raises InvalidDataError: it is not JSON, or not a FeatureCollection.
        :raises FileNotFoundError: there is no such file.
        """
        return cls(source if isinstance(source, bytes) else mapped(source))

    def _outline(self) -> _Outline:
        try:
            return _OUTLINE.decode(self.document[self.start :])
        except msgspec.ValidationError as error:
            raise _refused("features", f"is not a FeatureCollection: {error}") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _refused("data.json", f"is not JSON: {error}") from error
        except RecursionError as error:
            raise _refused("data.json", "is nested too deeply") from error

    def _lay_out(self, features: list[msgspec.Raw]) -> None:
        """Find out where members and features stand; of repeated members the last counts."""
        document = self.document

        def end_of(name: str, start: int) -> int:
            end = self._place_features(start, features) if name == "features" else None
            return text.value_end(document, start) if end is None else end

        try:
            first = _skip(document, self.start)
            for member in text.members(document, first, end_of=end_of):
                self.members[member.name] = member
        except (ValueError, IndexError) as error:
            raise _refused(
                "features", "its members cannot be told apart", "name each of them once"
            ) from error
        if self.members["features"].start != self.features_start:
            raise _refused("features", "is there several times", "name it once")

    def _place_features(self, start: int, features: list[msgspec.Raw]) -> int | None:
        """Place all features in the array at ``start``; where it ends, or ``None`` if it holds others."""
        document, starts, ends = self.document, array("Q"), array("Q")
        position = _skip(document, start + 1)
        gap = None
        for raw in features:
            if gap is not None:
                position = gap.end()
            starts.append(position)
            position += len(raw)
            ends.append(position)
            gap = _BETWEEN.match(document, position)
            if gap is None and len(starts) < len(features):
                return None
        position = _skip(document, position)
        if gap is not None or document[start] != _BRACKET or document[position] != _BRACKET_END:
            return None
        self.features_start, self.starts, self.ends = start, starts, ends
        return position + 1

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> Feature: ...

    @overload
    def __getitem__(self, index: slice) -> list[Feature]: ...

    def __getitem__(self, index: int | slice) -> Feature | list[Feature]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return Feature(self.raw(index if index >= 0 else index + len(self)))

    def __iter__(self) -> Iterator[Feature]:
        return map(Feature, self.raws())

    def raw(self, index: int) -> memoryview:
        """A feature's bytes."""
        return self.document[self.starts[index] : self.ends[index]]

    def raws(self) -> Iterator[memoryview]:
        """Every feature's bytes, in order."""
        document = self.document
        return (document[start:end] for start, end in zip(self.starts, self.ends, strict=True))

    def member(self, name: str) -> Any:
        """A member of the collection other than ``features``, decoded; ``None`` where it is absent."""
        place = self.members.get(name)
        return None if place is None else decode(self.document[place.start : place.end])

    def stretch(self, name: str) -> tuple[int, int]:
        """Where a member stands with the comma that goes with it, so that it can be cut out.

        There is always another member: ``features``.
        """
        in_order = sorted(self.members.values(), key=lambda member: member.place)
        if in_order[0].name == name:
            return in_order[0].place, in_order[1].place
        return next((one.end, two.end) for one, two in pairwise(in_order) if two.name == name)

    def write(self, stream: IO[bytes]) -> None:
        """Write the document as it was read."""
        for run in self.runs():
            stream.write(run)

    def runs(self, start: int = 0, end: int | None = None) -> Iterator[memoryview]:
        """The document's bytes from ``start`` to ``end``, in runs of at most 8 MiB."""
        end = len(self.document) if end is None else end
        for first in range(start, end, RUN):
            yield self.document[first : min(first + RUN, end)]


def mapped(path: str | os.PathLike[str]) -> mmap.mmap | bytes:
    """A file's bytes, mapped where it is not empty."""
    with open(path, "rb") as stream:
        if not os.fstat(stream.fileno()).st_size:
            return b""
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)


def _skip(document: memoryview, position: int) -> int:
    found = text.SPACE.match(document, position)
    return found.end() if found else position


def _refused(place: str, problem: str, advice: str = "") -> InvalidDataError:
    return InvalidDataError("data.json cannot be read", defects=[Defect(place, problem, advice)])
