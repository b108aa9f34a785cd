"""An error while an input that is merged of several stages is put in its place."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from block.cases import Folders, feature, fill
from doubles.outputs import state_on
from doubles.switching import sweep
from doubles.users import nobody

from up42_state.block.inputs import Inputs
from up42_state.buckets.memory import MemoryBucket
from up42_state.errors import StateError, TargetConflictError
from up42_state.machine import mounts
from up42_state.stages.local.directory import Directory

if TYPE_CHECKING:
    from collections.abc import Callable


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
    seen = sweep(monkeypatch, lambda: folders.input, restore)
    assert all(seen.values())


def kill(monkeypatch: pytest.MonkeyPatch, folders: Folders, restore: Callable[[Path], object]) -> None:
    """End a restore when it is to move the second file into its place."""
    move = Directory.move_new

    def die(self: Directory, fd: int, name: str, path: str) -> None:
        if path == "b.tif":
            raise KeyboardInterrupt
        move(self, fd, name, path)

    with monkeypatch.context() as patched:
        patched.setattr(Directory, "move_new", die)
        with pytest.raises(KeyboardInterrupt):
            restore(folders.input)


def test_each_call_that_goes_on_after_a_kill(
    monkeypatch: pytest.MonkeyPatch, folders: Folders, restore: Callable[[Path], object]
) -> None:
    """The next call adds the rest to what a killed call had put in, or takes all of it back."""
    kill(monkeypatch, folders, restore)
    assert (folders.input / "a.tif").exists()
    seen = sweep(monkeypatch, lambda: folders.input, restore, before_kill={})
    assert all(seen.values())


class TestADirectoryThatIsThere:
    """In the input, before anything is."""

    @pytest.fixture
    def mount(
        self, folders: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[str], Path]:
        """Makes a directory, and has the system say that something is mounted there."""

        def mount(path: str) -> Path:
            (folders.input / path).mkdir(parents=True)
            (tmp_path / "mountinfo").write_text(f"30 20 8:1 /x {folders.input}/{path} rw - ext4 x rw\n")
            monkeypatch.setattr(mounts, "_TABLE", tmp_path / "mountinfo")
            return folders.input

        return mount

    def test_and_is_a_mount_where_files_go(
        self, restore: Callable[[Path], object], mount: Callable[[str], Path]
    ) -> None:
        """It is named before any file is fetched."""
        target = mount("deep/er")
        with pytest.raises(
            TargetConflictError, match=r"input/deep/er is a mount .* nothing there was changed"
        ):
            restore(target)
        assert [path.name for path in target.iterdir()] == ["deep"]

    def test_and_would_be_filled(self, restore: Callable[[Path], object], folders: Folders) -> None:
        """It is somebody's, and is refused."""
        (folders.input / "deep/empty").mkdir(parents=True)
        with pytest.raises(TargetConflictError, match="holds other files: deep"):
            restore(folders.input)

    def test_and_stays_as_it_is(
        self, restore: Callable[[Path], object], mount: Callable[[str], Path]
    ) -> None:
        """A mount, or an empty directory, that the input does not use is no concern of it."""
        target = mount("mine/volume")
        restore(target)
        assert (target / "mine/volume").is_dir()
        assert (target / "a.tif").read_text() == "one:1 a"

    def test_and_cannot_be_read(self, restore: Callable[[Path], object], folders: Folders) -> None:
        """It may hold anything, and is refused."""
        with TemporaryDirectory() as place:
            target = Path(place, "input")
            (target / "closed").mkdir(parents=True)
            (target / "closed").chmod(0)
            Path(place).chmod(0o777)
            target.chmod(0o777)
            with nobody(), pytest.raises(TargetConflictError, match="holds other files: closed"):
                restore(target)


@pytest.mark.parametrize("name", ["b.tif", "data.json"])
def test_another_file_that_appears_before_the_rest_is_put_in(
    monkeypatch: pytest.MonkeyPatch, folders: Folders, restore: Callable[[Path], object], name: str
) -> None:
    """It is somebody's, and is not replaced."""
    kill(monkeypatch, folders, restore)
    (folders.input / name).write_text("mine")
    with pytest.raises(TargetConflictError, match=f"holds other files: {name}"):
        restore(folders.input)
    (folders.input / name).unlink()
    restore(folders.input)
    assert (folders.input / "b.tif").read_text() == "one:1 b"


def test_an_error_while_stages_are_merged_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, folders: Folders, restore: Callable[[Path], object]
) -> None:
    """A full disk is not kept full."""

    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        with pytest.raises(StateError, match=r"cannot write to .*: No space left on device – free space"):
            restore(folders.input)
    assert list(folders.input.iterdir()) == []
