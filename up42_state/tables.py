"""Tables for notebooks: what lists and reports show of themselves as HTML. Every text in them is escaped."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

__all__ = ["Rows", "table"]

T = TypeVar("T")

_MOST_ROWS = 100
_MOST_COLUMNS = 12
_MOST_CHARACTERS = 80  # of a value


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
    text = "" if value is None else str(value)
    return escape(text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…")
