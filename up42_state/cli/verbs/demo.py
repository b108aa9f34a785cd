"""``demo``: the main job, with a directory as the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from up42_state.cli import options
from up42_state.cli.output import print_result

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.cli.common import Common

__all__ = ["demo"]


@click.command()
@click.argument("directory", metavar="[DIR]", required=False, type=options.DIRECTORY)
@options.shared
@click.pass_obj
def demo(common: Common, directory: Path | None) -> None:
    """Run a small job of several stages.

    Its store, results and map go to DIR (up42-state-demo in the working directory); --url does not count.
    """
    from rich.console import Console

    from up42_state.demo import run_demo

    silent = common.quiet or common.json
    done = run_demo(directory, Console(quiet=True) if common.json else None, _drop if silent else None)
    if common.json:
        value = {
            "url": done.state.url,
            "stages": [commit.to_dict() for commit in done.commits],
            "results": str(done.results),
            "map": str(done.map),
        }
        print_result(common, value)


def _drop(_text: str) -> None:
    """Nobody wants to read what the blocks say."""
