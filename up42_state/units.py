"""Write sizes, counts and lengths of time for people, and read what people write of sizes and times."""

from __future__ import annotations

import re

__all__ = ["counted", "lasting", "read_size", "seconds", "size"]

_KIB = 1024
_MINUTE = 60  # seconds of it, and minutes of an hour
_DAY = 24  # hours
_TENTHS = 10  # seconds below which tenths matter
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": _KIB, "MIB": _KIB**2, "GIB": _KIB**3}


def read_size(text: str) -> int:
    """Return bytes from text such as ``8MiB`` (1024 × 1024) or ``1MB`` (1000 × 1000).

    :raises ValueError: the text is no size; the message does not quote it.
    """
    match = re.fullmatch(r"([0-9]+)\s*([a-zA-Z]*)", text)
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError("is not a size; write bytes, or a whole number with kB, KiB, MB, MiB, GB or GiB")
    return int(match[1]) * _UNITS[match[2].upper()]


def size(count: int) -> str:
    """Return bytes in the largest unit that leaves at least 1: ``512 B``, ``3.1 MiB``."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < _KIB:
            return f"{count} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= _KIB
    return f"{number:.1f} TiB"


def counted(number: int, noun: str) -> str:
    """Return a number of things with the name of one of them: ``1 file``, ``1,000 files``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def seconds(text: str) -> int:
    """Return the seconds that a text such as ``90s``, ``30m``, ``24h`` or ``7d`` stands for.

    :raises ValueError: the text is no time.
    """
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if match is None:
        raise ValueError(f"{text!r} is not a time such as 30m, 24h or 7d")
    return int(match[1]) * _SECONDS[match[2]]


def lasting(seconds: float) -> str:
    """Return a length of time in two units at most: ``0.4 s``, ``12 s``, ``3m05s``, ``1h02m``, ``2d03h``."""
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if 0 <= seconds < _TENTHS else f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), _MINUTE)
    if minutes < _MINUTE:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}h{minutes:02d}m" if hours < _DAY else f"{hours // _DAY}d{hours % _DAY:02d}h"
