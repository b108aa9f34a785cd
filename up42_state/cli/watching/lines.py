"""Show a run as lines, for logs: one for each change of a task, and one every ten seconds for its shards."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from up42_state.cli.lines import EVERY
from up42_state.cli.text import moment, plain, size
from up42_state.units import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.workflow.events import Event

__all__ = ["ChangeLines"]


@dataclass
class _Shards:
    """The shards of one task.

    :param last: when a line was written last.
    """

    last: float
    failed: int = 0
    failure: str = ""


class ChangeLines:
    """Writes lines.

    :param write: takes a line.
    :param clock: returns seconds that only rise.
    """

    def __init__(self, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._shards: dict[str, _Shards] = {}

    def take(self, event: Event) -> None:
        """Write a line for an event, if one is due."""
        text = self._of_shard(event) if event.shard else _of_task(event)
        if text:
            self._write(plain(f"{moment(event.time)} {text}"))

    def _of_shard(self, event: Event) -> str:
        now = self._clock()
        shards = self._shards.setdefault(event.task, _Shards(last=now))
        if event.kind == "shard" and event.reason:
            shards.failed += 1
            shards.failure = f"{event.shard}: {event.reason}"
        if event.shards is None or now - shards.last < EVERY:
            return ""
        shards.last = now
        done, total = event.shards
        failed = f", {shards.failed} failed, last {shards.failure}" if shards.failed else ""
        return f"{event.task}: {done} of {total} shards{failed}"


def _of_task(event: Event) -> str:
    reason = f": {event.reason}" if event.reason else ""
    if event.kind == "step":
        return f"{event.task}{reason}" if event.task else event.reason
    if not event.task:
        return f"run {event.run} {'begins' if event.kind == 'run' else 'ends'}{reason}"
    if event.kind == "waiting":  # all tasks wait at the beginning, and the plan says why each of them runs
        return ""
    again = f", attempt {event.attempt}" if event.attempt > 1 else ""
    return f"{event.task} {_WORDS[event.kind]}{again}{_facts(event)}{reason}"


_WORDS = {
    "cached": "cached",
    "started": "runs",
    "retry": "is tried again",
    "done": "done",
    "failed": "failed",
    "skipped": "skipped",
    "stopped": "stopped",
}


def _facts(event: Event) -> str:
    facts = [
        f"{event.seconds:.1f} s" if event.seconds is not None else "",
        counted(event.features, "feature") if event.features is not None else "",
        size(event.bytes) if event.bytes is not None else "",
        f"{size(event.peak_memory)} of memory" if event.peak_memory is not None else "",
        event.stage,
    ]
    said = ", ".join(filter(None, facts))
    return f" ({said})" if said else ""
