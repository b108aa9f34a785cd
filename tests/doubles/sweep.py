"""A long sweep in two parts: ``make test`` runs every fifth of its steps, ``make test-long`` all others."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

STRIDE = 5  # a prime, so that a sample falls on each kind of request where kinds take turns by two or four


class Part(Enum):
    """The share of a sweep that one test runs."""

    SAMPLE = "sample"
    REST = "rest"
    ALL = "all"

    def takes(self, step: int) -> bool:
        """Whether a step, counted from 1, is of this part; the first step is of the sample."""
        return self is Part.ALL or (step % STRIDE == 1) == (self is Part.SAMPLE)

    def share(self, rounds: int) -> int:
        """How many of some rounds, each of which is drawn at random, are of this part."""
        sample = max(1, rounds // STRIDE)
        return {Part.SAMPLE: sample, Part.REST: rounds - sample, Part.ALL: rounds}[self]


in_two_parts = pytest.mark.parametrize(
    "part",
    [pytest.param(Part.SAMPLE, id="sample"), pytest.param(Part.REST, id="rest", marks=pytest.mark.long)],
)


def sampled(pairs: Iterable[tuple[str, str]]) -> list[Any]:
    """The parameters of a test of pairs. All are long but those of the sample, in which each name occurs."""
    rows: list[str] = []
    columns: list[str] = []
    parameters = []
    for row, column in pairs:
        for name, names in ((row, rows), (column, columns)):
            if name not in names:
                names.append(name)
        step = rows.index(row) + columns.index(column) + 1  # each row's sample falls on other columns
        parameters.append(
            pytest.param(row, column, marks=[] if Part.SAMPLE.takes(step) else pytest.mark.long)
        )
    return parameters
