"""``save`` and ``restore``: move an output between a directory and the store."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from up42_state.cli import names, options
from up42_state.cli.commits import commit_facts, saved_value
from up42_state.cli.output import Table, print_result
from up42_state.contract import INPUT, OUTPUT
from up42_state.errors import IntegrityError
from up42_state.units import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

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
@click.option(
    "--from-stac",
    metavar="FILE",
    help="Save what a local document of STAC holds, not DIR: an ItemCollection or a catalog.",
)
@click.option(
    "--stac-root",
    "stac_roots",
    type=options.DIRECTORY,
    metavar="DIR",
    multiple=True,
    help="Directory that files may be taken from, besides that of the document of --from-stac; repeat.",
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
    from_stac: str | None,
    stac_roots: tuple[Path, ...],
    *,
    repair: bool,
    **merging: Any,
) -> None:
    """Save an output as a stage.

    The output in DIR (/tmp/output) is checked, and becomes the next revision of the stage.
    """
    if from_stac is None and stac_roots:
        raise click.UsageError("--stac-root is about --from-stac, and that is not given")
    handles = common.handles(job=job, stage=stage, after=after, propagate=propagate)
    target = names.to_save(handles)
    propagated = names.current_stages(handles, handles.settings.propagate)
    earlier = options.propagations(propagated, handles.settings, **merging)
    made_from = names.parents(handles, handles.settings.after)
    with (
        _output(directory, from_stac, stac_roots) as (output, taken),
        common.progress("saving") as progress,
    ):
        saved = target.save(
            output,
            after=made_from,
            propagate=earlier,
            if_exists=if_exists,
            expect=expect,
            quicklooks=quicklooks or True,
            parameters=handles.settings.parameters,
            code=handles.settings.code or "",
            progress=progress,
            repair=repair,
        )
    for warning in (*taken, *saved.warnings):
        common.note(f"warning: {warning}")
    for change in saved.changes:
        common.note(f"mended {change}")
    for report in saved.reports:
        _note_propagation(common, report)
    value = saved_value(saved)
    value["warnings"] = [*taken, *value["warnings"]]
    print_result(common, value, commit_facts(saved.commit, outcome=saved.outcome))


@contextmanager
def _output(
    directory: Path, from_stac: str | None, roots: tuple[Path, ...]
) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Give the output that is to be saved, and warnings: the directory, or what a document of STAC holds."""
    if from_stac is None:
        yield directory, ()
        return
    source = click.get_current_context().get_parameter_source("directory")
    if source is not ParameterSource.DEFAULT:
        raise click.UsageError("DIR and --from-stac are two outputs: give one of them")
    from up42_state.publish.stac import take_in

    with tempfile.TemporaryDirectory(prefix="up42-state-stac-") as made:
        taken = take_in(from_stac, Path(made, "output"), roots=roots)
        yield Path(made, "output"), taken.warnings


def _note_propagation(common: Common, report: Report) -> None:
    stages = ", ".join(f"{stage.job}/{stage.stage}@{stage.revision}" for stage in report.stages)
    common.note(f"propagated {stages}: {counted(report.appended, 'feature')} appended, {report.after} now")
    for warning in report.warnings:
        common.note(f"warning: {warning}")


@click.command()
@click.argument("name", metavar="[JOB/]STAGE[@N]", shell_complete=options.completed("stages"))
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
    name: str,
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
    source, revision = names.chosen_stage(common, name, job=job, revision=revision)
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
