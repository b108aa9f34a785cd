"""A job's stages at a glance: all of them, in few requests whether they are small or large."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from doubles.faulty import FaultyBucket
from doubles.outputs import state_on, tiles, write_output
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from up42_state.buckets.memory import MemoryBucket
from up42_state.errors import IntegrityError, JobNotFoundError
from up42_state.stages import listing
from up42_state.stages.format.names import attempt_prefix, commit_key, new_attempt
from up42_state.stages.history import History
from up42_state.stages.listing import newest_commits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from up42_state.buckets.base import ObjectInfo
    from up42_state.stages.format.commit import Commit
    from up42_state.state import Job

JOB = "3f0c"


class CountingBucket(FaultyBucket):
    """Counts the keys that its listings give."""

    def __init__(self) -> None:
        super().__init__(MemoryBucket())
        self.listed = 0

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        for info in super().list(prefix, after=after):
            self.listed += 1
            yield info


@pytest.fixture
def bucket() -> CountingBucket:
    return CountingBucket()


def have(job: Job, tmp_path: Path, count: int, garbage: int = 0) -> None:
    """Save stages, and give each so many objects more, as a save that died leaves them."""
    output = write_output(tmp_path / "out", tiles(1))
    bucket = job.state.store.bucket
    for number in range(count):
        commit = job.stage(f"s:{number:03}").save(output).commit
        for rest in range(garbage):
            bucket.put(f"{JOB}/{commit.stage}/attempts/0/files/{rest:04}", b"")


def test_small_stages_are_listed_together(job: Job, bucket: CountingBucket, tmp_path: Path) -> None:
    """However many small stages there are, nothing is asked of each but its commit."""
    have(job, tmp_path, 30)
    bucket.operations.names.clear()
    assert [commit.stage for commit in job.commits()] == [f"s:{number:03}" for number in range(30)]
    assert (bucket.operations.count("list"), bucket.operations.count("get")) == (1, 30)
    assert len(bucket.operations) == 31


def test_large_stages_are_asked_for_their_commits(job: Job, bucket: CountingBucket, tmp_path: Path) -> None:
    """Of stages with many objects not all keys are read: a page of them, then the commits of each alone."""
    have(job, tmp_path, 3, garbage=3000)
    bucket.operations.names.clear()
    bucket.listed = 0
    assert len(job.commits()) == 3
    assert bucket.listed == 1000 + 3
    assert (bucket.operations.count("list"), bucket.operations.count("get")) == (1 + 3, 3)


def test_a_large_stage_among_small_ones(job: Job, bucket: CountingBucket, tmp_path: Path) -> None:
    """Stages that were read over before a large one comes are not asked again."""
    have(job, tmp_path, 3)
    for number in range(2000):
        bucket.put(f"{JOB}/s:002/attempts/0/files/{number:04}", b"")
    bucket.operations.names.clear()
    assert len(job.commits()) == 3
    assert bucket.operations.names.count(("list", f"{JOB}/s:001/commits/")) == 0
    assert bucket.operations.names.count(("list", f"{JOB}/s:002/commits/")) == 1


def test_the_newest_of_many_revisions(job: Job, tmp_path: Path) -> None:
    """The highest number counts, and a stage that was removed is left out."""
    for number in range(11):
        job.stage("s:1").save(write_output(tmp_path / str(number), tiles(1)))
    job.stage("gone:1").save(write_output(tmp_path / "gone", tiles(1)))
    job.stage("gone:1").delete()
    assert [commit.name for commit in job.commits()] == [f"{JOB}/s:1@11"]


def test_a_damaged_newest_commit_is_an_error(job: Job, bucket: CountingBucket, tmp_path: Path) -> None:
    """No older revision is taken in its place."""
    for number in range(2):
        job.stage("s:1").save(write_output(tmp_path / str(number), tiles(1)))
    bucket.put(commit_key(JOB, "s:1", 2), b"{}")
    with pytest.raises(IntegrityError):
        job.commits()


def test_what_is_no_stage_makes_no_job(job: Job, bucket: CountingBucket) -> None:
    """An object right below the job, or below a name that no stage has, is nobody's stage."""
    bucket.put(f"{JOB}/note.txt", b"")
    bucket.put(f"{JOB}/.hidden/commits/00000001.json", b"")
    with pytest.raises(JobNotFoundError):
        job.commits()


@pytest.fixture(scope="module")
def commit(tmp_path_factory: pytest.TempPathFactory) -> Commit:
    """A commit to make others from."""
    output = write_output(tmp_path_factory.mktemp("output"), tiles(1))
    return state_on(MemoryBucket()).job(JOB).stage("s:1").save(output).commit


NAMES = st.sampled_from(["a", "a-b", "a:1", "a.b", "b", "b+"])


@given(
    st.dictionaries(NAMES, st.tuples(st.integers(0, 30), st.integers(0, 3)), min_size=1),
    st.integers(1, 40),
    st.integers(1, 10),
)
def test_as_if_each_were_asked(
    commit: Commit, stages: dict[str, tuple[int, int]], page: int, few: int
) -> None:
    """Wherever it goes over from listing to asking, every stage's newest revision is found."""
    bucket = MemoryBucket()
    for stage, (objects, revisions) in stages.items():
        for number in range(objects):
            bucket.put(f"{JOB}/{stage}/attempts/0/files/{number}", b"")
        for revision in range(1, revisions + 1):
            bucket.put(commit_key(JOB, stage, revision), _of(commit, stage, revision))
    bucket.put(f"{JOB}/z/commits/00000001.json", _of(commit, "z", 1))
    store = state_on(bucket).store
    expected = [History(store, JOB, name).newest() for name in store.stages(JOB)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "_PAGE", page)
        patch.setattr(listing, "_FEW", few)
        assert newest_commits(store, JOB) == [found for found in expected if found is not None]


def _of(commit: Commit, stage: str, revision: int) -> bytes:
    """The commit as one of another stage."""
    attempt = new_attempt()
    prefix = attempt_prefix(JOB, stage, attempt)
    assert commit.index is not None
    assert commit.data is not None
    return replace(
        commit,
        stage=stage,
        revision=revision,
        attempt=attempt,
        refers=(f"{stage}/{attempt}",),
        index=replace(commit.index, key=f"{prefix}index.json"),
        data=replace(commit.data, key=f"{prefix}data.json"),
    ).render()
