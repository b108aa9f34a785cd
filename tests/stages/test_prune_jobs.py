"""Pruning all jobs of a store: which are chosen, and what stays."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from doubles.faulty import FaultyBucket
from doubles.outputs import contents, state_on, tiles, write_output

from up42_state.buckets.memory import MemoryBucket, MemoryStore
from up42_state.errors import SettingsError, StoreUnreachableError
from up42_state.stages.upkeep.prune import GRACE, Pruned
from up42_state.stages.upkeep.prune_jobs import NotPruned, prune_jobs
from up42_state.stages.upkeep.usage import usages
from up42_state.workflow.runs import Runs

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.clock import Clock

    from up42_state.state import State

DAY = timedelta(days=1)
NOW = {"grace": timedelta(), "no_writers": True}


@pytest.fixture
def bucket(clock: Clock) -> FaultyBucket:
    return FaultyBucket(MemoryBucket(store=MemoryStore(now=clock)))


@pytest.fixture
def state(bucket: FaultyBucket) -> State:
    return state_on(bucket)


def save(state: State, job: str, tmp_path: Path, times: int = 1) -> Path:
    for number in range(times):
        output = write_output(tmp_path / f"{job}{number}", tiles(1))
        state.job(job).stage("s:1").save(output)
    return output


def test_only_jobs_that_nothing_was_written_to(state: State, clock: Clock, tmp_path: Path) -> None:
    """A save counts, and so does a run that saved nothing; the newest revisions of old jobs stay."""
    for job in ("old", "saved", "ran"):
        save(state, job, tmp_path, times=3)
    clock.forward(20 * DAY)
    save(state, "saved", tmp_path)
    with Runs(state.store, "ran").begin("flooding"):
        pass
    clock.forward(20 * DAY)
    found = list(prune_jobs(state.store, keep=1, grace=GRACE, older_than=30 * DAY))
    assert [(item.job, isinstance(item, Pruned)) for item in found] == [
        ("old", True),
        ("ran", False),
        ("saved", False),
    ]
    assert isinstance(found[0], Pruned)
    assert len(found[0].attempts) == 2
    assert state.job("old").stage("s:1").latest().revision == 3
    assert len(list(prune_jobs(state.store, keep=1, grace=GRACE))) == 3


def test_a_stage_of_another_job_keeps_its_bytes(state: State, clock: Clock, tmp_path: Path) -> None:
    """What was taken from a job, by propagation or as equal bytes, is whole once that job is gone."""
    large = {"a.tif": b"a" * 2_000_000, "b.tif": b"b"}
    first = write_output(tmp_path / "first", large)
    state.job("source").stage("s:1").save(first)
    target = state.job("target").stage("t:1")
    target.save(write_output(tmp_path / "none", {}), propagate=["source/s:1"])
    copy = state.job("copy").stage("c:1")
    copy.save(write_output(tmp_path / "same", large), after=["source/s:1"])
    save(state, "source", tmp_path)
    clock.forward(40 * DAY)
    pruned = next(iter(item for item in prune_jobs(state.store, keep=1, **NOW) if item.job == "source"))
    assert isinstance(pruned, Pruned)
    assert pruned.objects
    for stage in (target, copy):
        assert stage.verify().ok
    state.job("source").delete()
    for stage in (target, copy):
        assert stage.verify().ok
        stage.restore(tmp_path / f"in-{stage.name}")
        restored = contents(tmp_path / f"in-{stage.name}")
        assert {name: restored[name] for name in large} == {name: contents(first)[name] for name in large}


def test_a_dry_run_deletes_nothing(state: State, bucket: FaultyBucket, clock: Clock, tmp_path: Path) -> None:
    """It says of each job what would go."""
    save(state, "j", tmp_path, times=3)
    clock.forward(40 * DAY)
    before = len(list(bucket.list("")))
    (found,) = prune_jobs(state.store, keep=1, grace=GRACE, older_than=30 * DAY, dry_run=True)
    assert isinstance(found, Pruned)
    assert found.objects == 6
    assert len(list(bucket.list(""))) == before


def test_a_job_that_cannot_be_pruned_hides_no_other(
    state: State, bucket: FaultyBucket, tmp_path: Path
) -> None:
    """The reason is given, and the other jobs are pruned."""
    for job in ("a", "b"):
        save(state, job, tmp_path, times=2)
    bucket.put("a/s:1/commits/00000002.json", b"{}")
    one, other = prune_jobs(state.store, keep=1, **NOW)
    assert isinstance(one, NotPruned)
    assert "a/s:1/commits/00000002.json is damaged" in str(one.to_dict()["problem"])
    assert isinstance(other, Pruned)
    assert len(other.attempts) == 1


def test_a_store_that_does_not_answer_ends_it(state: State, bucket: FaultyBucket, tmp_path: Path) -> None:
    """There is one error, and not one for each job."""
    save(state, "a", tmp_path)
    bucket.operations.fail_at = len(bucket.operations) + 3
    with pytest.raises(StoreUnreachableError):
        list(prune_jobs(state.store, keep=1, **NOW))


def test_what_is_out_of_range_is_said_before_anything_is_asked(state: State) -> None:
    """Also where the store holds no job."""
    with pytest.raises(SettingsError, match="keep is 0"):
        list(prune_jobs(state.store, keep=0, grace=GRACE))


def test_usage_of_jobs(state: State, bucket: FaultyBucket, clock: Clock, tmp_path: Path) -> None:
    """Removed stages and shards are not counted; it costs one listing, and a read for each stage."""
    save(state, "j", tmp_path, times=2)
    for name in ("gone:1", "s:1+0123456789abcdef0123"):
        state.job("j").stage(name).save(write_output(tmp_path / "more", tiles(1)))
    state.job("j").stage("gone:1").delete()
    saved = clock.now
    clock.forward(DAY)
    with Runs(state.store, "j").begin("flooding") as run:
        pass
    before = len(bucket.operations)
    (found,) = usages(state.store, ["j"])
    assert [name for name, _ in bucket.operations.names[before:]] == ["list", "get", "get"]
    infos = list(bucket.list("j/"))
    assert (found.stages, found.objects, found.bytes) == (1, len(infos), sum(info.size for info in infos))
    assert (found.last_save, found.last_run, found.last) == (saved, clock.now, clock.now)
    assert found.run == run.run
