"""Tables on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from up42_state.cli.text import plain

if TYPE_CHECKING:
    from up42_state.cli.output import Table

__all__ = ["render"]


def render(table: Table) -> str:
    """A table as wide as the terminal; long values go on below, and are never cut."""
    drawn = RichTable(box=None, show_header=bool(table.columns), pad_edge=False, header_style="bold")
    for column in table.columns or [""] * max(map(len, table.rows)):
        drawn.add_column(
            column.upper(), justify="right" if column in table.right else "left", overflow="fold"
        )
    for row in table.rows:
        drawn.add_row(*(Text(plain(cell)) for cell in row))
    console = Console()
    with console.capture() as captured:
        console.print(drawn)
    return captured.get()
