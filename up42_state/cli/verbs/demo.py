"""``demo``: run the demonstration, and print what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from up42_state.cli import options
from up42_state.cli.output import Table, print_result

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from up42_state.cli.common import Common
    from up42_state.demo import Demo

__all__ = ["demo"]


@click.command()
@click.argument("directory", metavar="[DIR]", required=False, type=options.DIRECTORY)
@options.shared
@click.pass_obj
def demo(common: Common, directory: Path | None) -> None:
    """Run a small job of several stages.

    Its store, results and map go to DIR (up42-state-demo in the working directory); --url does not count.
    """
    from up42_state.demo import run_demo

    done = run_demo(directory, common.note)
    value = {
        "url": done.state.url,
        "stages": [commit.to_dict() for commit in done.commits],
        "results": str(done.results),
        "map": str(done.map),
    }
    print_result(common, value, _stages(done), Table(rows=[[line] for line in _story(done)]))


def _stages(done: Demo) -> Table:
    counts = ("revision", "features", "files", "bytes", "by reference")
    rows = []
    for commit in done.commits:
        totals = commit.totals
        parents = ", ".join(parent.stage for parent in commit.parents)
        numbers = (commit.revision, totals.features, totals.files, totals.bytes, totals.referenced)
        rows.append((commit.stage, parents, *numbers))
    return Table(columns=("stage", "made from", *counts), rows=rows, right=frozenset(counts))


def _story(done: Demo) -> Iterator[str]:
    last, back = done.commits[-1], len(done.returned)
    scenes = done.commits[0].totals.features
    yield f"clear:1 dropped {len(done.dropped)} of {scenes} scenes: {', '.join(done.dropped)}."
    yield f"{last.stage} propagated scenes:1 and has {back} scenes again, files and quicklooks too,"
    yield f"of which no byte was moved: {last.totals.referenced} bytes are by reference."
    yield f"The last output, restored:  {done.results}/"
    yield f"Its footprints on a map:    {done.map}"
    yield f"See for yourself:           up42-state --url {done.state.url} stages --job {last.job}"
