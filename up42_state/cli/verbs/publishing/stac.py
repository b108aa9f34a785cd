"""``stac``: stages as a document of STAC."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from up42_state.cli import names, options
from up42_state.cli.output import facts, print_result, write_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta
    from pathlib import Path

    from up42_state.cli.common import Common
    from up42_state.cli.names import Chosen
    from up42_state.stage import Stage

__all__ = ["stac"]


@click.command()
@click.argument(
    "stages", metavar="[[JOB/]STAGE[@REVISION]]...", nargs=-1, shell_complete=options.completed("names")
)
@options.job
@options.stage
@options.revision
@click.option(
    "--output", "-o", type=options.FILE, metavar="FILE", help="Write the document to FILE, not to stdout."
)
@click.option(
    "--catalog",
    type=options.DIRECTORY,
    metavar="DIR",
    help="Write a static catalog into DIR, a file for each item.",
)
@click.option(
    "--sign",
    type=options.duration,
    metavar="TIME",
    help="Sign the addresses of files for this long, such as 12h: whoever has the document can read them.",
)
@options.shared
@click.pass_obj
def stac(
    common: Common,
    /,
    stages: tuple[str, ...],
    job: str | None,
    stage: str | None,
    revision: int | None,
    output: Path | None,
    catalog: Path | None,
    sign: timedelta | None,
) -> None:
    """Print stages as a document of STAC.

    STAGE is written as the tool prints it: JOB/STAGE@REVISION. JOB/ stands for all stages of a job, and so
    does --job without a stage, or JOB where no job is set.
    """
    if output and catalog:
        raise click.UsageError("--output and --catalog are two documents: give one of them")
    if sign is not None and not output and not catalog:
        raise click.UsageError(
            "signed URLs are secrets, which are not printed: give --output FILE or --catalog DIR"
        )
    from up42_state.publish import stac as documents

    found = names.chosen(common, stages, job=job, stage=stage, revision=revision)
    chosen, number = _stages(found)
    make = documents.catalog if catalog else documents.item_collection
    made = make(chosen, revision=number, sign=sign)
    for warning in made.warnings:
        common.note(f"warning: {warning}")
    target = catalog or output
    if target is None:
        write_text(documents.rendered(made.value).decode())
        return
    written = documents.write(made, target)
    if made.is_secret:
        common.note(f"{written} holds signed URLs: whoever has it can read the files until they expire")
    members = {"written": str(written), "items": made.items, "signed": made.is_secret}
    value = members | {"warnings": list(made.warnings)}
    print_result(common, value, facts(members | {"signed": "yes" if made.is_secret else ""}))


def _stages(found: Sequence[Chosen]) -> tuple[list[Stage], int | None]:
    """Return the stages that are named, and the revision where one is.

    :raises click.UsageError: several stages, and a revision of one of them.
    """
    from up42_state.publish.stac import stages_of

    stages: list[Stage] = []
    for each in found:
        stages += stages_of(each.job) if each.stage is None else [each.stage]
    numbers = {each.revision for each in found} - {None}
    if numbers and len(stages) > 1:
        raise click.UsageError("a revision can be given for one stage alone: name one, and one revision")
    return stages, next(iter(numbers), None)
