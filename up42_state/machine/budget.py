"""The processors and the memory of this machine, shared among what runs side by side."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Budget", "processors", "total_memory"]


def processors() -> int:
    """How many processors this process may use: an affinity mask may allow fewer than there are."""
    return len(os.sched_getaffinity(0))


def total_memory() -> int:
    """The memory of this machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


class Budget:
    """Shares processors, memory and graphics processors among threads, in the order in which they asked.

    Who asks for more than there is gets all of it: a block that was written for a larger machine runs alone.

    :param memory: in bytes.
    """

    def __init__(self, *, cpus: float, memory: int, gpus: int = 0) -> None:
        self._all = (cpus, float(memory), float(gpus))
        self._free = list(self._all)
        self._waiting: list[object] = []
        self._holders = 0
        self._changed = threading.Condition()

    @property
    def holders(self) -> int:
        """How many hold a part at the moment."""
        return self._holders

    def side_by_side(self, cpus: float) -> int:
        """How many parts of so many processors there are at most; at least 1."""
        return max(1, int(self._all[0] // min(cpus, self._all[0])))

    @contextmanager
    def taken(
        self, stop: threading.Event, *, cpus: float, memory: int | None = None, gpus: int = 0
    ) -> Iterator[bool]:
        """Hold a part while the body runs; gives False, and holds nothing, if ``stop`` was set meanwhile."""
        asked = (cpus, float(memory or 0), float(gpus))
        wanted = [min(part, most) for part, most in zip(asked, self._all, strict=True)]
        if not self._take(wanted, stop):
            yield False
            return
        try:
            yield True
        finally:
            self._give(wanted)

    def _take(self, wanted: list[float], stop: threading.Event) -> bool:
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            try:
                # First come, first served: a large task is not starved by small ones.
                while self._waiting[0] is not ticket or not self._fits(wanted):
                    if stop.is_set():
                        return False
                    self._changed.wait(0.2)  # nobody notifies when stop is set
                if stop.is_set():
                    return False
                self._free = [free - part for free, part in zip(self._free, wanted, strict=True)]
                self._holders += 1
                return True
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def _fits(self, wanted: list[float]) -> bool:
        # A sum of fractions may miss the whole by a rounding error.
        return all(part <= free + 1e-9 for part, free in zip(wanted, self._free, strict=True))

    def _give(self, wanted: list[float]) -> None:
        with self._changed:
            self._free = [free + part for free, part in zip(self._free, wanted, strict=True)]
            self._holders -= 1
            self._changed.notify_all()
