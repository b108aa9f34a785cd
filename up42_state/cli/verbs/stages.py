"""``jobs``, ``stages``, ``show`` and ``history``: list what the store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from up42_state.cli import options
from up42_state.cli.commits import commit_facts, commit_table
from up42_state.cli.output import Table, print_result
from up42_state.cli.text import size
from up42_state.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from up42_state.cli.common import Common
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.format.index import Entry
    from up42_state.stages.history import DamagedCommit

__all__ = ["history", "jobs", "show", "stages"]


@click.command()
@options.shared
@click.pass_obj
def jobs(common: Common) -> None:
    """List the jobs of the store."""
    keys = [job.key for job in common.handles().state.jobs()]
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
    """List the stages of a job.

    If the newest commit of a stage is damaged, the others are listed, and the exit code is 6.
    """
    found = common.handles(job=job).job
    commits, damaged = _split(found.survey())
    if not commits and not damaged:
        common.note(f"job {found.key} holds no stages")
    _print_commits(common, commits, damaged)


@click.command()
@options.job
@options.stage
@options.revision
@options.shared
@click.pass_obj
def show(common: Common, job: str | None, stage: str | None, revision: int | None) -> None:
    """Show a stage and its files."""
    found = common.handles(job=job, stage=stage).stage()
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
    """List the revisions of a stage, newest first.

    If the commit of a revision is damaged, the others are listed, and the exit code is 6.
    """
    found = common.handles(job=job, stage=stage).stage()
    commits, damaged = _split(found.survey())
    _print_commits(common, commits, damaged, found.states(commits))


def _split(found: Iterable[Commit | DamagedCommit]) -> tuple[list[Commit], list[DamagedCommit]]:
    """The commits that can be read, and those that are damaged."""
    from up42_state.stages.history import DamagedCommit

    commits: list[Commit] = []
    damaged: list[DamagedCommit] = []
    for item in found:
        if isinstance(item, DamagedCommit):
            damaged.append(item)
        else:
            commits.append(item)
    return commits, damaged


def _print_commits(
    common: Common,
    commits: Sequence[Commit],
    damaged: Sequence[DamagedCommit],
    states: Sequence[str] | None = None,
) -> None:
    """Print commits, and the damaged ones with what is wrong with them.

    :param states: whether each revision can be restored, if the caller has looked.
    :raises IntegrityError: a commit is damaged.
    """
    rows = [(f"{item.stage}@{item.revision}", item.error.message) for item in damaged]
    table = Table(columns=("damaged", "problem"), rows=rows)
    more = [{"state": state} for state in states] if states is not None else [{} for _ in commits]
    found = [commit.to_dict() | extra for commit, extra in zip(commits, more, strict=True)]
    found += [item.to_dict() for item in damaged]
    print_result(common, found, commit_table(commits, states), table)
    if damaged:  # raised last: one damaged commit hides no other
        raise IntegrityError(
            f"{len(damaged)} damaged commit{'s' if len(damaged) > 1 else ''} found",
            advice=damaged[0].error.advice,
        )


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
