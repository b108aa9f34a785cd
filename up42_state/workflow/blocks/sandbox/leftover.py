"""Find and kill the processes of a runner that was killed.

The kernel takes them down with their runner, as far as it can. Where it allows no process namespaces, and
runner and supervisor are killed at once, processes may be left. So each attempt's directory holds a note of
the supervisor. The processes of its session, and their descendants, are killed at the next start. The note
lies beside the directories that a container sees: what an image writes there must not have others killed.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.workflow.blocks.sandbox.tree import is_alive, kill_session, started

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["forget", "note", "sweep"]

NOTE = ".up42-process.json"


def note(attempt: Path, supervisor: int) -> None:
    """Write down in an attempt's directory which process is the supervisor, and who runs it."""
    text = json.dumps(
        {
            "boot": _boot(),
            "runner": [os.getpid(), started(os.getpid())],
            "supervisor": [supervisor, started(supervisor)],
        }
    )
    (attempt / NOTE).write_text(text)


def forget(attempt: Path) -> None:
    """Remove the note: the processes are gone."""
    with suppress(OSError):
        (attempt / NOTE).unlink()


def sweep(run: Path) -> list[int]:
    """Kill what dead runners have left; return the numbers of the killed processes.

    Attempts of runners that are alive are left alone.

    :param run: the directory that holds the directories of a run's attempts.
    """
    killed: list[int] = []
    for path in list(_notes(run)):
        with suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads(path.read_text())
            if found["boot"] == _boot() and is_alive(*found["runner"]):
                continue
            if found["boot"] == _boot() and not _is_another(*found["supervisor"]):
                killed += kill_session(found["supervisor"][0])
            path.unlink()
    return killed


def _is_another(pid: int, start: str) -> bool:
    """Return True if the number is a newer process's. A session outlives its first process."""
    now = started(pid)
    return bool(now) and now != start


def _notes(run: Path) -> Iterator[Path]:
    """Yield the notes of a run's attempts, and never what blocks have written deeper down."""
    for folder in (run, *run.iterdir()):
        if not folder.is_symlink() and (folder / NOTE).is_file():
            yield folder / NOTE


def _boot() -> str:
    """Return what tells this start of the machine from others (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
