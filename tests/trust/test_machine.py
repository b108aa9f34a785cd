"""Random programs of saves, restores, propagations, removals, prunings and crashes against a plain model."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from doubles.faulty import FaultyBucket
from doubles.outputs import feature, state_on, write_output
from doubles.tally import tally
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from up42_state.buckets import open_bucket
from up42_state.buckets.directory.bucket import DirectoryBucket
from up42_state.buckets.memory import MemoryBucket, MemoryStore
from up42_state.errors import PrunedError, StageNotFoundError, StateError
from up42_state.settings.model import Settings
from up42_state.stages.write import publish

if TYPE_CHECKING:
    from up42_state.buckets.base import Bucket
    from up42_state.state import Job, Stage

STAGES = st.sampled_from(["scenes:1", "tiling:1", "map:1"])
NAMES = [f"{letter}.tif" for letter in "abcdefgh"]
OUTPUTS = st.lists(st.sampled_from(NAMES), unique=True, max_size=6)

Model = tuple[str, ...]  # the names of a revision's features, in order; each has a file of its own


def data_of(name: str) -> bytes:
    """A file's bytes depend on its name alone; every other one is packed, as there are enough of them."""
    return name.encode() * 300


class Machine(RuleBasedStateMachine):
    """Keeps what each revision of each stage must hold; ``None`` for a removal.

    What is drawn never depends on the model: threads decide how many revisions two writers make, or whether
    the n-th operation is before the commit, and Hypothesis replays programs.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.bucket = FaultyBucket(self.make_bucket())
        self.job: Job = state_on(self.bucket, concurrency=4).job("j")
        self.model: dict[str, list[Model | None]] = {}
        self.prunable: set[tuple[str, int]] = set()
        self.outputs = 0

    def make_bucket(self) -> Bucket:
        """The bucket under test."""
        return MemoryBucket(store=MemoryStore(now=lambda: self.now))

    def teardown(self) -> None:
        """Leave nothing behind."""
        tally(f"random programs on {type(self).__name__}", "as the model says")
        shutil.rmtree(self.root)

    def output(self, names: Model) -> Path:
        """Write an output with these features; sixteen small files beside them make it packed."""
        self.outputs += 1
        files = {name: data_of(name) for name in names} | {f"extra/{n}": bytes([n]) for n in range(16)}
        folder = self.root / f"out{self.outputs}"
        return write_output(folder, files, [feature(name, name) for name in names])

    def current(self, stage: str) -> Model | None:
        """What the newest revision must hold."""
        return self.model.get(stage, [None])[-1]

    def expect(self, stage: str, names: Model) -> None:
        """A save of these features succeeded."""
        if self.current(stage) != names:
            self.model.setdefault(stage, []).append(names)

    @rule(stage=STAGES, names=OUTPUTS)
    def save(self, stage: str, names: list[str]) -> None:
        """A save makes a revision, unless nothing changed."""
        self.job.stage(stage).save(self.output(tuple(names)))
        self.expect(stage, tuple(names))

    @rule(stage=STAGES, earlier=STAGES, names=OUTPUTS)
    def save_with_propagation(self, stage: str, earlier: str, names: list[str]) -> None:
        """What the output lacks of an earlier stage is appended, in its order."""
        output = self.output(tuple(names))
        lacking = self.current(earlier)
        if lacking is None:
            with pytest.raises(StateError):
                self.job.stage(stage).save(output, propagate=[earlier])
            return
        self.job.stage(stage).save(output, propagate=[earlier])
        merged = (*names, *(name for name in lacking if name not in names))
        if self.features(stage, None) != self.current(stage) or self.revisions(stage) != self.count(stage):
            self.model.setdefault(stage, []).append(merged)

    @rule(
        stage=STAGES,
        names=OUTPUTS,
        at=st.integers(1, 10),
        when=st.sampled_from(["before", "after"]),
    )
    def crash(self, stage: str, names: list[str], at: int, when: str) -> None:
        """A save that fails anywhere leaves the old revision or the new one."""
        output = self.output(tuple(names))
        before = self.count(stage)
        self.bucket.operations.names.clear()
        self.bucket.operations.fail_at, self.bucket.operations.when = at, when  # type: ignore[assignment]
        try:
            self.job.stage(stage).save(output)
        except StateError:
            pass
        finally:
            self.bucket.operations.fail_at = 0
        if self.revisions(stage) > before:
            self.model.setdefault(stage, []).append(tuple(names))

    @rule(stage=STAGES, one=OUTPUTS, other=OUTPUTS)
    def two_writers(self, stage: str, one: list[str], other: list[str]) -> None:
        """Of two saves at once none is lost: each is a revision, or is what stands there."""
        outputs = {tuple(names): self.output(tuple(names)) for names in (one, other)}
        with ThreadPoolExecutor(2) as pool:
            saves = pool.map(self.job.stage(stage).save, outputs.values())
            commits = {names: saved.commit for names, saved in zip(outputs, saves, strict=True)}
        for names, commit in sorted(commits.items(), key=lambda item: item[1].revision):
            if commit.revision > self.count(stage):
                self.model.setdefault(stage, []).append(names)
            assert self.model[stage][commit.revision - 1] == names

    @rule(stage=STAGES)
    def remove(self, stage: str) -> None:
        """A removed stage is not found, and its numbers are not used again."""
        if self.current(stage) is None:
            with pytest.raises(StateError):
                self.job.stage(stage).delete()
        else:
            self.job.stage(stage).delete()
            self.model[stage].append(None)

    @rule(keep=st.integers(1, 3), dry_run=st.booleans())
    def prune(self, keep: int, dry_run: bool) -> None:
        """Only what is older than the newest ``keep`` revisions may go."""
        if not self.model:
            return
        self.job.prune(keep=keep, dry_run=dry_run)
        if not dry_run:
            for stage, revisions in self.model.items():
                self.prunable |= {(stage, n) for n in range(1, len(revisions) - keep + 1)}

    @rule(hours=st.integers(1, 30))
    def time_passes(self, hours: int) -> None:
        """The store's clock goes on."""
        self.now += timedelta(hours=hours)

    @rule(stage=STAGES, back=st.integers(0, 20))
    def restore_any(self, stage: str, back: int) -> None:
        """Every revision holds what was saved, or says that it was pruned or removed."""
        if not self.model.get(stage):
            return
        number = self.count(stage) - back % self.count(stage)
        expected = self.model[stage][number - 1]
        try:
            found = self.features(stage, number)
        except PrunedError:
            assert (stage, number) in self.prunable
        except StageNotFoundError:
            raise AssertionError(f"{stage}@{number} is not found") from None
        except StateError:
            assert expected is None
        else:
            assert found == expected

    @invariant()
    def the_newest_revisions_are_whole(self) -> None:
        """Whatever happened, each stage is what the model says."""
        for name, revisions in self.model.items():
            if revisions[-1] is None:
                assert not self.job.stage(name).exists()
            else:
                assert self.features(name, None) == revisions[-1]

    def features(self, name: str, revision: int | None) -> Model | None:
        """Restore a revision; the names of its features, each of which has its file."""
        stage: Stage = self.job.stage(name)
        target = Path(tempfile.mkdtemp(dir=self.root))
        try:
            stage.restore(target, revision=revision)
        except StageNotFoundError:
            if revision is None:
                return None
            raise
        found = json.loads((target / "data.json").read_bytes())["features"]
        names = tuple(item["properties"]["up42.data_path"] for item in found)
        for item in names:
            assert (target / item).read_bytes() == data_of(item)
        shutil.rmtree(target)
        return names

    def revisions(self, stage: str) -> int:
        """How many revisions the store holds."""
        return len(self.job.stage(stage)._history.revisions())

    def count(self, stage: str) -> int:
        """How many revisions the model holds."""
        return len(self.model.get(stage, []))


class DirectoryMachine(Machine):
    """The same on a directory, whose clock cannot be moved: pruning never finds anything old enough."""

    def make_bucket(self) -> Bucket:
        return DirectoryBucket(str(self.root / "store"))


class LocalStackMachine(Machine):
    """The same on S3, with fewer steps."""

    endpoint = ""

    def make_bucket(self) -> Bucket:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_region": "us-east-1"}
        found = Settings(aws_endpoint_url=self.endpoint, **keys)
        return open_bucket(f"s3://up42-state/machine-{uuid.uuid4()}", found)


@pytest.fixture(autouse=True)
def _resolve_lost_answers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "_pause", lambda _attempt: 0.0)


@pytest.fixture
def _localstack(localstack_url: str) -> None:
    LocalStackMachine.endpoint = localstack_url


def program(examples: int, steps: int) -> settings:
    """How many random programs, and how long; twice as many in ``make test-long``, more in ``make soak``."""
    times = int(os.environ.get("UP42_STATE_SOAK", "1"))
    times *= 2 if "UP42_STATE_EXAMPLES" in os.environ else 1
    return settings(
        max_examples=examples * times,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


TestMemory = Machine.TestCase
TestMemory.settings = program(4, 20)
TestDirectory = DirectoryMachine.TestCase
TestDirectory.settings = program(2, 12)
TestLocalStack = pytest.mark.usefixtures("_localstack")(LocalStackMachine.TestCase)
TestLocalStack.settings = program(2, 8)
