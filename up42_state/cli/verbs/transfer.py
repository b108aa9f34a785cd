"""``save`` and ``restore``: move an output between a directory and the store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from up42_state.cli import options
from up42_state.cli.commits import commit_facts, saved_value
from up42_state.cli.output import Table, print_result
from up42_state.contract import INPUT, OUTPUT
from up42_state.errors import IntegrityError

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.cli.common import Common
    from up42_state.features import Report
    from up42_state.stages.read.restore import Restored
    from up42_state.stages.write.publish import IfExists

__all__ = ["restore", "save"]


@click.command()
@click.argument("directory", metavar="[DIR]", default=OUTPUT, type=options.DIRECTORY)
@options.job
@options.stage
@options.after
@options.propagated
@options.propagation_options
@click.option(
    "--if-exists",
    type=click.Choice(["replace", "skip", "error"]),
    default="replace",
    show_default=True,
    help="What to do if the stage has a revision already.",
)
@click.option("--expect", type=click.IntRange(min=0), metavar="N", help="Save only on top of revision N.")
@click.option(
    "--quicklooks",
    type=options.DIRECTORY,
    metavar="DIR",
    help="Where quicklooks lie, besides DIR/.quicklooks; /tmp/quicklooks for /tmp/output.",
)
@click.option("--repair", is_flag=True, help="Mend what blocks are known to write, and say what was changed.")
@options.shared
@click.pass_obj
def save(
    common: Common,
    /,
    directory: Path,
    job: str | None,
    stage: str | None,
    after: tuple[str, ...],
    propagate: tuple[str, ...],
    if_exists: IfExists,
    expect: int | None,
    quicklooks: Path | None,
    *,
    repair: bool,
    **merging: Any,
) -> None:
    """Save an output as a stage.

    The output in DIR (/tmp/output) is checked, and becomes the next revision of the stage.
    """
    handles = common.handles(job=job, stage=stage, after=after, propagate=propagate)
    target = handles.stage()
    earlier = options.propagations(handles.stages(handles.settings.propagate), handles.settings, **merging)
    with common.progress("saving") as progress:
        saved = target.save(
            directory,
            after=handles.stages(handles.settings.after),
            propagate=earlier,
            if_exists=if_exists,
            expect=expect,
            quicklooks=quicklooks or True,
            parameters=handles.settings.parameters,
            code=handles.settings.code or "",
            progress=progress,
            repair=repair,
        )
    for warning in saved.warnings:
        common.note(f"warning: {warning}")
    for change in saved.changes:
        common.note(f"mended {change}")
    for report in saved.reports:
        _note_propagation(common, report)
    print_result(common, saved_value(saved), commit_facts(saved.commit, outcome=saved.outcome))


def _note_propagation(common: Common, report: Report) -> None:
    stages = ", ".join(f"{stage.stage}@{stage.revision}" for stage in report.stages)
    common.note(f"propagated {stages}: {report.appended} features appended, {report.after} now")
    for warning in report.warnings:
        common.note(f"warning: {warning}")


@click.command()
@click.argument("stage")
@click.argument("directory", metavar="[DIR]", default=INPUT, type=options.DIRECTORY)
@options.job
@options.revision
@options.selection
@click.option(
    "--quicklooks",
    type=options.DIRECTORY,
    metavar="DIR",
    help="Where quicklooks go, instead of DIR/.quicklooks.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are in the way.")
@click.option("--partial", is_flag=True, help="Restore what is undamaged, and report the rest.")
@options.shared
@click.pass_obj
def restore(
    common: Common,
    /,
    stage: str,
    directory: Path,
    job: str | None,
    revision: int | None,
    quicklooks: Path | None,
    *,
    overwrite: bool,
    partial: bool,
    **selection: Any,
) -> None:
    """Restore a stage, or a part of it.

    STAGE goes into DIR (/tmp/input), every byte verified. Its quicklooks go into DIR/.quicklooks, or
    where --quicklooks says.
    """
    source = common.handles(job=job).stage(stage)
    with common.progress("restoring") as progress:
        restored = source.restore(
            directory,
            revision=revision,
            overwrite=overwrite,
            partial=partial,
            quicklooks=quicklooks or True,
            progress=progress,
            **options.chosen(**selection),
        )
    for warning in restored.warnings:
        common.note(f"warning: {warning}")
    if not restored.features and restored.commit.totals.features:
        common.note("warning: no feature was restored: none meets the conditions, or all are damaged")
    # Printed before the error: what was restored is there, and a program wants to know both.
    _print_restored(common, restored, directory)
    count = len(restored.damaged)
    if count:
        raise IntegrityError(
            f"{count} damaged {'files were' if count > 1 else 'file was'} left out",
            advice="`up42-state verify` names the objects that are damaged",
        )


def _print_restored(common: Common, restored: Restored, directory: Path) -> None:
    damaged = [{"file": name, "problem": problem} for name, problem in sorted(restored.damaged.items())]
    value = restored.commit.to_dict() | {
        "target": str(directory),
        "features": restored.features,
        "written": list(restored.written),
        "kept": list(restored.kept),
        "damaged": damaged,
        "quicklooks": str(restored.quicklooks) if restored.quicklooks else None,
        "warnings": list(restored.warnings),
    }
    summary = commit_facts(
        restored.commit,
        restored_to=directory,
        quicklooks_in=restored.quicklooks,
        features_restored=restored.features,
        files_written=len(restored.written),
        files_already_there=len(restored.kept),
    )
    table = Table(columns=("damaged file", "problem"), rows=sorted(restored.damaged.items()))
    print_result(common, value, summary, table)
