"""Results on stdout: tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from up42_state.cli.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from up42_state.cli.common import Common

__all__ = ["Table", "facts", "print_result"]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows for people.

    :param columns: their headings; none for a list of facts.
    :param right: headings of the columns that are aligned on the right.
    """

    columns: tuple[str, ...] = ()
    rows: Sequence[Sequence[object]]
    right: frozenset[str] = frozenset()


def facts(values: Mapping[str, object]) -> Table:
    """Names and values below each other; values that say nothing are left out."""
    return Table(rows=[(name, value) for name, value in values.items() if value not in ("", None)])


def print_result(common: Common, value: Any, *tables: Table) -> None:
    """Print a result: ``value`` as JSON where it was asked for, the tables otherwise.

    A table that goes to a pipe is plain text, one row a line, nothing wrapped or cut.
    """
    if common.json:
        _write(json.dumps(value, indent=2) + "\n")
        return
    shown = [table for table in tables if table.rows]
    if sys.stdout.isatty():
        from up42_state.cli.terminal import render
    else:
        render = _render
    _write("\n".join(render(table) for table in shown))


def _render(table: Table) -> str:
    rows = [[plain(cell) for cell in row] for row in table.rows]
    if table.columns:
        rows.insert(0, [heading.upper() for heading in table.columns])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = [heading in table.right for heading in table.columns] or [False] * len(widths)
    return "".join(f"{line}\n" for line in _lines(rows, widths, right))


def _lines(rows: Iterable[Sequence[str]], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    for row in rows:
        cells = zip(row, widths, right, strict=True)
        yield "  ".join(
            cell.rjust(width) if aligned else cell.ljust(width) for cell, width, aligned in cells
        ).rstrip()


def _write(text: str) -> None:
    """Write to stdout. A reader that went away (``| head``) is no error."""
    try:
        click.echo(text, nl=False)
    except BrokenPipeError:
        # Python flushes stdout once more when it ends, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
