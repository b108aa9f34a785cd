"""End on SIGINT and SIGTERM: quickly, and leaving every ``with`` block on the way out."""

from __future__ import annotations

import atexit
import os
import signal
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from types import FrameType

__all__ = ["SECONDS_TO_CLEAN_UP", "Ended", "end_on_signals", "stopped_by_signals"]

SECONDS_TO_CLEAN_UP = 5
_TICK = 1.0
_AS_TEXT = "error: …"
_AS_JSON = '{"error": {"code": "ended", "message": "…", "advice": "", "defects": []}}'
_ENDING = (signal.SIGINT, signal.SIGTERM)


def end_on_signals(*, as_json: Callable[[], bool] = lambda: False) -> None:
    """End the process with 128 + the signal's number on SIGINT and SIGTERM, unless the signal is ignored.

    :param as_json: returns True if an error is to be printed as JSON.
    """
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, partial(_end, as_json))
    # Python runs a handler only between two steps of the main thread. A signal that comes just before that
    # thread waits, or that the kernel gives to another thread, would be noticed only when the wait is over.
    # So a tick interrupts every wait once a second; Python runs the handlers, and waits on (PEP 475).
    signal.signal(signal.SIGALRM, lambda _number, _frame: None)
    signal.setitimer(signal.ITIMER_REAL, _TICK, _TICK)
    # At its end Python removes handlers before modules: a tick in between would kill the process.
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)


@contextmanager
def stopped_by_signals(stop: threading.Event, note: Callable[[str], None]) -> Iterator[list[int]]:
    """Set an event on the first SIGINT or SIGTERM; a second one ends the process as it would have otherwise.

    :param note: takes a message for people.
    :return: a list that holds the number of the first signal once it has come.
    """
    got: list[int] = []
    before = {number: signal.getsignal(number) for number in _ENDING}

    def on_signal(number: int, frame: FrameType | None) -> None:
        following = before[signal.Signals(number)]
        if not got:
            got.append(number)
            stop.set()
            with suppress(RuntimeError):  # this thread may be in the middle of a line: Python refuses another
                note(f"{signal.Signals(number).name}: stopping what runs; once more ends at once")
        elif callable(following):
            following(number, frame)

    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, on_signal)
    try:
        yield got
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Ended(SystemExit):
    """The process was asked to end.

    :ivar reported: True if the message was printed.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.status = 128 + number
        self.message = f"ended by {signal.Signals(number).name}"
        self.reported = False


def _end(as_json: Callable[[], bool], number: int, _frame: FrameType | None) -> None:
    """Leave by an exception.

    A second signal ends the process at once. So does time, because a store that does not answer holds up the
    ``with`` blocks.
    """
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
