"""Counts what the trust tests did – faults, kills, programs – for the summary at the end of a run."""

from __future__ import annotations

from collections import Counter

TALLY: Counter[tuple[str, str]] = Counter()


def tally(what: str, outcome: str, count: int = 1) -> None:
    """Note that something was done ``count`` times with this outcome."""
    TALLY[what, outcome] += count
