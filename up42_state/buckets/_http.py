"""HTTP/1.1 as stores speak it (RFC 9112), each request sent once, over connections that are kept.

Why not :mod:`http.client`: it takes longer to load than a small save may take, and neither its bodies nor its
answers can go straight between a socket and a buffer of ours. What comes is read by the book or refused;
whoever asks has another client for stores that need more (:mod:`up42_state.buckets.s3_direct`).
"""

from __future__ import annotations

import os
import re
import select
import socket
import weakref
from collections import deque
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from up42_state.buckets.base import Buffer

__all__ = ["Answer", "BadAnswerError", "Connections", "Request"]

MIB = 1024 * 1024
_PIECE = 1 * MIB  # bytes that are sent within the timeout
_SMALL = 64 * 1024  # bytes of a body that are copied to go with the head
_MOST_HEAD = 64 * 1024
_MOST_TEXT = 32 * MIB  # bytes of a body that no room was given for, or that comes in chunks
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})(?: .*)?")


class BadAnswerError(ConnectionError):
    """What came is no answer that could be made use of."""


class _UnansweredError(BadAnswerError):
    """The connection ended before anything came."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request.

    :param target: path and query, escaped.
    :param headers: all but Content-Length.
    :param repeatable: whether it may be sent again where its connection, used before, ended without an
        answer: the server may have carried it out, but is more likely to have closed an idle connection.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: Buffer = b""
    repeatable: bool = True

    def __repr__(self) -> str:
        """Without the headers, which hold a signature."""
        return f"Request({self.method} {self.target})"

    @property
    def head(self) -> bytes:
        """The bytes before the body.

        :raises ValueError: something in it is not ASCII, or would end its line.
        """
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if len(self.body) or self.method in {"PUT", "POST"}:
            lines.append(f"content-length: {len(self.body)}")
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("a line of the request holds an end of line")
        return "\r\n".join([*lines, "", ""]).encode("ascii")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, its body read to the end.

    :param headers: by their names in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: Buffer


class Connections:
    """Connections to one server; for all threads, and for children that are forked.

    :param endpoint: ``http://host:port`` or ``https://…``.
    :param connect_timeout: seconds, the TLS handshake included.
    :param read_timeout: seconds without a byte.
    """

    def __init__(self, endpoint: str, *, connect_timeout: float, read_timeout: float) -> None:
        parts = urlsplit(endpoint)
        self._secure = parts.scheme == "https"
        self._address = (parts.hostname or "", parts.port or (443 if self._secure else 80))
        self._connect_timeout, self._read_timeout = connect_timeout, read_timeout
        self._idle: deque[_Connection] = deque()
        self._process = os.getpid()
        weakref.finalize(self, _close_all, self._idle)

    def ask(self, request: Request, room: Callable[[int], memoryview] | None = None) -> Answer:
        """Send a request and read its answer.

        :param room: gives the buffer for the body of a success, of exactly the size in bytes that it is asked
            for, or raises.
        :raises OSError: there is no connection, or no whole answer; the server may have carried it out.
        """
        connection = self._take()
        if connection is not None:
            try:
                return self._exchange(connection, request, room)
            except _UnansweredError:
                if not request.repeatable:
                    raise
        return self._exchange(self._connect(), request, room)

    def close(self) -> None:
        """Close the connections that are not in use."""
        _close_all(self._idle)

    def _exchange(
        self, connection: _Connection, request: Request, room: Callable[[int], memoryview] | None
    ) -> Answer:
        try:
            connection.send(request)
            answer, kept = connection.receive(request.method, room)
        except BaseException:  # a signal's too: what else comes must not be taken for the next answer
            connection.close()
            raise
        if kept:
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    def _take(self) -> _Connection | None:
        """A connection that is open still. A forked child leaves those of its parent alone."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self.close()
        while self._idle:
            with suppress(IndexError):  # another thread may have been faster
                connection = self._idle.pop()
                if connection.is_quiet():
                    return connection
                connection.close()
        return None

    def _connect(self) -> _Connection:
        made = socket.create_connection(self._address, self._connect_timeout)
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self._secure:
                made = self._context.wrap_socket(made, server_hostname=self._address[0])
            made.settimeout(self._read_timeout)
        except BaseException:
            made.close()
            raise
        return _Connection(made)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """Certificates are checked against the system's, or AWS_CA_BUNDLE's, as boto3 has it."""
        import ssl

        return ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)


def _close_all(connections: deque[_Connection]) -> None:
    while connections:
        with suppress(IndexError):
            connections.pop().close()


class _Connection:
    """One connection: a request is sent, then its answer received."""

    def __init__(self, made: socket.socket) -> None:
        self._socket = made
        self._held = b""
        self._begun = False  # whether any of the answer has come

    def close(self) -> None:
        self._socket.close()

    def is_quiet(self) -> bool:
        """Whether nothing has come since the last answer: an end, or something that nobody asked for."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not self._held and not poll.poll(0)

    def send(self, request: Request) -> None:
        head, body = request.head, memoryview(request.body)
        self._begun = False
        try:
            if len(body) <= _SMALL:
                self._socket.sendall(head + body)
                return
            self._socket.sendall(head)
            for at in range(0, len(body), _PIECE):  # sendall's timeout is for all that it is given
                self._socket.sendall(body[at : at + _PIECE])
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _UnansweredError(str(error)) from error

    def receive(self, method: str, room: Callable[[int], memoryview] | None) -> tuple[Answer, bool]:
        """The answer, and whether another request may follow it."""
        status = 100
        while status < 200:  # interim answers (RFC 9110 §15.2)
            status, headers = _parse_head(self._read_head())
        success = 200 <= status < 300
        body: Buffer = b""
        if method != "HEAD" and status not in {204, 304}:
            body = self._read_body(headers, room if success else None)
        kept = "close" not in headers.get("connection", "").lower()
        return Answer(status=status, headers=headers, body=body), kept

    def _read_head(self) -> bytes:
        return self._read_to(b"\r\n\r\n", _MOST_HEAD)

    def _read_body(self, headers: Mapping[str, str], room: Callable[[int], memoryview] | None) -> Buffer:
        room = room or _room
        coding = headers.get("transfer-encoding", "").lower()
        if coding == "chunked":
            chunks = self._read_chunks()
            body = room(len(chunks))
            body[:] = chunks
            return body
        length = headers.get("content-length", "")
        if coding or not (length.isascii() and length.isdigit()):
            raise BadAnswerError("the answer does not say where it ends")
        body = room(int(length))
        self._fill(body)
        return body

    def _read_chunks(self) -> bytearray:
        """A body in chunks (RFC 9112 §7.1); trailers are read and left out.

        Only for the short ones: objects come with their length.
        """
        body = bytearray()
        while True:
            digits = self._read_to(b"\r\n", _MOST_HEAD).partition(b";")[0].strip()
            if not re.fullmatch(b"[0-9A-Fa-f]{1,8}", digits) or len(body) + int(digits, 16) > _MOST_TEXT:
                raise BadAnswerError(f"the answer has a chunk of {digits!r} bytes")
            size = int(digits, 16)
            if not size:
                break
            chunk = bytearray(size + 2)
            self._fill(memoryview(chunk))
            if chunk[-2:] != b"\r\n":
                raise BadAnswerError("a chunk of the answer does not end where it says")
            body += chunk[:-2]
        while self._read_to(b"\r\n", _MOST_HEAD):
            pass
        return body

    def _read_to(self, mark: bytes, most: int) -> bytes:
        """What comes before a mark, which is taken away."""
        while mark not in self._held:
            if len(self._held) > most:
                raise BadAnswerError("the answer's head does not end")
            self._held += self._receive()
        before, _, self._held = self._held.partition(mark)
        return before

    def _receive(self) -> bytes:
        try:
            found = self._socket.recv(_SMALL)
        except ConnectionResetError:
            found = b""
        if not found:
            raise (BadAnswerError if self._begun else _UnansweredError)("the connection ended")
        self._begun = True
        return found

    def _fill(self, room: memoryview) -> None:
        """Fill a buffer, first with what came along before."""
        count = min(len(self._held), len(room))
        room[:count], self._held = self._held[:count], self._held[count:]
        while count < len(room):
            got = self._socket.recv_into(room[count:])
            if not got:
                raise BadAnswerError(f"the answer ends after {count} bytes of {len(room)}")
            count += got


def _room(size: int) -> memoryview:
    if size > _MOST_TEXT:
        raise BadAnswerError(f"the answer has {size} bytes")
    return memoryview(bytearray(size))


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


_ONCE = {"content-length", "transfer-encoding", "content-range"}
