"""Results on stdout: tables for people, JSON for programs."""

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
    from collections.abc import Mapping, Sequence

    from up42_state.cli.common import Common

__all__ = ["Table", "facts", "print_result", "write_text"]


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

    A row is one line, also where it is longer than the terminal is wide: nothing is wrapped or cut.
    """
    if common.json:
        write_text(json.dumps(value, indent=2) + "\n")
    else:
        write_text("\n".join(_render(table) for table in tables if table.rows))


def _render(table: Table) -> str:
    """The table as text; columns that say nothing in any row are left out."""
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
    """The cells of a column, all as wide as the widest."""
    most = max(map(width, cells))
    spaces = [" " * (most - width(cell)) for cell in cells]
    return [space + cell if right else cell + space for cell, space in zip(cells, spaces, strict=True)]


def write_text(text: str) -> None:
    """Write to stdout, without secrets. A reader that went away (``| head``) is no error."""
    try:
        click.echo(without_secrets(text), nl=False)
    except BrokenPipeError:
        # Python flushes stdout once more when it ends, and would complain then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
