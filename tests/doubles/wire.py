"""A loopback HTTP proxy in front of a store's server, which fails the requests that a test picks."""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Kind = Literal[
    "reset",  # the connection is reset in the middle of the body
    "cut",  # the connection ends in the middle of the body, short of its Content-Length
    "short",  # half of the body, with a Content-Length to match
    "flip",  # one byte of the body is another one
    "chunked",  # the body comes in chunks, and its length is nowhere told (RFC 9112 §7.1)
    "drip",  # the body comes in small pieces
    "stall",  # half of the body comes, and then nothing
    "deaf",  # the request is taken, not carried out and never answered
    "lost",  # the request is carried out, and the connection reset instead of an answer
    "late 500",  # the request is carried out, and answered with 500
    "page",  # the request is not carried out, and answered with 200 and a page to log in at
    "late page",  # the same of one that is carried out
    "no document",  # the same as page, with a body of JSON that says nothing
    "500",
    "503",
    "429",
    "409",
]
# Kinds that leave a body half or wrong: for answers that have one.
IN_BODY = ("reset", "cut", "short", "flip", "chunked", "drip", "stall")
_CODES = {"500": "InternalError", "503": "SlowDown", "429": "TooManyRequests", "409": "OperationAborted"}
_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect", "date", "server"}
_STALLED = 30.0  # seconds, unless the proxy ends before


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request as it came.

    :param at: when, in seconds of the monotonic clock.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    def names(self, text: str) -> bool:
        """Whether the path, or the beginning of the body, holds a text."""
        return text in self.path or text.encode() in self.body[:2000]

    def matches(self, pattern: str) -> bool:
        """Whether a regular expression is found there."""
        return re.search(pattern.encode(), self.path.encode() + b" " + self.body[:2000]) is not None


@dataclass(kw_only=True)
class Rule:
    """Fails one request, or all from one on.

    :param match: which requests are counted.
    :param nth: the number of the one that fails, from 1; 0 counts only.
    :param always: also every one after it.
    """

    kind: Kind
    match: Callable[[Request], bool]
    nth: int = 1
    always: bool = False
    seen: list[Request] = field(default_factory=list)
    hits: int = 0

    def takes(self, request: Request) -> bool:
        """Count a request; whether it fails."""
        if not self.match(request):
            return False
        self.seen.append(request)
        hit = len(self.seen) == self.nth or (self.always and 0 < self.nth < len(self.seen))
        self.hits += hit
        return hit


class Wire:
    """What tests see of the proxy; ``url`` is its endpoint.

    :param upstream: the server's URL.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.url = ""
        self.rules: list[Rule] = []
        self.closing = threading.Event()
        self._lock = threading.Lock()

    def add(self, rule: Rule) -> Rule:
        """Obey a rule from now on."""
        with self._lock:
            self.rules.append(rule)
        return rule

    def fault(self, request: Request) -> Kind | None:
        """What is to happen to a request."""
        with self._lock:
            taken = [rule.kind for rule in self.rules if rule.takes(request)]
        return taken[0] if taken else None


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes


_FOREIGN = {
    "page": _Answer(200, [("Content-Type", "text/html")], b"<html><br>Log in first</html>"),
    "no document": _Answer(200, [("Content-Type", "application/json")], b'{"status": "ok"}'),
}


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, with one of its own to the server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wire: Wire

    def setup(self) -> None:
        super().setup()
        self._server = http.client.HTTPConnection(self.wire.upstream, timeout=60)

    def finish(self) -> None:
        self._server.close()
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *args: object) -> None:
        """Keep quiet."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(method=self.command, path=self.path, headers=dict(self.headers.items()), body=body)
        kind = self.wire.fault(request)
        if kind == "deaf":
            self.wire.closing.wait(_STALLED)
            self._reset()
        elif kind in _CODES:
            self._send(_refusal(request, kind))
        elif kind in _FOREIGN:
            self._send(_FOREIGN[kind])
        elif kind in ("lost", "late 500", "late page"):
            self._forward(request)
            self._end_late(request, kind)
        else:
            self._send(self._forward(request), kind)

    def _end_late(self, request: Request, kind: Kind) -> None:
        if kind == "lost":
            self._reset()
        else:
            self._send(_FOREIGN["page"] if kind == "late page" else _refusal(request, "500"))

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_PATCH = _serve  # noqa: N815

    def _forward(self, request: Request) -> _Answer:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        for attempt in range(2):  # the server may have closed an idle connection
            try:
                self._server.request(request.method, request.path, request.body or None, headers)
                answer = self._server.getresponse()
                break
            except (http.client.RemoteDisconnected, ConnectionError):
                self._server.close()
                if attempt:
                    raise
        return _Answer(answer.status, answer.getheaders(), answer.read())

    def _send(self, answer: _Answer, kind: Kind | None = None) -> None:
        body = answer.body
        half = len(body) // 2
        if kind == "flip":
            body = body[:half] + bytes([body[half] ^ 1]) + body[half + 1 :]
        elif kind == "short":
            body = body[:half]
        self.send_response(answer.status)
        given = dict.fromkeys(name.lower() for name, _ in answer.headers)
        for name, value in answer.headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        if kind == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        elif self.command != "HEAD":
            self.send_header("Content-Length", str(len(body)))
        elif "content-length" in given:
            lengths = [value for name, value in answer.headers if name.lower() == "content-length"]
            self.send_header("Content-Length", lengths[0])
        self.end_headers()
        self._send_body(body, kind)

    def _send_body(self, body: bytes, kind: Kind | None) -> None:
        half = len(body) // 2
        if kind == "drip":
            step = max(1, len(body) // 20)
            for at in range(0, len(body), step):
                self.wfile.write(body[at : at + step])
                time.sleep(0.02)
            return
        if kind not in ("reset", "cut", "stall"):
            self.wfile.write(body)
            return
        self.wfile.write(body[:half])
        if kind == "stall":
            self.wire.closing.wait(_STALLED)
        if kind == "reset":
            self._reset()
        self.close_connection = True

    def _reset(self) -> None:
        """Close the connection with RST instead of FIN (socket(7), SO_LINGER)."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        with suppress(OSError):
            self.wfile.close()
        self.connection.close()
        self.close_connection = True


def _refusal(request: Request, kind: str) -> _Answer:
    """An error in the form of the store that is asked."""
    if "/storage/v1/" in request.path or request.path.startswith("/batch"):
        text = json.dumps({"error": {"code": int(kind), "message": "the fault asked for"}})
        return _Answer(int(kind), [("Content-Type", "application/json")], text.encode())
    text = f"<?xml version='1.0'?><Error><Code>{_CODES[kind]}</Code><Message>asked for</Message></Error>"
    return _Answer(int(kind), [("Content-Type", "application/xml")], text.encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *args: object) -> None:
        """Keep quiet about connections that the other end breaks."""


@contextmanager
def wired(upstream: str) -> Iterator[Wire]:
    """A proxy for the length of the block."""
    wire = Wire(upstream)
    handler = type("Handler", (_Handler,), {"wire": wire})
    with _Server(("127.0.0.1", 0), handler) as server:
        wire.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield wire
        finally:
            wire.closing.set()
            server.shutdown()
            thread.join()
