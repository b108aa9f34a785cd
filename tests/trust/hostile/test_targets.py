"""Targets in which somebody has planted links, pipes and journals: never followed, never waited for."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import contents, make_socket, tiles, write_output

from up42_state import propagate
from up42_state.errors import (
    StateError,
    TargetConflictError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def saved(job: Job, root: Path) -> Job:
    """A stage with files in a directory, packed and not."""
    files = {f"a/{name}": data for name, data in tiles(20, 500).items()} | {"big.tif": b"b" * 2_000_000}
    job.stage("s").save(write_output(root / "out", files))
    return job


def _plant_link(target: Path) -> None:
    (target / "a").symlink_to("../../outside", target_is_directory=True)


def _plant_our_folder(target: Path) -> None:
    (target / ".up42_state").symlink_to("../../outside", target_is_directory=True)


def _plant_staging(target: Path) -> None:
    (target / ".up42_state").mkdir()
    (target / ".up42_state" / "restore").symlink_to("../../../outside", target_is_directory=True)


def _plant_journal_pipe(target: Path) -> None:
    (target / ".up42_state" / "restore").mkdir(parents=True)
    os.mkfifo(target / ".up42_state" / "restore" / "journal.json")


@pytest.mark.parametrize(
    "plant", [_plant_link, _plant_our_folder, _plant_staging, _plant_journal_pipe], ids=lambda p: p.__name__
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_planted_link_leads_nowhere(saved: Job, root: Path, plant: Any, *, overwrite: bool) -> None:
    """Links and pipes in the target are refused or replaced, never followed and never waited for."""
    target = root / "in"
    target.mkdir()
    plant(target)
    try:
        saved.stage("s").restore(target, overwrite=overwrite)
    except TargetConflictError:
        assert not (target / "data.json").exists()
    else:
        assert (target / "a" / "tile_0000.tif").read_bytes() == (root / "out/a/tile_0000.tif").read_bytes()


@pytest.mark.parametrize("kind", ["folder", "staged", "hard link"])
def test_a_link_planted_meanwhile(saved: Job, root: Path, bucket: FaultyBucket, kind: str) -> None:
    """A link that appears between a check and a write is not followed either."""
    target = root / "in"
    staging = target / ".up42_state" / "restore"
    planted: list[str] = []

    def plant(name: str, key: str) -> None:
        if name != "get" or "/packs/" not in key:
            return
        planted.append(key)
        if kind == "folder":
            _plant_link(target)
            return
        for path in [staging / "data.json", *(staging / str(number) for number in range(30))]:
            if kind == "staged" and not path.exists():
                path.symlink_to("../../../../outside/data.json")
            elif not path.exists():
                os.link(root.parent / "outside" / "data.json", path)

    bucket.operations.on_operation = plant
    with suppress(StateError):
        saved.stage("s").restore(target)
    assert planted


def test_a_kept_file_that_becomes_a_link(job: Job, root: Path, bucket: FaultyBucket) -> None:
    """Its executable bit is set on the file that was compared, and on no other."""
    output, target = write_output(root / "out", {**tiles(20, 500), "run.tif": b"#!/bin/sh"}), root / "in"
    (output / "run.tif").chmod(0o755)
    job.stage("s").save(output)
    job.stage("s").restore(target)
    (target / "run.tif").chmod(0o644)
    (target / "tile_0000.tif").unlink()
    planted: list[str] = []

    def plant(_name: str, key: str) -> None:
        if "/packs/" in key:
            planted.append(key)
            (target / "run.tif").unlink()
            (target / "run.tif").symlink_to("../../outside/data.json")

    bucket.operations.on_operation = plant
    with suppress(StateError):
        job.stage("s").restore(target)
    assert planted


def test_our_folder_becomes_a_link(saved: Job, root: Path, bucket: FaultyBucket) -> None:
    """Nothing is taken away where it leads."""
    target = root / "in"
    precious = write_output(root / "elsewhere" / "restore", {"a.tif": b"precious"})
    planted: list[str] = []

    def plant(_name: str, key: str) -> None:
        if "/packs/" in key:
            planted.append(key)
            (target / ".up42_state").rename(root / "moved")
            (target / ".up42_state").symlink_to(root / "elsewhere")

    bucket.operations.on_operation = plant
    with suppress(StateError):
        saved.stage("s").restore(target)
    assert planted
    assert (precious / "a.tif").exists()


@pytest.mark.parametrize("name", ["a/tile_0000.tif", "data.json", "a"])
@pytest.mark.parametrize("make", [os.mkfifo, make_socket], ids=lambda make: make.__name__)
def test_a_special_file_in_the_way(saved: Job, root: Path, make: Any, name: str) -> None:
    """What would block whoever opens it is refused, or replaced where that is asked for; never waited for."""
    target = root / "in"
    (target / name).parent.mkdir(parents=True)
    make(target / name)
    with pytest.raises(TargetConflictError):
        saved.stage("s").restore(target)
    assert not (target / name).is_file()
    saved.stage("s").restore(target, overwrite=True)
    assert contents(target) == contents(root / "out")


@pytest.mark.parametrize("what", ["folder", "data.json"])
def test_a_link_planted_while_propagating(saved: Job, root: Path, bucket: FaultyBucket, what: str) -> None:
    """A link that appears in the output while bytes are fetched leads nowhere."""
    current = write_output(root / "current", {"b.tif": b"b"})
    planted: list[str] = []

    def plant(name: str, key: str) -> None:
        if name != "get" or "/packs/" not in key or planted:
            return
        planted.append(key)
        if what == "folder":
            _plant_link(current)
        else:
            (current / "data.json").unlink()
            (current / "data.json").symlink_to("../../outside/data.json")

    bucket.operations.on_operation = plant
    with suppress(StateError):
        propagate(current, [saved.stage("s")])
    assert planted


@pytest.mark.parametrize("document", ["link", "longer file"])
def test_a_resumed_restore_trusts_nothing_that_was_staged(
    saved: Job, root: Path, bucket: FaultyBucket, document: str
) -> None:
    """What lies in the staging of a killed restore may be links, hard ones too: they are taken away."""
    target = root / "in"
    staging = target / ".up42_state" / "restore"
    journal: list[bytes] = []
    bucket.operations.on_operation = lambda name, key: (
        journal.append((staging / "journal.json").read_bytes()) if "/packs/" in key else None
    )
    saved.stage("s").restore(target)
    bucket.operations.on_operation = lambda _name, _key: None
    (target / "data.json").unlink()
    for path in (target / "a").iterdir():
        path.unlink()
    staging.mkdir(parents=True)
    (staging / "journal.json").write_bytes(journal[0])
    if document == "link":
        (staging / "data.json").symlink_to("../../../../outside/data.json")
    else:
        (staging / "data.json").write_bytes(b"x" * 100_000)
    for number in range(25):
        os.link(root.parent / "outside" / "data.json", staging / str(number))
    saved.stage("s").restore(target)
    assert contents(target) == contents(root / "out")


@pytest.mark.parametrize(
    "journal", [b"[]", b'{"files": 5}', b'{"data": "x", "files": [["../../outside/data.json", 7]]}']
)
def test_a_planted_journal_removes_nothing(saved: Job, root: Path, journal: bytes) -> None:
    """What looks like the leavings of a killed propagation takes nothing away that it should not."""
    current = write_output(root / "current", {"b.tif": b"b"})
    folder = current / ".up42_state" / "propagate"
    folder.mkdir(parents=True)
    (folder / "journal.json").write_bytes(journal)
    assert propagate(current, [saved.stage("s")]).appended == 21
    assert (current / "b.tif").read_bytes() == b"b"


def test_a_planted_propagation_folder(saved: Job, root: Path) -> None:
    """A link where our folder belongs is a typed error."""
    current = write_output(root / "current", {"b.tif": b"b"})
    (current / ".up42_state").mkdir()
    (current / ".up42_state" / "propagate").symlink_to("../../../outside", target_is_directory=True)
    with pytest.raises(TargetConflictError, match="is not a directory"):
        propagate(current, [saved.stage("s")])
