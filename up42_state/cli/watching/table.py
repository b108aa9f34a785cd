"""Show a run as a live table on a terminal."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from up42_state.cli.text import plain, size
from up42_state.secrets.redaction import without_credentials
from up42_state.units import lasting
from up42_state.workflow.board import Board

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from up42_state.workflow.events import Event
    from up42_state.workflow.records import TaskRecord

__all__ = ["LiveTable", "chosen", "lines"]

_LONGEST_TASK = 30  # columns of a terminal
_LEAST_REASON = 24
_AROUND = 3  # lines: the headings, the summary, and the one that the cursor is in
_NOTES = 3  # that are shown beside the table
_DROPPED = ("size", "features", "memory", "shards")  # where there is no room, in this order
_RIGHT = frozenset(("time", "features", "size", "memory", "shards"))
_FIRST = ("running", "failed", "stopped", "skipped", "done", "cached", "waiting")
_STYLES = {"running": "cyan", "failed": "bold red", "done": "green", "cached": "green", "stopped": "yellow"}


class _Console(Console):
    """A terminal whose cursor stays visible: whoever kills us cannot leave it hidden."""

    def show_cursor(self, show: bool = True) -> bool:  # noqa: ARG002 - rich's signature
        """Do nothing."""
        return False


class LiveTable:
    """Shows a table on stderr until the ``with`` block ends; then it is gone."""

    def __init__(self) -> None:
        self._board = Board()
        self._steps: dict[str, str] = {}
        self._notes: list[str] = []
        self._console = _Console(stderr=True)
        self._live = Live(
            console=self._console, get_renderable=self._render, refresh_per_second=4, transient=True
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        for text in self._notes:
            self._console.print(Text(plain(text)), soft_wrap=True)

    def take(self, event: Event) -> None:
        """Take an event; the table shows it within a quarter of a second."""
        self._board.take(event)
        if event.task:
            self._steps[event.task] = event.reason if event.kind == "step" else ""
        elif event.kind == "step":
            self.note(without_credentials(event.reason))

    def note(self, text: str) -> None:
        """Show a message above the table, and leave it there when the table is gone.

        The handler of a signal may call this, so nothing is waited for.
        """
        self._notes.append(text)

    def _render(self) -> Group:
        columns, height = self._console.size
        notes = [_cut(Text(plain(text)), columns) for text in self._notes[-_NOTES:]]
        tasks = lines(self._board.tasks(), self._steps, columns, height - len(notes), datetime.now(UTC))
        return Group(*notes, *tasks)


def lines(
    tasks: Sequence[TaskRecord], steps: dict[str, str], columns: int, height: int, now: datetime
) -> list[Text]:
    """Return the lines of the table, none of which is wider than the terminal.

    :param steps: what running tasks are doing now.
    :param columns: the width of the terminal.
    :param height: the height of the terminal, in lines.
    """
    shown = chosen(tasks, max(height - _AROUND, 1))
    rows = [_cells(task, steps.get(task.task, ""), now) for task in shown]
    widths = _widths(rows, columns)
    found = [_line({name: name.upper() for name in widths}, widths, columns, "bold")]
    found += [
        _line(row, widths, columns, _STYLES.get(task.status, ""))
        for row, task in zip(rows, shown, strict=True)
    ]
    counts = Counter(task.status for task in tasks)
    said = ", ".join(f"{counts[status]} {status}" for status in _FIRST if counts[status])
    hidden = f"; {len(tasks) - len(shown)} not shown" if len(tasks) > len(shown) else ""
    return [*found, _cut(Text(f"{said}{hidden}"), columns)]


def chosen(tasks: Sequence[TaskRecord], room: int) -> list[TaskRecord]:
    """Return as many tasks as there is room for, in their order: those that run and that failed first."""
    ranked = sorted(range(len(tasks)), key=lambda number: _rank(tasks[number].status))
    return [tasks[number] for number in sorted(ranked[:room])]


def _rank(status: str) -> int:
    return _FIRST.index(status) if status in _FIRST else len(_FIRST)


def _cells(task: TaskRecord, step: str, now: datetime) -> dict[str, str]:
    end = task.end or (now if task.status == "running" else None)
    cells = {
        "task": task.task,
        "status": task.status,
        "time": lasting((end - task.start).total_seconds()) if end and task.start else "",
        "features": "" if task.features is None else str(task.features),
        "size": "" if task.bytes is None else size(task.bytes),
        "memory": "" if task.peak_memory is None else size(task.peak_memory),
        "shards": "" if task.shards is None else f"{task.shards[0]}/{task.shards[1]}",
        "reason": without_credentials(task.text or step or task.why),
    }
    return {name: plain(text) for name, text in cells.items()}


def _widths(rows: Sequence[dict[str, str]], columns: int) -> dict[str, int]:
    """Return how wide each column is; those without room, and those that say nothing, are left out."""
    names = ("task", "status", "time", "features", "size", "memory", "shards")
    widths = {
        name: max(len(name), *(cell_len(row[name]) for row in rows))
        for name in names
        if any(row[name] for row in rows)
    }
    if "task" in widths:
        widths["task"] = min(widths["task"], _LONGEST_TASK)
    for name in _DROPPED:
        if _total(widths) + _LEAST_REASON > columns:
            widths.pop(name, None)
    return widths | {"reason": max(columns - _total(widths), 0)}


def _total(widths: dict[str, int]) -> int:
    """Return the width of the columns, each with two spaces after it."""
    return sum(widths.values()) + 2 * len(widths)


def _line(cells: dict[str, str], widths: dict[str, int], columns: int, style: str) -> Text:
    line = Text(no_wrap=True)
    for name, wide in widths.items():
        cell = _cut(
            Text(cells[name], style=style if name in {"status", "task"} or style == "bold" else ""), wide
        )
        space = " " * (wide - cell_len(cell.plain))
        line.append_text(Text(space) + cell if name in _RIGHT else cell + Text(space)).append("  ")
    line.rstrip()
    return _cut(line, columns)


def _cut(text: Text, columns: int) -> Text:
    text.no_wrap = True
    text.truncate(columns, overflow="ellipsis")
    return text
