"""Say in words how a block ended: what is known, and no more than that."""

from __future__ import annotations

import errno
import os
import signal
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from up42_state.units import size
from up42_state.workflow.blocks.work import Ending

if TYPE_CHECKING:
    from collections.abc import Iterable

    from up42_state.workflow.blocks.sandbox.process import Watch
    from up42_state.workflow.blocks.work import Work

__all__ = ["MemoryKills", "ending_of", "full_disks", "not_started", "signal_name"]

_FULL = 64 * 1024  # bytes; with less, hardly any file can be written
_LONGEST_LINE = 256  # bytes; longer first lines of scripts Linux does not read
_GROUPS = Path("/sys/fs/cgroup")


class MemoryKills:
    """Counts what the kernel killed for want of memory, since it was made.

    A control group counts its own (cgroup-v2, "memory.events"; v1, "memory.oom_control"), the kernel all of
    the machine (``/proc/vmstat``).
    """

    def __init__(self) -> None:
        self._own, self._all = _kills_in(_own_groups()), _kills_in([Path("/proc/vmstat")])

    @property
    def hit_our_group(self) -> bool:
        """True if a process of our own control group was killed."""
        return _kills_in(_own_groups()) > self._own

    @property
    def hit_something(self) -> bool:
        """True if some process of this machine was killed."""
        return _kills_in([Path("/proc/vmstat")]) > self._all


def ending_of(work: Work, watch: Watch, message: dict[str, Any], kills: MemoryKills) -> Ending:
    """Say how a command ended.

    :param message: what its supervisor has reported.
    """
    peak = message.get("peak") or None
    status = os.waitstatus_to_exitcode(message.get("status", signal.SIGKILL))
    code = status if status >= 0 else None
    number = -status if status < 0 else None
    if message.get("ended_by") == "memory":
        limit = size(work.resources.memory or 0)
        return Ending(reason="out of memory", text=f"out of memory (limit {limit})", peak_memory=peak)
    if watch.asked == "timeout":
        text = f"timed out after {work.timeout:g} s"
        return Ending(reason="timeout", text=text, exit_code=code, signal=number, peak_memory=peak)
    if watch.asked == "stopped":
        return Ending(reason="stopped", text="stopped", exit_code=code, signal=number, peak_memory=peak)
    if code == 0:
        return Ending(reason="done", text="done", exit_code=0, peak_memory=peak)
    if kills.hit_our_group and (number == signal.SIGKILL or code == 128 + signal.SIGKILL):
        text = "out of memory: the kernel killed a process of the block"
        return Ending(reason="out of memory", text=text, exit_code=code, signal=number, peak_memory=peak)
    text = _failure(code, number, kills) + full_disks((work.output, work.scratch))
    return Ending(
        reason="exit code" if number is None else "signal",
        text=text,
        exit_code=code,
        signal=number,
        peak_memory=peak,
    )


def _failure(code: int | None, number: int | None, kills: MemoryKills) -> str:
    if code is not None:
        text, number = f"exit code {code}", code - 128 if code > 128 else 0
        if name := signal_name(number):  # as shells tell it
            text += f" (which shells give for a program killed by {name})"
    else:
        text = f"killed by {signal_name(number or 0)}"
    if number == signal.SIGKILL:
        text += (
            "; the kernel's memory killer was at work at that time"
            if kills.hit_something
            else "; somebody killed it, or the kernel did, for want of memory"
        )
    return text


def not_started(command: str, number: int, place: str, folder: Path) -> Ending:
    """Say why a command could not be started, and what to do.

    :param number: the system's error number.
    :param place: ``program``, or ``folder`` for the directory that it starts in.
    """
    problem = _problem(command, number, place, folder)
    return Ending(reason="not started", text=f"not started: {problem}")


def _named(script: Path) -> str:
    """The interpreter that a script's first line names, and what is wrong with that line."""
    try:
        with script.open("rb") as file:
            line = file.readline(_LONGEST_LINE)
    except OSError:
        return ""
    if not line.startswith(b"#!"):
        return ""
    windows = ": its lines end as on Windows (sed -i 's/\\r$//' mends them)" if b"\r" in line else ""
    return f", {line[2:].decode(errors='replace').strip()}{windows}"


def _problem(command: str, number: int, place: str, folder: Path) -> str:
    if place != "program":
        return f"{folder} cannot be entered: {os.strerror(number)}"
    if number in (errno.ENOENT, errno.ENOTDIR):
        if "/" in command and (folder / command).exists():
            named = _named(folder / command)
            return f"{command} is there, but not the interpreter that its first line names{named}"
        if "/" not in command and (folder / command).is_file():
            return f"{command} was not found on PATH; for the file in the block's folder write ./{command}"
        return f"{command} was not found" + ("" if "/" in command else " on PATH")
    if number == errno.EACCES:
        return f"{command} is not executable (chmod +x makes it so)"
    if number == errno.ENOEXEC:
        return f"{command} is no program, and has no first line that names an interpreter (#!)"
    if number == errno.E2BIG:
        return f"the arguments and variables of {command} are longer than the system takes"
    return f"{command} cannot be executed: {os.strerror(number)}"


def full_disks(places: Iterable[Path]) -> str:
    """Return a remark if a disk is full, which a block's exit code does not tell; else an empty text."""
    for place in places:
        with suppress(OSError):
            found = os.statvfs(place)
            free = found.f_bfree if os.geteuid() == 0 else found.f_bavail
            if free * found.f_frsize < _FULL:
                return f"; the disk of {place} is full"
            if found.f_files and not found.f_ffree:
                return f"; the disk of {place} can take no more files (no inodes are left)"
    return ""


def signal_name(number: int) -> str:
    """Return ``SIGSEGV`` for 11; empty for a number that is no signal's."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}" if 0 < number <= signal.SIGRTMAX else ""


@lru_cache(maxsize=1)
def _own_groups() -> list[Path]:
    """Return the files that count this process's control group's kills, of either version (cgroups(7))."""
    found = []
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if "memory" in controllers.split(","):
                root, file = _GROUPS / "memory", "memory.oom_control"
            else:
                root, file = _GROUPS, "memory.events"
            # In a container the group may be mounted as the root of all.
            found += [root / path.lstrip("/") / file, root / file]
    return found


def _kills_in(files: list[Path]) -> int:
    """Return the ``oom_kill`` that the first file which has it gives; 0 if none has."""
    for file in files:
        with suppress(OSError, ValueError):
            for line in file.read_text().splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill":
                    return int(value)
    return 0
