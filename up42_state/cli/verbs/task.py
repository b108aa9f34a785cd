"""``exec``: run a command as one task of a job."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from up42_state.cli import names, options
from up42_state.cli.common import Common
from up42_state.cli.output import print_result
from up42_state.contract import INPUT, OUTPUT, QUICKLOOKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from up42_state.block.result import TaskResult
    from up42_state.cli.common import Handles

__all__ = ["exec"]

OWN_FAILURE = 125  # as docker's: the other exit codes are the command's


class Task(click.Command):
    """A verb that ends with the exit code of its command, so that its own failures need one code for all."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse the arguments; an error in the arguments is a failure of the verb itself, too."""
        if parent is not None:
            parent.ensure_object(Common).own_failure = OWN_FAILURE
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=Task, context_settings={"allow_interspersed_args": False})
@click.argument("command", metavar="-- COMMAND...", nargs=-1, required=True, type=click.UNPROCESSED)
@options.job
@options.stage
@options.after
@options.propagated
@options.propagation_options
@click.option("--input", "input_", type=options.DIRECTORY, default=INPUT, show_default=True)
@click.option("--output", type=options.DIRECTORY, default=OUTPUT, show_default=True)
@click.option("--quicklooks", type=options.DIRECTORY, default=QUICKLOOKS, show_default=True)
@click.option("--resume", is_flag=True, help="Do not run COMMAND if the task is done.  [UP42_STATE_RESUME]")
@click.option("--explain", is_flag=True, help="Only say whether the task is done, or why it would run.")
@click.option("--restore-output", is_flag=True, help="Restore the output of a task that is done.")
@click.option(
    "--manifest",
    type=options.FILE,
    metavar="FILE",
    help="The block's manifest; UP42Manifest.json beside the script or in the working directory without it.",
)
@click.option("--clear", is_flag=True, help="First remove what an earlier run has left there.")
@click.option("--force", is_flag=True, help="Clear directories that hold no block's output as well.")
@click.option("--result", type=options.FILE, metavar="FILE", help="Write what came of it to FILE, as JSON.")
@click.option("--pass-credentials", is_flag=True, help="Leave our credentials in COMMAND's environment.")
@options.shared
@click.pass_obj
def exec(  # noqa: A001 - the verb's name
    common: Common,
    /,
    command: tuple[str, ...],
    job: str | None,
    stage: str | None,
    after: tuple[str, ...],
    propagate: tuple[str, ...],
    input_: Path,
    output: Path,
    quicklooks: Path,
    *,
    resume: bool,
    explain: bool,
    restore_output: bool,
    manifest: Path | None,
    clear: bool,
    force: bool,
    result: Path | None,
    pass_credentials: bool,
    **merging: Any,
) -> int:
    """Run a command as one task of a job.

    Restores the --after stages into the input, runs COMMAND, checks its output, propagates, and saves it
    if COMMAND exits 0. COMMAND's exit code and signals pass through; failures of our own exit 125.
    With --resume a task that is done is not run again. `exec -- up42-state engine ...` is that step itself.
    """
    if command[:2] == ("up42-state", "engine"):
        # Our image begins with this verb, and an engine that cannot take another beginning asks for a step.
        os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
    with _told(common, result) as told:
        from up42_state.block.task import run_task

        handles = _handles(common, job, stage, after, propagate)
        told.exit_code = run_task(
            command,
            settings=handles.settings,
            input=input_,
            output=output,
            quicklooks=quicklooks,
            manifest=manifest,
            resume=resume,
            explain=explain,
            restore_output=restore_output,
            clear=clear,
            force=force,
            pass_credentials=pass_credentials,
            note=lambda text: common.note(f"up42-state: {text}"),
            result=told,
            **options.chosen(**merging),
        )
        if explain and not common.json:
            _print_standing(told, handles.settings.stage)
    return told.exit_code


def _handles(
    common: Common, job: str | None, stage: str | None, after: tuple[str, ...], propagate: tuple[str, ...]
) -> Handles:
    """Return the handles of a task, whose names are read as every verb reads them."""
    handles = common.handles(job=job, stage=stage, after=after, propagate=propagate)
    settings = handles.settings
    if not (settings.url and settings.job and settings.stage):
        return handles  # the library says what is missing
    names.to_save(handles)
    earlier = [names.current_names(handles, given) for given in (settings.after, settings.propagate)]
    if earlier == [settings.after, settings.propagate]:
        return handles
    return common.handles(job=job, stage=stage, after=earlier[0], propagate=earlier[1])


def _print_standing(result: TaskResult, stage: str | None) -> None:
    """Print whether a task is done, or why it would run."""
    for reason in result.reasons:
        click.echo(f"{stage} runs: {reason}")
    if result.commit and not result.reasons:
        click.echo(f"{stage} is done: {result.commit['job']}/{stage}@{result.commit['revision']}")


@contextmanager
def _told(common: Common, file: Path | None) -> Iterator[TaskResult]:
    """Give a result to fill in; print it and write it to the file at the end, even after a failure."""
    from up42_state.block.result import TaskResult, prepare_file, write_file

    result, ready = TaskResult(exit_code=OWN_FAILURE), False
    try:
        if file is not None:
            prepare_file(file)
            ready = True
        yield result
    except BaseException as error:
        common.hide_misplaced()
        result.fail(error)
        result.exit_code = getattr(error, "status", OWN_FAILURE)  # a signal's, where one ended us
        raise
    finally:
        if file is not None and ready:
            write_file(file, result.to_dict())
        if common.json:
            print_result(common, result.to_dict())
