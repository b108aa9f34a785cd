"""HTTP requests, each sent once, over connections that are kept.

Why not :mod:`http.client`: it takes longer to load than a small save may take, and neither its bodies nor its
answers can go straight between a socket and a buffer of ours. Whoever asks has another client for stores that
need more (:mod:`up42_state.buckets.s3_direct`).
"""

from __future__ import annotations

import os
import socket
import time
import weakref
from collections import deque
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from up42_state.buckets._http_connection import BadAnswerError, Connection, Incoming, UnansweredError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

    from up42_state.buckets.base import Buffer

__all__ = ["Answer", "BadAnswerError", "Connections", "Incoming", "Request"]

_IDLE = 60.0  # seconds; what stands between may forget a connection, tell nobody, and swallow what is sent


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
    body: bytes


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
        self._idle: deque[Connection] = deque()
        self._process = os.getpid()
        weakref.finalize(self, _close_all, self._idle)

    @contextmanager
    def open(self, request: Request) -> Iterator[Incoming]:
        """Send a request; its answer, whose body is to be read within the block.

        :raises OSError: there is no connection, or no answer; the server may have carried it out.
        """
        connection, incoming = self._begin(request)
        try:
            yield incoming
        except BaseException:  # a signal's too: what else comes must not be taken for the next answer
            connection.close()
            raise
        if incoming.is_over:
            connection.idle_since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.close()

    def ask(self, request: Request) -> Answer:
        """Send a request and read its whole answer, a short one; raises as :meth:`open` does."""
        with self.open(request) as incoming:
            return Answer(status=incoming.status, headers=incoming.headers, body=incoming.read())

    def close(self) -> None:
        """Close the connections that are not in use."""
        _close_all(self._idle)

    def _begin(self, request: Request) -> tuple[Connection, Incoming]:
        connection = self._take()
        if connection is not None:
            try:
                return connection, _exchange(connection, request)
            except UnansweredError:
                if not request.repeatable:
                    raise
        connection = self._connect()
        return connection, _exchange(connection, request)

    def _take(self) -> Connection | None:
        """A connection that should be open still. A forked child leaves those of its parent alone."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self.close()
        while self._idle:
            with suppress(IndexError):  # another thread may have been faster
                connection = self._idle.pop()
                if time.monotonic() - connection.idle_since < _IDLE and connection.is_quiet():
                    return connection
                connection.close()
        return None

    def _connect(self) -> Connection:
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
        return Connection(made)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        """Certificates are checked against the system's, or those of the variables that boto3 goes by."""
        import ssl

        bundle = os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE")
        return ssl.create_default_context(cafile=bundle or None)


def _exchange(connection: Connection, request: Request) -> Incoming:
    try:
        connection.send(request.head, request.body)
        return connection.receive(request.method)
    except BaseException:
        connection.close()
        raise


def _close_all(connections: deque[Connection]) -> None:
    while connections:
        with suppress(IndexError):
            connections.pop().close()
