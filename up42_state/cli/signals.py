"""Ending on SIGINT and SIGTERM: quickly, and leaving every ``with`` block on the way out."""

from __future__ import annotations

import atexit
import os
import signal
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

__all__ = ["SECONDS_TO_CLEAN_UP", "Ended", "end_on_signals"]

SECONDS_TO_CLEAN_UP = 5
_TICK = 1.0
_AS_TEXT = "error: …"
_AS_JSON = '{"error": {"code": "ended", "message": "…", "advice": "", "defects": []}}'
_ENDING = (signal.SIGINT, signal.SIGTERM)


def end_on_signals(*, as_json: Callable[[], bool] = lambda: False) -> None:
    """End the process with 128 + the signal's number; signals that are ignored stay so.

    Python runs a handler only between two steps of the main thread. One that comes just before the thread
    waits, or that the kernel gives to another thread, would be noticed only when the wait is over; so a tick
    ends every wait once a second, and Python goes on waiting where there is nothing to do (PEP 475). The
    ticks end with the program: Python puts handlers away before modules, and one in between would kill it.

    :param as_json: asked when a store does not answer, for programs that read what is printed.
    """
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, partial(_end, as_json))
    signal.signal(signal.SIGALRM, lambda _number, _frame: None)
    signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)


class Ended(SystemExit):
    """The process was asked to end.

    :ivar reported: whether that was printed.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.status = 128 + number
        self.message = f"ended by {signal.Signals(number).name}"
        self.reported = False


def _end(as_json: Callable[[], bool], number: int, _frame: FrameType | None) -> None:
    """Leave by an exception. A second signal ends at once, and so does time, when a store does not answer."""
    ended = Ended(number)
    for other in _ENDING:
        signal.signal(other, signal.SIG_DFL)

    def give_up(_number: int, _frame: FrameType | None) -> None:
        if not ended.reported:
            os.write(2, f"{_AS_JSON if as_json() else _AS_TEXT}\n".replace("…", ended.message).encode())
        os._exit(ended.status)

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, SECONDS_TO_CLEAN_UP, _TICK)
    raise ended
