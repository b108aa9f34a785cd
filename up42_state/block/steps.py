"""Tell people what a task does: one line for each step, with its time and counts."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from up42_state.secrets.redaction import without_credentials
from up42_state.units import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from up42_state.features import Report
    from up42_state.stages.format.commit import JobMode
    from up42_state.stages.write.save import Saved
    from up42_state.stages.write.standing import Standing
    from up42_state.updating import Updated

__all__ = ["Steps"]


class Steps:
    """Tells what a task does, and keeps the time that each step took.

    :param note: takes a message for people; ``None`` writes messages to stderr.
    """

    def __init__(self, note: Callable[[str], None] | None = None) -> None:
        self._note = note or _to_stderr
        self.seconds: dict[str, float] = {}
        self.warnings: list[str] = []

    def say(self, text: str) -> None:
        """Print a line for people."""
        self._note(text)

    def warn(self, text: str) -> None:
        """Print a warning, and keep it for the result; the same warning is kept once."""
        if text not in self.warnings:
            self.warnings.append(text)
        self.say(f"warning: {text}")

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure the time of a step, even if the step fails."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - start, 3)

    def done(self, name: str, text: str) -> None:
        """Print that a step has ended, and how long it took."""
        self.say(f"{text} ({self.seconds[name]:.1f} s)")

    def merged(self, what: str, reports: Iterable[Report]) -> None:
        """Print what was done with the features of earlier stages, and every warning.

        :param what: how the stages were merged: ``merged`` into the input, ``propagated`` into the output.
        """
        for report in reports:
            names = ", ".join(f"{stage.stage}@{stage.revision}" for stage in report.stages)
            self.say(f"{what} {names}: {counted(report.appended, 'feature')} appended, {report.after} now")
            for warning in report.warnings:
                self.warn(warning)

    def stands(self, standing: Standing) -> None:
        """Print that a task is done, or why it runs."""
        for line in standing.lines():
            self.say(line)

    def updated(self, updated: Updated) -> None:
        """Print what an update of a running stage did."""
        commit = updated.commit
        self.done("update", f"updated {commit.name}: {updated.outcome}, {commit.counted}")
        for warning in updated.warnings:
            self.warn(warning)

    def saved(self, saved: Saved, job_mode: JobMode) -> None:
        """Print what a save did."""
        for warning in saved.warnings:
            self.warn(warning)
        self.merged("propagated", saved.reports)
        commit = saved.commit
        if commit.job_mode != job_mode:
            why = f"a dry run never supersedes real output, which is {commit.name}"
            self.done("save", f"nothing was saved: {why}")
        else:
            self.done("save", f"{saved.outcome} {commit.name}: {commit.counted}")


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"up42-state: {without_credentials(text)}\n")
