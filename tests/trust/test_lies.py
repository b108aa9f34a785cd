"""Saving and reading on stores that do otherwise than they say: refused, or nothing is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from doubles.lying import LyingBucket
from doubles.outputs import contents, state_on, write_output

from up42_state.buckets.memory import MemoryBucket, MemoryStore
from up42_state.errors import StageConflictError, StageNotFoundError, UnsupportedStoreError
from up42_state.stages import listing

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.stage import Stage
    from up42_state.stages.format.commit import Commit

pytestmark = pytest.mark.timeout(60)

FOR_EVER = 1e9


def stages(**lies: bool | float) -> tuple[Stage, Stage]:
    """One stage, seen through a store that lies and through one that tells the truth."""
    store = MemoryStore()
    lying, honest = LyingBucket(MemoryBucket(store=store), **lies), MemoryBucket(store=store)
    return state_on(lying).job("3f0c").stage("s"), state_on(honest).job("3f0c").stage("s")


def save(stage: Stage, root: Path, text: str, **options: object) -> Commit:
    return stage.save(write_output(root / f"out-{text}", {"a.tif": text.encode()}), **options).commit  # type: ignore[arg-type]  # as tests give them


@pytest.mark.parametrize("lie", ["ignores_create", "checks_before_create", "refuses_create"])
def test_a_store_without_create_only_is_refused(tmp_path: Path, lie: str) -> None:
    """No commit is written where racing saves could be lost, or where the store knows no condition."""
    lying, honest = stages(**{lie: True})
    with pytest.raises(UnsupportedStoreError):
        save(lying, tmp_path, "one")
    assert not honest.exists()
    assert list(honest.job.state.store.bucket.list(".up42_state/")) == []


def test_a_single_writer_may_use_it(tmp_path: Path) -> None:
    """Who says that saves never race saves on it, revision after revision."""
    bucket = LyingBucket(MemoryBucket(), ignores_create=True)
    stage = state_on(bucket, single_writer=True).job("3f0c").stage("s")
    assert [save(stage, tmp_path, text).revision for text in ("one", "two")] == [1, 2]


def test_a_commit_that_no_listing_shows_is_not_overwritten(tmp_path: Path) -> None:
    """Each save finds the numbers that are taken, though no listing shows them; all revisions are kept."""
    lying, honest = stages(lag=FOR_EVER)
    saved = [save(lying, tmp_path, text) for text in ("one", "two", "three")]
    assert [commit.revision for commit in saved] == [1, 2, 3]
    assert [commit.attempt for commit in reversed(honest.history())] == [commit.attempt for commit in saved]


def test_preconditions_hold_where_listings_lag(tmp_path: Path) -> None:
    """What a listing does not show is still in the way of a save that wants nothing to be there."""
    lying, _ = stages(lag=FOR_EVER)
    first = save(lying, tmp_path, "one")
    with pytest.raises(StageConflictError):
        save(lying, tmp_path, "two", if_exists="error")
    assert save(lying, tmp_path, "three", if_exists="skip").attempt == first.attempt
    with pytest.raises(StageConflictError):
        save(lying, tmp_path, "four", expect=1)


def test_readers_see_the_old_revision_or_the_new_one(tmp_path: Path) -> None:
    """While a listing lags a reader is given the revision before, whole; or is told that there is none."""
    lying, honest = stages(lag=FOR_EVER)
    save(honest, tmp_path, "old")
    save(lying, tmp_path, "new")
    lying.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(tmp_path / "out-old")
    honest.restore(tmp_path / "in", overwrite=True)
    assert contents(tmp_path / "in") == contents(tmp_path / "out-new")
    unseen, _ = stages(lag=FOR_EVER)
    save(unseen, tmp_path, "unseen")
    with pytest.raises(StageNotFoundError):
        unseen.latest()


@pytest.mark.parametrize("page", [1, 1000])
def test_prune_keeps_what_a_listing_does_not_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """Pruning asks for the next commits by name, so that a newest one that is not listed loses nothing,
    whether stages are listed together or each by itself.
    """
    monkeypatch.setattr(listing, "_PAGE", page)
    lying, honest = stages(lag=FOR_EVER)
    save(honest, tmp_path, "old")
    commit = save(lying, tmp_path, "new")
    assert commit.revision == 2
    lying._store.bucket._written = {commit.key: lying._store.bucket._written[commit.key]}
    pruned = lying.job.prune(keep=1, grace=timedelta(0), no_writers=True)
    assert len(pruned.attempts) == 1
    assert honest.verify().ok
