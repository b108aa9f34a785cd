"""Write values for people."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unicodedata import combining, east_asian_width

from up42_state.units import size

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["moment", "plain", "size", "width"]


def plain(value: object) -> str:
    """Return text without control characters: names come from stores that anybody may have written to."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes: most East Asian characters take two."""
    if text.isascii():
        return len(text)
    return sum(0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text)


def moment(time: datetime) -> str:
    """Return a time in UTC, to the second, as RFC 3339 writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
