"""The newest stage of a name over all jobs: which one it is, and how many requests that takes."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from doubles.faulty import FaultyBucket
from doubles.outputs import state_on, tiles, write_output
from msgspec.structs import replace

from up42_state.buckets.memory import MemoryBucket, MemoryStore
from up42_state.errors import InvalidNameError, SettingsError, StageNotFoundError
from up42_state.stages.format.names import commit_key, new_attempt

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.clock import Clock

    from up42_state.state import State

STAGE = "tiling:1"


@pytest.fixture
def bucket(clock: Clock) -> FaultyBucket:
    return FaultyBucket(MemoryBucket(store=MemoryStore(now=clock)))


@pytest.fixture
def state(bucket: FaultyBucket) -> State:
    return state_on(bucket)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return write_output(tmp_path / "out", tiles(1))


def copies(state: State, clock: Clock, output: Path, count: int, more: int) -> None:
    """Have so many jobs with the stage, each with so many objects besides: commits of one that was saved."""
    bucket = state.store.bucket
    commit = state.job("j00000").stage(STAGE).save(output).commit
    for number in range(1, count):
        job = f"j{number:05}"
        time = commit.time + timedelta(seconds=number)
        copied = replace(commit, job=job, attempt=new_attempt(), time=time, refers=(), index=None, data=None)
        clock.forward(timedelta(seconds=1))
        bucket.put(commit_key(job, STAGE, 1), copied.render())
        for rest in range(more):
            bucket.put(f"{job}/other:1/attempts/0/files/{rest:04}", b"")


def test_the_one_that_was_saved_last(state: State, output: Path) -> None:
    """Not the last by name, and not one of another stage."""
    for job in ("b", "c", "a"):
        state.job(job).stage(STAGE).save(output)
    state.job("d").stage("other:1").save(output)
    assert state.newest(STAGE) == state.job("a").stage(STAGE)
    state.job("b").stage(STAGE).save(write_output(output, tiles(2)))
    assert state.newest(STAGE).latest().name == f"b/{STAGE}@2"


def test_jobs_are_left_out(state: State, output: Path) -> None:
    """By key or by handle; usually it is the caller's own job."""
    for job in ("a", "b", "c"):
        state.job(job).stage(STAGE).save(output)
    assert state.newest(STAGE, besides="c").job.key == "b"
    assert state.newest(STAGE, besides=["b", state.job("c")]).job.key == "a"


def test_saved_before_a_time(state: State, output: Path) -> None:
    """A job that has saved the stage again since is passed over: its newest revision is not from before."""
    first = state.job("a").stage(STAGE).save(output).commit
    later = state.job("b").stage(STAGE).save(output).commit
    assert state.newest(STAGE, before=later.time).job.key == "a"
    with pytest.raises(StageNotFoundError, match=f"no job with a stage {STAGE} that was saved before"):
        state.newest(STAGE, before=first.time)
    with pytest.raises(SettingsError, match="no time with a time zone"):
        state.newest(STAGE, before=datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


def test_what_cannot_be_had_is_passed_over_and_told(
    state: State, bucket: FaultyBucket, output: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A damaged commit, a removed stage and a dry run: the newest that can be restored is taken."""
    caplog.set_level(logging.INFO, "up42_state")
    for job in ("sound", "removed", "damaged"):
        state.job(job).stage(STAGE).save(output)
    state.job("removed").stage(STAGE).delete()
    state.job("dry").stage(STAGE).save(output, job_mode="DRY_RUN")
    bucket.put(commit_key("damaged", STAGE, 1), b"{")
    assert state.newest(STAGE).job.key == "sound"
    told = {record.levelname: record.getMessage() for record in caplog.records}
    assert told["WARNING"].startswith(f"damaged/{STAGE}@1 is passed over: damaged/{STAGE}/commits/")
    with pytest.raises(StageNotFoundError, match="has no job with a stage") as caught:
        state.newest(STAGE, besides="sound")
    assert "the stage was removed" in caught.value.advice
    assert "it is of a dry run" in caught.value.advice
    assert "it is not JSON" in caught.value.advice


def test_names_are_checked(state: State) -> None:
    """JOB/STAGE names one job's, so there is nothing to look for."""
    with pytest.raises(InvalidNameError, match="is not a stage name"):
        state.newest("a/tiling:1")
    with pytest.raises(StageNotFoundError, match="save the first one"):
        state.newest(STAGE)


@pytest.mark.parametrize(
    ("more", "requests"),
    [(0, {"list": 1, "get": 1}), (200, {"list": 1 + 31, "prefixes": 1, "get": 1})],
    ids=["small jobs", "large jobs"],
)
def test_requests(
    state: State, bucket: FaultyBucket, clock: Clock, output: Path, more: int, requests: dict[str, int]
) -> None:
    """Small jobs are listed together; each large one is asked for its commits. One commit is read."""
    copies(state, clock, output, 40, more)
    clock.forward(timedelta(seconds=1))
    state.job("z").stage(STAGE).save(output)
    bucket.operations.names.clear()
    assert state.newest(STAGE).job.key == "z"
    assert Counter(name for name, _ in bucket.operations.names) == requests


def test_commits_of_one_second_are_ordered_by_their_own_times(
    state: State, bucket: FaultyBucket, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3's listings tell whole seconds."""
    moment = datetime(2026, 5, 1, tzinfo=UTC)
    for job in ("a", "c", "b"):
        state.job(job).stage(STAGE).save(output)
    plain = bucket.list

    def in_seconds(prefix: str, *, after: str = ""):  # type: ignore[no-untyped-def]
        return (replace(info, modified=moment) for info in plain(prefix, after=after))

    monkeypatch.setattr(bucket, "list", in_seconds)
    assert state.newest(STAGE).job.key == "b"


def test_any_time_can_be_before(state: State, output: Path) -> None:
    """The last one that there is, too."""
    state.job("a").stage(STAGE).save(output)
    assert state.newest(STAGE, before=datetime.max.replace(tzinfo=UTC)) == state.job("a").stage(STAGE)
    with pytest.raises(StageNotFoundError, match="no job with a stage"):
        state.newest(STAGE, before=datetime.min.replace(tzinfo=UTC))
