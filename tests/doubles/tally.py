"""Counts what the trust tests did – faults, kills, programs – and prints the counts at the end of a run.

A pytest plugin of the root ``conftest.py``. Where pytest-xdist runs the tests, each worker hands its counts
to the process that prints.
"""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import pytest

TALLY: Counter[tuple[str, str]] = Counter()


def tally(what: str, outcome: str, count: int = 1) -> None:
    """Note that something was done ``count`` times with this outcome."""
    TALLY[what, outcome] += count


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In a worker of pytest-xdist: hand the counts over."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["tally"] = [(*key, count) for key, count in TALLY.items()]


@pytest.hookimpl(optionalhook=True)  # there is no such hook without pytest-xdist
def pytest_testnodedown(node: Any) -> None:
    """In the process that prints: take what a worker hands over."""
    for what, outcome, count in getattr(node, "workeroutput", {}).get("tally", ()):
        tally(what, outcome, count)


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
