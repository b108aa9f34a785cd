"""What happens in a run, as it happens: for tables, lines of text, and programs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import msgspec

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
    :param log: of an attempt that failed, the last lines that it printed.
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
    log: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the members that say something, as JSON types; ``kind`` is called ``event``."""
        members = {"event": self.kind} | {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        said = {name: value for name, value in members.items() if value not in (None, "", ())}
        if not self.attempt:
            said.pop("attempt")
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(said))
        return found
