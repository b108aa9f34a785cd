"""The digest of a folder: what it holds counts, and where and when does not."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from up42_state.machine import digests
from up42_state.machine.digests import file_digest, folder_digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "folder"
    (place / "src").mkdir(parents=True)
    (place / "run.py").write_text("run")
    (place / "src/lib.py").write_text("lib")
    (place / "link.py").symlink_to("run.py")
    return place


def test_it_is_the_same_elsewhere_and_later(folder: Path, tmp_path: Path) -> None:
    """A copy in another directory has the same digest."""
    shutil.copytree(folder, tmp_path / "copy", symlinks=True)
    os.utime(tmp_path / "copy/run.py", (1, 1))
    assert folder_digest(folder) == folder_digest(tmp_path / "copy")


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda place: (place / "src/lib.py").write_text("lob"),
    "name": lambda place: (place / "run.py").rename(place / "ran.py"),
    "a file more": lambda place: (place / "more").write_text(""),
    "a file less": lambda place: (place / "src/lib.py").unlink(),
    "executable": lambda place: (place / "run.py").chmod(0o755),
    "a link elsewhere": lambda place: (place / "dead").symlink_to("nowhere"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_the_files_hold_counts(folder: Path, change: str) -> None:
    """Names, bytes, executable bits and links."""
    before = folder_digest(folder)
    CHANGES[change](folder)
    assert folder_digest(folder) != before


def test_a_link_counts_as_its_file(folder: Path, tmp_path: Path) -> None:
    """Kubernetes mounts a file as a link to a hidden folder that changes under it."""
    target = tmp_path / "target"
    target.write_text("one")
    (folder / "mounted").symlink_to(target)
    before = folder_digest(folder)
    target.write_text("two")
    assert folder_digest(folder) != before


def test_what_tools_make_does_not_count(folder: Path) -> None:
    """Hidden files, bytecode, packages of Node, virtual environments."""
    before = folder_digest(folder)
    for name in (".git/HEAD", "__pycache__/x.pyc", "node_modules/x/index.js", "venv/pyvenv.cfg", "a.pyc"):
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text("x")
    assert folder_digest(folder) == before


def test_what_is_told_does_not_count(folder: Path) -> None:
    """Directories and files that are no code, by whatever name."""
    before = folder_digest(folder)
    (folder / "out").mkdir()
    (folder / "out/data.json").write_text("{}")
    (folder / "log.txt").write_text("x")
    assert folder_digest(folder, besides=[folder / "src/../out", folder / "log.txt"]) == before


def test_a_circle_of_links_ends(folder: Path) -> None:
    """A link to a directory counts as the text that it holds."""
    (folder / "src/up").symlink_to("..")
    assert folder_digest(folder)


def test_what_is_no_file_is_not_read(folder: Path) -> None:
    """A pipe would block for ever."""
    os.mkfifo(folder / "pipe")
    assert folder_digest(folder)


@pytest.mark.parametrize("limit", ["MOST_FILES", "MOST_BYTES"])
def test_a_bounded_digest_gives_up(folder: Path, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of data is not read; without the bound it is."""
    monkeypatch.setattr(digests, limit, 1)
    assert folder_digest(folder, bounded=True) == ""
    assert folder_digest(folder)


def test_what_cannot_be_read_is_an_error(folder: Path) -> None:
    """The caller decides what that means."""
    with pytest.raises(OSError, match="gone"):
        folder_digest(folder / "gone")
    with pytest.raises(OSError, match="gone"):
        file_digest(folder / "gone")
