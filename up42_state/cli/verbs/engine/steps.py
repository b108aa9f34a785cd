"""``engine``: the steps of one task, for the containers of a workflow engine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import click

from up42_state.cli import options
from up42_state.cli.commits import commit_facts, saved_value
from up42_state.cli.output import print_result, write_text
from up42_state.cli.signals import stopped_by_signals
from up42_state.cli.text import plain
from up42_state.cli.verbs.engine import directories
from up42_state.cli.verbs.engine.task_text import read_text, task_text
from up42_state.contract import INPUT, OUTPUT, quicklooks_of
from up42_state.units import counted, size

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any, TypeVar

    from up42_state.block.steps import Steps
    from up42_state.cli.common import Common
    from up42_state.stages.write.save import Saved
    from up42_state.workflow.steps.staging import Part
    from up42_state.workflow.steps.text import PortableTask
    from up42_state.workflow.task import StoredTask

    F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["engine"]

HANDOVER = "/tmp/handover.json"  # noqa: S108 - beside the contract's directories

_handover = click.option(
    "--handover",
    type=options.FILE,
    metavar="FILE",
    default=HANDOVER,
    show_default=True,
    help="What stage-in hands over to stage-out.",
)
_shards = click.option(
    "--shards", metavar="TEXT", help="The shards that `engine look` printed; --index counts these."
)
_index = click.option("--index", type=click.IntRange(min=0), metavar="N", help="Number of the shard, from 0.")


@click.group()
@options.shared
def engine() -> None:
    """The steps of one task, for the containers of a workflow engine."""


@engine.command()
@task_text
@options.job
@click.option(
    "--outputs",
    type=options.DIRECTORY,
    metavar="DIR",
    help="Write the files run, count and shards there, for an engine's output parameters.",
)
@click.option(
    "--force",
    type=bool,
    default=False,
    is_flag=False,
    flag_value=True,
    metavar="[true|false]",
    help="The task runs even if it is done.",
)
@options.shared
@click.pass_obj
def look(common: Common, task: str, job: str | None, outputs: Path | None, force: bool) -> None:
    """Say whether the task is to run, and which of its shards.

    Nothing but the store is read.
    """
    from up42_state.workflow.steps.looking import look as look_at

    stored = _stored(common, read_text(task), job)
    found = look_at(stored, force=force)
    if outputs is not None:
        found.write(outputs)
    if common.json:
        print_result(common, found.to_dict())
    else:
        write_text("".join(f"{plain(line)}\n" for line in found.lines()))


@engine.command()
@task_text
@options.job
@click.option("--input", "input_", type=options.DIRECTORY, default=INPUT, show_default=True)
@_handover
@_shards
@_index
@options.shared
@click.pass_obj
def stage_in(
    common: Common,
    /,
    task: str,
    job: str | None,
    input_: Path,
    handover: Path,
    shards: str | None,
    index: int | None,
) -> None:
    """Fill the input of the task's block, or of one shard's."""
    from up42_state.workflow.steps.staging import stage_in as fill

    stored, steps = _stored(common, read_text(task), job), _steps(common)
    with steps.timed("restore"):
        handed = fill(stored, input_, _part(shards, index))
        handed.write(handover)
    files = _sizes(input_)
    parents = [parent.name for parent in handed.parents]
    value = {
        "task": handed.task,
        "stage": handed.shard.stage if handed.shard else handed.task,
        "shard": handed.shard.index if handed.shard else None,
        "input": parents,
        "target": str(input_),
        "files": len(files),
        "bytes": sum(files),
        "handover": str(handover),
    }
    what = f"shard {value['shard']} ({value['stage']}) of " if handed.shard else ""
    done = (
        f"filled {input_} with {what}{', '.join(parents)}: {counted(len(files), 'file')}, {size(sum(files))}"
    )
    steps.done("restore", done if parents else f"{input_} is empty: {handed.task} has no input")
    if common.json:
        print_result(common, value)


@engine.command()
@task_text
@options.job
@click.option("--output", type=options.DIRECTORY, default=OUTPUT, show_default=True)
@click.option(
    "--quicklooks",
    type=options.DIRECTORY,
    metavar="DIR",
    help="Where quicklooks lie, besides .quicklooks of the output; /tmp/quicklooks for /tmp/output.",
)
@_handover
@_shards
@_index
@options.shared
@click.pass_obj
def stage_out(
    common: Common,
    /,
    task: str,
    job: str | None,
    output: Path,
    quicklooks: Path | None,
    handover: Path,
    shards: str | None,
    index: int | None,
) -> None:
    """Check the block's output, propagate, and save it as the task's stage, or the shard's."""
    from up42_state.contract import check_there
    from up42_state.workflow.steps.handover import Handover
    from up42_state.workflow.steps.staging import stage_out as save

    check_there(quicklooks or True)
    stored, steps = _stored(common, read_text(task), job), _steps(common)
    with steps.timed("save"), common.progress("saving") as progress:
        saved = save(
            stored,
            Handover.read(handover),
            output,
            quicklooks_of(output, quicklooks or True),
            _part(shards, index),
            progress=progress,
        )
    _print_saved(common, steps, stored, saved)


@engine.command()
@task_text
@options.job
@options.shared
@click.pass_obj
def collect(common: Common, task: str, job: str | None) -> None:
    """Put the task's shards together, and save its stage.

    Nothing is moved: the stage refers to the bytes of the shards.
    """
    from up42_state.workflow.steps.staging import collect as put_together

    stored, steps = _stored(common, read_text(task), job), _steps(common)
    with steps.timed("save"), common.progress("saving") as progress:
        saved = put_together(stored, progress=progress)
    _print_saved(common, steps, stored, saved)


@engine.command()
@task_text
@options.job
@click.option("--input", "input_", type=options.DIRECTORY, help="An empty directory without it.")
@click.option("--output", type=options.DIRECTORY, required=True)
@click.option("--quicklooks", type=options.DIRECTORY, help="Without it quicklooks are dropped.")
@click.option(
    "--folder", type=options.DIRECTORY, help="Of the block, in place of the one in the task's text."
)
@options.shared
@click.pass_obj
def block(
    common: Common,
    /,
    task: str,
    job: str | None,
    input_: Path | None,
    output: Path,
    quicklooks: Path | None,
    folder: Path | None,
) -> int | None:
    """Run the task's command or function in these directories, as `run` does.

    No store is needed. What the block prints goes to stderr; a block that fails ends with exit code 8.
    """
    from up42_state.errors import BlockError
    from up42_state.workflow.steps.running import Directories, run_block

    portable, steps, stop = read_text(task), _steps(common), threading.Event()
    settings = common.handles(job=job).settings
    with stopped_by_signals(stop, common.note) as got, steps.timed("run"):
        ending = run_block(
            portable, Directories(input_, output, quicklooks), settings=settings, folder=folder, stop=stop
        )
    if got:
        return 128 + got[0]
    if not ending.is_done:
        raise BlockError(f"{portable.task.name} failed: {ending.text}", advice="see what it printed above")
    steps.done("run", f"ran {portable.task.name}")
    if common.json:
        value = {"task": portable.task.name, "output": str(output), "peak_memory": ending.peak_memory}
        print_result(common, value)
    return None


def _stored(common: Common, portable: PortableTask, job: str | None) -> StoredTask:
    from up42_state.workflow.steps.staging import stored_task

    handles = common.handles(job=job)
    return stored_task(portable, handles.job, handles.settings.job_mode)


def _steps(common: Common) -> Steps:
    from up42_state.block.steps import Steps

    return Steps(lambda text: common.note(f"up42-state: {text}"))


def _part(shards: str | None, index: int | None) -> Part:
    from up42_state.workflow.steps.chosen import Chosen
    from up42_state.workflow.steps.staging import Part

    if shards is not None and index is None:
        raise click.UsageError("--shards says which shards --index counts: give --index as well")
    return Part(None if shards is None else Chosen.parse(shards), index)


def _sizes(folder: Path) -> list[int]:
    """Return the sizes of the files in a directory, but for its ``data.json``."""
    found = (path for path in folder.rglob("*") if path != folder / "data.json")
    return [path.stat().st_size for path in found if path.is_file()]


def _print_saved(common: Common, steps: Steps, stored: StoredTask, saved: Saved) -> None:
    steps.saved(saved, stored.planner.job_mode)
    print_result(common, saved_value(saved), commit_facts(saved.commit, outcome=saved.outcome))


directories.add_to(engine)
