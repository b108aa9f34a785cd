"""Trees of any depth are read and removed, and nothing outside of them is."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from doubles.deep import nest

from up42_state.errors import StateError
from up42_state.machine import trees
from up42_state.machine.trees import everything, remove_below, remove_tree

if TYPE_CHECKING:
    from pathlib import Path

DEEP = 3000  # levels: deeper than Python recurses, with more of them than files may be open


def test_a_very_deep_tree_is_read_and_removed(tmp_path: Path) -> None:
    """No recursion, no path longer than the system takes, and few open files, whatever the depth."""
    nest(tmp_path / "x", "d" * 20, DEEP, "end")
    found = list(everything(tmp_path / "x"))
    assert len(found) == DEEP + 1
    assert found[-1][0].endswith("d/end")
    remove_tree(tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_everything_is_named_directories_before_what_is_in_them(tmp_path: Path) -> None:
    """Links are named and not followed."""
    (tmp_path / "x" / "b").mkdir(parents=True)
    (tmp_path / "x" / "b" / "f").touch()
    (tmp_path / "x" / "a").touch()
    (tmp_path / "x" / "c").symlink_to(tmp_path)
    found = list(everything(tmp_path / "x"))
    assert [path for path, _ in found] == ["a", "b", "b/f", "c"]
    assert [stat.S_ISDIR(status.st_mode) for _, status in found] == [False, True, False, False]
    assert [path for path, _ in everything(tmp_path / "x", without={"b", "f"})] == ["a", "c"]


def test_what_is_removed_is_below_and_nothing_else(tmp_path: Path) -> None:
    """The directory itself stays, and so does what links in it lead to."""
    kept = tmp_path / "kept"
    (kept / "deep").mkdir(parents=True)
    (kept / "deep" / "file").touch()
    (tmp_path / "x" / "y").mkdir(parents=True)
    (tmp_path / "x" / "link").symlink_to(kept)
    (tmp_path / "x" / "y" / "link").symlink_to(kept / "deep")
    (tmp_path / "x" / "y" / "pipe").touch()
    (tmp_path / "x" / "mine").mkdir()
    remove_below(tmp_path / "x", keep="mine")
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["mine"]
    assert (kept / "deep" / "file").exists()


def test_what_is_not_there_is_removed_already(tmp_path: Path) -> None:
    """Files and links go alone."""
    remove_tree(tmp_path / "nothing")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "kept").touch()
    remove_tree(tmp_path / "link")
    remove_tree(tmp_path / "kept")
    assert list(tmp_path.iterdir()) == []


def test_a_link_that_is_planted_meanwhile_leads_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that becomes a link between being seen and being entered is not entered."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    (tmp_path / "x" / "y").mkdir(parents=True)
    look = trees._without_files

    def plant(fd: int, keep: str = "") -> list[str]:
        found = look(fd, keep)
        if found:
            (tmp_path / "x" / "y").rmdir()
            (tmp_path / "x" / "y").symlink_to(kept)
        return found

    monkeypatch.setattr(trees, "_without_files", plant)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        remove_below(tmp_path / "x")
    assert (kept / "file").exists()


def test_a_directory_that_is_moved_meanwhile_takes_nobody_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The way back up leads to where one came from, or ends."""
    (tmp_path / "x" / "y" / "z").mkdir(parents=True)
    (tmp_path / "elsewhere" / "z").mkdir(parents=True)
    look = trees._without_files

    def move(fd: int, keep: str = "") -> list[str]:
        found = look(fd, keep)
        if found == ["z"]:
            (tmp_path / "x" / "y").rename(tmp_path / "elsewhere" / "y")
        return found

    monkeypatch.setattr(trees, "_without_files", move)
    with pytest.raises(StateError, match="moved elsewhere"):
        remove_below(tmp_path / "x")
    assert (tmp_path / "elsewhere" / "z").exists()
