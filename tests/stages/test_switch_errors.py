"""An error at each system call of a switch: the directory is as before, or the same call ends it."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import write_output
from doubles.switching import sweep

from up42_state import propagate
from up42_state.errors import StateError
from up42_state.stages.local.directory import Directory
from up42_state.stages.local.installation import Installation

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job


@pytest.fixture
def revisions(job: Job, tmp_path: Path) -> tuple[Path, Path]:
    """Two revisions of a stage that share a file, differ in another, and have one each of their own."""
    first = {"same.tif": b"same", "sub/b.tif": b"old", "gone.tif": b"gone", ".quicklooks/same.png": b"q"}
    second = {"same.tif": b"same", "sub/b.tif": b"new", "sub/new.tif": b"n", ".quicklooks/same.png": b"p"}
    outputs = write_output(tmp_path / "one", first), write_output(tmp_path / "two", second)
    for output in outputs:
        job.stage("s:1").save(output)
    return outputs


def test_a_first_restore(
    monkeypatch: pytest.MonkeyPatch, job: Job, tmp_path: Path, revisions: tuple[Path, Path]
) -> None:
    """Into an empty directory."""

    def prepare() -> Path:
        (tmp_path / "in").mkdir()
        return tmp_path / "in"

    seen = sweep(monkeypatch, prepare, job.stage("s:1").restore)
    assert seen["as before"]
    assert seen["half"]


@pytest.mark.parametrize("elsewhere", [False, pytest.param(True, marks=pytest.mark.long)])
def test_a_restore_over_another_revision(
    monkeypatch: pytest.MonkeyPatch,
    job: Job,
    tmp_path: Path,
    revisions: tuple[Path, Path],
    elsewhere: bool,
) -> None:
    """Replaced files come back, and bits of files that are kept, also where quicklooks lie elsewhere."""
    target = tmp_path / "in" / "files"
    quicklooks = tmp_path / "in" / "quicklooks" if elsewhere else True

    def prepare() -> Path:
        job.stage("s:1").restore(target, revision=1, quicklooks=quicklooks)
        (target / "mine.txt").write_bytes(b"mine")
        (target / "same.tif").chmod(0o755)
        return tmp_path / "in"

    def restore(_target: Path) -> None:
        job.stage("s:1").restore(target, overwrite=True, quicklooks=quicklooks)

    seen = sweep(monkeypatch, prepare, restore)
    assert seen["as before"]
    assert seen["half"]


def test_a_propagation_into_a_directory(
    monkeypatch: pytest.MonkeyPatch, job: Job, tmp_path: Path, revisions: tuple[Path, Path]
) -> None:
    """The current output stands as it was, also where the error comes before the switch."""

    def prepare() -> Path:
        return write_output(tmp_path / "out", {"own.tif": b"own"})

    def into(target: Path) -> None:
        propagate(target, [job.stage("s:1")])

    seen = sweep(monkeypatch, prepare, into, [(Installation, "__enter__")])
    assert seen["as before"]
    assert seen["half"]


def test_a_directory_of_many_files_is_put_back_in_one_go(
    monkeypatch: pytest.MonkeyPatch, job: Job, tmp_path: Path
) -> None:
    """Each directory is listed once: to list it for each file would take hours where there are many."""
    files = {f"{folder}/{n}.tif": b"%d" % n for folder in "ab" for n in range(50)}
    job.stage("s:1").save(write_output(tmp_path / "out", files))
    listed = 0
    listdir = os.listdir

    def counted(path: int) -> list[str]:
        nonlocal listed
        listed += 1
        return listdir(path)

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(Directory, "move_in", refuse)
        patched.setattr(os, "listdir", counted)
        with pytest.raises(StateError, match="Input/output error"):
            job.stage("s:1").restore(tmp_path / "in")
    assert not (tmp_path / "in").exists()
    assert listed <= 4


@pytest.mark.parametrize("verb", ["restore", "propagate"])
def test_the_place_of_an_error_is_named(
    monkeypatch: pytest.MonkeyPatch, job: Job, tmp_path: Path, revisions: tuple[Path, Path], verb: str
) -> None:
    """A file's path, not the directory's alone: what cannot be told before the switch, a quota say."""
    target = tmp_path / "in"
    rename = os.rename

    def refuse(source: str, name: str, **options: int) -> None:
        if name == "b.tif":
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), source, None, name)
        rename(source, name, **options)

    def call() -> None:
        if verb == "restore":
            job.stage("s:1").restore(target)
        else:
            propagate(write_output(target, {"own.tif": b"own"}), [job.stage("s:1")])

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(StateError, match=r"in/sub/b\.tif: Invalid cross-device .* nothing there was changed"):
        call()
