"""Propagation over stored stages: into a directory, and by reference in a save."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest
from doubles import faulty
from doubles.outputs import contents, data_paths, feature, state_on, tiles, write_output

from up42_state import Propagation, propagate
from up42_state.buckets.memory import MemoryBucket
from up42_state.errors import (
    FeatureConflictError,
    IntegrityError,
    InvalidOutputError,
    StageNotFoundError,
    StateError,
    StoreUnreachableError,
    TargetConflictError,
)
from up42_state.stages import revision

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.buckets.base import Bucket
    from up42_state.state import Job


def test_lost_features_come_back_with_their_files(job: Job, scenes: Path, current: Path) -> None:
    """What the current output lacks is appended, files, sidecars and quicklooks included."""
    report = propagate(current, [job.stage("scenes:1")])
    assert report.appended == 29
    assert data_paths(current) == ["tile_0000.tif", "new.tif", *(f"tile_{n:04d}.tif" for n in range(1, 30))]
    assert {**contents(scenes), **contents(current)} == contents(current)


def test_by_reference_gives_what_a_directory_would(
    job: Job, scenes: Path, current: Path, tmp_path: Path
) -> None:
    """A save that propagates is restored as if it had been propagated first – and moves no file of it."""
    commit = job.stage("last:1").save(current, propagate=["scenes:1"]).commit
    job.stage("last:1").restore(tmp_path / "in")
    propagate(current, [job.stage("scenes:1")])
    assert contents(tmp_path / "in") == contents(current)
    assert commit.totals.bytes - commit.totals.referenced == 2000 + 3
    assert {name.partition("/")[0] for name in commit.refers} == {"scenes:1", "last:1"}


def test_a_by_reference_save_takes_few_requests(
    job: Job, scenes: Path, current: Path, bucket: FaultyBucket
) -> None:
    """No asset's bytes move, and at most twelve requests are made."""
    before = len(bucket.operations)
    job.stage("last:1").save(write_output(current.parent / "empty", {}), propagate=["scenes:1"])
    assert len(bucket.operations) - before <= 12
    assert bucket.operations.count("copy") == 0


def test_propagating_twice_is_propagating_once(job: Job, scenes: Path, current: Path) -> None:
    """The second time nothing changes, not a byte."""
    propagate(current, [job.stage("scenes:1")])
    before = contents(current)
    report = propagate(current, [job.stage("scenes:1")])
    assert report.appended == 0
    assert report.warnings
    assert contents(current) == before


def test_saving_a_propagation_twice_makes_one_revision(job: Job, scenes: Path, current: Path) -> None:
    """Equal content by reference is equal content."""
    first = job.stage("last:1").save(current, propagate=["scenes:1"]).commit
    assert job.stage("last:1").save(current, propagate=["scenes:1"]).commit == first


def test_another_job_gets_copies_of_its_own(
    job: Job, scenes: Path, current: Path, bucket: FaultyBucket, tmp_path: Path
) -> None:
    """Between jobs objects are copied within the store, so that the first job can be removed."""
    later = job.state.job("later")
    later.stage("last:1").save(current, propagate=["3f0c/scenes:1"])
    assert bucket.operations.count("copy") == 1  # the pack that all of it lies in
    job.delete()
    assert later.stage("last:1").verify().ok
    later.stage("last:1").restore(tmp_path / "in")
    assert len(data_paths(tmp_path / "in")) == 31


@pytest.mark.parametrize("elsewhere", ["job", "store"])
def test_what_was_copied_before_is_not_copied_again(
    job: Job, scenes: Path, current: Path, bucket: FaultyBucket, tmp_path: Path, elsewhere: str
) -> None:
    """A later revision refers to the copies of the one before, also where something else has changed."""
    other: Bucket = MemoryBucket("memory://elsewhere") if elsewhere == "store" else bucket
    stage = state_on(other).job("later").stage("last:1")
    first = stage.save(current, propagate=[job.stage("scenes:1")]).commit
    before = {info.key for info in other.list("later/") if "/attempts/" in info.key}
    assert stage.save(current, propagate=[job.stage("scenes:1")]).commit == first
    assert {info.key for info in other.list("later/") if "/attempts/" in info.key} == before
    (current / "new.tif").write_bytes(b"changed")
    second = stage.save(current, propagate=[job.stage("scenes:1")]).commit
    assert second.totals.bytes - second.totals.referenced == len(b"changed")
    assert stage.verify().ok


def test_another_store_is_copied_through_here(scenes: Path, job: Job, current: Path) -> None:
    """Stages of another bucket can be propagated into a save as well."""
    elsewhere = state_on(MemoryBucket("memory://elsewhere")).job("j")
    elsewhere.stage("last:1").save(current, propagate=[job.stage("scenes:1")])
    assert elsewhere.stage("last:1").verify().ok
    assert elsewhere.stage("last:1").latest().totals.features == 31


def test_a_store_of_the_same_url_is_another_store(tmp_path: Path) -> None:
    """Two endpoints may serve buckets of one name; what lies in one is never referred to from the other."""
    one, other = (state_on(MemoryBucket("memory://name")).job("j") for _ in range(2))
    one.stage("s:1").save(write_output(tmp_path / "out", {"a.tif": b"a"}))
    other.stage("last:1").save(write_output(tmp_path / "now", {}), propagate=[one.stage("s:1")])
    other.stage("last:1").restore(tmp_path / "in")
    assert data_paths(tmp_path / "in") == ["a.tif"]


@pytest.mark.parametrize("files", [{"a.tif": b"a"}, tiles(20), {"large.tif": os.urandom(20 << 20)}], ids=len)
@pytest.mark.parametrize("kind", ["flipped", "cut"])
def test_what_comes_from_another_store_is_verified(
    job: Job, bucket: FaultyBucket, tmp_path: Path, files: dict[str, bytes], kind: str
) -> None:
    """Bytes that change on their way between stores make an error, not a damaged revision."""
    job.stage("s:1").save(write_output(tmp_path / "out", files))
    get = bucket.inner.get

    def damaged(key: str, start: int = 0, length: int | None = None) -> bytes:
        data = get(key, start, length)
        if not ("/files/" in key or "/packs/" in key):
            return data
        middle = len(data) // 2
        return data[:middle] + (bytes([data[middle] ^ 1]) + data[middle + 1 :] if kind == "flipped" else b"")

    bucket.inner.get = damaged  # type: ignore[method-assign]
    elsewhere = state_on(MemoryBucket("memory://elsewhere")).job("j")
    with pytest.raises(IntegrityError, match="not those that were saved"):
        elsewhere.stage("last:1").save(write_output(tmp_path / "now", {}), propagate=[job.stage("s:1")])
    assert not elsewhere.stage("last:1").exists()


@pytest.mark.parametrize("lost", ["get", "put_part", "complete"])
@pytest.mark.parametrize("aborts", [True, False])
def test_a_copy_from_another_store_that_fails_in_its_middle(
    job: Job,
    bucket: FaultyBucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lost: str,
    aborts: bool,
) -> None:
    """No upload is left unfinished; where the store takes no abort either, the first error counts."""
    job.stage("s:1").save(write_output(tmp_path / "out", {"large.tif": os.urandom(20 << 20)}))
    other = faulty.FaultyBucket(MemoryBucket("memory://elsewhere"))
    seen = {"get": 0, "put_part": 0, "complete": 0}

    def fail(name: str, key: str) -> None:
        if name == lost and "/commits/" not in key and ("/files/" in key or "/copies/" in key):
            seen[name] += 1
            if seen[name] == (1 if name == "complete" else 2):
                raise StoreUnreachableError("lost in the middle")

    def refuse(_upload: object) -> None:
        raise StoreUnreachableError("not even aborted")

    if not aborts:
        monkeypatch.setattr(faulty._FaultyUpload, "abort", refuse)
    bucket.operations.on_operation = other.operations.on_operation = fail
    elsewhere = state_on(other).job("j")
    with pytest.raises(StoreUnreachableError, match="lost in the middle"):
        elsewhere.stage("last:1").save(write_output(tmp_path / "now", {}), propagate=[job.stage("s:1")])
    assert other.operations.count("put_part") > 0
    assert len(list(other.inner.uploads(""))) == (0 if aborts else 1)


def test_taken_paths_move_under_the_stage(job: Job, scenes: Path, current: Path, tmp_path: Path) -> None:
    """A path taken by other bytes is not overwritten, in a directory or by reference."""
    (current / "tile_0007.tif").write_bytes(b"mine")
    write_output(current, {}, [feature("tile_0007.tif", "mine")])
    job.stage("last:1").save(current, propagate=["scenes:1"])
    job.stage("last:1").restore(tmp_path / "in")
    propagate(current, [job.stage("scenes:1")])
    assert contents(tmp_path / "in") == contents(current)
    moved = current / "scenes-1/tile_0007.tif"
    assert moved.read_bytes() == (scenes / "tile_0007.tif").read_bytes()
    assert (current / "tile_0007.tif").read_bytes() == b"mine"


def test_a_moved_packed_file_is_found_again(job: Job, scenes: Path, current: Path, tmp_path: Path) -> None:
    """A file that has another path than in its pack can be opened, verified, and propagated on."""
    (current / "tile_0007.tif").write_bytes(b"mine")
    write_output(current, {}, [feature("tile_0007.tif", "mine")])
    job.stage("mid:1").save(current, propagate=["scenes:1"])
    with job.stage("mid:1").open("scenes-1/tile_0007.tif") as file:
        assert file.read() == (scenes / "tile_0007.tif").read_bytes()
    job.stage("last:1").save(write_output(tmp_path / "empty", {}), propagate=["mid:1"])
    assert job.stage("last:1").verify().ok


def test_several_propagations_in_turn(job: Job, scenes: Path, current: Path, tmp_path: Path) -> None:
    """Each has its own options, and sees what the one before it gave."""
    extra = write_output(tmp_path / "extra", {"x.tif": b"x"}, [feature("x.tif", "x")])
    job.stage("extra:1").save(extra)
    both = [
        Propagation(stages=(job.stage("scenes:1"),), path="tile_000[12].tif"),
        Propagation(stages=(job.stage("extra:1"),)),
    ]
    job.stage("last:1").save(current, propagate=both)
    job.stage("last:1").restore(tmp_path / "in")
    assert data_paths(tmp_path / "in") == [
        "tile_0000.tif",
        "new.tif",
        "tile_0001.tif",
        "tile_0002.tif",
        "x.tif",
    ]


def test_a_large_data_json_gives_what_a_small_one_does(
    job: Job, scenes: Path, current: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond some size a stage's data.json goes through a file, and the merged bytes are the same."""
    other = shutil.copytree(current, tmp_path / "other")
    propagate(current, [job.stage("scenes:1")])
    monkeypatch.setattr(revision, "_MAPPED_FROM", 1)
    propagate(other, [job.stage("scenes:1")])
    assert contents(other) == contents(current)


@pytest.mark.parametrize("size", [1, 2**25], ids=["large", "small"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b" ",
        lambda data: data.replace(b"tile_0007", b"tile_0008"),
        lambda _data: None,
    ],
    ids=["cut off", "longer", "another", "missing"],
)
def test_a_damaged_data_json_is_not_merged(
    job: Job,
    scenes: Path,
    current: Path,
    bucket: FaultyBucket,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    damage: Callable[[bytes], bytes | None],
) -> None:
    """Whatever its size: bytes that are not those that were saved are an error that names the object."""
    monkeypatch.setattr(revision, "_MAPPED_FROM", size)
    before = contents(current)
    stored = job.stage("scenes:1").latest().data
    assert stored is not None
    changed = damage(bucket.get(stored.key))
    if changed is None:
        bucket.delete([stored.key])
    else:
        bucket.put(stored.key, changed)
    with pytest.raises(IntegrityError, match=f"scenes:1@1 is damaged: .*{re.escape(stored.key)}"):
        propagate(current, [job.stage("scenes:1")])
    assert contents(current) == before


def test_a_data_json_that_changes_meanwhile_is_not_replaced(
    job: Job, scenes: Path, current: Path, bucket: FaultyBucket
) -> None:
    """What the block writes into data.json after it was read is not lost, and nothing is added."""
    write_output(current, {}, [])
    before = contents(current)
    changed = b'{"type":"FeatureCollection","features":[] }'

    def write(_name: str, key: str) -> None:
        if "/packs/" in key:
            (current / "data.json").write_bytes(changed)

    bucket.operations.on_operation = write
    with pytest.raises(InvalidOutputError, match=r"data\.json"):
        propagate(current, [job.stage("scenes:1")])
    assert contents(current) == before | {"data.json": (changed, False)}


def test_a_missing_stage_is_an_error_or_skipped(job: Job, scenes: Path, current: Path) -> None:
    """missing=skip passes over stages that do not exist; the default names them."""
    with pytest.raises(StageNotFoundError, match="no stage none:1"):
        propagate(current, [job.stage("none:1")])
    assert propagate(current, [job.stage("none:1")], missing="skip").appended == 0


def test_an_error_leaves_the_directory_as_it_was(
    job: Job, scenes: Path, current: Path, bucket: FaultyBucket
) -> None:
    """Whatever fails: no file was added, and data.json is what it was."""
    before = contents(current)
    number = 0
    while True:
        number += 1
        bucket.operations.names.clear()
        bucket.operations.fail_at = number
        try:
            propagate(current, [job.stage("scenes:1")])
        except StateError:
            assert contents(current) == before
        else:
            break
    assert number > 4


def test_a_file_that_appears_meanwhile_is_not_replaced(
    job: Job, scenes: Path, current: Path, bucket: FaultyBucket
) -> None:
    """What the block writes while files are fetched is its own; nothing else was added."""
    before = contents(current)

    def write(_name: str, key: str) -> None:
        if "/packs/" in key:
            (current / "tile_0007.tif").write_bytes(b"mine")

    bucket.operations.on_operation = write
    with pytest.raises(TargetConflictError, match=r"tile_0007\.tif appeared meanwhile"):
        propagate(current, [job.stage("scenes:1")])
    assert contents(current) == before | {"tile_0007.tif": (b"mine", False)}


def test_a_conflict_that_is_an_error_changes_nothing(job: Job, tmp_path: Path) -> None:
    """on_conflict=error names the features, and leaves the directory alone."""
    job.stage("s:1").save(write_output(tmp_path / "out", {"a.tif": b"1"}, [feature("a.tif", "x", v=1)]))
    current = write_output(tmp_path / "current", {"a.tif": b"1"}, [feature("a.tif", "x", v=2)])
    before = contents(current)
    with pytest.raises(FeatureConflictError):
        propagate(current, [job.stage("s:1")], on_conflict="error")
    assert contents(current) == before


def test_inherit_fills_in_properties(job: Job, tmp_path: Path) -> None:
    """form=inherit gives features of the current output what they lack, and adds no feature."""
    job.stage("s:1").save(
        write_output(tmp_path / "out", {"a.tif": b"1"}, [feature("a.tif", "x", sensor="SPOT", v=1)])
    )
    current = write_output(tmp_path / "current", {"b.tif": b"2"}, [feature("b.tif", "x", v=2)])
    propagate(current, [job.stage("s:1")], form="inherit")
    (found,) = json.loads((current / "data.json").read_text())["features"]
    assert (found["properties"]["sensor"], found["properties"]["v"]) == ("SPOT", 2)


def test_quicklooks_can_be_left_out(job: Job, scenes: Path, current: Path) -> None:
    """``quicklooks=False`` brings none of an earlier stage, and is not stopped by one of the same name."""
    (current / ".quicklooks").mkdir()
    (current / ".quicklooks/tile_0005.jpg").write_bytes(b"another")
    report = propagate(current, [job.stage("scenes:1")], quicklooks=False)
    assert report.appended == 29
    assert (current / "tile_0005.tfw").read_bytes() == b"sidecar"
    assert [path.read_bytes() for path in (current / ".quicklooks").iterdir()] == [b"another"]


def test_staging_is_gone_afterwards(job: Job, scenes: Path, current: Path) -> None:
    """Nothing of ours stays in the directory."""
    propagate(current, [job.stage("scenes:1")])
    assert ".up42_state" not in os.listdir(current)


def test_progress_is_that_of_all_stages(job: Job, scenes: Path, current: Path, tmp_path: Path) -> None:
    """It does not begin anew with each stage, and ends with all bytes of all stages."""
    extra = write_output(tmp_path / "extra", {"x.tif": b"12345"}, [feature("x.tif", "x")])
    job.stage("extra:1").save(extra)
    told: list[tuple[int, int]] = []
    propagate(
        current, [job.stage("scenes:1"), job.stage("extra:1")], progress=lambda *told_: told.append(told_)
    )
    done, total = told[-1]
    assert done == total > 5
    assert {told_total for _, told_total in told} == {total}


def test_a_save_reports_what_it_propagated(job: Job, scenes: Path, current: Path) -> None:
    """Whoever saves with propagations is told what became of every feature, for each of them."""
    reports = job.stage("last:1").save(current, propagate=["scenes:1"]).reports
    assert [(report.appended, report.after) for report in reports] == [(29, 31)]
