"""Show what came of a run: its tasks, and the end of the log of each task that failed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import click

from up42_state.cli.output import Table, print_result
from up42_state.cli.text import plain, size
from up42_state.secrets.redaction import without_credentials
from up42_state.units import lasting
from up42_state.workflow.board import Board

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.cli.common import Common
    from up42_state.workflow.events import Event
    from up42_state.workflow.records import TaskRecord

__all__ = ["Summary", "task_table"]

_LINES = 20  # of a log
_LONGEST = 500  # characters of a line


class Summary:
    """Takes the events of a run, and keeps what is shown at its end."""

    def __init__(self) -> None:
        self._board = Board()
        self._logs: dict[str, tuple[str, ...]] = {}

    def take(self, event: Event) -> None:
        """Take an event."""
        self._board.take(event)
        if event.kind == "failed" and event.attempt:
            self._logs[event.task] = event.log

    def show(self, common: Common) -> None:
        """Print the tasks on stdout, and on stderr the end of the log of each task that failed."""
        tasks = self._board.tasks()
        with suppress(BrokenPipeError):  # who read it has gone
            for task in tasks:
                if task.has_failed:
                    click.echo(without_credentials(self._failure(task)), err=True)
        if tasks:
            print_result(common, [task.to_dict() for task in tasks], task_table(tasks))

    def _failure(self, task: TaskRecord) -> str:
        log = self._logs.get(task.task)
        said = "" if log is None else "; the end of its log:" if log else "; it printed nothing"
        lines = [f"{task.task} failed: {task.text}{said}"]
        lines += [f"  {line[:_LONGEST]}" for line in (log or ())[-_LINES:]]
        return "\n".join(map(plain, lines))


def task_table(tasks: Sequence[TaskRecord]) -> Table:
    """Return a table with one task of a run a row."""
    columns = (
        "task",
        "status",
        "attempts",
        "time",
        "features",
        "size",
        "memory",
        "shards",
        "stage",
        "reason",
    )
    return Table(
        columns=columns,
        rows=[_row(task) for task in tasks],
        right=frozenset({"attempts", "time", "features", "size", "memory", "shards"}),
    )


def _row(task: TaskRecord) -> tuple[object, ...]:
    return (
        task.task,
        task.status,
        task.attempts if task.attempts > 1 else "",
        lasting((task.end - task.start).total_seconds()) if task.start and task.end else "",
        "" if task.features is None else task.features,
        "" if task.bytes is None else size(task.bytes),
        "" if task.peak_memory is None else size(task.peak_memory),
        "" if task.shards is None else f"{task.shards[0]}/{task.shards[1]}",
        task.stage,
        task.text or ("" if task.status == "cached" else task.why),
    )
