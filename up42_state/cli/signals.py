"""Ending on SIGINT and SIGTERM: quickly, and leaving every ``with`` block on the way out."""

from __future__ import annotations

import atexit
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

__all__ = ["SECONDS_TO_CLEAN_UP", "Ended", "end_on_signals"]

SECONDS_TO_CLEAN_UP = 5
_TICK = 1.0
_ENDING = (signal.SIGINT, signal.SIGTERM)


def end_on_signals() -> None:
    """End the process with 128 + the signal's number; signals that are ignored stay so.

    Python runs a handler only between two steps of the main thread. One that comes just before the thread
    waits, or that the kernel gives to another thread, would be noticed only when the wait is over; so a tick
    ends every wait once a second, and Python goes on waiting where there is nothing to do (PEP 475). The
    ticks end with the program: Python puts handlers away before modules, and one in between would kill it.
    """
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    signal.signal(signal.SIGALRM, lambda _number, _frame: None)
    signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)


class Ended(SystemExit):
    """The process was asked to end."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.status = 128 + number
        self.name = signal.Signals(number).name


def _end(number: int, _frame: FrameType | None) -> None:
    """Leave by an exception. A second signal ends at once, and so does time, when a store does not answer."""
    ended = Ended(number)
    for other in _ENDING:
        signal.signal(other, signal.SIG_DFL)

    def give_up(_number: int, _frame: FrameType | None) -> None:
        os.write(2, f"error: ended by {ended.name}\n".encode())
        os._exit(ended.status)

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, SECONDS_TO_CLEAN_UP, _TICK)
    raise ended
