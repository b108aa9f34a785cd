"""What a block prints, bounded: of a long log the beginning and the end are kept."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from up42_state.secrets.redaction import HIDDEN, without_secrets
from up42_state.units import size
from up42_state.workflow.blocks.sandbox.messages import readable
from up42_state.workflow.blocks.sandbox.printed import Printed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

__all__ = ["Log"]

HEAD = TAIL = 255 * 1024  # bytes that are kept of the beginning and of the end: half a MiB with the gap
_POLL = 0.1  # seconds
_CUT = 8 * 1024  # characters that are looked through for the end of a line
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
        ended = threading.Event()
        with Printed(self.write) as printed:
            thread = threading.Thread(target=_take, args=(printed, ended), daemon=True)
            thread.start()
            try:
                yield printed.writing
            finally:
                printed.close_writing()
                ended.set()
                thread.join()

    def bytes(self) -> bytes:
        """What is kept, without secrets, with a line that says how much is not."""
        return self.text().encode()

    def text(self) -> str:
        """What is kept, as text; for each byte that is no UTF-8 there is a ``?``."""
        with self._lock:
            head, tail = bytes(self._head), bytes(self._tail[-TAIL:])
            left_out = self.size - len(head) - len(tail)
        if not left_out:
            return _public(head + tail, self._secrets)
        # Where the log is cut, half a secret may stand, which is not found. So it is cut once more, at lines.
        first = _to_end_of_line(_public(head, self._secrets))
        last = _from_start_of_line(_public(tail, self._secrets))
        return f"{first}[... about {size(left_out)} left out ...]\n{last}"

    def without_secrets(self, text: str) -> str:
        """A text without the secrets of this log."""
        return _public(text.encode(errors="backslashreplace"), self._secrets)

    def last_lines(self, count: int) -> list[str]:
        """The last lines, for a message."""
        return self.text()[-64 * 1024 :].splitlines()[-count:]


def _take(printed: Printed, ended: threading.Event) -> None:
    """Take what is printed until the block has ended; what is left then is taken by the ``with``."""
    while not ended.is_set():
        if readable([printed.fileno()], _POLL) and not printed.take():
            return


def _public(data: bytes, secrets: Iterable[str]) -> str:
    text = without_secrets(data.decode(errors="replace").replace("\N{REPLACEMENT CHARACTER}", "?"))
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    return text


def _to_end_of_line(text: str) -> str:
    """The text without the line that it ends in, or without the end of that line where it is long."""
    end = text.rfind("\n", len(text) - _CUT)
    return text[: end + 1] if end >= 0 else text[:-_CUT] + "\n"


def _from_start_of_line(text: str) -> str:
    """The text without the line that it begins in, or without the beginning of that line where it is long."""
    end = text.find("\n", 0, _CUT)
    return text[end + 1 :] if end >= 0 else text[_CUT:]
