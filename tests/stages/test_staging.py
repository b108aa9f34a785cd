"""The staging folder and its lock, beside others who come and go."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING

import pytest

from up42_state.errors import TargetConflictError
from up42_state.stages.local import staging
from up42_state.stages.local.staging import Staging

if TYPE_CHECKING:
    from pathlib import Path


def at_work(path: Path) -> Staging:
    """Somebody who restores into a directory that they made."""
    other = Staging(path, "restore")
    other.open()
    return other


@pytest.mark.parametrize("step", ["_make", "own_folder", "open", "flock"])
def test_somebody_finishes_while_we_come_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """Whatever they take away between two steps of ours is made anew, and the lock holds."""
    other = at_work(tmp_path / "in")
    place = {"open": os, "flock": staging.fcntl}.get(step, staging)
    original = getattr(place, step)

    def overtaken(*arguments: object, **options: object) -> object:
        nonlocal other
        monkeypatch.undo()
        done = original(*arguments, **options) if step != "flock" else None
        other.discard()
        other.close()
        return original(*arguments, **options) if step == "flock" else done

    monkeypatch.setattr(place, step, overtaken)
    ours = at_work(tmp_path / "in")
    ours.put("0", b"bytes")
    with pytest.raises(TargetConflictError, match="another process"):
        Staging(tmp_path / "in", "restore")
    ours.directory.move_in(ours.fd, "0", "a.tif")
    ours.remove()
    ours.close()
    assert {path.name: path.read_bytes() for path in (tmp_path / "in").iterdir()} == {"a.tif": b"bytes"}


def test_a_directory_that_takes_no_folder_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where what we make is never there, as below ``/proc``, we do not try for ever."""

    def never(_path: Path) -> Path:
        raise FileNotFoundError

    monkeypatch.setattr(staging, "own_folder", never)
    with pytest.raises(FileNotFoundError):
        Staging(tmp_path, "restore")


def test_many_come_and_go(tmp_path: Path) -> None:
    """Whoever comes in gets the directory to themselves, or is told that another is at work."""
    found: list[str] = []
    inside = threading.Semaphore(1)

    def come_and_go() -> None:
        for _ in range(200):
            try:
                ours = at_work(tmp_path / "in")
            except TargetConflictError:
                continue
            except OSError as error:
                found.append(repr(error))
                continue
            if not inside.acquire(blocking=False):
                found.append("two at once")
            else:
                inside.release()
            ours.discard()
            ours.close()

    threads = [threading.Thread(target=come_and_go) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == []


@pytest.mark.parametrize("runs", [[], [b""], [b"one ", memoryview(b"and"), b" another"]])
def test_a_file_is_written_in_runs(tmp_path: Path, runs: list[bytes]) -> None:
    """A file of any number of runs is there as a whole, and its digest is that of its bytes."""
    ours = at_work(tmp_path)
    digest = ours.put_runs("data.json", runs)
    ours.close()
    written = (tmp_path / ".up42_state" / "restore" / "data.json").read_bytes()
    assert (written, hashlib.sha256(written).hexdigest()) == (b"".join(runs), digest)
