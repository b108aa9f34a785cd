"""Write results to stdout: tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

import click

from up42_state.cli.text import plain, width
from up42_state.secrets.redaction import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from up42_state.cli.common import Common

__all__ = ["Table", "facts", "print_result", "write_bytes", "write_text"]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table for people.

    :param columns: the headings of the columns; none for a list of facts.
    :param right: headings of the columns that are aligned on the right.
    """

    columns: tuple[str, ...] = ()
    rows: Sequence[Sequence[object]]
    right: frozenset[str] = frozenset()


def facts(values: Mapping[str, object]) -> Table:
    """Return a table with a name and a value a line; values that say nothing are left out."""
    return Table(rows=[(name, value) for name, value in values.items() if value not in ("", None)])


def print_result(common: Common, value: Any, *tables: Table) -> None:
    """Print a result: ``value`` as JSON if ``--json`` was given, otherwise the tables.

    A row is one line even if it is longer than the terminal is wide, so that ``grep`` and ``cut`` can work on
    it. A table of rich would wrap or cut it, and take 30 ms to load and 0.2 ms a row.
    """
    if common.json:
        write_text(json.dumps(value, indent=2) + "\n")
    else:
        write_text("\n".join(_render(table) for table in tables if table.rows))


def _render(table: Table) -> str:
    """Return the table as text, without columns that are empty in every row."""
    columns = zip(*([plain(cell) for cell in row] for row in table.rows), strict=True)
    headings = table.columns or repeat("")
    padded = [
        _pad([heading.upper(), *cells], right=heading in table.right)
        for heading, cells in zip(headings, columns, strict=False)
        if any(cells)
    ]
    first, *lines = ("  ".join(cells).rstrip() for cells in zip(*padded, strict=True))
    if table.columns:
        lines.insert(0, click.style(first, bold=True))  # plain again where stdout is no terminal
    return "".join(f"{line}\n" for line in lines)


def _pad(cells: Sequence[str], *, right: bool) -> list[str]:
    """Return the cells of a column, all as wide as the widest."""
    most = max(map(width, cells))
    spaces = [" " * (most - width(cell)) for cell in cells]
    return [space + cell if right else cell + space for cell, space in zip(cells, spaces, strict=True)]


def write_text(text: str) -> None:
    """Write text to stdout, without secrets. It is no error if the reader has gone (``| head``)."""
    try:
        click.echo(without_secrets(text), nl=False)
    except BrokenPipeError:
        _forget_stdout()


def write_bytes(chunks: Iterable[bytes | memoryview]) -> None:
    """Write bytes to stdout as they are; on a terminal without what would steer the terminal.

    It is no error if the reader has gone.
    """
    try:
        sys.stdout.flush()
        for chunk in chunks:
            sys.stdout.buffer.write(_harmless(chunk) if sys.stdout.isatty() else chunk)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _forget_stdout()


def _harmless(chunk: bytes | memoryview) -> bytes:
    text = bytes(chunk).decode(errors="backslashreplace")
    return "\n".join(plain(line.expandtabs()) for line in text.split("\n")).encode(errors="backslashreplace")


def _forget_stdout() -> None:
    """Lead stdout nowhere: Python flushes it once more when it ends, and would complain then."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
