"""An error while an input that is merged of several stages is put in its place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from block.cases import Folders, feature, fill
from doubles.outputs import state_on
from doubles.switching import sweep

from up42_state.buckets.memory import MemoryBucket
from up42_state.tasks import inputs
from up42_state.tasks.inputs import Inputs

if TYPE_CHECKING:
    from collections.abc import Callable

BEGINS = ((inputs, "_keep"), (inputs, "_move_up"))


@pytest.fixture
def restore(folders: Folders, tmp_path: Path) -> Callable[[Path], object]:
    """Restores two stages with files, folders and a file of one name."""
    job = state_on(MemoryBucket()).job("3f0c")
    folders.input.mkdir(parents=True)
    for stage, names in (("one:1", "ab"), ("two:1", "bc")):
        files = {f"{name}.tif": f"{stage} {name}" for name in names} | {"deep/er/x.tif": stage}
        places = [feature(stage, "deep"), *(feature(f"{stage}{name}", f"{name}.tif") for name in names)]
        job.stage(stage).save(fill(tmp_path / stage, places, files), quicklooks=False)
    stages = [job.stage("one:1"), job.stage("two:1")]
    return lambda target: Inputs(stages=stages, target=target).restore()


def test_each_call_that_puts_it_in_its_place(
    monkeypatch: pytest.MonkeyPatch, folders: Folders, restore: Callable[[Path], object]
) -> None:
    """The directory is as before, or the next call ends it; the message says which."""
    seen = sweep(monkeypatch, lambda: folders.input, restore, BEGINS)
    assert all(seen.values())


def test_each_call_that_goes_on_after_a_kill(
    monkeypatch: pytest.MonkeyPatch, folders: Folders, restore: Callable[[Path], object]
) -> None:
    """What a killed call had put in stays, and the next call adds the rest."""
    move = Path.rename

    def die(self: Path, target: Path) -> Path:
        if target == folders.input / "b.tif":
            raise KeyboardInterrupt
        return move(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", die)
        with pytest.raises(KeyboardInterrupt):
            restore(folders.input)
    seen = sweep(monkeypatch, lambda: folders.input, restore, BEGINS)
    assert all(seen.values())
