"""What a task says of each step: one line for people, with its time and what was counted."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from up42_state.secrets.redaction import without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from up42_state.features import Report
    from up42_state.stages.format.commit import Commit

__all__ = ["Steps", "counted"]


class Steps:
    """Says what a task does, and keeps how long each step took.

    :param note: takes messages for people; ``None`` writes them to stderr.
    """

    def __init__(self, note: Callable[[str], None] | None = None) -> None:
        self._note = note or _to_stderr
        self.seconds: dict[str, float] = {}
        self.warnings: list[str] = []

    def say(self, text: str) -> None:
        """A line for people."""
        self._note(text)

    def warn(self, text: str) -> None:
        """Say, and keep, what needs to be looked at."""
        if text not in self.warnings:
            self.warnings.append(text)
        self.say(f"warning: {text}")

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note how long a step takes, also where it fails."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - start, 3)

    def done(self, name: str, text: str) -> None:
        """Say that a step has ended."""
        self.say(f"{text} ({self.seconds[name]:.1f} s)")

    def merged(self, what: str, reports: Iterable[Report]) -> None:
        """Say what became of the features of earlier stages, and everything that needs to be looked at.

        :param what: how the stages were merged: ``merged`` into the input, ``propagated`` into the output.
        """
        for report in reports:
            names = ", ".join(f"{stage.stage}@{stage.revision}" for stage in report.stages)
            self.say(f"{what} {names}: {report.appended} features appended, {report.after} now")
            for warning in report.warnings:
                self.warn(warning)


def counted(commit: Commit) -> str:
    """How much a stage holds."""
    totals = commit.totals
    return f"{totals.features} features, {totals.files} files, {totals.bytes} bytes"


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"up42-state: {without_credentials(text)}\n")
