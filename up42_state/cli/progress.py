"""Show progress as a bar on stderr."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from up42_state.cli.lines import Pace, amount
from up42_state.stages.transfer.telling import Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

__all__ = ["Bar", "bar"]


class Bar:
    """Takes progress, and moves a bar of rich by it.

    Rich's own columns write bytes in two kinds of units. These have the units of everything else we print.
    """

    def __init__(self, what: str, progress: Progress, task: TaskID) -> None:
        self._what, self._progress, self._task = what, progress, task
        self._pace = Pace()

    def __call__(self, done: int, total: int) -> None:
        """Take progress without a phase: bytes done, and bytes in all."""
        self.tell(Step("", done, total))

    def tell(self, step: Step) -> None:
        """Take progress. What was done before stays in sight in a phase that counts nothing."""
        rate, left = self._pace.of(step)
        phase = f", {step.phase}" if step.phase not in {"", self._what} else ""
        self._progress.update(self._task, description=f"{self._what}{phase}")
        if step.total or step.all_files:
            said = ", ".join(filter(None, (amount(step), rate, left)))
            self._progress.update(self._task, completed=step.done, total=step.total, said=said)


@contextmanager
def bar(what: str) -> Iterator[Bar]:
    """Show a bar until the ``with`` block ends."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[said]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bar(what, progress, progress.add_task(what, total=None, said=""))
