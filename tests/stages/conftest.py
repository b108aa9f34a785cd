"""A job on a bucket in memory that counts operations and fails those that a test picks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from doubles.faulty import FaultyBucket
from doubles.outputs import state_on

from up42_state.buckets.memory import MemoryBucket

if TYPE_CHECKING:
    from up42_state.state import Job


@pytest.fixture
def bucket() -> FaultyBucket:
    """A bucket of its own for each test."""
    return FaultyBucket(MemoryBucket())


@pytest.fixture
def job(bucket: FaultyBucket) -> Job:
    """The job ``3f0c`` on it."""
    return state_on(bucket).job("3f0c")
