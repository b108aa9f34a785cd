"""Functions for jobs that other processes can import."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from up42_state.state import Job


def doubled(job: Job) -> str:
    """The job's key, twice."""
    return job.key * 2
