"""``propagate``: merge earlier stages into a directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from up42_state.cli import names, options
from up42_state.cli.output import Table, facts, print_result

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.cli.common import Common
    from up42_state.features import Report

__all__ = ["propagate"]


@click.command()
@click.argument(
    "stages",
    metavar="[JOB/]STAGE[@N]...",
    nargs=-1,
    required=True,
    shell_complete=options.completed("stages"),
)
@click.option(
    "--into",
    metavar="DIR",
    required=True,
    type=options.DIRECTORY,
    help="Directory with the current data.json.",
)
@options.job
@options.propagation_options
@options.shared
@click.pass_obj
def propagate(
    common: Common,
    /,
    stages: tuple[str, ...],
    into: Path,
    job: str | None,
    **given: Any,
) -> None:
    """Merge earlier stages into an output.

    Features of each STAGE, and their files, become part of the data.json in DIR.
    """
    from up42_state.state import propagate as merge

    handles = common.handles(job=job)
    earlier = names.current_stages(handles, stages)
    with common.progress("propagating") as progress:
        report = merge(into, earlier, progress=progress, **options.merging(handles.settings, **given))
    for warning in report.warnings:
        common.note(f"warning: {warning}")
    print_result(common, report.to_dict(), _summary(report, into), _outcomes(report), _moved(report))


def _summary(report: Report, into: Path) -> Table:
    counts = {"features before": report.before, "appended": report.appended, "features now": report.after}
    return facts({"into": into, **counts, "files added": sum(stage.files for stage in report.stages)})


def _outcomes(report: Report) -> Table:
    rows = [
        (names.written(f"{stage.job}/{stage.stage}", stage.revision), stage.revision, outcome, count)
        for stage in report.stages
        for outcome, count in stage.counts.items()
    ]
    columns = ("stage", "revision", "outcome", "features")
    return Table(columns=columns, rows=rows, right=frozenset({"revision", "features"}))


def _moved(report: Report) -> Table:
    rows = [(path, now) for stage in report.stages for path, now in stage.moved.items()]
    return Table(columns=("path taken by other bytes", "now"), rows=rows)
