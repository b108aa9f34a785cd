"""Every operation of every verb fails in turn, before and after its effect; stages stay whole, and the same
call succeeds afterwards.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from doubles.faulty import FaultyBucket
from doubles.outputs import contents, state_on, tiles, write_output
from doubles.sweep import Part, in_two_parts
from doubles.tally import tally

from up42_state import propagate
from up42_state.buckets.memory import MemoryBucket, MemoryStore
from up42_state.errors import NotFoundError, StateError
from up42_state.stages.write import publish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from up42_state.state import Job

MIB = 1024 * 1024
DAY = timedelta(days=1)
NEVER = 1_000_000


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "_pause", lambda _attempt: 0.0)


@dataclass
class World:
    """A store with a job of three stages, made anew for every fault; ``now`` is the store's clock.

    :param outputs: what each stage was saved from.
    """

    root: Path
    outputs: dict[str, Path]
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    bucket: FaultyBucket = field(init=False)
    job: Job = field(init=False)
    name: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.bucket = FaultyBucket(MemoryBucket(store=MemoryStore(now=lambda: self.now)))
        self.bucket.part_size = lambda _size: 8 * MIB  # type: ignore[method-assign]
        self.job = state_on(self.bucket, concurrency=2).job("j")
        for stage, output in self.outputs.items():
            self.job.stage(stage).save(output)

    def folder(self, name: str) -> Path:
        """A path of this world's own that is not there yet."""
        return self.root / self.name / name

    def restored(self, stage: str) -> dict[str, object] | None:
        """What a stage gives; ``None`` where it is not found."""
        target = self.root / uuid.uuid4().hex
        try:
            self.job.stage(stage).restore(target)
        except NotFoundError:
            return None
        return dict(contents(target))


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Packed and single files, quicklooks."""
    root = tmp_path_factory.mktemp("outputs")
    scenes = tiles(18) | {"single.tif": os.urandom(MIB), ".quicklooks/tile_0001.jpg": b"picture"}
    files = {"scenes:1": scenes, "tiling:1": tiles(2), "map:1": {"map.tif": b"map"}}
    return {stage: write_output(root / stage.replace(":", "-"), found) for stage, found in files.items()}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that goes in parts."""
    return write_output(tmp_path_factory.mktemp("large") / "out", {"large.tif": os.urandom(9 * MIB)})


def save(world: World) -> None:
    new = write_output(
        world.folder("new"), {"single.tif": b"new", **{f"{n}.tif": bytes([n]) for n in range(17)}}
    )
    world.job.stage("scenes:1").save(new)


def save_in_parts(world: World) -> None:
    world.job.stage("scenes:1").save(world.outputs["large"])


def save_by_reference(world: World) -> None:
    world.job.stage("map:1").save(write_output(world.folder("new"), {"n.tif": b"n"}), propagate=["scenes:1"])


def save_elsewhere(world: World) -> None:
    """Into another job: objects are copied."""
    new = write_output(world.folder("new"), {"n.tif": b"n"})
    world.job.state.job("k").stage("map:1").save(new, propagate=["j/scenes:1"])


def restore(world: World) -> None:
    world.job.stage("scenes:1").restore(world.folder("in"))


def propagate_into(world: World) -> None:
    into = world.folder("into")
    if not into.exists():
        write_output(into, {"n.tif": b"n"})
    propagate(into, [world.job.stage("scenes:1")])


def remove_stage(world: World) -> None:
    if world.job.stage("scenes:1").exists():
        world.job.stage("scenes:1").delete()


def remove_job(world: World) -> None:
    if "k" in world.job.state.store.jobs():
        world.job.state.job("k").delete()


def prune(world: World) -> None:
    world.job.prune(keep=1)


def make_another_job(world: World) -> None:
    world.job.state.job("k").stage("s:1").save(world.outputs["tiling:1"])
    world.bucket.start_upload("k/s:1/attempts/01a1fea6-75cb-78bd-a8b3-45bab4b8b7d1/files/a", 20, 10)


def make_garbage(world: World) -> None:
    """Older revisions, a save that died, an unfinished upload; all older than the grace."""
    for number in range(3):
        world.job.stage("map:1").save(write_output(world.folder(f"old{number}"), {"m.tif": bytes([number])}))
    world.job.stage("map:1").save(world.outputs["map:1"])
    world.bucket.put("j/map:1/attempts/01a1fea6-75cb-78bd-a8b3-45bab4b8b7d0/files/a", b"a")
    world.bucket.start_upload("j/map:1/attempts/01a1fea6-75cb-78bd-a8b3-45bab4b8b7d0/files/b", 20, 10)
    world.now += 2 * DAY


def nothing(world: World) -> None:
    pass


# verb: what is made before, what is done, and the stages that it may change
VERBS: dict[str, tuple[Callable[[World], None], Callable[[World], None], set[str]]] = {
    "save": (nothing, save, {"scenes:1"}),
    "save in parts": (nothing, save_in_parts, {"scenes:1"}),
    "save by reference": (nothing, save_by_reference, {"map:1"}),
    "save into another job": (nothing, save_elsewhere, set()),
    "restore": (nothing, restore, set()),
    "propagate": (nothing, propagate_into, set()),
    "rm stage": (nothing, remove_stage, {"scenes:1"}),
    "rm job": (make_another_job, remove_job, set()),
    "prune": (make_garbage, prune, set()),
}


def outcome(world: World, verb: Callable[[World], None]) -> dict[str, object]:
    """What can be seen of a world after a verb was carried out without a fault."""
    verb(world)
    seen: dict[str, object] = {stage: world.restored(stage) for stage in world.outputs}
    seen |= {
        folder: dict(contents(world.folder(folder)))
        for folder in ("in", "into")
        if world.folder(folder).exists()
    }
    seen["jobs"] = world.job.state.store.jobs()
    return seen


READS = {"restore", "propagate"}  # a fault after their effect is one before it
CASES = [
    (name, when) for name in VERBS for when in ("before", "after") if when == "before" or name not in READS
]


@in_two_parts
@pytest.mark.parametrize(("name", "when"), CASES)
def test_every_operation(
    name: str, when: str, part: Part, outputs: dict[str, Path], large: Path, tmp_path: Path
) -> None:
    """A fault at any operation leaves every stage as it was or as it was to become, changes no other stage,
    and the same call then does what it would have done.
    """
    prepare, verb, changes = VERBS[name]
    used = outputs | ({"large": large} if name == "save in parts" else {})

    def fresh() -> World:
        world = World(tmp_path, dict(used))
        prepare(world)
        return world

    before = {stage: fresh().restored(stage) for stage in used}
    after = outcome(fresh(), verb)
    number = 0
    while True:
        number += 1
        if not part.takes(number):
            continue
        world = fresh()
        operations = world.bucket.operations
        operations.names.clear()
        operations.fail_at, operations.when = number, when  # type: ignore[assignment]  # one of the two
        result = "got over"
        try:
            verb(world)
        except StateError as error:
            result = type(error).__name__
        reached, operations.fail_at = len(operations) >= number, NEVER
        if not reached:
            break
        tally(f"faults in {name}, {when}", result)
        for stage in used:
            allowed = [before[stage], after[stage]] if stage in changes else [before[stage]]
            assert world.restored(stage) in allowed, (number, stage)
        assert outcome(world, verb) == after, number
    assert number > 3
