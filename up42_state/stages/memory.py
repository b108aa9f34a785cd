"""Room for bytes in flight."""

from __future__ import annotations

import mmap
from collections import deque
from contextlib import suppress

__all__ = ["Buffers", "allocate"]

_LARGE = 1024 * 1024


def allocate(size: int) -> memoryview:
    """A writable buffer, all zero.

    A large one is mapped: nothing is written to make it, which a ``bytearray`` does while it holds Python's
    lock, and it is given back to the system at once when it is let go. In huge pages, where there are any,
    filling it takes a five-hundredth of the page faults.

    :param size: in bytes.
    """
    if size < _LARGE:
        return memoryview(bytearray(size))
    room = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError, AttributeError):
        room.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(room)


class Buffers:
    """Byte arrays that are used again: for parts, which are sent without being copied."""

    def __init__(self) -> None:
        self._free: deque[bytearray] = deque()

    def take(self, size: int) -> bytearray:
        """One of exactly this size in bytes; what it holds is left over."""
        while self._free:
            found = self._free.pop()
            if len(found) == size:
                return found
        return bytearray(size)

    def give(self, buffer: bytearray) -> None:
        """Let it be used again. Nobody may refer to it any more."""
        self._free.append(buffer)
