"""Stages through fsspec: read-only, and the same bytes as a restore gives."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import fsspec
import pytest
from doubles.outputs import contents, tiles, write_output

from up42_state import State
from up42_state.errors import AccessDeniedError, PathNotFoundError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A saved output, in the store that the environment names."""
    files = {**tiles(20), "dir/a.tif": os.urandom(100), ".quicklooks/a.jpg": b"picture"}
    output = write_output(tmp_path / "out", files)
    monkeypatch.setenv("UP42_STATE_URL", (tmp_path / "store").as_uri())
    State.from_env().job("3f0c").stage("s:1").save(output)
    return output


def test_a_file_opens_by_its_url(output: Path) -> None:
    """fsspec.open finds the file system by itself."""
    with fsspec.open("up42state://3f0c/s:1/dir/a.tif") as file:
        assert file.read() == (output / "dir/a.tif").read_bytes()
    with fsspec.open("up42state://3f0c/s:1/data.json") as file:
        assert file.read() == (output / "data.json").read_bytes()


def test_everything_is_found_and_reads_the_same(output: Path) -> None:
    """Walking the stage gives every file that a restore would."""
    system = fsspec.filesystem("up42state", skip_instance_cache=True)
    found = {path.removeprefix("3f0c/s:1/"): system.cat_file(path) for path in system.find("3f0c/s:1")}
    assert found == {path: data for path, (data, _) in contents(output).items()}  # type: ignore[misc]
    assert system.ls("", detail=False) == ["3f0c"]
    assert system.ls("3f0c", detail=False) == ["3f0c/s:1"]
    assert system.isdir("3f0c/s:1/dir")
    assert system.size("3f0c/s:1/dir/a.tif") == 100


@pytest.mark.parametrize("path", ["none/s:1/a", "3f0c/none/a", "3f0c/s:1/none", "3f0c/s:1/../x", "3f0c"])
def test_what_is_not_there_is_not_found(output: Path, path: str) -> None:
    """A missing job, stage or file is a FileNotFoundError."""
    with pytest.raises(FileNotFoundError):
        fsspec.open(f"up42state://{path}").open()


@pytest.mark.parametrize("path", ["3f0c/s:1", "3f0c/s:1/"])
def test_a_stage_is_no_file(output: Path, path: str) -> None:
    """Opening a stage itself says what is missing in the URL."""
    with pytest.raises(PathNotFoundError, match=r"3f0c/s:1 is a stage.*JOB/STAGE/PATH"):
        fsspec.open(f"up42state://{path}").open()


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("open", ("3f0c/s:1/new", "wb")),
        ("pipe", ("3f0c/s:1/new", b"data")),
        ("touch", ("3f0c/s:1/data.json", False)),
        ("rm", ("3f0c/s:1/data.json",)),
        ("rm", ("3f0c/s:1", True)),
        ("mv", ("3f0c/s:1/data.json", "3f0c/s:1/new")),
        ("copy", ("3f0c/s:1/data.json", "3f0c/s:1/new")),
        ("mkdir", ("3f0c/new",)),
        ("makedirs", ("3f0c/new",)),
        ("rmdir", ("3f0c/s:1/dir",)),
    ],
)
def test_writing_is_refused(output: Path, method: str, arguments: tuple[object, ...]) -> None:
    """Stages are made by saving alone; nothing pretends to have changed one."""
    system = fsspec.filesystem("up42state", skip_instance_cache=True)
    with pytest.raises(AccessDeniedError, match=r"up42state://3f0c/.* is read-only"):
        getattr(system, method)(*arguments)
