"""Packs: many small files in one object.

A pack is a plain ZIP archive with stored (uncompressed) members, at most 32 MiB and 16,384 members, so that
it needs no ZIP64: GDAL, unzip and Python read it without this library (PKWARE APPNOTE 6.3.10, §4.3–4.4).
It is written here rather than by :mod:`zipfile` because we must know where each member's bytes begin, and
because reading, hashing, the CRC and the archive are then one pass over the bytes.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, Protocol, TypeVar

from up42_state.stages.transfer.buffers import allocate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = [
    "MAX_BYTES",
    "MAX_MEMBERS",
    "PackWriter",
    "Packable",
    "cost",
    "fill_packs",
    "fit_a_pack",
    "frame_digest",
    "overhead",
]

MAX_BYTES = 32 * 1024 * 1024
MAX_MEMBERS = 16_384

_LOCAL = struct.Struct("<IHHHHHIIIHH")
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")
_END = struct.Struct("<IHHHHIIH")
_UTF8_NAMES = 0x800
_VERSION = 10  # 1.0: stored members only
_UNIX = 3 << 8
_1980 = 0x21  # the first day a ZIP archive can name; times are not part of a stage


def overhead(name: str) -> int:
    """Bytes that a member of this name adds to a pack besides its own."""
    return _LOCAL.size + _CENTRAL.size + 2 * len(name.encode())


class Packable(Protocol):
    """A file that is to be packed."""

    @property
    def name(self) -> str:
        """The name of the member in the archive."""

    @property
    def size(self) -> int:
        """In bytes."""


P = TypeVar("P", bound=Packable)


def cost(file: Packable) -> int:
    """Bytes that a file takes up in a pack."""
    return file.size + overhead(file.name)


class PackWriter:
    """Builds one pack in memory, sized exactly before the first byte is written.

    :param members: what goes into the pack, in order; together at most :data:`MAX_BYTES`.
    """

    def __init__(self, members: Sequence[Packable]) -> None:
        self._members = members
        self._buffer = allocate(sum(cost(member) for member in members) + _END.size)
        self._at = 0
        self._central: list[bytes] = []
        self._frame = hashlib.sha256()

    @property
    def frame(self) -> str:
        """SHA-256 of all bytes of the finished archive that are not a member's, in hex."""
        return self._frame.hexdigest()

    def reserve(self) -> tuple[memoryview, int]:
        """Where the next member's bytes go: a buffer of exactly its size to fill, and its offset."""
        member = self._members[len(self._central)]
        start = self._at + _LOCAL.size + len(member.name.encode())
        return self._buffer[start : start + member.size], start

    def commit(self, *, executable: bool = False) -> None:
        """Put the headers around the member whose buffer was just filled."""
        member = self._members[len(self._central)]
        name = member.name.encode()
        start = self._at + _LOCAL.size + len(name)
        crc = zlib.crc32(self._buffer[start : start + member.size])
        common = (_UTF8_NAMES, 0, 0, _1980, crc, member.size, member.size, len(name), 0)
        local = _LOCAL.pack(0x04034B50, _VERSION, *common) + name
        self._buffer[self._at : start] = local
        self._frame.update(local)
        mode = (0o100755 if executable else 0o100644) << 16
        self._central.append(
            _CENTRAL.pack(0x02014B50, _UNIX | _VERSION, _VERSION, *common, 0, 0, 0, mode, self._at) + name
        )
        self._at = start + member.size

    def finish(self) -> memoryview:
        """The whole archive, once every member is in."""
        central = b"".join(self._central)
        self._buffer[self._at : self._at + len(central)] = central
        count = len(self._central)
        _END.pack_into(
            self._buffer, self._at + len(central), 0x06054B50, 0, 0, count, count, len(central), self._at, 0
        )
        self._frame.update(self._buffer[self._at :])
        return self._buffer


def frame_digest(data: memoryview) -> str:
    """Compute :attr:`PackWriter.frame` of a pack that was read back.

    :raises ValueError: it is no archive that a :class:`PackWriter` wrote.
    """
    try:
        return _frame_digest(data)
    except (struct.error, ValueError) as error:
        raise ValueError("its archive structure is damaged") from error


def _frame_digest(data: memoryview) -> str:
    digest = hashlib.sha256()
    *_, count, _, length, central, _ = _END.unpack_from(data, len(data) - _END.size)
    if central + length + _END.size != len(data):
        raise ValueError("the central directory is not where the end record says")
    at = frame = 0
    entry = central
    for _ in range(count):
        fields = _CENTRAL.unpack_from(data, entry)
        size, name, local = fields[9], fields[10], fields[16]
        if local != at:
            raise ValueError("members do not follow each other")
        frame = local + _LOCAL.size + name
        digest.update(data[local:frame])
        at = frame + size
        entry += _CENTRAL.size + name
    if at != central:
        raise ValueError("the central directory does not follow the members")
    digest.update(data[at:])
    return digest.hexdigest()


def fit_a_pack(members: Sequence[Packable]) -> bool:
    """Whether these files can lie in one pack."""
    return len(members) <= MAX_MEMBERS and sum(cost(member) for member in members) <= MAX_BYTES - _END.size


def fill_packs(groups: Iterable[Sequence[P]]) -> list[list[P]]:
    """Distribute groups of files over packs, in order.

    A group (a file and its sidecars, or the directory of a data path) is never split, unless it is larger
    than a pack by itself: then it fills packs of its own.
    """
    packs: list[list[P]] = []
    room = slots = 0
    for group in groups:
        costs = [cost(member) for member in group]
        if sum(costs) > room or len(group) > slots:
            packs.append([])
            room, slots = MAX_BYTES - _END.size, MAX_MEMBERS
        for member, needed in zip(group, costs, strict=True):
            if needed > room or not slots:
                packs.append([])
                room, slots = MAX_BYTES - _END.size, MAX_MEMBERS
            packs[-1].append(member)
            room -= needed
            slots -= 1
    return [pack for pack in packs if pack]
