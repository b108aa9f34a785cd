"""``engine join|split|merge``: steps of one task between directories, for engines that know no store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from up42_state.cli import options
from up42_state.cli.verbs.engines.texts import read_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.cli.common import Common

    F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["add_to"]

_task = click.option(
    "--task",
    metavar="TEXT",
    envvar="UP42_STATE_TASK",
    required=True,
    help="The task, as `workflow export` writes it; @FILE reads it from a file.  [UP42_STATE_TASK]",
)
_job = click.option(
    "--job",
    metavar="JOB",
    envvar="UP42_STATE_JOB",
    required=True,
    help="Job key that features from earlier tasks carry.  [UP42_STATE_JOB]",
)
_outdir = click.option(
    "--outdir", "target", type=options.DIRECTORY, metavar="DIR", required=True, help="What is made."
)


def _directories(name: str, text: str) -> Callable[[F], F]:
    given = click.Path(path_type=Path, file_okay=False)
    return click.option(f"--{name}", name, type=given, metavar="DIR", multiple=True, help=text)


def add_to(group: click.Group) -> None:
    """Add the verbs to the group of all steps."""
    for verb in (join, split, merge):
        group.add_command(verb)


@click.command()
@_task
@_job
@_directories("parent", "Output of a task that the input comes from; repeat, in the task's order.")
@_outdir
@options.shared
@click.pass_obj
def join(common: Common, task: str, job: str, parent: tuple[Path, ...], target: Path) -> None:
    """Make the task's input of the outputs of several tasks, as `run` does."""
    from up42_state.workflow.steps import directories

    directories.join(read_text(task), job, parent, target)
    common.note(f"up42-state: filled {target} with the outputs of {len(parent)} tasks")


@click.command()
@_task
@click.option("--input", "whole", type=options.DIRECTORY, metavar="DIR", required=True)
@_outdir
@options.shared
@click.pass_obj
def split(common: Common, task: str, whole: Path, target: Path) -> None:
    """Cut the task's input into shards, each in a directory of its own, as `run` does."""
    from up42_state.workflow.steps import directories

    count = directories.split(read_text(task), whole, target)
    common.note(f"up42-state: cut {whole} into {count} shards")


@click.command()
@_task
@_job
@click.option("--input", "whole", type=options.DIRECTORY, metavar="DIR", help="What was cut into shards.")
@_directories("output", "What the block made; of a task in shards repeat, in the order of the shards.")
@_directories("propagated", "Output of a task to merge into it; repeat, in the task's order.")
@_outdir
@options.shared
@click.pass_obj
def merge(
    common: Common,
    /,
    task: str,
    job: str,
    whole: Path | None,
    output: tuple[Path, ...],
    propagated: tuple[Path, ...],
    target: Path,
) -> None:
    """Put the task's output together, and merge earlier outputs into it, as `run` does."""
    from up42_state.workflow.steps import directories

    text = read_text(task)
    if text.task.chunk:
        if whole is None:
            raise click.UsageError(f"{text.task.name} runs in shards: give what was cut into them (--input)")
        directories.merge_shards(text, job, whole, output, propagated, target)
    elif len(output) != 1 or whole is not None:
        raise click.UsageError(f"{text.task.name} runs as a whole: give one --output, and no --input")
    else:
        directories.merge(text, job, output[0], propagated, target)
    common.note(f"up42-state: made {target} of {len(output)} outputs and {len(propagated)} earlier ones")
