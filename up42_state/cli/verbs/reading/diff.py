"""``diff``: what differs between two stages, or two revisions of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from up42_state.cli import names, options
from up42_state.cli.output import Table, print_result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.cli.common import Common
    from up42_state.features.merge.difference import FeatureDifference
    from up42_state.stages.read.difference import Difference

__all__ = ["diff"]

DIFFERENT = 1  # as diff(1)


@click.command()
@click.argument("before", metavar="A", shell_complete=options.completed("stages"))
@click.argument("after", metavar="B", shell_complete=options.completed("stages"))
@options.job
@click.option(
    "--match",
    type=options.pair,
    metavar="B=A",
    multiple=True,
    help="Property of B's and of A's feature that tell the same one; repeat in order.",
)
@options.shared
@click.pass_obj
def diff(common: Common, before: str, after: str, job: str | None, match: tuple[tuple[str, str], ...]) -> int:
    """Compare two stages, or revisions of one.

    A and B are written [JOB/]STAGE[@N]; @N alone as B is a revision of the stage of A. The exit code is 0 if
    they are equal, and 1 if they differ.
    """
    first, number = names.chosen_stage(common, before, job=job)
    if after.startswith("@"):
        after = f"{first}{after}"
    second, other = names.chosen_stage(common, after, job=job)
    found = first.diff(second, revision=number, other_revision=other, match=match or None)
    print_result(common, found.to_dict(), *_tables(found))
    if found.is_equal:
        common.note(f"{found.before} and {found.after} are equal")
    return 0 if found.is_equal else DIFFERENT


def _tables(found: Difference) -> Iterator[Table]:
    kinds = {"added": found.added, "removed": found.removed, "changed": found.changed}
    rows = [(kind, each.name, _what(each)) for kind, group in kinds.items() for each in group]
    rows += [("changed", name, "member of the collection") for name in found.members]
    yield Table(columns=("", "feature", "what"), rows=rows)
    files = {"added": found.files_added, "removed": found.files_removed, "changed": found.files_changed}
    yield Table(columns=("", "file"), rows=[(kind, name) for kind, group in files.items() for name in group])


def _what(each: FeatureDifference) -> str:
    """Return the names of what differs in a feature: properties, other members, and files."""
    return ", ".join((*each.properties, *each.members, *(f"bytes of {path}" for path in each.files)))
