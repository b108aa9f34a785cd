"""A job on a bucket in memory that counts operations and fails those that a test picks, and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from doubles.clock import Clock
from doubles.faulty import FaultyBucket
from doubles.outputs import state_on, tiles, write_output

from up42_state.buckets.memory import MemoryBucket

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job


@pytest.fixture
def bucket() -> FaultyBucket:
    """A bucket of its own for each test."""
    return FaultyBucket(MemoryBucket())


@pytest.fixture
def job(bucket: FaultyBucket) -> Job:
    """The job ``3f0c`` on it."""
    return state_on(bucket).job("3f0c")


@pytest.fixture
def clock() -> Clock:
    """For a store whose time a test moves."""
    return Clock()


@pytest.fixture
def scenes(job: Job, tmp_path: Path) -> Path:
    """An earlier stage of thirty tiles with sidecars and quicklooks, saved as ``scenes:1``."""
    files = tiles(30) | {"tile_0005.tfw": b"sidecar", ".quicklooks/tile_0005.jpg": b"picture"}
    output = write_output(tmp_path / "scenes", files)
    job.stage("scenes:1").save(output)
    return output


@pytest.fixture
def current(tmp_path: Path, scenes: Path) -> Path:
    """A later output that lost all but one feature, and has one of its own."""
    files = {"tile_0000.tif": (scenes / "tile_0000.tif").read_bytes(), "new.tif": b"new"}
    return write_output(tmp_path / "current", files)
