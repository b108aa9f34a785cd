"""Send what a function prints to its attempt's log, whoever prints: Python, a library in C, or a child."""

from __future__ import annotations

import ctypes
import fcntl
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from io import TextIOWrapper

__all__ = ["Printing"]

_STDERR = 2
_libc = ctypes.CDLL(None)


class Printing:
    """Within the ``with`` both standard streams go to a descriptor, afterwards nowhere.

    :param output: the descriptor, which is closed.
    """

    def __init__(self, output: int) -> None:
        # Where the function has closed a standard stream, the descriptor may have got its number.
        self._output = fcntl.fcntl(output, fcntl.F_DUPFD_CLOEXEC, 3)
        if output > _STDERR:
            os.close(output)

    def __enter__(self) -> Self:
        _redirect(self._output)
        # An earlier call of the function may have closed or replaced them.
        if getattr(sys.stdout, "closed", True):
            sys.stdout = _stream(1)
        if getattr(sys.stderr, "closed", True):
            sys.stderr = _stream(2)
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        _libc.fflush(None)
        os.close(self._output)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        _redirect(nowhere)
        if nowhere > _STDERR:
            os.close(nowhere)

    def write_line(self, text: str) -> None:
        """Write to the log, whatever the function has done to the standard streams."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        data = f"{text}\n".encode(errors="backslashreplace")
        with suppress(OSError):
            while data:
                data = data[os.write(self._output, data) :]


def _redirect(descriptor: int) -> None:
    for standard in (1, _STDERR):
        os.dup2(descriptor, standard)


def _stream(descriptor: int) -> TextIOWrapper:
    """Return a stream that is written at the end of each line, so that lines of both stay in order."""
    return open(descriptor, "w", buffering=1, closefd=False, errors="backslashreplace")
