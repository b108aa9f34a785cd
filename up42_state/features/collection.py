"""A ``data.json`` kept as its bytes.

The file is mapped, not read. One pass finds out where each feature begins and ends; geometry is never
parsed, and what is not changed is written back byte for byte.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any, overload

from up42_state.features.text.fast_layout import batches, cut
from up42_state.features.text.layout import read_whole, refused
from up42_state.features.text.values import Head, decode, feature_id, head, heads, properties_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BOM", "Collection", "Feature"]

BOM = b"\xef\xbb\xbf"
RUN = 8 * 1024 * 1024  # bytes
_LONGEST_SEPARATOR = 1024  # bytes


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
        """The feature's ``id``, if that is a string or a number (RFC 7946 §3.2)."""
        return feature_id(self._read)

    @property
    def properties(self) -> dict[str, Any]:
        """The feature's properties; empty where they are absent or ``null``."""
        return properties_of(self._read)

    @property
    def bbox(self) -> list[float] | None:
        """The feature's ``bbox`` member as it stands, if it is a list (RFC 7946 §5)."""
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
        self._layout = cut(self.document, self.start) or read_whole(self.document, self.start)
        self.type, self.members, self.starts, self.ends, *_ = self._layout
        if not any_type and self.type != "FeatureCollection":
            raise refused("type", "is not a FeatureCollection", 'write "type": "FeatureCollection"')

    @classmethod
    def read(cls, source: str | os.PathLike[str] | bytes) -> Collection:
        """Map a file, or take bytes.

        :param source: a path, or the document itself as bytes.
        :raises InvalidDataError: it is not JSON, or not a FeatureCollection.
        :raises FileNotFoundError: there is no such file.
        """
        return cls(source if isinstance(source, bytes) else mapped(source))

    @property
    def is_plain(self) -> bool:
        """True if all features are known to be objects, none of which carries a provenance."""
        return self._layout.is_plain

    @property
    def names_no_files(self) -> bool:
        """True if all features are known to be objects with properties, none of which may be a data path."""
        return self._layout.names_no_files

    @cached_property
    def ids(self) -> Sequence[str | int | float | None]:
        """Every feature's :attr:`Feature.id`, in order."""
        if self._layout.ids is not None:
            return self._layout.ids
        return [feature_id(each) for batch in batches(self.raws()) for each in heads(batch)]

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
        return map(self.document.__getitem__, map(slice, self.starts, self.ends))

    def member(self, name: str) -> Any:
        """A member of the collection other than ``features``, decoded; ``None`` where it is absent."""
        found = self.members.get(name)
        return None if found is None else decode(self.document[found.start : found.end])

    def stretch(self, name: str) -> tuple[int, int]:
        """The offsets of a member with the comma that goes with it, so that it can be cut out.

        There is always another member: ``features``.
        """
        in_order = sorted(self.members.values(), key=lambda member: member.name_start)
        # The first member has a comma after it alone, each other one has a comma before it.
        if in_order[0].name == name:
            return in_order[0].name_start, in_order[1].name_start
        return next((one.end, two.end) for one, two in pairwise(in_order) if two.name == name)

    @cached_property
    def separator(self) -> bytes:
        """The text to put between two features: what stands between the first two, or what fits one."""
        found = b", "
        if len(self) > 1:
            found = bytes(self.document[self.ends[0] : self.starts[1]])
        elif len(self):
            before = bytes(self.document[self.members["features"].start + 1 : self.starts[0]])
            found = b"," + before if b"\n" in before else b", "
        # It is repeated for each feature: a gap of a megabyte would make a huge document.
        return found if len(found) <= _LONGEST_SEPARATOR else b", "

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
        if not os.fstat(stream.fileno()).st_size:  # mmap refuses an empty file
            return b""
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
