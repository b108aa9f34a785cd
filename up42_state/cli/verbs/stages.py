"""``jobs``, ``stages``, ``show`` and ``history``: show what the store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from up42_state.cli import names, options
from up42_state.cli.commits import commit_facts, commit_table, shard_table
from up42_state.cli.output import Table, print_result
from up42_state.cli.runs import (
    job_table,
    latest_unfinished,
    newest_runs,
    run_members,
    sorted_usages,
    unfinished_table,
)
from up42_state.cli.text import size
from up42_state.errors import IntegrityError, JobNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from up42_state.cli.common import Common
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.format.index import Entry
    from up42_state.stages.history import DamagedCommit

__all__ = ["history", "jobs", "show", "stages"]


@click.command()
@click.option(
    "--long", is_flag=True, help="With stages, size, last save and newest run: more requests a job."
)
@click.option(
    "--sort",
    type=click.Choice(["name", "time", "size"]),
    default="name",
    help="By key (the default), the newest save or run first, or the largest first.",
)
@options.shared
@click.pass_obj
def jobs(common: Common, *, long: bool, sort: str) -> None:
    """List the jobs of the store."""
    state = common.handles().state
    names = [job.key for job in state.jobs()]
    if not names:
        common.note("the store holds no jobs")
    if not long and sort == "name":
        _print_names(common, names)
        return
    found = sorted_usages(state.store, names, sort)
    if not long:
        _print_names(common, [item.job for item in found])
        return
    newest = newest_runs(state.store, found)
    members = [item.to_dict() | {"run": run_members(run)} for item, run in zip(found, newest, strict=True)]
    print_result(common, members, job_table(found, newest))


def _print_names(common: Common, names: Sequence[str]) -> None:
    print_result(
        common, [{"job": name} for name in names], Table(columns=("job",), rows=[(name,) for name in names])
    )


@click.command()
@click.argument("name", metavar="[JOB]", required=False, shell_complete=options.completed("jobs"))
@options.job
@click.option("--shards", is_flag=True, help="List every shard of a task in shards, not how many there are.")
@options.shared
@click.pass_obj
def stages(common: Common, name: str | None, job: str | None, *, shards: bool) -> None:
    """List the stages of a job, and its unfinished tasks.

    A task is unfinished if the newest run of a workflow failed at it, skipped it, or has not come to it. If
    the newest commit of a stage is damaged, the others are listed, and the exit code is 6.
    """
    from up42_state.stages.format.names import shard_of

    found = names.chosen_job(common, name, job=job)
    run, tasks = latest_unfinished(common, found)
    try:
        commits, damaged = _split(found.survey())
    except JobNotFoundError:
        if not run:
            raise
        commits, damaged = [], []
    if not commits and not damaged:
        common.note(f"job {found.key} holds no stages")
    unfinished = {task.task: {"task": {"run": run, **task.to_dict()}} for task in tasks}
    value = [commit.to_dict() | unfinished.pop(commit.stage, {}) for commit in commits]
    value += [{"job": found.key, "stage": name} | task for name, task in unfinished.items()]
    shown = commits if shards else [commit for commit in commits if not shard_of(commit.stage)]
    prefix = f"{found.key}/" if name is not None else ""  # names are printed as they are read back
    rest = commits if len(shown) < len(commits) else ()
    tables = (
        commit_table(shown, prefix=prefix),
        shard_table(rest, prefix=prefix),
        unfinished_table(run, tasks, prefix=prefix),
    )
    _print_commits(common, value, tables, damaged)


@click.command()
@click.argument(
    "name", metavar="[[JOB/]STAGE[@N]]", required=False, shell_complete=options.completed("stages")
)
@options.job
@options.stage
@options.revision
@options.shared
@click.pass_obj
def show(common: Common, name: str | None, job: str | None, stage: str | None, revision: int | None) -> None:
    """Show a stage and its files."""
    found, revision = names.chosen_stage(common, name, job=job, stage=stage, revision=revision)
    commit = found.latest() if revision is None else found.revision(revision)
    files = found.files(commit.revision)
    value = commit.to_dict() | {"files": [_file(entry) for entry in files]}
    print_result(common, value, commit_facts(commit), _file_table(files))


@click.command()
@click.argument("name", metavar="[[JOB/]STAGE]", required=False, shell_complete=options.completed("stages"))
@options.job
@options.stage
@options.shared
@click.pass_obj
def history(common: Common, name: str | None, job: str | None, stage: str | None) -> None:
    """List the revisions of a stage, newest first.

    If the commit of a revision is damaged, the others are listed, and the exit code is 6.
    """
    names.refuse_revision(name, "history lists all revisions of a stage")
    found, _ = names.chosen_stage(common, name, job=job, stage=stage)
    commits, damaged = _split(found.survey())
    states = found.states(commits)
    value = [commit.to_dict() | {"state": state} for commit, state in zip(commits, states, strict=True)]
    prefix = f"{found.job.key}/" if name is not None and "/" in name else ""
    _print_commits(common, value, [commit_table(commits, states, prefix=prefix)], damaged)


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
    value: Sequence[dict[str, Any]],
    tables: Sequence[Table],
    damaged: Sequence[DamagedCommit],
) -> None:
    """Print commits, and the damaged ones with what is wrong with them.

    :param value: the commits as JSON.
    :param tables: the commits for people.
    :raises IntegrityError: a commit is damaged.
    """
    rows = [(f"{item.job}/{item.stage}@{item.revision}", item.error.message) for item in damaged]
    table = Table(columns=("damaged", "problem"), rows=rows)
    print_result(common, [*value, *(item.to_dict() for item in damaged)], *tables, table)
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
