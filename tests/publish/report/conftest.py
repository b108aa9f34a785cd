"""A job to report on, and what its report says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from doubles.report import PNG, Page, box, save

from up42_state.publish.report import write_report
from up42_state.state import Job, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return State((tmp_path / "store").as_uri()).job("3f0c")


@pytest.fixture
def report(job: Job, tmp_path: Path) -> Callable[[], Page]:
    """Writes the job's report, and reads it."""

    def make() -> Page:
        return Page(write_report(job, tmp_path / "job.html").path.read_text(encoding="utf-8"))

    return make


@pytest.fixture
def scenes(job: Job, tmp_path: Path) -> None:
    """Three scenes; one of them is dropped by ``clear:1``, and back in ``final:1`` by propagation."""
    features = [box(name, 13 + n, cloud=n * 40) for n, name in enumerate(("a", "b", "c"))]
    save(job, "scenes:1", tmp_path, features, {".quicklooks/c.png": PNG}, parameters={"limit": 3})
    save(job, "clear:1", tmp_path, [*features[:2]], after="scenes:1")
    save(job, "final:1", tmp_path, [box("ship", 13.1)], after="clear:1", propagate="scenes:1")
