"""Write numbers of bytes for people."""

from __future__ import annotations

__all__ = ["size"]

_KIB = 1024


def size(count: int) -> str:
    """Return bytes in the largest unit that leaves at least 1: ``512 B``, ``3.1 MiB``."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < _KIB:
            return f"{count} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= _KIB
    return f"{number:.1f} TiB"
