"""A store's end of the wire: a loopback HTTP server that answers what a test tells it to."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from up42_state.buckets.gcs.bucket import GCSBucket
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer.

    :param cut: bytes of the body after which the connection is closed; ``None`` sends all.
    :param chunked: the body is sent in chunks, with no Content-Length (RFC 9112 §7.1).
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    cut: int | None = None
    chunked: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Script:
    """Answers in turn; the last one again and again. ``requests`` are those that came.

    An answer may also be a function of its request.
    """

    def __init__(self, answers: list[Answer | Callable[[Request], Answer]]) -> None:
        self.answers = answers
        self.requests: list[Request] = []
        self.url = ""
        self._lock = threading.Lock()

    def next(self, request: Request) -> Answer:
        with self._lock:
            self.requests.append(request)
            answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        return answer if isinstance(answer, Answer) else answer(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Script

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(method=self.command, path=self.path, headers=headers, body=body)
        answer = self.script.next(request)
        self.send_response(answer.status)
        framing = {"Transfer-Encoding": "chunked"} if answer.chunked else _length(answer)
        for name, value in (framing | answer.headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(
                in_chunks(answer.body, answer.cut) if answer.chunked else answer.body[: answer.cut]
            )
        self.close_connection = answer.cut is not None

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


def _length(answer: Answer) -> dict[str, str]:
    return {"Content-Length": str(len(answer.body))}


def in_chunks(body: bytes, cut: int | None = None) -> bytes:
    """A body of two chunks; of a cut one there is no end."""
    half = len(body) // 2
    parts = [part for part in (body[:half], body[half:]) if part]
    if cut is not None:
        return b"%x\r\n%s" % (len(body), body[:cut])
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def serving(data: bytes, cut: int | None = None, *, chunked: bool = False) -> Callable[[Request], Answer]:
    """Answers requests for a range of ``data`` as stores do, breaking off after ``cut`` bytes."""

    def answer(request: Request) -> Answer:
        begin, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
        body = data[int(begin) : int(last) + 1 if last else None]
        span = f"bytes {begin}-{int(begin) + len(body) - 1}/{len(data)}"
        headers = {"ETag": '"e"', "x-goog-generation": "7", "Content-Range": span}
        return Answer(status=206, headers=headers, body=body, cut=cut, chunked=chunked)

    return answer


class _Server(ThreadingHTTPServer):
    def handle_error(self, *args: object) -> None:
        """Keep quiet about connections that the other end breaks."""


@contextmanager
def answering(
    *answers: Answer | Callable[[Request], Answer], context: ssl.SSLContext | None = None
) -> Iterator[Script]:
    """A server for the length of the block, at ``script.url``.

    :param context: to speak TLS.
    """
    script = Script(list(answers))
    handler = type("Handler", (_Handler,), {"script": script})
    with _Server(("127.0.0.1", 0), handler) as server:
        if context:
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        script.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def google_at(*answers: Any) -> Iterator[tuple[GCSBucket, Script]]:
    """A bucket on Google whose requests get these answers, and what was asked."""
    with answering(*answers) as script:
        bucket = GCSBucket("b", "", Settings(storage_emulator_host=script.url))
        try:
            yield bucket, script
        finally:
            bucket.close()
