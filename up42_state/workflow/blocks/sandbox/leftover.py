"""Find and kill the processes of a runner that was killed.

The kernel takes them down with their runner, as far as it can. Where it allows no process namespaces, and
runner and supervisor are killed at once, processes may be left. So each attempt's scratch directory holds a
note of the supervisor. The processes of its session, and their descendants, are killed at the next start.
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
_DEEPEST = 3  # levels below a scratch root in which an attempt's scratch may lie
_FILLED_BY_BLOCKS = frozenset(("input", "output", "quicklooks", "tmp"))


def note(scratch: Path, supervisor: int) -> None:
    """Write down which process is the supervisor, and who runs it."""
    text = json.dumps(
        {
            "boot": _boot(),
            "runner": [os.getpid(), started(os.getpid())],
            "supervisor": [supervisor, started(supervisor)],
        }
    )
    (scratch / NOTE).write_text(text)


def forget(scratch: Path) -> None:
    """Remove the note: the processes are gone."""
    with suppress(OSError):
        (scratch / NOTE).unlink()


def sweep(scratch_root: Path) -> list[int]:
    """Kill what dead runners have left; return the numbers of the killed processes.

    Attempts of runners that are alive are left alone.

    :param scratch_root: a directory below which the scratch directories of attempts lie.
    """
    killed: list[int] = []
    for path in list(_notes(scratch_root)):
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


def _notes(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        is_found = NOTE in names
        if is_found:
            yield Path(folder, NOTE)
        if is_found or len(Path(folder).relative_to(root).parts) >= _DEEPEST:
            folders.clear()
        folders[:] = [name for name in folders if name not in _FILLED_BY_BLOCKS]


def _boot() -> str:
    """Return what tells this start of the machine from others (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
