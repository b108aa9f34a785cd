"""``run`` and ``plan``: run a workflow, or say what would run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

import click

from up42_state.cli import options
from up42_state.cli.output import Table, print_result
from up42_state.cli.signals import stopped_by_signals
from up42_state.cli.text import plain
from up42_state.errors import BlockError
from up42_state.units import counted

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from up42_state.cli.common import Common
    from up42_state.stages.format.commit import JobMode
    from up42_state.workflow.blocks.opening import Blocks
    from up42_state.workflow.model import Workflow
    from up42_state.workflow.planner import Planned
    from up42_state.workflow.runner import RunResult

    F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["plan", "run"]


def _document(function: F) -> F:
    """Add the options that say what is run."""
    for option in reversed(_DOCUMENT):
        function = option(function)
    return function


_DOCUMENT = (
    click.argument("workflow", metavar="WORKFLOW"),
    options.job,
    click.option(
        "--parameters", metavar="P", help="The job's parameters: a JSON or YAML file, or JSON itself."
    ),
    click.option(
        "--blocks", metavar="FILE", help="What to run for the blocks that the platform's form names by id."
    ),
    click.option("--from", "since", metavar="TASK", default="", help="Run TASK and all that stand on it."),
    click.option("--force", is_flag=True, help="Run every task, even if it is done."),
    click.option("--dry-run", is_flag=True, help="Run data blocks alone, in DRY_RUN."),
)


@click.command()
@_document
@options.shared
@click.pass_obj
def plan(
    common: Common,
    workflow: str,
    job: str | None,
    parameters: str | None,
    blocks: str | None,
    since: str,
    *,
    force: bool,
    dry_run: bool,
) -> None:
    """Say which tasks of WORKFLOW would run, and why; nothing runs.

    WORKFLOW is a YAML or JSON document. Its defects are all reported at once, with exit code 5.
    """
    from up42_state.workflow.blocks.opening import Blocks
    from up42_state.workflow.planner import plan as plan_workflow

    handles = common.handles(job=job)
    mode: JobMode = "DRY_RUN" if dry_run else "DEFAULT"
    with Blocks(handles.settings) as opened:
        found = _load(common, workflow, parameters, blocks, opened)
        handle = handles.job
        planned = plan_workflow(found, handle, job_mode=mode, force=force, since=since, blocks=opened)
    value = {"workflow": found.name, "job": handle.key, "tasks": [each.to_dict() for each in planned]}
    print_result(common, value, _planned(planned))


@click.command()
@_document
@click.option(
    "--keep-going", is_flag=True, help="After a failure run what does not stand on the failed task."
)
@click.option("--keep", type=click.Choice(["failed"]), help="Leave the directories of failed attempts.")
@click.option("--scratch", type=options.DIRECTORY, metavar="DIR", help="Where tasks have their directories.")
@click.option(
    "--cpus", type=click.FloatRange(min=0, min_open=True), help="Processors for all tasks together."
)
@click.option("--memory", type=options.byte_size, metavar="SIZE", help="Memory for all tasks together: 8GiB.")
@click.option(
    "--executor",
    metavar="WHERE",
    default="local",
    help="Where blocks run: local, dask (processes of this machine), or dask:tcp://HOST:PORT.",
)
@options.shared
@click.pass_obj
def run(
    common: Common,
    workflow: str,
    job: str | None,
    parameters: str | None,
    blocks: str | None,
    since: str,
    keep: str | None,
    scratch: Path | None,
    cpus: float | None,
    memory: int | None,
    executor: str,
    *,
    force: bool,
    dry_run: bool,
    keep_going: bool,
) -> int | None:
    """Run the tasks of WORKFLOW that are not done.

    Each task's output is saved as a stage of the job, so the same command goes on where it was. Ctrl-C stops
    the blocks; a task that fails ends with exit code 8.
    """
    from up42_state.cli.watching.watcher import watcher
    from up42_state.workflow.blocks.opening import Blocks
    from up42_state.workflow.runner import Options
    from up42_state.workflow.runner import run as run_workflow

    handles = common.handles(job=job)
    opened = Blocks(handles.settings)
    found = _load(common, workflow, parameters, blocks, opened)
    handle = handles.job
    chosen = Options(
        job_mode="DRY_RUN" if dry_run else "DEFAULT",
        force=force,
        since=since,
        keep_going=keep_going,
        keep="failed" if keep else "nothing",
        scratch=scratch,
        cpus=cpus,
        memory=memory,
    )
    stop = threading.Event()
    with stopped_by_signals(stop, common.note) as got, watcher(common, json=common.json) as tell:
        result = run_workflow(found, handle, chosen, executor=executor, blocks=opened, tell=tell, stop=stop)
    if got:
        return 128 + got[0]
    _check(result)
    return None


def _load(common: Common, path: str, parameters: str | None, blocks: str | None, opened: Blocks) -> Workflow:
    """Read and check the document, and print what should be looked at."""
    from up42_state.workflow.document import load, parameters_of

    workflow = load(path, parameters=parameters_of(parameters), blocks=blocks, labels=opened.labels)
    for warning in workflow.warnings:
        common.note(f"warning: {plain(warning)}")
    return workflow


def _planned(planned: list[Planned]) -> Table:
    rows = [
        (each.task.name, each.status, "; ".join(each.reasons), each.commit.name if each.commit else "")
        for each in planned
    ]
    return Table(columns=("task", "status", "why", "stage"), rows=rows)


def _check(result: RunResult) -> None:
    """Make sure that no task failed.

    :raises BlockError: one did.
    """
    failed = result.failed
    if failed:
        names = ", ".join(task.task for task in failed)
        ran = [task.task for task in failed if task.last and task.last.log_end]
        log = f"up42-state log {result.job}/{ran[0]} shows what its block printed; " if ran else ""
        raise BlockError(
            f"{counted(len(failed), 'task')} of {len(result.tasks)} failed: {names}",
            advice=f"{log}the same command goes on with what is not done",
        )
