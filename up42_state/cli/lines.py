"""Show progress as lines, for logs: none for what is done soon, else one every ten seconds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from up42_state.cli.text import size
from up42_state.units import lasting

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.stages.transfer.telling import Step

__all__ = ["EVERY", "Lines", "Pace", "amount"]

EVERY = 10.0  # seconds
_SOON = 2.0  # seconds after which a rate says something


class Pace:
    """How fast a phase goes, and how much time is left of it.

    :param clock: returns seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._phase = ""
        self._begun = clock()

    def of(self, step: Step) -> tuple[str, str]:
        """Return the rate and the time that is left as text; empty where nothing can be said yet."""
        now = self._clock()
        if step.phase != self._phase:
            self._phase, self._begun = step.phase, now
        elapsed = now - self._begun
        if not step.done or elapsed < _SOON:
            return "", ""
        rate = step.done / elapsed
        return f"{size(round(rate))}/s", f"{lasting(max(step.total - step.done, 0) / rate)} left"


class Lines:
    """Writes a line every ten seconds: the phase, how much is done, how fast, and how much time is left.

    :param what: what goes on, such as ``saving``.
    :param write: takes a line.
    :param clock: returns seconds that only rise.
    """

    def __init__(
        self, what: str, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._what, self._write, self._clock = what, write, clock
        self._pace = Pace(clock)
        self._last = clock()

    def __call__(self, done: int, total: int) -> None:
        """Take progress without a phase: bytes done, and bytes in all."""
        from up42_state.stages.transfer.telling import Step

        self.tell(Step("", done, total))

    def tell(self, step: Step) -> None:
        """Take progress, and write a line if one is due."""
        rate, left = self._pace.of(step)
        now = self._clock()
        if now - self._last < EVERY:
            return
        self._last = now
        phase = f", {step.phase}" if step.phase not in {"", self._what} else ""
        facts = ", ".join(filter(None, (amount(step), rate, left)))
        self._write(f"{self._what}{phase}{': ' if facts else ''}{facts}")


def amount(step: Step) -> str:
    """Return how much is done: bytes, their share, and files; empty in a phase that counts none."""
    if not step.total and not step.all_files:
        return ""
    share = f" ({100 * step.done // step.total} %)" if step.total else ""
    files = f", {step.files} of {step.all_files} files" if step.all_files else ""
    return f"{size(step.done)} of {size(step.total)}{share}{files}"
