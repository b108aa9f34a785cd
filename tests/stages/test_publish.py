"""Publishing a commit: one winner, and no lost answer mistaken for another's."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import contents, state_on, tiles, write_output

from up42_state.errors import (
    AccessDeniedError,
    CommitUncertainError,
    StageConflictError,
    StateError,
    StorageError,
    StoreUnreachableError,
    UnsupportedStoreError,
)
from up42_state.stages.write import publish

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job


PAUSE = publish._pause


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "_pause", lambda _attempt: 0.0)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_lost_answer_is_no_lost_commit(job: Job, bucket: FaultyBucket, tmp_path: Path, when: str) -> None:
    """A create whose answer is lost makes exactly one revision, whether it took effect or not."""
    output = write_output(tmp_path / "out", tiles(1))
    job.stage("s:1").save(output)
    (output / "tile_0000.tif").write_bytes(b"2")
    once = iter([True])
    bucket.operations.when = when  # type: ignore[assignment]  # one of the two
    enter = bucket.operations.enter

    def enter_and_lose(name: str, key: str) -> bool:
        if name == "create" and next(once, False):
            bucket.operations.fail_at = len(bucket.operations) + 1
        return enter(name, key)

    bucket.operations.enter = enter_and_lose  # type: ignore[method-assign]
    commit = job.stage("s:1").save(output).commit
    assert commit.revision == 2
    assert [found.revision for found in job.stage("s:1").history()] == [2, 1]


def test_tries_come_further_and_further_apart(
    job: Job, bucket: FaultyBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is made at once; a store that is in trouble is given time, seconds and not minutes in all."""
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        if waits:
            waits[-1] += seconds

    def silent(name: str, key: str) -> None:
        if name == "create" and "/commits/" in key:
            waits.append(0.0)
            raise StoreUnreachableError("no answer")

    monkeypatch.setattr(publish, "_pause", PAUSE)
    monkeypatch.setattr(publish, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    bucket.operations.on_operation = silent
    with pytest.raises(CommitUncertainError, match="no answer"):
        job.stage("s:1").save(write_output(tmp_path / "out", tiles(1)))
    *between, last = waits
    assert len(between) == publish.TRIES - 1
    assert all(wait >= 0.1 * 2**number for number, wait in enumerate(between, start=1) if number < 5)
    assert sum(between) + last < 30
    assert PAUSE(0) == 0
    assert len({PAUSE(3) for _ in range(20)}) > 1  # savers that failed together do not try again together


def test_a_store_that_never_answers_is_an_uncertain_commit(
    job: Job, bucket: FaultyBucket, tmp_path: Path
) -> None:
    """When neither the write nor reading back is answered, the error says that nothing is known."""
    inner = bucket.inner.create

    def silent(key: str, data: bytes) -> None:
        if "/commits/" in key:
            raise StoreUnreachableError("no answer")
        inner(key, data)

    bucket.inner.create = silent  # type: ignore[method-assign, assignment]
    with pytest.raises(CommitUncertainError, match="3f0c/s:1@1"):
        job.stage("s:1").save(write_output(tmp_path / "out", tiles(1)))


def test_a_commit_that_was_written_is_not_doubted(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """A store that does not answer any more, once the commit is written, does not fail the save."""

    def away(_name: str, _key: str) -> None:
        if "create" in (name for name, _ in bucket.operations.names[:-1]):
            raise StoreUnreachableError("no answer")

    bucket.operations.on_operation = away
    commit = job.stage("s:1").save(write_output(tmp_path / "out", tiles(1))).commit
    assert bucket.operations.names[-1][0] != "create", "nothing was asked any more"
    bucket.operations.on_operation = lambda _name, _key: None
    assert job.stage("s:1").latest() == commit


@pytest.mark.parametrize("error", [AccessDeniedError, UnsupportedStoreError])
def test_a_refused_commit_is_not_tried_again(
    job: Job, bucket: FaultyBucket, tmp_path: Path, error: type[StorageError]
) -> None:
    """Access denied is an answer, and so is that the store does not know the condition."""

    def refuse(key: str, data: bytes) -> None:
        raise error("no")

    bucket.inner.create = refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(error, match="no"):
        job.stage("s:1").save(write_output(tmp_path / "out", tiles(1)))
    assert bucket.operations.count("create") == 1


def test_sixteen_writers_lose_nothing(bucket: FaultyBucket, tmp_path: Path) -> None:
    """Every save that succeeds is a revision of its own, and each can be restored whole."""
    outputs = [write_output(tmp_path / f"out{n}", tiles(20, size=50)) for n in range(16)]

    def save(number: int) -> int:
        return state_on(bucket).job("j").stage("s:1").save(outputs[number]).commit.revision

    with ThreadPoolExecutor(16) as pool:
        revisions = list(pool.map(save, range(16)))
    assert sorted(revisions) == list(range(1, 17))
    stage = state_on(bucket).job("j").stage("s:1")
    for number, revision in enumerate(revisions):
        stage.restore(tmp_path / f"in{number}", revision=revision)
        assert contents(tmp_path / f"in{number}") == contents(outputs[number])


def test_of_sixteen_first_writers_one_wins(bucket: FaultyBucket, tmp_path: Path) -> None:
    """With if_exists=error exactly one of racing saves succeeds; the others are told."""
    outputs = [write_output(tmp_path / f"out{n}", tiles(1)) for n in range(16)]

    def save(number: int) -> int | str:
        try:
            stage = state_on(bucket).job("j").stage("s:1")
            return stage.save(outputs[number], if_exists="error").commit.revision
        except StageConflictError as error:
            return error.code

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(save, range(16)))
    assert sorted(map(str, results)) == ["1", *["stage-conflict"] * 15]


def test_equal_racing_saves_make_one_revision(bucket: FaultyBucket, tmp_path: Path) -> None:
    """The loser of a race who finds his own content there makes no revision."""
    output = write_output(tmp_path / "out", tiles(5))
    with ThreadPoolExecutor(8) as pool:
        saves = list(pool.map(lambda _: state_on(bucket).job("j").stage("s:1").save(output), range(8)))
    assert {saved.commit.revision for saved in saves} == {1}


def test_a_fault_at_any_operation_leaves_old_or_new(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Whatever fails, before or after its effect: the stage is the old revision or the new."""
    stage = job.stage("s:1")
    old = write_output(tmp_path / "old", tiles(20))
    new = write_output(tmp_path / "new", {**tiles(20), "b.tif": b"new"})
    number = 0
    while True:
        number += 1
        for when in ("before", "after"):
            bucket.operations.fail_at = 0
            stage.save(old, fingerprint=f"{number}{when}")
            bucket.operations.names.clear()
            bucket.operations.fail_at = number
            bucket.operations.when = when  # type: ignore[assignment]  # one of the two
            failed = False
            try:
                stage.save(new)
            except StateError:
                failed = True
            reached = len(bucket.operations) >= number
            bucket.operations.fail_at = 0
            target = tmp_path / f"in{number}{when}"
            stage.restore(target)
            assert contents(target) in ([contents(old), contents(new)] if failed else [contents(new)])
            stage.save(new)
            assert stage.latest().content == stage.revision(stage.latest().revision).content
        if not reached:
            break
    assert number > 7
