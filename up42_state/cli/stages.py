"""What the store holds: ``jobs``, ``stages``, ``show``, ``history``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from up42_state.cli import options
from up42_state.cli.commits import commit_facts, commit_table
from up42_state.cli.output import Table, print_result
from up42_state.cli.text import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.cli.common import Common
    from up42_state.stages.index import Entry

__all__ = ["history", "jobs", "show", "stages"]


@click.command()
@options.shared
@click.pass_obj
def jobs(common: Common) -> None:
    """List the jobs of the store."""
    keys = [job.key for job in common.place().state.jobs()]
    if not keys:
        common.note("the store holds no jobs")
    print_result(
        common, [{"job": key} for key in keys], Table(columns=("job",), rows=[(key,) for key in keys])
    )


@click.command()
@options.job
@options.shared
@click.pass_obj
def stages(common: Common, job: str | None) -> None:
    """List the stages of a job."""
    found = common.place(job=job).job
    commits = found.commits()
    if not commits:
        common.note(f"job {found.key} holds no stages")
    print_result(common, [commit.to_dict() for commit in commits], commit_table(commits))


@click.command()
@options.job
@options.stage
@options.revision
@options.shared
@click.pass_obj
def show(common: Common, job: str | None, stage: str | None, revision: int | None) -> None:
    """Show a stage and its files."""
    found = common.place(job=job, stage=stage).stage()
    commit = found.latest() if revision is None else found.revision(revision)
    files = found.files(commit.revision)
    value = commit.to_dict() | {"files": [_file(entry) for entry in files]}
    print_result(common, value, commit_facts(commit), _file_table(files))


@click.command()
@options.job
@options.stage
@options.shared
@click.pass_obj
def history(common: Common, job: str | None, stage: str | None) -> None:
    """List the revisions of a stage, newest first."""
    commits = common.place(job=job, stage=stage).stage().history()
    print_result(common, [commit.to_dict() for commit in commits], commit_table(commits))


def _file(entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "kind": entry.kind,
        "size": entry.size,
        "sha256": entry.sha256,
        "executable": entry.executable,
    }


def _file_table(files: Sequence[Entry]) -> Table:
    rows = [(entry.name, entry.kind, size(entry.size)) for entry in files]
    return Table(columns=("file", "kind", "size"), rows=rows, right=frozenset({"size"}))
