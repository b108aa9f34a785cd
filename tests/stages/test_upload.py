"""Uploading: half an old file and half a new one are never saved."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import state_on, write_output

from up42_state.errors import InvalidOutputError

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Stage

MIB = 1024 * 1024


@pytest.fixture
def stage(bucket: FaultyBucket) -> Stage:
    """A stage whose saves have one part, or one file, in flight."""
    bucket.part_size = lambda _size: 8 * MIB  # type: ignore[method-assign]
    return state_on(bucket, concurrency=1, memory=8 * MIB, pack_below=0).job("j").stage("s:1")


def change(path: Path) -> None:
    """Other bytes in the end, of the same size."""
    with open(path, "r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"late")


def test_a_file_that_changes_while_it_is_read(stage: Stage, bucket: FaultyBucket, tmp_path: Path) -> None:
    """A file whose end is written anew while its beginning is sent fails the save."""
    output = write_output(tmp_path / "out", {"large.tif": bytes(20 * MIB)})

    def meanwhile(name: str, _key: str) -> None:
        if name == "put_part":
            change(output / "large.tif")

    bucket.operations.on_operation = meanwhile
    with pytest.raises(InvalidOutputError, match="changed while it was saved"):
        stage.save(output)
    assert not stage.exists()
    assert list(bucket.uploads("")) == []


@pytest.mark.parametrize("size", [MIB, 9 * MIB], ids=["whole", "in parts"])
def test_a_file_that_changes_after_it_was_hashed(
    stage: Stage, bucket: FaultyBucket, tmp_path: Path, size: int
) -> None:
    """A save on top of another hashes first: what it then sends must be that, whatever a file's time says."""
    output = write_output(tmp_path / "out", {"a.tif": b"1", "b.tif": bytes(size)})
    stage.save(output)
    write_output(output, {"a.tif": b"2", "b.tif": b"2" * size})

    def meanwhile(name: str, key: str) -> None:
        if name == "put" and key.endswith("a.tif"):
            status = os.stat(output / "b.tif")
            change(output / "b.tif")
            os.utime(output / "b.tif", ns=(status.st_atime_ns, status.st_mtime_ns))

    bucket.operations.on_operation = meanwhile
    with pytest.raises(InvalidOutputError, match="changed while it was saved"):
        stage.save(output)
    assert stage.latest().revision == 1
