"""Packs: objects that hold many small files each.

A pack is a plain ZIP archive of at most 32 MiB with at most 16,384 stored (uncompressed) members. GDAL, unzip
and Python read a pack without this library. Section numbers here are those of PKWARE's APPNOTE 6.3.10.

:mod:`zipfile` does not write packs, for two reasons: an index needs the offset of each member's bytes, and
files are read straight into the buffer of the archive, without a copy.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import TYPE_CHECKING, Protocol, TypeVar

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

# Bytes of an archive, and the number of its members. Archives below 4 GiB with fewer than 65,535 members need
# no ZIP64 (§4.4.1.4), which not every reader knows. Packs are smaller, since they are filled in memory.
MAX_BYTES = 32 * 1024 * 1024
MAX_MEMBERS = 16_384

_LOCAL = struct.Struct("<IHHHHHIIIHH")  # local file header, §4.3.7
_CENTRAL = struct.Struct("<IHHHHHHIIIHHHHHII")  # central directory header, §4.3.12
_END = struct.Struct("<IHHHHIIH")  # end of central directory record, §4.3.16
_UTF8_NAMES = 0x800  # bit 11 of the flags, §4.4.4
_VERSION = 10  # version 1.0 can read stored members, §4.4.3.2
_UNIX = 3 << 8  # the system whose file modes the archive has, §4.4.2.2
_1980 = 0x21  # the first day that a ZIP archive can name, §4.4.6; times are not part of a stage


def overhead(name: str) -> int:
    """Return how many bytes a member of this name adds to a pack besides the bytes of its file."""
    return _LOCAL.size + _CENTRAL.size + 2 * len(name.encode())


class Packable(Protocol):
    """A file that is to be packed."""

    @property
    def name(self) -> str:
        """The name of the member in the archive."""

    @property
    def size(self) -> int:
        """The size of the file in bytes."""


P = TypeVar("P", bound=Packable)


def cost(file: Packable) -> int:
    """Return how many bytes a file takes up in a pack."""
    return file.size + overhead(file.name)


class PackWriter:
    """Builds one pack in memory, in a buffer of exactly the size of the pack.

    The caller fills one member after the other: :meth:`reserve`, fill, :meth:`commit`; and then calls
    :meth:`finish`.

    :param members: the files of the pack, in order; together they fit (:func:`fit_a_pack`).
    """

    def __init__(self, members: Sequence[Packable]) -> None:
        self._members = members
        # A byte array, since S3's client sends one as it is: of mapped memory it would take a copy.
        self._buffer = memoryview(bytearray(sum(cost(member) for member in members) + _END.size))
        self._at = 0
        self._central: list[bytes] = []
        self._frame = hashlib.sha256()

    @property
    def frame(self) -> str:
        """The SHA-256, in hex, of all bytes of the finished archive outside the files in it."""
        return self._frame.hexdigest()

    def reserve(self) -> tuple[memoryview, int]:
        """Return the part of the buffer that the next member's bytes go into, and the offset of that part."""
        member = self._members[len(self._central)]
        start = self._at + _LOCAL.size + len(member.name.encode())
        return self._buffer[start : start + member.size], start

    def commit(self, *, executable: bool = False) -> None:
        """Write the headers of the member whose bytes the caller has just put into the buffer.

        :param executable: True if unzip is to set the executable bits of the file.
        """
        member = self._members[len(self._central)]
        name = member.name.encode()
        start = self._at + _LOCAL.size + len(name)
        crc = zlib.crc32(self._buffer[start : start + member.size])
        common = (_UTF8_NAMES, 0, 0, _1980, crc, member.size, member.size, len(name), 0)
        local = _LOCAL.pack(0x04034B50, _VERSION, *common) + name
        self._buffer[self._at : start] = local
        self._frame.update(local)
        mode = (0o100755 if executable else 0o100644) << 16  # st_mode of Unix, in the upper half (§4.4.15)
        self._central.append(
            _CENTRAL.pack(0x02014B50, _UNIX | _VERSION, _VERSION, *common, 0, 0, 0, mode, self._at) + name
        )
        self._at = start + member.size

    def finish(self) -> memoryview:
        """Write the central directory, once every member is in, and return the whole archive."""
        central = b"".join(self._central)
        self._buffer[self._at : self._at + len(central)] = central
        count = len(self._central)
        _END.pack_into(
            self._buffer, self._at + len(central), 0x06054B50, 0, 0, count, count, len(central), self._at, 0
        )
        self._frame.update(self._buffer[self._at :])
        return self._buffer


def frame_digest(data: memoryview) -> str:
    """Compute :attr:`PackWriter.frame` for a pack that was read from the store.

    :param data: the bytes of the whole pack.
    :raises ValueError: the bytes are no archive that a :class:`PackWriter` wrote.
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
    at = 0
    header = central
    for _ in range(count):
        fields = _CENTRAL.unpack_from(data, header)
        size, name_length, local = fields[9], fields[10], fields[16]
        if local != at:
            raise ValueError("members do not follow each other")
        start = local + _LOCAL.size + name_length
        digest.update(data[local:start])
        at = start + size
        header += _CENTRAL.size + name_length
    if at != central:
        raise ValueError("the central directory does not follow the members")
    digest.update(data[at:])
    return digest.hexdigest()


def fit_a_pack(members: Sequence[Packable]) -> bool:
    """Return True if these files fit into one pack."""
    return len(members) <= MAX_MEMBERS and sum(cost(member) for member in members) <= MAX_BYTES - _END.size


def fill_packs(groups: Iterable[Sequence[P]]) -> list[list[P]]:
    """Distribute groups of files over packs, in order, and return the files of each pack.

    A group is a file and its sidecars, or the directory of a data path. No group is split, so that GDAL finds
    sidecars beside their file in the archive. A group that is larger than a pack fills several packs.

    :param groups: the groups of files that belong together.
    """
    packs: list[list[P]] = []
    room = slots = 0  # bytes and members that still fit into the last pack
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
