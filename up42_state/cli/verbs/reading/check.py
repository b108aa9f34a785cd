"""``check``: an output by the block contract, before it is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from up42_state.cli import options
from up42_state.cli.output import Table, facts, print_result
from up42_state.cli.text import size
from up42_state.contract import OUTPUT, check_apart, check_there, quicklooks_of

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.cli.common import Common
    from up42_state.stages.local.output import Output

__all__ = ["check"]


@click.command()
@click.argument("directory", metavar="[DIR]", default=OUTPUT, type=options.DIRECTORY)
@click.option(
    "--quicklooks",
    type=options.DIRECTORY,
    metavar="DIR",
    help="Where quicklooks lie, besides DIR/.quicklooks; /tmp/quicklooks for /tmp/output.",
)
@click.option("--repair", is_flag=True, help="Say what `save --repair` would mend; nothing is changed.")
@options.shared
@click.pass_obj
def check(common: Common, directory: Path, quicklooks: Path | None, *, repair: bool) -> None:
    """Check an output without saving it.

    The output in DIR (/tmp/output) is checked as `save` checks it. No store is needed.
    """
    from up42_state.stages.local.output import read_output

    mode = common.handles().settings.job_mode
    pictures = quicklooks_of(directory, quicklooks or True)
    check_apart(output=directory, quicklooks=pictures)
    check_there(quicklooks or True)
    output = read_output(directory, pictures, dry_run=mode == "DRY_RUN", mend=repair)
    for warning in output.warnings:
        common.note(f"warning: {warning}")
    value = _value(output, directory)
    rows = [(change.place, change.old, change.new) for change in output.changes]
    print_result(common, value, _summary(value), Table(columns=("would mend", "old", "new"), rows=rows))


def _value(output: Output, directory: Path) -> dict[str, Any]:
    files = list(output.files)
    return {
        "valid": True,
        "directory": str(directory),
        "features": len(output.collection),
        "files": sum(file.kind == "file" for file in files),
        "quicklooks": sum(file.kind == "quicklook" for file in files),
        "bytes": sum(file.size for file in files),
        "of_no_feature": _left_behind(output),
        "warnings": list(output.warnings),
        "changes": [change.to_dict() for change in output.changes],
    }


def _left_behind(output: Output) -> list[str]:
    """Return the names of files that no feature carries: `save` takes them along, a propagation does not."""
    from up42_state.features.carried import all_paths, left_behind

    if output.files.is_empty:
        return []
    found = left_behind(output.collection, output.files, all_paths(output.collection, output.files))
    return [file.path for file in found]


def _summary(value: dict[str, Any]) -> Table:
    return facts(
        {
            "valid": value["directory"],
            "features": value["features"],
            "files": value["files"],
            "quicklooks": value["quicklooks"] or "",
            "size": size(value["bytes"]),
            "files of no feature": len(value["of_no_feature"]) or "",
        }
    )
