"""How values are written for people."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["moment", "plain", "size", "width"]

_KIB = 1024


def plain(value: object) -> str:
    """Text in which nothing steers the terminal: names come from stores that anybody may have written to."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def width(text: str) -> int:
    """How many columns of a terminal a text takes: most East Asian characters take two."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def size(count: int) -> str:
    """Bytes in the largest unit that leaves at least 1: ``512 B``, ``3.1 MiB``."""
    number = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < _KIB:
            return f"{count} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= _KIB
    return f"{number:.1f} TiB"


def moment(time: datetime) -> str:
    """A time in UTC, to the second, as RFC 3339 writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
