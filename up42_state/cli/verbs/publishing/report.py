"""``report``: a job as a page to look at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from up42_state.cli import names, options
from up42_state.cli.output import Table, print_result
from up42_state.cli.text import size
from up42_state.units import counted

if TYPE_CHECKING:
    from up42_state.cli.common import Common

__all__ = ["report"]


@click.command()
@click.argument("name", metavar="[JOB]", required=False, shell_complete=options.completed("jobs"))
@options.job
@click.option("-o", "--output", metavar="FILE", type=options.FILE, help="The page to write.  [JOB.html]")
@options.shared
@click.pass_obj
def report(common: Common, name: str | None, job: str | None, output: Path | None) -> None:
    """Write a job as one HTML page: map, lineage, runs.

    The page opens from disk in any browser, without a network. It is written to JOB.html in the working
    directory, or to FILE, which is replaced.
    """
    found = names.chosen_job(common, name, job=job)
    from up42_state.publish.report import write_report

    done = write_report(found, Path(f"{found.key}.html") if output is None else output)
    for stage, problem in done.problems.items():
        common.note(f"warning: {stage}: {problem}")
    value = {
        "path": str(done.path),
        "url": done.path.resolve().as_uri(),
        "size": done.size,
        "stages": done.stages,
        "features": done.features,
        "left_out": done.left_out,
        "problems": done.problems,
    }
    features, stages = counted(done.features, "feature"), counted(done.stages, "stage")
    shown = f"{features} of {stages}, {size(done.size)}"
    print_result(common, value, Table(rows=[(str(done.path), shown)]))
