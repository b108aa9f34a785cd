"""Something else happens in the middle of a save or a restore, at each of its operations in turn: another
save, a removal, or hours that pass and a prune. Nothing that is needed goes, and nobody gets other bytes.
"""

from __future__ import annotations

import os
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from doubles.faulty import FaultyBucket
from doubles.outputs import contents, state_on, tiles, write_output
from doubles.sweep import Part, in_two_parts
from doubles.tally import tally

from up42_state.buckets.memory import MemoryBucket, MemoryStore
from up42_state.errors import (
    CommitUncertainError,
    NotFoundError,
    PrunedError,
    StageNotFoundError,
    StorageError,
)
from up42_state.stages.format import commit
from up42_state.stages.write import lease, partial, publish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from up42_state.stages.format.commit import Commit
    from up42_state.state import Job, Stage

HOUR = timedelta(hours=1)


@dataclass
class World:
    """A store and its clock, with which all clocks of this process go on, and a job on it.

    :param also: a hook that runs before the operation with the number ``at`` (from 1), once.
    """

    root: Path
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    at: int = 0
    also: Callable[[World], None] = lambda _world: None
    inner: MemoryBucket = field(init=False)
    bucket: FaultyBucket = field(init=False)

    def __post_init__(self) -> None:
        self.inner = MemoryBucket(store=MemoryStore(now=lambda: self.now))
        self.bucket = FaultyBucket(self.inner)
        self.bucket.operations.on_operation = self._meanwhile

    def _meanwhile(self, _name: str, _key: str) -> None:
        if len(self.bucket.operations) == self.at:
            self.also(self)

    @property
    def job(self) -> Job:
        """The job as the saver or reader under test sees it: one thing after the other."""
        return state_on(self.bucket, concurrency=1).job("j")

    @property
    def beside(self) -> Job:
        """The job as everybody else sees it."""
        return state_on(self.inner, concurrency=1).job("j")

    def output(self, name: str, files: dict[str, bytes]) -> Path:
        """Write an output, or take the one of this name."""
        folder = self.root / name
        return folder if folder.exists() else write_output(folder, files)


@pytest.fixture
def worlds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], World]:
    """Makes worlds; the clocks of the process follow those of the newest."""
    made: list[World] = []
    monkeypatch.setattr(publish, "_pause", lambda _attempt: 0.0)
    monkeypatch.setattr(partial, "WORTH", 1)  # small outputs have records, too
    monkeypatch.setattr(lease, "_clocks", lambda: (made[-1].now.timestamp(),) * 2)

    def make() -> World:
        made.append(World(tmp_path))
        return made[-1]

    return make


FIRST = tiles(17, size=300) | {"kept.tif": b"kept"}
SECOND = FIRST | {"new.tif": b"new"}
OTHER = {"other.tif": b"other"}


def save_first(world: World) -> None:
    world.job.stage("s:1").save(world.output("first", FIRST))


def save_by_reference(world: World) -> None:
    world.job.stage("s:1").save(world.output("second", SECOND))


def save_with_propagation(world: World) -> None:
    world.job.stage("late:1").save(world.output("third", OTHER), propagate=["s:1"])


def save_after(world: World) -> None:
    """The output holds the parent's files."""
    world.job.stage("late:1").save(world.output("second", SECOND), after=["s:1"])


def save_nothing_new(world: World) -> None:
    """The index is the same, and empty: only data.json differs."""
    nameless = {"type": "Feature", "geometry": None, "properties": {"n": 1}}
    world.job.stage("s:1").save(write_output(world.root / "nameless", {}, [nameless]))


def restore(world: World) -> None:
    world.job.stage("s:1").restore(world.root / uuid.uuid4().hex)


def have_first(world: World) -> None:
    world.beside.stage("s:1").save(world.output("first", FIRST))


def have_empty(world: World) -> None:
    world.beside.stage("s:1").save(world.output("empty", {}))


class KilledError(BaseException):
    """The end of a process, as far as a save can tell."""


def have_killed(world: World) -> None:
    """A save of the same output was killed just before its commit."""
    bucket = FaultyBucket(world.inner)

    def kill(name: str, _key: str) -> None:
        if name == "create":
            raise KilledError

    bucket.operations.on_operation = kill
    with pytest.raises(KilledError):
        state_on(bucket, concurrency=1).job("j").stage("s:1").save(world.output("first", FIRST))


def nothing(world: World) -> None:
    pass


def supersede(world: World) -> None:
    """Another writer saves something else."""
    world.beside.stage("s:1").save(world.output("other", OTHER))


def supersede_and_prune(world: World) -> None:
    """Another writer supersedes what there was, hours pass, and it is pruned with the shortest grace."""
    supersede(world)
    world.now += 2 * HOUR
    world.beside.prune(keep=1, grace=HOUR)


def sleep_and_prune(world: World) -> None:
    """Nobody saves, but hours pass; then somebody prunes."""
    world.now += 2 * HOUR
    if world.beside.state.store.jobs():
        world.beside.prune(keep=1, grace=HOUR)


def remove_stage(world: World) -> None:
    if world.beside.stage("s:1").exists():
        world.beside.stage("s:1").delete()


def remove_stage_and_prune(world: World) -> None:
    remove_stage(world)
    sleep_and_prune(world)


def remove_job(world: World) -> None:
    try:
        world.beside.delete()
    except NotFoundError:
        return


def remove_and_make_again(world: World) -> None:
    """The job is removed, and another writer begins it anew: the same numbers, other revisions."""
    remove_job(world)
    supersede(world)


PROGRAMS = {
    "first save": (nothing, save_first),
    "save that goes on": (have_killed, save_first),
    "save by reference": (have_first, save_by_reference),
    "save of nothing new": (have_empty, save_nothing_new),
    "save with propagation": (have_first, save_with_propagation),
    "save after a parent": (have_first, save_after),
    "restore": (have_first, restore),
}
EVENTS = [
    supersede,
    supersede_and_prune,
    sleep_and_prune,
    remove_stage,
    remove_stage_and_prune,
    remove_job,
    remove_and_make_again,
]


@in_two_parts
@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_hole(worlds: Callable[[], World], name: str, event: Callable[[World], None], part: Part) -> None:
    """Whatever happens in between, at whichever operation: what stands in the end is whole, and the call
    succeeded, or says by a typed error why not.
    """
    prepare, program = PROGRAMS[name]
    first = EVENTS.index(event)  # the sample of each event falls on other operations
    at = 0
    while True:
        at += 1
        if not part.takes(first + at):
            continue
        world = worlds()
        prepare(world)
        world.at, world.also = at, event
        outcome = "done"
        try:
            program(world)
        except NotFoundError as error:
            outcome = type(error).__name__
        if len(world.bucket.operations) < at:
            break
        tally(f"{event.__name__} beside {name}", outcome)
        assert holes(world) == [], at
    assert at > 5


def holes(world: World) -> list[tuple[str, int, str]]:
    """The newest revisions that are not whole, and older ones that are neither whole nor pruned."""
    found = []
    for name in world.beside.state.store.stages("j"):
        stage = world.beside.stage(name)
        with suppress(StageNotFoundError):  # what a save that gave up has left behind
            for kept in stage.history():
                found += [(name, kept.revision, problem) for problem in problems(stage, kept)]
    return found


def problems(stage: Stage, kept: Commit) -> list[str]:
    """What is wrong with a revision."""
    if kept.removed:
        return []
    try:
        return [f"{damage.key}: {damage.problem}" for damage in stage.verify(kept.revision).damage]
    except PrunedError:
        return []


def test_a_reader_gets_the_revision_that_superseded_his(worlds: Callable[[], World], tmp_path: Path) -> None:
    """A restore that loses its revision to a prune half-way starts again with the one that is current now."""
    world = worlds()
    have_first(world)
    world.at, world.also = 4, supersede_and_prune  # the commit, data.json and the index have been read
    commit = world.job.stage("s:1").restore(tmp_path / "in").commit
    assert commit.revision == 2
    assert contents(tmp_path / "in") == contents(tmp_path / "other")


def test_a_number_asked_for_is_not_replaced(worlds: Callable[[], World], tmp_path: Path) -> None:
    """Who asks for a revision by its number is told that it was pruned."""
    world = worlds()
    have_first(world)
    world.at, world.also = 4, supersede_and_prune
    with pytest.raises(PrunedError, match="j/s:1@1 was pruned"):
        world.job.stage("s:1").restore(tmp_path / "in", revision=1)
    assert not (tmp_path / "in").exists()


@pytest.mark.parametrize("verb", ["save", "rm"])
def test_a_race_lost_to_one_who_is_gone(worlds: Callable[[], World], tmp_path: Path, verb: str) -> None:
    """The winner's commit is removed with the job before the loser looks at it: a save starts again, and
    there is no stage to remove any more.
    """
    world = worlds()
    have_first(world)
    events = {"create": supersede, "list": remove_job}

    def meanwhile(name: str, _key: str) -> None:
        if name in events and ("create" not in events or name == "create"):
            events.pop(name)(world)

    world.bucket.operations.on_operation = meanwhile
    if verb == "save":
        save_by_reference(world)
        assert [kept.revision for kept in world.beside.stage("s:1").history()] == [1]
    else:
        with pytest.raises(NotFoundError, match="has no job j"):
            world.job.stage("s:1").delete()
    assert holes(world) == []


@pytest.mark.parametrize("hours", [-30, 30])
def test_writers_whose_clocks_are_apart(
    worlds: Callable[[], World], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """A commit's time is its writer's; what is pruned goes by the store's clock alone."""
    world = worlds()
    monkeypatch.setattr(commit, "now", lambda: world.now + hours * HOUR)
    for number in range(3):
        world.beside.stage("s:1").save(write_output(tmp_path / str(number), {"a.tif": bytes([number])}))
    assert world.beside.prune(keep=1, grace=2 * HOUR).attempts == ()
    world.now += 3 * HOUR
    assert len(world.beside.prune(keep=1, grace=2 * HOUR).attempts) == 2
    assert holes(world) == []


def test_a_file_that_takes_longer_than_the_grace(worlds: Callable[[], World], tmp_path: Path) -> None:
    """Prune ends an upload that is older than the grace – the save fails – or spares its attempt."""
    world = worlds()
    have_first(world)
    large = write_output(tmp_path / "large", {"large.tif": os.urandom(9 << 20), "small.tif": b"small"})
    world.bucket.part_size = lambda _size: 8 << 20  # type: ignore[method-assign]

    def slow(name: str, _key: str) -> None:
        if name == "put_part":
            sleep_and_prune(world)

    world.bucket.operations.on_operation = slow
    with pytest.raises(StorageError, match="ended already"):
        world.job.stage("s:1").save(large)
    assert [kept.revision for kept in world.beside.stage("s:1").history()] == [1]
    assert holes(world) == []


def test_a_commit_that_the_store_holds_up(
    worlds: Callable[[], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No commit is sent any more once what it refers to may be gone."""
    world = worlds()
    have_first(world)
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + world.now.timestamp())
    sent = 0

    def slow(name: str, _key: str) -> None:
        nonlocal sent
        if name == "create":
            sent += 1
            world.now += timedelta(seconds=publish.PATIENCE + 1)
            raise StorageError("no answer")

    world.bucket.operations.on_operation = slow
    with pytest.raises(CommitUncertainError):
        save_by_reference(world)
    assert sent == 1
