"""How the tasks of a run stand, told from the events of the run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from up42_state.workflow.records import TaskRecord

if TYPE_CHECKING:
    from up42_state.workflow.events import Event

__all__ = ["Board"]

_STATUS = {
    "waiting": "waiting",
    "cached": "cached",
    "started": "running",
    "retry": "running",
    "done": "done",
    "failed": "failed",
    "skipped": "skipped",
    "stopped": "stopped",
}
_ENDED = frozenset(("cached", "done", "failed", "skipped", "stopped"))
_WHY = frozenset(("waiting", "cached", "started"))  # events whose reason is why the task runs, or does not


class Board:
    """Takes events, from any thread, and keeps how each task stands."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # what interrupts a thread may tell something, too
        self._tasks: dict[str, TaskRecord] = {}

    def tasks(self) -> tuple[TaskRecord, ...]:
        """Return the tasks, in the order in which they were first told of."""
        with self._lock:
            return tuple(self._tasks.values())

    def take(self, event: Event) -> TaskRecord | None:
        """Take an event.

        :return: the task as it stands now; ``None`` for an event that is about no task.
        """
        if not event.task:
            return None
        with self._lock:
            task = self._tasks.get(event.task) or TaskRecord(task=event.task, status="waiting")
            changed = replace(task, **(_of_shard(task, event) if event.shard else _of_task(task, event)))
            self._tasks[event.task] = changed
            return changed


def _of_task(task: TaskRecord, event: Event) -> dict[str, Any]:
    status = _STATUS.get(event.kind)
    if status is None:
        return _counts(task, event)
    changes: dict[str, Any] = {"status": status, **_counts(task, event)}
    changes["attempts"] = max(task.attempts, event.attempt)
    if event.kind in _WHY:
        # What is cached after all, though it was planned to run, has no reason to run any more.
        changes["why"] = event.reason or ("" if event.kind == "cached" else task.why)
    else:
        changes["text"] = "" if event.kind == "done" else event.reason
    if event.kind == "started":
        changes["start"] = task.start or event.time
    if event.kind in _ENDED:
        changes["end"] = event.time
    return changes


def _of_shard(task: TaskRecord, event: Event) -> dict[str, Any]:
    """What an event of one shard says of its task: that it runs, how far it is, and what it needs."""
    changes: dict[str, Any] = {}
    if event.kind == "started" and task.status == "waiting":
        changes = {"status": "running", "start": event.time, "attempts": max(task.attempts, 1)}
    if event.shards is not None:
        changes["shards"] = max(task.shards or (0, 0), event.shards)  # events of threads may overtake others
    if event.peak_memory is not None:
        changes["peak_memory"] = max(task.peak_memory or 0, event.peak_memory)
    return changes


def _counts(task: TaskRecord, event: Event) -> dict[str, Any]:
    found = {
        "stage": event.stage or None,
        "features": event.features,
        "bytes": event.bytes,
        "exit_code": event.exit_code,
        "shards": event.shards,
    }
    counts = {name: value for name, value in found.items() if value is not None}
    if event.peak_memory is not None:
        counts["peak_memory"] = max(task.peak_memory or 0, event.peak_memory)
    return counts
