"""What a block prints, bounded: of a long log the beginning and the end are kept."""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Log"]

HEAD = TAIL = 256 * 1024  # bytes that are kept of the beginning and of the end
_READ = 64 * 1024


class Log:
    """Takes what one attempt prints; holds at most ``HEAD`` + ``TAIL`` bytes, however much is written."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self.size = 0  # bytes that were written in all

    def write(self, data: bytes) -> None:
        """Add bytes; may be called from any thread."""
        with self._lock:
            self.size += len(data)
            room = HEAD - len(self._head)
            self._head += data[:room]
            rest = data[room:] if room > 0 else data
            if rest:
                self._tail.append(bytes(rest))
                self._tail_size += len(rest)
            while self._tail and self._tail_size - len(self._tail[0]) >= TAIL:
                self._tail_size -= len(self._tail.popleft())

    @contextmanager
    def pipe(self) -> Iterator[int]:
        """Give a descriptor that a child can print to; what it printed is in the log afterwards."""
        reading, writing = os.pipe()
        thread = threading.Thread(target=self._drain, args=(reading,), daemon=True)
        thread.start()
        try:
            yield writing
        finally:
            os.close(writing)
            thread.join(timeout=5)  # a grandchild that lives on may hold the pipe open

    def bytes(self) -> bytes:
        """What is kept, with a line that says how much is not."""
        with self._lock:
            tail = b"".join(self._tail)[-TAIL:]
            left_out = self.size - len(self._head) - len(tail)
            gap = b"\n[... %d bytes left out ...]\n" % left_out if left_out else b""
            return bytes(self._head) + gap + tail

    def last_lines(self, count: int) -> list[str]:
        """The last lines, for a message."""
        return self.bytes()[-_READ:].decode(errors="replace").splitlines()[-count:]

    def _drain(self, reading: int) -> None:
        with open(reading, "rb", buffering=0) as file:
            while data := file.read(_READ):
                self.write(data)
