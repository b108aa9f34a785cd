"""The files that are to be saved: each must stay what it was when the output was scanned."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from up42_state.errors import Defect, InvalidOutputError
from up42_state.features.files.catalogue import File
from up42_state.stages.format.records import stored_name
from up42_state.stages.transfer.buffers import allocate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from up42_state.stages.transfer.pool import Transfers

__all__ = ["Source", "changed", "fill", "hash_sources", "open_source"]

MIB = 1024 * 1024
# Locations were resolved when the output was scanned: a link or a pipe there now is another file.
_AS_SCANNED = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Source(File, frozen=True, kw_only=True, gc=False):
    """A file of this machine that is to be saved.

    :param location: the path to open the file by.
    :param mtime_ns: its modification time when the output was scanned, in nanoseconds.
    :param group: files of one group go into one pack.
    """

    location: str
    mtime_ns: int
    group: str = ""

    @property
    def name(self) -> str:
        """Its name below ``files/`` and inside packs."""
        return stored_name(self.kind, self.path)


def hash_sources(
    transfers: Transfers, sources: Sequence[Source], told: Callable[[int, int], None]
) -> list[Source]:
    """Files with their SHA-256 known.

    A worker for each processor has its share of the files: more of them, or a task for each file, would wait
    for Python's lock more than they win.

    :param told: called with bytes and files that were hashed since the last call, by any thread.
    :raises InvalidOutputError: one changed since the output was scanned.
    """
    ordered = sorted(sources, key=lambda source: source.size)
    workers = os.cpu_count() or 1
    parts = [ordered[number::workers] for number in range(workers)]
    shares = transfers.map(lambda part: _hash_share(part, told), parts)
    digests = {name: sha256 for share in shares for name, sha256 in share}
    return [msgspec.structs.replace(source, sha256=digests[source.name]) for source in sources]


def _hash_share(sources: Sequence[Source], told: Callable[[int, int], None]) -> list[tuple[str, str]]:
    room = allocate(MIB)
    return [(source.name, _hash(source, room, told)) for source in sources]


def _hash(source: Source, room: memoryview, told: Callable[[int, int], None]) -> str:
    digest = hashlib.sha256()
    with open_source(source) as fd:
        while count := os.readv(fd, [room]):
            digest.update(room[:count])
            told(count, 0)
    told(0, 1)
    return digest.hexdigest()


@contextmanager
def open_source(source: Source) -> Iterator[int]:
    """Open a source and make sure, before and after, that it is still the file that was scanned.

    As a descriptor: of the time that a small file takes, a file object of Python's would be a fifth.
    """
    try:
        fd = os.open(source.location, _AS_SCANNED)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise changed(source.name) from error
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise changed(source.name) from error
    try:
        _check_unchanged(fd, source)
        yield fd
        _check_unchanged(fd, source)
    finally:
        os.close(fd)


def _check_unchanged(fd: int, source: Source) -> None:
    status = os.fstat(fd)
    if (status.st_size, status.st_mtime_ns) != (source.size, source.mtime_ns):
        raise changed(source.name)


def changed(name: str) -> InvalidOutputError:
    """The error for a file that is not what it was when the output was scanned."""
    defect = Defect(name, "the file changed while it was saved", "save when the block has finished")
    return InvalidOutputError("the output changed while it was saved", defects=[defect])


def fill(fd: int, buffer: memoryview, source: Source) -> None:
    """Read exactly as many bytes as the buffer holds."""
    while buffer:
        count = os.readv(fd, [buffer])
        if not count:
            raise changed(source.name)
        buffer = buffer[count:]
