"""A volume's ``lost+found``: as input, output, target and store, for a user who may not look into it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import tiles, write_output
from doubles.users import NOBODY, nobody

from up42_state import Block, State
from up42_state.machine.lost_found import file_system_names

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", autouse=True)
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Everything used once by root: nobody may not be allowed to read the interpreter's own modules."""
    home = tmp_path_factory.mktemp("loaded")
    state = State(f"file://{home}/store")
    job = state.job("j")
    for name in ("s:1", "s:2"):
        job.stage(name).save(write_output(home / "out", {f"{name[2]}.tif": b"x"}))
    job.stage("s:1").restore(home / "in")
    assert job.stage("s:1").verify().ok
    assert [found.key for found in state.jobs()] == ["j"]
    block = Block(
        stage=job.stage("b:1"),
        after=["s:1", "s:2"],
        input=home / "i",
        output=home / "o",
        quicklooks=home / "q",
        parameters={},
    )
    with block:
        block.write({"type": "FeatureCollection", "features": block.input["features"][:0]})


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A place that all may enter; pytest closes its own to others whenever it starts, here or beside."""
    with tempfile.TemporaryDirectory(prefix="up42-volume-") as place:
        Path(place).chmod(0o755)
        yield Path(place)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """The top of a volume, as mke2fs makes it; its directory is the user's."""
    top = tmp_path / "volume"
    top.mkdir()
    (top / "lost+found").mkdir(mode=0o700)
    os.chown(top, NOBODY, NOBODY)
    return top


@pytest.fixture
def home(tmp_path: Path, volume: Path) -> Path:
    """A directory of the user's with a store in it that holds the stage ``j/s:1``."""
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    with nobody():
        State(f"file://{home}/store").job("j").stage("s:1").save(write_output(home / "out", tiles(2)))
    return home


def test_a_restore_into_a_volume(volume: Path, home: Path) -> None:
    """A new volume counts as empty, also when the same restore runs again."""
    with nobody():
        for _ in range(2):
            State(f"file://{home}/store").job("j").stage("s:1").restore(volume)
    assert sorted(os.listdir(volume)) == ["data.json", "lost+found", "tile_0000.tif", "tile_0001.tif"]


@pytest.mark.parametrize("is_root", [False, True])
def test_a_save_of_a_volume(volume: Path, home: Path, is_root: bool) -> None:
    """The directory lost+found is not part of an output, whoever saves."""
    stage = State(f"file://{home}/store").job("j").stage("t:1")
    with nobody():
        write_output(volume / "o", tiles(2))
        for path in (volume / "o").iterdir():
            path.rename(volume / path.name)
        (volume / "o").rmdir()
        if not is_root:
            stage.save(volume)
    if is_root:
        stage.save(volume)
    assert [entry.path for entry in stage.files()] == ["tile_0000.tif", "tile_0001.tif"]
    stage.restore(home / "back")
    assert not (home / "back" / "lost+found").exists()


def test_a_block_on_volumes(volume: Path, home: Path) -> None:
    """One may be the input, merged of several stages, and one the output."""
    out = home / "output"
    with nobody():
        job = State(f"file://{home}/store").job("j")
        job.stage("s:2").save(write_output(home / "two", {"other.tif": b"other"}))
        out.mkdir()
    (out / "lost+found").mkdir(mode=0o700)
    with nobody():
        block = Block(
            stage=job.stage("b:1"),
            after=["s:1", "s:2"],
            input=volume,
            output=out,
            quicklooks=home / "q",
            parameters={},
        )
        with block:
            assert len(block.input["features"]) == 3
            block.write({"type": "FeatureCollection", "features": []})
    assert job.stage("b:1").files() == ()


def test_a_store_on_a_volume(volume: Path, home: Path) -> None:
    """The jobs of a store on a volume can be listed, and what is saved there is intact."""
    with nobody():
        state = State(f"file://{volume}")
        state.job("j").stage("s:1").save(home / "out")
        assert [job.key for job in state.jobs()] == ["j"]
        assert state.job("j").stage("s:1").verify().ok


def test_a_directory_of_this_name_with_something_in_it_is_the_users(tmp_path: Path) -> None:
    """Only what is empty, or cannot be looked into, is the file system's."""
    assert file_system_names(tmp_path) == frozenset()
    (tmp_path / "lost+found").mkdir()
    assert file_system_names(tmp_path) == {"lost+found"}
    (tmp_path / "lost+found" / "mine.txt").touch()
    assert file_system_names(tmp_path) == frozenset()
    output = write_output(tmp_path / "out", {"lost+found/a.tif": b"a"})
    stage = State(f"file://{tmp_path}/store").job("j").stage("s:1")
    stage.save(output)
    assert [entry.path for entry in stage.files()] == ["lost+found/a.tif"]
    stage.restore(tmp_path / "in")
    assert (tmp_path / "in" / "lost+found" / "a.tif").read_bytes() == b"a"
