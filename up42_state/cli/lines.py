"""Show progress as lines, for logs: none for what is done soon, else one every ten seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from up42_state.cli.text import size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["EVERY", "Lines"]

EVERY = 10.0  # seconds


class Lines:
    """Writes a line every ten seconds: how much is done, how fast, and how much time is left.

    :param what: what goes on, such as ``saving``.
    :param write: takes a line.
    :param clock: returns seconds that only rise.
    """

    def __init__(
        self, what: str, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what, self._write, self._clock = what, write, clock
        self._begun = self._last = clock()

    def __call__(self, done: int, total: int) -> None:
        """Take progress, and write a line if one is due.

        :param done: bytes done so far.
        :param total: bytes in all.
        """
        now = self._clock()
        if now - self._last < EVERY:
            return
        self._last = now
        rate = done / (now - self._begun)  # bytes a second
        left = f", {round((total - done) / rate)} s left" if done else ""
        share = f" ({100 * done // total} %)" if total else ""
        self._write(f"{self._what}: {size(done)} of {size(total)}{share}, {size(round(rate))}/s{left}")
