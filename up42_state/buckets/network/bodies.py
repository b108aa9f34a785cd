"""Reading a body over the network to its very end, going on where a connection broke."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Protocol

from up42_state.errors import StorageError, UnsupportedStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Body", "Nothing", "check_span", "replaced", "resumed"]

_FAILURES = 5  # in a row, each before much had come
_CAREFUL = 64 * 1024  # bytes: read at once after a failure, so that the next loses less; and what is much


class Body(Protocol):
    """An open answer. ``end`` is the position in the object after its last byte."""

    end: int

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; ``b""`` where it ends."""

    def close(self) -> None:
        """Free the connection, or break it if bytes are left."""


class Nothing:
    """The body of an object that ends before the range begins."""

    end = 0

    def read(self, size: int) -> bytes:  # noqa: ARG002 - the signature of a body
        """No bytes."""
        return b""

    def close(self) -> None:
        """Nothing to free."""


def check_span(span: str | None, position: int, last: int | None, length: int | None) -> int:
    """Check that an answer holds the range that was asked for (RFC 9110 §14.4), so that a store that sends
    fewer bytes, and says so in Content-Length alone, is found out.

    :param span: its Content-Range, ``bytes 0-99/1234``; without one it is the whole object.
    :param position: the first byte that was asked for.
    :param last: the last byte, or ``None`` for the object's last.
    :param length: its Content-Length; ``None`` for a body in chunks (RFC 9112 §7.1), which has none.
    :return: the position in the object after the answer's last byte.
    :raises StorageError: it is another range.
    :raises UnsupportedStoreError: it says nowhere how long it is, so that a short body could not be told.
    """
    if span is None and length is None:
        raise UnsupportedStoreError(
            "the store's answer says nowhere how long it is: it has neither Content-Range nor Content-Length",
            advice="look for a proxy before the store that takes them away",
        )
    begin, end, size = _span(span) if span is not None else (0, (length or 0) - 1, length or 0)
    expected = size - 1 if last is None else min(last, size - 1)
    if begin != position or end != expected or length not in (None, end - begin + 1):
        asked = f"bytes {position} to {'the end' if last is None else last}"
        raise StorageError(f"the store sent {length} bytes, {span!r}, where {asked} were asked for")
    return end + 1


def _span(text: str) -> tuple[int, int, int]:
    """First byte, last byte and the object's size; an unknown size is none that was asked for."""
    match = re.fullmatch(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)", text)
    return (int(match[1]), int(match[2]), int(match[3])) if match else (-1, -1, -1)


def replaced(what: str) -> StorageError:
    """The error for an object that is another one when its body is opened again."""
    return StorageError(f"{what} was replaced while it was read", advice="read it again")


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
        body, opened_at = open_at(position), position
        try:
            while position < body.end:
                size = body.end - position if chunk is None else min(chunk, body.end - position)
                data = body.read(size)
                if not data:
                    raise EOFError(f"the body ends at byte {position} instead of {body.end}")
                position += len(data)
                yield data
            return
        except broken:
            failures = 1 if position - opened_at >= _CAREFUL else failures + 1
            if failures == _FAILURES:
                raise
        finally:
            body.close()
        chunk = _CAREFUL if chunk is None else min(chunk, _CAREFUL)
        time.sleep(0.1 * 2**failures)
