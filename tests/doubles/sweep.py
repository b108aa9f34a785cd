"""A long sweep in two parts: ``make test`` runs every fifth of its steps, ``make test-long`` all others."""

from __future__ import annotations

from enum import Enum

import pytest

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
