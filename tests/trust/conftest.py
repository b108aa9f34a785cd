"""The summary of a run of the trust tests: what was done to the software, and what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from doubles.tally import TALLY

if TYPE_CHECKING:
    import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the counts, a line for each kind of thing done."""
    if not TALLY:
        return
    terminalreporter.section("trust")
    for what in sorted({what for what, _ in TALLY}):
        outcomes = {outcome: count for (done, outcome), count in sorted(TALLY.items()) if done == what}
        listed = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.items())
        terminalreporter.write_line(f"{what}: {sum(outcomes.values())} ({listed})")
