"""HTML whose texts cannot become markup: what is not :class:`Html` is escaped when it is put in."""

from __future__ import annotations

import json
from html import escape
from typing import Any

__all__ = ["Html", "data_script", "join", "printable", "table", "tag"]

_LONGEST = 300  # characters of a text that comes from a store
_WHOLE = 10**9  # characters of an attribute: what comes from a store is short there
_EMPTY = frozenset(("circle", "meta", "path", "rect"))


class Html(str):
    """Markup that is ready to stand in a page."""

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """Return an element; children and attributes that are no :class:`Html` are escaped.

    :param attributes: ``class_`` is written ``class``, and ``_`` in a name ``-``; ``None`` leaves one out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(printable(value, _WHOLE))}"'
        for key, value in attributes.items()
        if value is not None
    )
    # The slash counts in SVG alone, where an element without it would hold all that follows.
    return Html(f"<{name}{written}/>" if name in _EMPTY else f"<{name}{written}>{join(*children)}</{name}>")


def join(*children: object) -> Html:
    """Return children one after the other; ``None`` is left out."""
    return Html(
        "".join(
            child if isinstance(child, Html) else escape(printable(child))
            for child in children
            if child is not None
        )
    )


def table(caption: str, columns: dict[str, str], rows: list[list[object]]) -> Html:
    """Return a table that scrolls by itself where it is too wide for the page.

    :param columns: headings, each with the class of its cells.
    """
    head = join(*(tag("th", name, scope="col", class_=kind or None) for name, kind in columns.items()))
    body = [
        tag(
            "tr",
            *(tag("td", cell, class_=kind or None) for cell, kind in zip(row, columns.values(), strict=True)),
        )
        for row in rows
    ]
    inner = tag("table", tag("caption", caption), tag("thead", tag("tr", head)), tag("tbody", *body))
    return tag("div", inner, class_="scroll", tabindex="0", role="region", aria_label=caption)


def printable(value: object, longest: int = _LONGEST) -> str:
    """Return text without control characters and direction marks, cut where it is longer than ``longest``.

    Names and properties come from stores that anybody may have written to.
    """
    text = value if isinstance(value, str) else str(value)
    if len(text) > longest:
        text = f"{text[:longest]}… ({len(text):,} characters)"
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in text
    )


def data_script(name: str, value: Any) -> Html:
    """Return a script element that holds JSON and is not run; nothing in the JSON can end the element."""
    text = json.dumps(value, separators=(",", ":"))
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Html(f'<script type="application/json" id="{name}">{text}</script>')
