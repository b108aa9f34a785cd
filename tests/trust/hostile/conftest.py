"""What tests of hostile input share: a store, a job in it, and a directory that nothing is written beside."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from doubles.faulty import FaultyBucket
from doubles.outputs import contents, state_on

from up42_state.buckets.memory import MemoryBucket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from up42_state.state import Job


@pytest.fixture
def bucket() -> FaultyBucket:
    return FaultyBucket(MemoryBucket())


@pytest.fixture
def job(bucket: FaultyBucket) -> Job:
    return state_on(bucket).job("3f0c")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A directory to work in; what lies beside it must be as it was in the end."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "data.json").write_text("precious")
    root = tmp_path / "inside"
    root.mkdir()
    yield root
    assert sorted(os.listdir(tmp_path)) == ["inside", "outside"]
    assert contents(tmp_path / "outside") == {"data.json": (b"precious", False)}
