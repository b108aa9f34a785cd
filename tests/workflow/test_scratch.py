"""The directories of runs: what is removed, and what is never touched."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from doubles.users import NOBODY, nobody

from up42_state.errors import SettingsError
from up42_state.workflow.blocks.sandbox.leftover import NOTE
from up42_state.workflow.blocks.sandbox.tree import started
from up42_state.workflow.scratch import Scratch
from up42_state.workflow.scratch import _is_ours as is_ours
from up42_state.workflow.scratch import _lock_of as lock_of


def test_directories_that_are_called_as_runs_are(tmp_path: Path) -> None:
    """What a user calls ``run-…`` stays, be it a directory, a link or a file."""
    (tmp_path / "run-2024-05").mkdir()
    (tmp_path / "run-2024-05" / "results.csv").touch()
    (tmp_path / "run-notes.txt").touch()
    (tmp_path / "elsewhere").mkdir()
    lock_of(tmp_path / "run-link").touch()
    (tmp_path / "run-link").symlink_to(tmp_path / "elsewhere")
    with Scratch(tmp_path):
        pass
    assert (tmp_path / "run-2024-05" / "results.csv").exists()
    assert (tmp_path / "run-notes.txt").exists()
    assert (tmp_path / "run-link").is_symlink()
    assert (tmp_path / "elsewhere").exists()


def test_a_runner_that_was_killed_between_two_steps(tmp_path: Path) -> None:
    """The lock comes before the directory and goes after it: whatever is left, the next run removes."""
    place = tmp_path / "scratch"
    place.mkdir()
    lock_of(place / "run-early").touch()
    lock_of(place / "run-late").touch()
    (place / "run-late" / "a-1.1" / "input").mkdir(parents=True)
    with Scratch(place) as scratch:
        assert set(place.iterdir()) == {scratch.root, lock_of(scratch.root)}
    assert list(place.iterdir()) == []


def test_what_was_to_be_kept(tmp_path: Path) -> None:
    """It stays when its run ends, and when later ones look for what dead runners have left."""
    place = tmp_path / "scratch"
    with Scratch(place) as scratch:
        scratch.folder("a:1.1")
        scratch.keep()
    with Scratch(place):
        pass
    assert list(place.iterdir()) == [scratch.root]
    assert (scratch.root / "a-1.1" / "input").is_dir()


def test_directories_of_another_user_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a directory that users share, only this user's own runs are swept."""
    run = tmp_path / "run-1"
    run.mkdir()
    lock_of(run).touch()
    assert is_ours(run)
    monkeypatch.setattr(os, "geteuid", lambda: run.stat().st_uid + 1)
    assert not is_ours(run)


def test_a_link_that_another_user_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link in the place of the scratch directory is refused if another user made it."""
    link = tmp_path / "scratch"
    (tmp_path / "mine").mkdir()
    link.symlink_to(tmp_path / "mine")
    with Scratch(link):
        pass
    fields = list(link.lstat())
    fields[stat.ST_UID] = NOBODY
    monkeypatch.setattr(Path, "lstat", lambda _: os.stat_result(fields))
    with pytest.raises(SettingsError, match="belongs to another user"), Scratch(link):
        pass


@pytest.mark.parametrize("mode", [0o000, 0o555])
def test_directories_that_a_block_has_closed(mode: int) -> None:
    """An ordinary user removes what lies in directories without rights, and links lead nowhere."""
    with tempfile.TemporaryDirectory(dir="/tmp") as place:  # pytest's own are closed to other users
        home = Path(place)
        home.chmod(0o777)
        kept = home / "kept"
        with nobody(), Scratch(home / "scratch") as scratch:
            kept.mkdir(mode=mode)
            folder = scratch.folder("a:1.1")
            (folder.output / "closed" / "inner").mkdir(parents=True)
            (folder.output / "closed" / "file").touch()
            (folder.output / "link").symlink_to(kept)
            (folder.output / "closed").chmod(mode)
            folder.output.chmod(mode)
            folder.remove()
            assert not folder.root.exists()
        assert kept.stat().st_mode & 0o777 == mode


def test_a_note_in_a_directory_that_blocks_write_to(tmp_path: Path) -> None:
    """What a block writes into its home and its output has no process killed at the next start."""
    dead = tmp_path / "run-dead"
    with subprocess.Popen(["sleep", "86395.5"], start_new_session=True) as other:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        forged = json.dumps({"boot": boot, "runner": [1, "1"], "supervisor": [other.pid, started(other.pid)]})
        for place in ("home", "home/inner", "output", "quicklooks", "input"):
            (dead / "a-1.1" / place).mkdir(parents=True, exist_ok=True)
            (dead / "a-1.1" / place / NOTE).write_text(forged)
        lock_of(dead).touch()
        with Scratch(tmp_path):
            pass
        died = other.poll()
        other.kill()
    assert died is None
    assert not dead.exists()
