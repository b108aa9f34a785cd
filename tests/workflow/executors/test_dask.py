"""A workflow on Dask: the same stages as without it, and its own checks before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from doubles.spread import Spread, statuses

if TYPE_CHECKING:
    from distributed import Client


def test_the_stages_are_those_of_a_run_without_dask(client: Client, spread: Spread) -> None:
    """Features, bytes and fingerprints are the same; a second run finds all of it, whichever way it runs."""
    there = spread.run("there", client)
    assert statuses(there) == ["done"] * 3
    spread.run("here")
    assert spread.outcome("there") == spread.outcome("here")
    assert statuses(spread.run("there")) == ["cached"] * 3
    assert statuses(spread.run("here", client)) == ["cached"] * 3
