"""Files of a stage that are opened where they lie: every byte is checked before it is given out."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import tiles, write_output

from up42_state.errors import IntegrityError, PathNotFoundError, PrunedError

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job, Stage

MIB = 1024 * 1024
PATHS = ["tile_0003.tif", "large.tif"]


@pytest.fixture
def stage(job: Job, tmp_path: Path) -> Stage:
    """A stage of packed files and one of three blocks."""
    files = {**tiles(20), "large.tif": os.urandom(17 * MIB)}
    job.stage("s:1").save(write_output(tmp_path / "out", files))
    return job.stage("s:1")


def key_of(stage: Stage, bucket: FaultyBucket, path: str) -> str:
    """The object that a file's bytes lie in."""
    kind = "/packs/" if path.startswith("tile") else path
    return next(info.key for info in bucket.list("") if kind in info.key)


@pytest.mark.parametrize("path", PATHS)
def test_damaged_bytes_are_not_given_out(stage: Stage, bucket: FaultyBucket, path: str) -> None:
    """A flipped bit in the last block is an error that names the file; blocks before it can be read."""
    entry = next(entry for entry in stage.files() if entry.path == path)
    key = key_of(stage, bucket, path)
    data = bytearray(bucket.get(key))
    data[entry.offset + entry.size - 1] ^= 1
    bucket.put(key, data)
    with stage.open(path) as file:
        assert len(file.read(8 * MIB)) == 8 * MIB if entry.blocks else True
        file.seek(-1, os.SEEK_END)
        with pytest.raises(IntegrityError, match=path):
            file.read(1)


@pytest.mark.parametrize("path", PATHS)
def test_an_object_that_is_gone_is_damage(stage: Stage, bucket: FaultyBucket, path: str) -> None:
    """In the newest revision nothing may be missing."""
    bucket.delete([key_of(stage, bucket, path)])
    with stage.open(path) as file, pytest.raises(IntegrityError, match="is damaged"):
        file.read(1)


def test_a_damaged_older_revision_is_not_called_pruned(
    stage: Stage, bucket: FaultyBucket, tmp_path: Path
) -> None:
    """Prune takes the index first: where that is still there, an object that is gone is damage."""
    stage.save(write_output(tmp_path / "new", tiles(1)))
    bucket.delete([key_of(stage, bucket, "large.tif")])
    with pytest.raises(IntegrityError, match=r"3f0c/s:1@1 is damaged"):
        stage.restore(tmp_path / "in", revision=1)


def test_a_revision_that_is_pruned_while_it_is_open(stage: Stage, tmp_path: Path) -> None:
    """Of an older one it says that it was pruned."""
    with stage.open("large.tif") as file:
        stage.save(write_output(tmp_path / "new", tiles(1)))
        stage.job.prune(keep=1, grace=timedelta(0), no_writers=True)
        with pytest.raises(PrunedError, match="3f0c/s:1@1 was pruned"):
            file.read(1)


def test_a_path_as_pathlib_has_it(stage: Stage) -> None:
    """A file is found by its path as text, and as a path."""
    with stage.open(PurePosixPath("large.tif")) as file, stage.open("large.tif") as same:
        assert file.read(9) == same.read(9)


def test_data_json_is_no_file_of_a_stage(stage: Stage) -> None:
    """Whoever looks for it among the files is told where it is."""
    with pytest.raises(PathNotFoundError, match=r"no file 'data\.json' – data\(\) and features\(\) give it"):
        stage.open("data.json")
