"""Paths for GDAL: what they name is where the bytes are."""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import feature, tiles, write_output

from up42_state import State
from up42_state.errors import PathNotFoundError, UnsupportedStoreError

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job


@pytest.fixture
def on_disk(tmp_path: Path) -> Job:
    """A job on a directory, which GDAL reads as files."""
    return State((tmp_path / "store").as_uri()).job("j")


def test_a_file_of_its_own_is_named_as_it_lies(on_disk: Job, tmp_path: Path) -> None:
    """An unpacked file's path is its object's."""
    on_disk.stage("s:1").save(write_output(tmp_path / "out", {"a/b.tif": b"bytes"}))
    path = on_disk.stage("s:1").vsi_path("a/b.tif")
    with open(path, "rb") as file:
        assert file.read() == b"bytes"


def test_a_packed_file_is_a_span_of_its_pack(on_disk: Job, tmp_path: Path) -> None:
    """/vsisubfile/ names offset, size and pack."""
    files = tiles(20)
    on_disk.stage("s:1").save(write_output(tmp_path / "out", files))
    match = re.fullmatch(
        r"/vsisubfile/(\d+)_(\d+),(/.*\.zip)", on_disk.stage("s:1").vsi_path("tile_0007.tif")
    )
    assert match
    with open(match[3], "rb") as pack:
        pack.seek(int(match[1]))
        assert pack.read(int(match[2])) == files["tile_0007.tif"]


def test_a_packed_file_with_sidecars_is_read_through_the_archive(on_disk: Job, tmp_path: Path) -> None:
    """/vsizip/ lets GDAL see the sidecars that lie in the same pack."""
    files = tiles(20) | {"tile_0007.tfw": b"sidecar"}
    on_disk.stage("s:1").save(write_output(tmp_path / "out", files))
    path = on_disk.stage("s:1").vsi_path("tile_0007.tif")
    archive, _, member = path.removeprefix("/vsizip/").partition(".zip/")
    with zipfile.ZipFile(f"{archive}.zip") as pack:
        assert pack.read(member) == files["tile_0007.tif"]
        assert pack.read("tile_0007.tfw") == b"sidecar"


def test_a_packed_directory_is_read_through_the_archive(on_disk: Job, tmp_path: Path) -> None:
    """A data path that is a directory is one for GDAL as well."""
    files = {f"SAFE/band{n}.tif": bytes([n]) for n in range(20)}
    on_disk.stage("s:1").save(write_output(tmp_path / "out", files, [feature("SAFE")]))
    path = on_disk.stage("s:1").vsi_path("SAFE")
    archive, _, folder = path.removeprefix("/vsizip/").partition(".zip/")
    assert folder == "SAFE"
    with zipfile.ZipFile(f"{archive}.zip") as pack:
        assert pack.read(f"{folder}/band3.tif") == b"\x03"


def test_an_unpacked_directory_is_named_as_it_lies(on_disk: Job, tmp_path: Path) -> None:
    """Its objects share a prefix, which is the directory."""
    files = {f"DIMAP/{n}.tif": bytes([n]) for n in range(5)}
    on_disk.stage("s:1").save(write_output(tmp_path / "out", files, [feature("DIMAP")]))
    with open(on_disk.stage("s:1").vsi_path("DIMAP") + "/3.tif", "rb") as file:
        assert file.read() == b"\x03"


def test_a_moved_packed_file_is_found_under_its_old_name(on_disk: Job, tmp_path: Path) -> None:
    """Propagation may give a packed file another path; in its pack it has the first one."""
    files = tiles(20) | {"tile_0007.tfw": b"sidecar"}
    on_disk.stage("s:1").save(write_output(tmp_path / "out", files))
    current = write_output(tmp_path / "now", {"tile_0007.tif": b"mine"}, [feature("tile_0007.tif", "mine")])
    on_disk.stage("last:1").save(current, propagate=["s:1"])
    path = on_disk.stage("last:1").vsi_path("s-1/tile_0007.tif")
    archive, _, member = path.removeprefix("/vsizip/").partition(".zip/")
    with zipfile.ZipFile(f"{archive}.zip") as pack:
        assert pack.read(member) == files["tile_0007.tif"]


def test_what_is_not_there_is_named(on_disk: Job, tmp_path: Path) -> None:
    """A path that the stage does not hold is an error that says what lies beside it."""
    on_disk.stage("s:1").save(write_output(tmp_path / "out", {"a.tif": b"1"}))
    with pytest.raises(PathNotFoundError, match=r"beside it lie a\.tif"):
        on_disk.stage("s:1").vsi_path("b.tif")


def test_memory_cannot_be_read_by_gdal(job: Job, tmp_path: Path) -> None:
    """A store that GDAL has no way to says so."""
    job.stage("s:1").save(write_output(tmp_path / "out", {"a.tif": b"1"}))
    with pytest.raises(UnsupportedStoreError, match="GDAL cannot read"):
        job.stage("s:1").vsi_path("a.tif")
