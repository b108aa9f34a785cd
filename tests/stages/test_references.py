"""What a save stands on: for how long that is taken to be there."""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import tiles, write_output

from up42_state.stages.write.lease import References, StaleError

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job


@pytest.mark.parametrize("clock", ["monotonic", "time"])
@pytest.mark.parametrize(("minutes", "late"), [(29, False), (31, True), (59, True)])
def test_what_was_superseded_may_be_referred_to_for_half_an_hour(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: str, minutes: int, late: bool
) -> None:
    """That is half of the shortest grace, on whichever clock it has passed: one stands still while the
    machine sleeps, the other may be put back.
    """
    stage = job.stage("s:1")
    commit = stage.save(write_output(tmp_path / "one", tiles(1))).commit
    references = References(job.state.store, job.key)
    references.read(commit)
    references.add(commit.refers)
    stage.save(write_output(tmp_path / "two", tiles(1)))
    real = getattr(time, clock)
    monkeypatch.setattr(time, clock, lambda: real() + 60 * minutes)
    with pytest.raises(StaleError) if late else nullcontext():
        references.check()
