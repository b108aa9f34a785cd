"""Processes and their descendants, as ``/proc`` shows them (proc(5))."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from contextlib import suppress

__all__ = ["descendants", "is_alive", "kill_session", "memory_of", "private_memory_of", "started"]

# A kernel may be built without (CONFIG_PROC_CHILDREN), and gVisor has none.
_TELLS_CHILDREN = os.path.exists(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def descendants(pid: int) -> list[int]:
    """Return all processes below a process, parents before their children."""
    children_of = _children if _TELLS_CHILDREN else _all_children().__getitem__
    found: list[int] = []
    waiting = [pid]
    while waiting:
        children = children_of(waiting.pop())
        found += children
        waiting += children
    return found


def _all_children() -> dict[int, list[int]]:
    """Return the children of every process of the machine, for a kernel that does not tell them of each."""
    found: dict[int, list[int]] = defaultdict(list)
    for pid in _all():
        if fields := _stat(pid):
            found[int(fields[1])].append(pid)
    return found


def _all() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):  # each thread has children of its own
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                found += map(int, file.read().split())
    return found


def memory_of(pids: list[int]) -> int:
    """Return the bytes that processes have in memory; what several share is counted several times."""
    return sum(map(_resident, pids))


def private_memory_of(pids: list[int]) -> int:
    """Return the bytes that processes have in memory; what several share is divided among them (PSS)."""
    return sum(map(_proportional, pids))


def _resident(pid: int) -> int:
    with suppress(OSError, IndexError), open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * _PAGE
    return 0


def _proportional(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except FileNotFoundError:
        return 0
    except OSError:  # a process that has raised its rights may not be looked at
        return _resident(pid)
    return 0


def started(pid: int) -> str:
    """Return when a process was started, in ticks since the machine was; empty if there is no such process.

    Numbers of processes are used again; with the start time they tell a process from all others.
    """
    fields = _stat(pid)
    return fields[19] if fields and fields[0] not in "ZX" else ""


def is_alive(pid: int, start: str) -> bool:
    """Return True if the process that was started then is still there."""
    return bool(start) and started(pid) == start


def kill_session(session: int) -> list[int]:
    """Kill all processes of a session and their descendants; return their numbers."""
    members = [pid for pid in _all() if (fields := _stat(pid)) and int(fields[3]) == session]
    killed = sorted({*members, *(below for pid in members for below in descendants(pid))})
    for pid in killed:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return killed


def _stat(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the state on; the name before it may hold anything."""
    with suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
        return file.read().rpartition(b") ")[2].decode().split()
    return []
