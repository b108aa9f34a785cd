"""A store and a directory that is saved, restored or propagated into do not lie in one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from doubles.outputs import write_output

from up42_state.errors import SettingsError
from up42_state.state import State, propagate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from up42_state.state import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage with a file, in a directory of this machine."""
    (tmp_path / "work" / "store").mkdir(parents=True)
    found = State((tmp_path / "work" / "store").as_uri()).job("3f0c").stage("scenes:1")
    found.save(write_output(tmp_path / "made", {"a.tif": b"a"}))
    return found


WAYS: dict[str, Callable[[Stage, Path], object]] = {
    "save": lambda stage, folder: stage.save(folder),
    "quicklooks of a save": lambda stage, folder: stage.save("made", quicklooks=folder),
    "restore": lambda stage, folder: stage.restore(folder, overwrite=True),
    "quicklooks of a restore": lambda stage, folder: stage.restore("new", quicklooks=folder),
    "propagate": lambda stage, folder: propagate(folder, [stage]),
    "quicklooks of a propagation": lambda stage, folder: propagate("made", [stage], quicklooks=folder),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("where", ["work/store", "work", "work/store/3f0c/new:1", "link/store"])
def test_an_overlap_is_refused(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, where: str
) -> None:
    """Neither takes the other in, nor writes into it; the message says what to do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to("work")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SettingsError, match=r"the store in .* lie in one another – .*UP42_STATE_URL"):
        WAYS[way](stage, tmp_path / where)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("protocol", ["local", "simplecache::local"])
def test_a_store_that_fsspec_opens_in_a_directory_is_known_as_one(tmp_path: Path, protocol: str) -> None:
    """Whichever way leads there."""
    output = write_output(tmp_path / "work", {"a.tif": b"a"})
    (output / "store").mkdir()
    stage = State(f"{protocol}://{output}/store", single_writer=True).job("3f0c").stage("scenes:1")
    with pytest.raises(SettingsError, match=r"the store in .* lie in one another"):
        stage.save(output)


def test_directories_beside_the_store_are_fine(stage: Stage, tmp_path: Path) -> None:
    """Its parent's other directories are nobody's store."""
    stage.restore(tmp_path / "work" / "in")
    propagate(tmp_path / "work" / "in", [stage])
    stage.save(tmp_path / "work" / "in")
    assert len(stage.history()) == 1
