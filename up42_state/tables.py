"""Tables for notebooks: what lists and reports show of themselves as HTML. Every text in them is escaped."""

from __future__ import annotations

import re
from html import escape
from reprlib import Repr
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["Rows", "table"]

T = TypeVar("T")

_MOST_ROWS = 100
_MOST_COLUMNS = 12
_MOST_CHARACTERS = 80  # of a value

# Control characters, which have no place in HTML, those that turn the direction of text around, and lone
# surrogates, which have no bytes to be sent as.
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Rows(list[T]):
    """A list that a notebook shows as a table.

    :param items: the members of the list.
    :param row: gives the cells of a member by the names of their columns.
    """

    def __init__(self, items: Iterable[T], row: Callable[[T], Mapping[str, object]]) -> None:
        super().__init__(items)
        self._row = row

    def _repr_html_(self) -> str:
        return table(list(map(self._row, self[:_MOST_ROWS])), len(self))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle a plain list: which table it was shown as does not travel."""
        return list, (list(self),)


def table(rows: Sequence[Mapping[str, object]], count: int | None = None) -> str:
    """Render rows as an HTML table; the first hundred rows and the first twelve columns of them.

    :param rows: cells by the names of their columns; a row may lack some.
    :param count: how many rows there are, if ``rows`` are only the first ones.
    """
    shown = rows[:_MOST_ROWS]
    columns = list(dict.fromkeys(name for row in shown for name in row))
    kept = columns[:_MOST_COLUMNS]
    head = _line("th", kept)
    body = "".join(_line("td", [row.get(name) for name in kept]) for row in shown)
    left = [
        f"{number} more {what}"
        for what, number in (
            ("rows", (len(rows) if count is None else count) - len(shown)),
            ("columns", len(columns) - len(kept)),
        )
        if number > 0
    ]
    note = f"<caption>and {' and '.join(left)}</caption>" if left else ""
    return f"<table>{note}<thead>{head}</thead><tbody>{body}</tbody></table>"


def _line(kind: str, cells: Iterable[object]) -> str:
    return f"<tr>{''.join(f'<{kind}>{_text(cell)}</{kind}>' for cell in cells)}</tr>"


def _text(value: object) -> str:
    text = "" if value is None else _shown(value)
    short = text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
    return escape(_UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", short))


def _shown(value: object) -> str:
    """The text of a value; of a large list or object only what is shown, as the whole takes seconds."""
    if not isinstance(value, (list, tuple, dict)):
        return str(value)
    short = Repr()
    short.maxlist = short.maxtuple = short.maxdict = short.maxstring = short.maxother = _MOST_CHARACTERS
    short.maxlevel = 4
    return short.repr(value)
