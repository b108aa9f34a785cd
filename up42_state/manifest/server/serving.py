"""Run the HTTP server of the service, with bounds on everything that a client could use up.

uvicorn bounds the bytes of a request's head and the time between two requests. This module bounds the number
of connections, the time that a request may take, and the lines that bad requests add to the log.
"""

from __future__ import annotations

import logging
import resource
import time
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from up42_state.manifest.server.service import application

if TYPE_CHECKING:
    import asyncio

__all__ = ["server"]

MAX_CONNECTIONS = 256
SECONDS_FOR_A_REQUEST = 20.0  # its head, its body, and taking the answer
SECONDS_BETWEEN_REQUESTS = 5
SECONDS_TO_FINISH = 2  # for requests under way when a signal comes
MAX_HEAD = 16 * 1024  # bytes
MAX_LINES = 20  # of the log, in LOG_SECONDS
LOG_SECONDS = 60.0
_OTHER_FILES = 32  # descriptors that are no connections: the program's own, and those that are being ended
_WAITING = 32  # connections that the kernel holds; asyncio accepts as many at once, before it serves any


def server() -> uvicorn.Server:
    """Return the server; ``run(sockets=[…])`` runs it on sockets that listen already."""
    _bound_log()
    config = uvicorn.Config(
        application(),
        http=_Connection,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        backlog=_WAITING,
        h11_max_incomplete_event_size=MAX_HEAD,
        timeout_keep_alive=SECONDS_BETWEEN_REQUESTS,
        timeout_graceful_shutdown=SECONDS_TO_FINISH,
    )
    return uvicorn.Server(config)


def most_connections() -> int:
    """Return how many connections the process's file descriptors allow.

    A service that has no descriptor left cannot even refuse a connection.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, soft - _OTHER_FILES - 2 * _WAITING))


class _Connection(H11Protocol):
    """A connection that ends itself when a request takes too long, and that gives way to newer connections.

    If there are too many connections, the one ends that has waited longest for the rest of a request or for
    the next one: clients that send nothing cannot keep out a client that does.
    """

    _timer: asyncio.TimerHandle | None = None
    _since = 0.0  # when the time of the present request began

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and end another one if there are too many."""
        super().connection_made(transport)
        self._start_timer()
        if len(self.connections) > most_connections():
            waiting = [
                other for other in self.connections if isinstance(other, _Connection) and other.is_waiting
            ]
            min(waiting, key=lambda other: other._since, default=self).end()  # noqa: SLF001 - of its own class

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer of the connection."""
        self._stop_timer()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Start the timer again: every request has its own time."""
        self._stop_timer()
        self._start_timer()
        super().on_response_complete()

    @property
    def is_waiting(self) -> bool:
        """True if the client has yet to send something: a head, or the rest of a body."""
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete or cycle.more_body)

    def end(self) -> None:
        """End the connection, whatever is still to be read or written."""
        self.connections.discard(self)  # its place is free, though the descriptor is closed a moment later
        self.transport.abort()

    def _start_timer(self) -> None:
        self._since = self.loop.time()
        self._timer = self.loop.call_later(SECONDS_FOR_A_REQUEST, self.end)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class _Bounded(logging.Filter):
    """A filter that passes MAX_LINES lines in LOG_SECONDS, and then says how many lines it left out."""

    def __init__(self) -> None:
        super().__init__()
        self._begun, self._lines = 0.0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Return True for one of the first lines of the present period."""
        now = time.monotonic()
        if now - self._begun > LOG_SECONDS:
            left_out = self._lines - MAX_LINES
            self._begun, self._lines = now, 0
            if left_out > 0:
                record.msg, record.args = f"{record.getMessage()} ({left_out} lines before were left out)", ()
        self._lines += 1
        return self._lines <= MAX_LINES


def _bound_log() -> None:
    bound: Any = _Bounded()
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addFilter(bound)
