"""What this machine lets us do for blocks that run side by side, found out by trying."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from up42_state.workflow.blocks.sandbox.process import Order, Process

__all__ = ["Isolation", "isolation"]

_WAYS: tuple[tuple[str, ...], ...] = (("mount", "process"), ("mount",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """What a block can get of its own.

    :param namespaces: some of ``mount`` and ``process``, see user_namespaces(7).
    :param problem: why there is no mount namespace; empty where there is one.
    """

    namespaces: tuple[str, ...]
    problem: str = ""

    @property
    def has_mounts(self) -> bool:
        """True if each block can have a ``/tmp`` of its own."""
        return "mount" in self.namespaces


@lru_cache(maxsize=1)  # it is a property of the machine
def isolation() -> Isolation:
    """Try which namespaces the kernel, and whatever this process is confined by, allow."""
    problem = ""
    for way in _WAYS:
        problem = _try(way)
        if not problem:
            return Isolation(namespaces=way)
    return Isolation(namespaces=(), problem=problem)


def _try(namespaces: tuple[str, ...]) -> str:
    """Return why the namespaces cannot be had; empty if they can."""
    with tempfile.TemporaryDirectory(prefix="up42-try-") as folder:
        tmp = {"tmp": folder, "shown": [], "writable": {}, "read_only": {"input": folder}}
        order = Order(command=None, environment={}, folder=Path(folder), namespaces=namespaces, tmp=tmp)
        with Process(order, scratch=Path(folder, "home")) as process:
            return str(process.wait().get("refused", ""))
