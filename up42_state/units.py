"""Write numbers of bytes for people, and read what people write of bytes and times."""

from __future__ import annotations

import re

__all__ = ["byte_count", "seconds", "size"]

_KIB = 1024
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_STEPS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def size(count: int) -> str:
    """Return bytes in the largest unit that leaves at least 1: ``512 B``, ``3.1 MiB``."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < _KIB:
            return f"{count} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= _KIB
    return f"{number:.1f} TiB"


def byte_count(text: str) -> int:
    """Return the bytes that a text such as ``512MiB``, ``4 GiB`` or ``2GB`` stands for.

    :raises ValueError: the text is no size.
    """
    match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?([kKMGT]?)(i?)B", text)
    if match is None or (match[3] and not match[2]):
        raise ValueError(f"{text!r} is no size such as 512MiB or 4GiB")
    base = _KIB if match[3] else 1000
    return int(float(match[1]) * base ** _STEPS[match[2].lower()])


def seconds(text: str) -> int:
    """Return the seconds that a text such as ``90s``, ``30m``, ``24h`` or ``7d`` stands for.

    :raises ValueError: the text is no time.
    """
    match = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if match is None:
        raise ValueError(f"{text!r} is not a time such as 30m, 24h or 7d")
    return int(match[1]) * _SECONDS[match[2]]
