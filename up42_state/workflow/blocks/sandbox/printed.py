"""What processes print, read by whoever waits for them."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from up42_state.workflow.blocks.sandbox.messages import readable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Printed"]

_READ = 1024 * 1024  # bytes; the most that Linux gives an ordinary user's pipe (pipe(7))
_QUIET = 0.2  # seconds without output after which nothing more is waited for, once the block has ended
_LONGEST = 2.0  # seconds that are waited in all


class Printed:
    """A pipe: processes print to its one end, and at its other end what they print is taken.

    What was printed before the end of the ``with`` is taken then. A process that was left behind may hold the
    pipe open for ever, so what comes later is not waited for.

    :param write: takes the bytes.
    :ivar writing: the descriptor to print to.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)
        with suppress(OSError):  # a user may have a limit; then a block that prints much waits more often
            fcntl.fcntl(self.writing, fcntl.F_SETPIPE_SZ, _READ)
        self._has_ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close_writing()
        deadline = time.monotonic() + _LONGEST
        while not self._has_ended and time.monotonic() < deadline:
            if not readable([self._reading], _QUIET) or not self.take():
                break
        self.close()

    def close(self) -> None:
        """Close both ends, and take nothing more."""
        self.close_writing()
        if self._reading >= 0:
            os.close(self._reading)
            self._reading = -1

    def fileno(self) -> int:
        """Return the descriptor of the end that is read."""
        return self._reading

    def close_writing(self) -> None:
        """Close our own descriptor of the end that is printed to, once the processes have theirs."""
        if self.writing >= 0:
            os.close(self.writing)
            self.writing = -1

    def take(self) -> bool:
        """Take what is there; return False if nothing comes any more."""
        try:
            data = os.read(self._reading, _READ)
        except BlockingIOError:
            return True
        self._has_ended = not data
        if data:
            self._write(data)
        return bool(data)
