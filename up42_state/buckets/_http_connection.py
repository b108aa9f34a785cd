"""One connection of HTTP/1.1, as stores speak it (RFC 9112): what comes is read by the book, or refused."""

from __future__ import annotations

import re
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from up42_state.buckets.base import Buffer

__all__ = ["BadAnswerError", "Connection", "Incoming", "UnansweredError"]

MIB = 1024 * 1024
_PIECE = 1 * MIB  # bytes that are sent within the timeout
_SMALL = 64 * 1024  # bytes of a body that are copied to go with the head
_MOST_HEAD = 64 * 1024
_MOST_TEXT = 32 * MIB  # bytes of a body that is no object's
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})(?: .*)?")
_ONCE = {"content-length", "transfer-encoding", "content-range"}


class BadAnswerError(ConnectionError):
    """What came is no answer that could be made use of."""


class UnansweredError(BadAnswerError):
    """The connection ended before anything came."""


class Connection:
    """A connection: a request is sent, then its answer received.

    ``idle_since``
        when its last answer was read, by the monotonic clock.
    """

    def __init__(self, made: socket.socket) -> None:
        self.idle_since = 0.0
        self._socket = made
        self._held = b""
        self._begun = False  # whether any of the answer has come

    def close(self) -> None:
        """End it, whatever is under way."""
        self._socket.close()

    def is_quiet(self) -> bool:
        """Whether nothing has come since the last answer: an end, or something that nobody asked for."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not self._held and not poll.poll(0)

    def send(self, head: bytes, body: Buffer) -> None:
        """Send a request.

        :raises UnansweredError: the connection has ended.
        """
        self._begun = False
        try:
            if len(body) <= _SMALL:
                self._socket.sendall(head + body)
                return
            self._socket.sendall(head)
            view = memoryview(body)
            for at in range(0, len(view), _PIECE):  # sendall's timeout is for all that it is given
                self._socket.sendall(view[at : at + _PIECE])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise UnansweredError(str(error)) from error

    def receive(self, method: str) -> Incoming:
        """The answer to a request by this method, its body yet to be read."""
        status = 100
        while status < 200:  # interim answers (RFC 9110 §15.2)
            status, headers = _parse_head(self.read_to(b"\r\n\r\n"))
        return Incoming(self, status, headers, bodiless=method == "HEAD" or status in {204, 304})

    def read_to(self, mark: bytes) -> bytes:
        """What comes before a mark, which is taken away."""
        while mark not in self._held:
            if len(self._held) > _MOST_HEAD:
                raise BadAnswerError("the answer's head does not end")
            self._held += self._receive()
        before, _, self._held = self._held.partition(mark)
        return before

    def fill(self, room: memoryview) -> None:
        """Fill a buffer, first with what came along before."""
        count = min(len(self._held), len(room))
        room[:count], self._held = self._held[:count], self._held[count:]
        while count < len(room):
            got = self._socket.recv_into(room[count:])
            if not got:
                raise BadAnswerError(f"the answer ends after {count} bytes of {len(room)}")
            count += got

    def _receive(self) -> bytes:
        try:
            found = self._socket.recv(_SMALL)
        except ConnectionResetError:
            found = b""
        if not found:
            raise (BadAnswerError if self._begun else UnansweredError)("the connection ended")
        self._begun = True
        return found


class Incoming:
    """An answer whose body is yet to be read.

    ``headers``
        by their names in lower case.
    ``left``
        bytes of the body that are yet to be read; ``None`` for one in chunks.
    """

    def __init__(
        self, connection: Connection, status: int, headers: Mapping[str, str], *, bodiless: bool
    ) -> None:
        self._connection = connection
        self.status, self.headers = status, headers
        self.left: int | None = 0 if bodiless else _length(headers)

    @property
    def is_over(self) -> bool:
        """Whether it was read to its end, and another request may follow."""
        return self.left == 0 and "close" not in self.headers.get("connection", "").lower()

    def fill(self, room: memoryview) -> None:
        """Read as many bytes of the body as the room has, which must not be more than are left."""
        self._connection.fill(room)
        self.left = (self.left or 0) - len(room)

    def read(self, most: int = _MOST_TEXT) -> bytes:
        """The whole body, of at most so many bytes.

        :raises BadAnswerError: it has more.
        """
        if self.left is None:
            body = self._read_chunks(most)
            self.left = 0
            return body
        if self.left > most:
            raise BadAnswerError(f"the answer has {self.left} bytes")
        whole = bytearray(self.left)
        self.fill(memoryview(whole))
        return bytes(whole)

    def _read_chunks(self, most: int) -> bytes:
        """A body in chunks (RFC 9112 §7.1); trailers are read and left out."""
        body = bytearray()
        while size := self._chunk_size(most - len(body)):
            chunk = bytearray(size + 2)
            self._connection.fill(memoryview(chunk))
            if chunk[-2:] != b"\r\n":
                raise BadAnswerError("a chunk of the answer does not end where it says")
            body += chunk[:-2]
        while self._connection.read_to(b"\r\n"):
            pass
        return bytes(body)

    def _chunk_size(self, most: int) -> int:
        digits = self._connection.read_to(b"\r\n").partition(b";")[0].strip()
        if not re.fullmatch(b"[0-9A-Fa-f]{1,8}", digits) or int(digits, 16) > most:
            raise BadAnswerError(f"the answer has a chunk of {digits!r} bytes")
        return int(digits, 16)


def _length(headers: Mapping[str, str]) -> int | None:
    """How long a body is; ``None`` for one in chunks.

    :raises BadAnswerError: its end could not be told from a broken connection.
    """
    coding, length = headers.get("transfer-encoding", "").lower(), headers.get("content-length", "")
    if coding == "chunked":
        return None
    if coding or not (length.isascii() and length.isdigit()):
        raise BadAnswerError("the answer does not say where it ends")
    return int(length)


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if status is None:
        raise BadAnswerError(f"the answer begins with {first[:100]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        name = name.lower()
        if not colon or name != name.strip() or (name in headers and name in _ONCE):
            raise BadAnswerError(f"the answer has a malformed header {line[:100]!r}")
        headers[name] = value.strip()
    return int(status[1]), headers
