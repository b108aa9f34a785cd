"""``demo``: run the demonstration, and print what it did."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from up42_state.cli import options
from up42_state.cli.output import Table, print_result
from up42_state.machine.command import own_command, path_from_here
from up42_state.units import size

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
    """Run a small workflow of four blocks.

    Its store, workflow, results and report go to DIR (up42-state-demo in the working directory); --url does
    not count.
    """
    from up42_state.cli.watching.watcher import watcher
    from up42_state.demo import run_demo

    with watcher(common, json=False, summary=False) as tell:
        done = run_demo(directory, tell)
    value = {
        "url": done.state.url,
        "job": done.commits[0].job,
        "run": done.run.to_dict(),
        "stages": [commit.to_dict() for commit in done.commits],
        "workflow": str(done.document),
        "parameters": str(done.parameters),
        "plan": [planned.to_dict() for planned in done.plan],
        "results": str(done.results),
        "report": str(done.report) if done.report is not None else None,
    }
    print_result(common, value, _tasks(done), _lines(_story(done)), _plan(done), _lines(_next_steps(done)))


def _tasks(done: Demo) -> Table:
    counts = ("revision", "features", "files", "size", "by reference")
    rows = []
    for task, commit in zip(done.run.tasks, done.commits, strict=True):
        totals = commit.totals
        parents = ", ".join(parent.stage for parent in commit.parents)
        counted = (commit.revision, totals.features, totals.files)
        sizes = (size(totals.bytes), size(totals.referenced))
        rows.append((task.task, task.status, parents, *counted, *sizes))
    return Table(columns=("task", "status", "made from", *counts), rows=rows, right=frozenset(counts))


def _story(done: Demo) -> Iterator[str]:
    made, tiles, *_, last = done.commits
    if all(task.status == "cached" for task in done.run.tasks):
        yield "Nothing has changed since the last run, so nothing ran: all tasks are cached."
    else:
        yield "Run the demo again, and all tasks are cached."
    dropped, back = len(done.dropped), len(done.returned)
    yield f"{tiles.stage} left out {dropped} of {made.totals.features} scenes, which have too many clouds."
    yield f"{last.stage} propagated {made.stage} and has {back} scenes again, files and quicklooks too,"
    yield f"of which no byte was moved: {size(last.totals.referenced)} are by reference."


def _plan(done: Demo) -> Table:
    """What would happen if one parameter were another one."""
    rows = [(planned.task.name, planned.status, "; ".join(planned.reasons)) for planned in done.plan]
    return Table(columns=("task", "plan", f"why, if tile_width were {done.tile_width}"), rows=rows)


def _next_steps(done: Demo) -> Iterator[str]:
    """What to look at, and to try: paths and commands that can be pasted as they are."""
    where = ["--job", done.commits[0].job, "--url", done.state.url]
    what = [path_from_here(done.document), "--parameters", path_from_here(done.parameters), *where]
    yield f"The last output, restored:  {_quoted(done.results)}/"
    if done.report is not None:
        yield f"The job, in a browser:      {_quoted(done.report)}"
    else:
        yield f"For a report, and again:    {done.no_report}"
    yield f"Its parameters, to change:  {_quoted(done.parameters)}"
    yield f"What would run then:        {own_command('plan', *what)}"
    yield f"To run it:                  {own_command('run', *what)}"
    yield f"See for yourself:           {own_command('stages', *where)}"


def _quoted(path: Path) -> str:
    return shlex.quote(path_from_here(path))


def _lines(lines: Iterator[str]) -> Table:
    return Table(rows=[[line] for line in lines])
