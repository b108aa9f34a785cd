"""The summary of a run of the trust tests: what was done to the software, and what came out."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from doubles.tally import TALLY

if TYPE_CHECKING:
    import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the counts, a line for each kind of thing done."""
    counts = TALLY + _races(terminalreporter)
    if not counts:
        return
    terminalreporter.section("trust")
    for what in sorted({what for what, _ in counts}):
        outcomes = {outcome: count for (done, outcome), count in sorted(counts.items()) if done == what}
        listed = ", ".join(f"{outcome} {count}" for outcome, count in outcomes.items())
        terminalreporter.write_line(f"{what}: {sum(outcomes.values())} ({listed})")


def _races(reporter: pytest.TerminalReporter) -> Counter[tuple[str, str]]:
    """Each test of the races that passed has run as many as it was told to."""
    rounds = int(os.environ.get("UP42_STATE_SOAK", "1"))
    passed = [report.nodeid for report in reporter.stats.get("passed", ())]
    races = sum("test_sixteen_processes" in name for name in passed)
    return Counter({("races of sixteen processes", "nothing lost"): races * rounds} if races else {})
