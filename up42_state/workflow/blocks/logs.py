"""What a block prints, bounded: of a long log the beginning and the end are kept."""

from __future__ import annotations

import os
import select
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from up42_state.secrets.redaction import HIDDEN, without_secrets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

__all__ = ["Log"]

HEAD = TAIL = 256 * 1024  # bytes that are kept of the beginning and of the end
_READ = 1024 * 1024  # bytes; what Linux lets an ordinary user have in a pipe
_QUIET = 0.2  # seconds without output after which nothing more is waited for, once the block has ended
_LONGEST = 5.0  # seconds that are waited in all
_CUT = 8 * 1024  # bytes that are looked through for the end of a line
_LEAST = 8  # characters of a secret that is looked for


class Log:
    """Takes what one attempt prints; holds about ``HEAD`` + ``TAIL`` bytes, however much is written.

    :param secrets: texts that are taken out whenever the log is read, besides the secrets that are known.
    """

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self._lock = threading.Lock()
        self._head = bytearray()
        self._tail = bytearray()
        self._secrets = sorted({text for text in secrets if len(text) >= _LEAST}, key=len, reverse=True)
        self.size = 0  # bytes that were written in all

    def hide(self, secrets: Collection[str]) -> None:
        """Take further texts out whenever the log is read."""
        more = {text for text in secrets if len(text) >= _LEAST}
        self._secrets = sorted({*self._secrets, *more}, key=len, reverse=True)

    def write(self, data: bytes) -> None:
        """Add bytes; may be called from any thread."""
        with self._lock:
            self.size += len(data)
            room = HEAD - len(self._head)
            if room > 0:
                self._head += data[:room]
                data = data[room:]
            self._tail += data[-2 * TAIL :]
            if len(self._tail) > 2 * TAIL:  # seldom, so that little is moved about
                del self._tail[:-TAIL]

    def say(self, text: str) -> None:
        """Add a line of ours, told apart from what the block prints."""
        self.write(f"[up42-state] {text}\n".encode(errors="replace"))

    @contextmanager
    def pipe(self) -> Iterator[int]:
        """Give a descriptor that a child can print to; what it printed is in the log afterwards.

        A process that the child has left behind may hold the descriptor for ever. What it prints later is
        not waited for.
        """
        reading, writing = os.pipe()
        ended = threading.Event()
        thread = threading.Thread(target=self._drain, args=(reading, ended), daemon=True)
        thread.start()
        try:
            yield writing
        finally:
            os.close(writing)
            ended.set()
            thread.join()

    def bytes(self) -> bytes:
        """What is kept, without secrets, with a line that says how much is not."""
        return self.text().encode()

    def text(self) -> str:
        """What is kept, as text; what is no UTF-8 is replaced."""
        with self._lock:
            head, tail = bytes(self._head), bytes(self._tail[-TAIL:])
            size = self.size
        left_out = size - len(head) - len(tail)
        if not left_out:
            return _public(head + tail, self._secrets)
        head, tail = _to_end_of_line(head), _from_start_of_line(tail)
        left_out = size - len(head) - len(tail)
        return (
            f"{_public(head, self._secrets)}[... {left_out} bytes left out ...]\n"
            f"{_public(tail, self._secrets)}"
        )

    def last_lines(self, count: int) -> list[str]:
        """The last lines, for a message."""
        return self.text()[-64 * 1024 :].splitlines()[-count:]

    def _drain(self, reading: int, ended: threading.Event) -> None:
        deadline = 0.0
        with open(reading, "rb", buffering=0) as file:
            os.set_blocking(reading, False)
            while True:
                # The descriptor is looked at often only at the end: a reader that waits costs nothing.
                ready, _, _ = select.select([reading], [], [], _QUIET)
                if ready:
                    data = file.read(_READ)
                    if not data:
                        return
                    self.write(data)
                if ended.is_set():
                    deadline = deadline or time.monotonic() + _LONGEST
                    if not ready or time.monotonic() > deadline:
                        return


def _public(data: bytes, secrets: Iterable[str]) -> str:
    text = without_secrets(data.decode(errors="replace"))
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def _to_end_of_line(data: bytes) -> bytes:
    """The data without the beginning of a line at its end; a line that is very long is cut."""
    end = data.rfind(b"\n", len(data) - _CUT)
    return data[: end + 1] if end >= 0 else data + b"\n"


def _from_start_of_line(data: bytes) -> bytes:
    """The data without the end of a line at its beginning; a line that is very long is cut."""
    end = data.find(b"\n", 0, _CUT)
    return data[end + 1 :]
