"""Write numbers of bytes and lengths of time for people."""

from __future__ import annotations

__all__ = ["lasting", "size"]

_KIB = 1024
_MINUTE = 60  # seconds of it, and minutes of an hour
_DAY = 24  # hours
_TENTHS = 10  # seconds below which tenths matter


def size(count: int) -> str:
    """Return bytes in the largest unit that leaves at least 1: ``512 B``, ``3.1 MiB``."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < _KIB:
            return f"{count} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= _KIB
    return f"{number:.1f} TiB"


def lasting(seconds: float) -> str:
    """Return a length of time in two units at most: ``0.4 s``, ``12 s``, ``3m05s``, ``1h02m``, ``2d03h``."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if 0 <= seconds < _TENTHS else f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), _MINUTE)
    if minutes < _MINUTE:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}h{minutes:02d}m" if hours < _DAY else f"{hours // _DAY}d{hours % _DAY:02d}h"
