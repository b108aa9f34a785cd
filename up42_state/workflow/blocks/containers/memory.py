"""What the kernel counts of a container's memory: the most that was used, and processes killed for the limit.

Docker says whether a container ran out of memory. Podman 4.3.1 did not; later versions do, and not always. So
the kernel is asked, too, in the container's control group, which goes with the container.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Self

__all__ = ["MemoryGroup"]

_ROOT = Path("/sys/fs/cgroup")
# Of version 2 and version 1 of control groups; where the kernel keeps no peak, the present size is looked at.
_PEAKS = ("memory.peak", "memory.max_usage_in_bytes", "memory.current")
_KILLS = ("memory.events", "memory.oom_control")


class MemoryGroup:
    """The control group of a container.

    :param folder: its directory.
    """

    def __init__(self, folder: Path) -> None:
        self._peak_file = next((file for name in _PEAKS if (file := folder / name).exists()), None)
        self._kills_file = next((file for name in _KILLS if (file := folder / name).exists()), None)
        self.peak: int | None = None
        self.has_killed = False

    @classmethod
    def of(
        cls, container: str, pid: int, *, processes: Path = Path("/proc"), root: Path = _ROOT
    ) -> Self | None:
        """Find a container's control group; return ``None`` if it cannot be read here.

        :param container: the whole id.
        :param pid: the container's first process, as the engine says; it may be one of another machine.
        """
        with suppress(OSError):
            for line in (processes / str(pid) / "cgroup").read_text().splitlines():
                _, controllers, path = line.split(":", 2)
                if container not in path:
                    continue  # a process of something else
                of_memory = "memory" if "memory" in controllers.split(",") else ""
                folder = root / of_memory / path[1:]
                if any((folder / name).exists() for name in _PEAKS):
                    return cls(folder)
        return None

    def look(self) -> None:
        """Read both counters; what was read before stays where they are gone."""
        with suppress(OSError, ValueError):
            if self._peak_file is not None:
                self.peak = max(self.peak or 0, int(self._peak_file.read_text()))
        with suppress(OSError):
            if self._kills_file is not None and not self.has_killed:
                counts = dict(line.split() for line in self._kills_file.read_text().splitlines())
                self.has_killed = counts.get("oom_kill", "0") != "0"
