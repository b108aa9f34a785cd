"""Reading a body over the network to its very end, going on where a connection broke."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Body", "resumed"]

_FAILURES = 5  # in a row, without a byte between them
_CAREFUL = 64 * 1024  # bytes at once after a failure, so that less is lost by the next


class Body(Protocol):
    """An open answer. ``end`` is the position in the object after its last byte."""

    end: int

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; ``b""`` where it ends."""

    def close(self) -> None:
        """Free the connection, or break it if bytes are left."""


def resumed(
    open_at: Callable[[int], Body], start: int, *, broken: tuple[type[Exception], ...], chunk: int | None
) -> Iterator[bytes]:
    """All bytes from ``start``, in chunks; a broken body is opened again at the byte where it broke.

    :param open_at: opens the body at a position.
    :param broken: the errors of reading that say so, EOFError among them.
    :param chunk: bytes in a chunk; ``None`` gives all in one where nothing breaks.
    :raises Exception: the last of ``broken``, when five came in a row.
    """
    position, failures = start, 0
    while True:
        body = open_at(position)
        try:
            while position < body.end:
                size = body.end - position if chunk is None else min(chunk, body.end - position)
                data = body.read(size)
                if not data:
                    raise EOFError(f"the body ends at byte {position} instead of {body.end}")
                position, failures = position + len(data), 0
                yield data
            return
        except broken:
            failures += 1
            if failures == _FAILURES:
                raise
        finally:
            body.close()
        chunk = _CAREFUL if chunk is None else min(chunk, _CAREFUL)
        time.sleep(0.1 * 2**failures)
