"""Buffers for bytes on their way between a store and a disk."""

from __future__ import annotations

import mmap
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Buffers", "allocate"]

B = TypeVar("B", bound=bytearray | memoryview)

_LARGE = 1024 * 1024


def allocate(size: int) -> memoryview:
    """A writable buffer, all zero.

    A large buffer is mapped memory. Making it writes nothing, whereas making a ``bytearray`` writes zeros
    while it holds Python's lock; and the system has it back as soon as nobody refers to it. In huge pages of
    2 MiB, where there are any, filling it takes a five-hundredth of the page faults.

    :param size: in bytes.
    """
    if size < _LARGE:
        return memoryview(bytearray(size))
    room = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError, AttributeError):  # a kernel without huge pages, or a Python built without them
        room.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(room)


class Buffers(Generic[B]):
    """Buffers that are used again: what is read into one costs no new pages of memory.

    :param make: makes one of a size in bytes.
    """

    def __init__(self, make: Callable[[int], B]) -> None:
        self._make = make
        self._free: deque[B] = deque()

    def take(self, size: int) -> B:
        """A buffer of exactly this size in bytes. It holds whatever its last user has left in it."""
        with suppress(IndexError):
            while True:
                found = self._free.pop()
                if len(found) == size:
                    return found
        return self._make(size)

    def give(self, buffer: B) -> None:
        """Let a buffer be used again. Whoever gives it refers to it no more."""
        self._free.append(buffer)
