"""What happens in a run, as it happens: for tables, lines of text, and programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Event"]

Kind = Literal[
    "run",
    "waiting",
    "cached",
    "started",
    "step",
    "retry",
    "shard",
    "done",
    "failed",
    "skipped",
    "stopped",
    "end",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened in a run.

    :param kind: ``run`` begins a run, ``end`` ends it; ``waiting`` (of each task, at the start), ``cached``,
        ``started``, ``step`` (a line for people), ``retry``, ``shard`` (one has ended), ``done``, ``failed``,
        ``skipped``, ``stopped``.
    :param task: empty for ``run`` and ``end``; of a shard, the task's name.
    :param shard: the shard's stage; empty for a whole task.
    :param attempt: from 1; 0 where there is none.
    :param reason: for people: why a task runs, why it failed, why it was skipped.
    :param stage: the revision that the task has now, ``JOB/STAGE@REVISION``.
    :param shards: shards done, and in all.
    :param peak_memory: in bytes.
    """

    kind: Kind
    time: datetime
    run: str
    task: str = ""
    shard: str = ""
    attempt: int = 0
    reason: str = ""
    stage: str = ""
    features: int | None = None
    bytes: int | None = None
    seconds: float | None = None
    peak_memory: int | None = None
    exit_code: int | None = None
    shards: tuple[int, int] | None = None
