"""Corruption: every object in turn, every way; verify names it and restore never gives other bytes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import contents, tiles, write_output
from doubles.tally import tally

from up42_state.errors import IntegrityError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job

MIB = 1024 * 1024
WAYS = ["flip", "truncate", "remove", "swap", "extend"]


def corrupt(bucket: FaultyBucket, key: str, way: str) -> None:
    data = bytearray(bucket.get(key))
    if way == "remove":
        bucket.delete([key])
        return
    if way == "flip":
        data[len(data) // 2] ^= 1
    elif way == "truncate":
        del data[-1:]
    elif way == "extend":
        data += b"x"
    elif way == "swap":
        data[:] = bucket.get(next(info.key for info in bucket.list("") if info.key != key))
    bucket.put(key, bytes(data))


@pytest.mark.parametrize("way", WAYS)
def test_every_corrupted_object_is_named(job: Job, bucket: FaultyBucket, tmp_path: Path, way: str) -> None:
    """Each object of a store in turn: verify names it, and restore refuses or gives the right bytes."""
    files = {**tiles(20), "single.tif": os.urandom(2 * MIB), "large.tif": os.urandom(17 * MIB)}
    output = write_output(tmp_path / "out", files)
    job.stage("s:1").save(output)
    stage = job.stage("s:1")
    assert stage.verify().ok
    for number, info in enumerate(list(bucket.list(""))):
        good = bucket.get(info.key)
        corrupt(bucket, info.key, way)
        if "/commits/" not in info.key or way != "remove":
            report = stage.verify()
            assert [damage.key for damage in report.damage] == [info.key]
        target = tmp_path / f"in{number}"
        outcome = "right bytes"
        try:
            stage.restore(target)
        except (IntegrityError, NotFoundError) as error:
            assert not target.exists()
            outcome = type(error).__name__
        else:
            assert contents(target) == contents(output)
        tally(f"objects corrupted: {way}", outcome)
        bucket.put(info.key, good)


def test_a_large_file_that_ends_between_two_blocks(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Every block that is there is right, and the file is damaged all the same: no hole is restored."""
    job.stage("s:1").save(write_output(tmp_path / "out", {"large.tif": os.urandom(17 * MIB)}))
    key = next(info.key for info in bucket.list("") if info.key.endswith("large.tif"))
    bucket.put(key, bucket.get(key, 0, 8 * MIB))
    assert [damage.key for damage in job.stage("s:1").verify().damage] == [key]
    with pytest.raises(IntegrityError, match=r"large\.tif"):
        job.stage("s:1").restore(tmp_path / "in")
    assert not (tmp_path / "in").exists()


def test_damage_names_the_files_that_depend_on_it(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """A damaged pack is reported with the files whose bytes are wrong, and no others."""
    job.stage("s:1").save(write_output(tmp_path / "out", tiles(20)))
    entry = next(entry for entry in job.stage("s:1").files() if entry.path == "tile_0007.tif")
    key = next(info.key for info in bucket.list("") if "/packs/" in info.key)
    data = bytearray(bucket.get(key))
    data[entry.offset] ^= 1
    bucket.put(key, bytes(data))
    (damage,) = job.stage("s:1").verify().damage
    assert (damage.key, damage.files) == (key, ("tile_0007.tif",))


def test_a_job_is_verified_stage_by_stage(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Every stage has its report; removed ones have none."""
    for name in ("a:1", "b:1", "c:1"):
        job.stage(name).save(write_output(tmp_path / name, tiles(2)))
    job.stage("b:1").delete()
    key = next(info.key for info in bucket.list("3f0c/c:1/") if "/files/" in info.key)
    bucket.delete([key])
    assert [(report.stage, report.ok) for report in job.verify()] == [("a:1", True), ("c:1", False)]
