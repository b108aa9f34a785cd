"""Run one task in one container: a restore, a command that knows nothing of this library, and a save.

The command's exit code and signals pass through, also where this process is the container's first (PID 1).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Unpack

from up42_state.block.block import Block
from up42_state.block.environment import child_environment, hidden_names
from up42_state.block.parameters import with_parameters
from up42_state.block.process import run
from up42_state.block.recipe.scripts import code_of
from up42_state.block.result import TaskResult
from up42_state.contract import INPUT, OUTPUT, QUICKLOOKS
from up42_state.errors import SettingsError, TargetConflictError
from up42_state.machine.lock import HELD, lock_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from up42_state.options import MergeOptions
    from up42_state.settings.model import Settings
    from up42_state.stages.format.commit import BlockInfo

    PathLike = str | os.PathLike[str]

__all__ = ["NOT_EXECUTABLE", "NOT_FOUND", "run_task"]

NOT_EXECUTABLE, NOT_FOUND = 126, 127  # POSIX, Shell Command Language §2.8.2; env(1) and docker agree


def run_task(
    command: Sequence[str],
    *,
    settings: Settings | None = None,
    info: BlockInfo | None = None,
    manifest: PathLike | None = None,
    resume: bool = False,
    restore_output: bool = False,
    explain: bool = False,
    input: PathLike = INPUT,  # noqa: A002 - the block contract's own word
    output: PathLike = OUTPUT,
    quicklooks: PathLike = QUICKLOOKS,
    clear: bool = False,
    force: bool = False,
    pass_credentials: bool = False,
    note: Callable[[str], None] | None = None,
    result: TaskResult | None = None,
    **options: Unpack[MergeOptions],
) -> int:
    """Restore the input, run the command, check the output, merge propagated stages into it, and save it.

    The stages that the settings' ``after`` names are restored into ``input``; several stages are merged. The
    output is saved only if the command exits with 0. The directories are locked meanwhile.

    :param command: the program and its arguments; no shell is involved.
    :param settings: the store's URL, the job, the stage, ``after``, ``propagate``, the parameters and the job
        mode; ``None`` reads the environment and the secret files.
    :param info: the block's name and version; ``None`` takes the name from the manifest.
    :param manifest: the block's manifest, by which the parameters are checked and completed; ``None`` for an
        ``UP42Manifest.json`` beside the command's script or in the working directory, if there is one.
    :param resume: do not run the command if the task is done (``docs/block.md``); ``UP42_STATE_RESUME`` of
        the settings is the same.
    :param restore_output: restore the output of a task that is done into ``output``.
    :param explain: only tell whether the task is done, and if not, why it would run.
    :param input: the directory that the command finds the input in.
    :param output: the directory that the command writes ``data.json`` and files to.
    :param quicklooks: the directory that the command writes quicklooks to.
    :param clear: first remove what an earlier run has left in ``output``, ``quicklooks`` and, if stages are
        restored, ``input``. Without ``clear``, files in ``output`` or ``quicklooks`` are an error.
    :param force: with ``clear``, remove also the content of directories that are not known to be a block's.
    :param pass_credentials: leave the credentials and our own settings in the command's environment.
    :param note: called with each message for people; ``None`` writes messages to stderr.
    :param result: a record to fill in while the task runs; after an error it says what happened before.
    :param options: how stages are merged: the options of :class:`~up42_state.Block`.
    :return: the command's exit code; 0 if the task is done, or only ``explain`` is asked for; 128 + N if
        signal N ended the command, 127 if the program was not found, 126 if it could not be executed.
    :raises SettingsError: store, job or stage is not given; a path or an argument holds NUL; directories lie
        in one another, are links, or must not be cleared.
    :raises TargetConflictError: a directory holds files of an earlier run, or another task is at work in it.
    :raises StateError: the input could not be restored, or the output could not be saved. The command line
        then ends with exit code 125.
    """
    if settings is None:
        from up42_state.settings.model import Settings

        settings = Settings()
    if not command:
        raise SettingsError("no command is given", advice="write it after --, for example: -- python run.py")
    if "\0" in "".join(command):
        raise SettingsError("the command holds NUL, which no argument of a program can")
    _check_stage_given(settings)
    block = Block.from_env(
        settings,
        info=info,
        manifest=manifest,
        command=command,
        input=input,
        output=output,
        quicklooks=quicklooks,
        note=note,
        **options,
    )
    result = TaskResult() if result is None else result
    try:
        if explain:
            standing = block.look()
            result.outcome = "cached" if standing.is_done else "would run"
            return 0
        if (resume or settings.resume) and block.take_cached():
            if restore_output:
                _restore_output(block, clear=clear, force=force, code=code_of(command))
            return 0
        with block.workspace.held(emptied=clear, force=force, code=code_of(command)) as locks:
            _ = block.recipe  # before the command runs: it may change its own folder
            parents = block.restore_input()
            result.input = [commit.name for commit in parents]
            environment = child_environment(settings, os.environ, pass_credentials=pass_credentials)
            if pass_credentials:  # a Block in the command can save, too, in directories that this task holds
                environment[HELD] = lock_names([block.input_dir, block.output_dir, block.quicklooks_dir])
            with with_parameters(block.parameters, settings, environment, block.steps.say) as given:
                result.command_exit_code = _run(command, given, locks, block)
            if result.command_exit_code == 0:
                block.finish()
            else:
                result.outcome = "command failed"
                _tell_hidden(
                    block, command[0], () if pass_credentials else hidden_names(settings, os.environ)
                )
    finally:
        result.take(block)
    return result.command_exit_code


def _restore_output(block: Block, *, clear: bool, force: bool, code: Iterable[Path]) -> None:
    """Restore the output of a task that is done; equal files that are there already are kept.

    :raises TargetConflictError: the output directory holds other files.
    """
    assert block.stage is not None
    assert block.cached is not None
    with block.workspace.held(emptied=clear, force=force, code=code, refuse=False):
        try:
            with block.steps.timed("restore"):
                block.stage.restore(
                    block.output_dir,
                    revision=block.cached.revision,
                    quicklooks=block.quicklooks_dir,
                    job_mode=block.job_mode,
                )
        except TargetConflictError as error:
            error.advice = "empty it, have it cleared (clear=True, --clear), or give another directory"
            raise
    block.steps.done("restore", f"restored the output into {block.output_dir}")


def _check_stage_given(settings: Settings) -> None:
    """Make sure that the settings name a stage to save.

    :class:`Block` takes settings that name no stage, and saves nothing. Here that would be a mistake, and the
    message can name the options of the command line.

    :raises SettingsError: the store's URL, the job or the stage is not given.
    """
    missing = [name for name in ("url", "job", "stage") if not getattr(settings, name)]
    if missing:
        ways = [f"--{name} (or UP42_STATE_{name.upper()})" for name in missing]
        raise SettingsError(
            f"there is no {' and no '.join(missing)} to save the output to",
            advice=f"give {' and '.join(ways)}",
        )


def _tell_hidden(block: Block, program: str, names: Sequence[str]) -> None:
    """Tell people which variables a command that failed did not see, since it may have needed them."""
    if names:
        block.steps.warn(f"hidden from {program}: {', '.join(names)} (--pass-credentials leaves them)")


def _run(command: Sequence[str], environment: Mapping[str, str], locks: Iterable[int], block: Block) -> int:
    """Run the command, and return its exit code.

    :param locks: descriptors of the locks, which the command inherits.
    """
    program, steps = command[0], block.steps
    steps.say(f"running {program}")
    # If this process is killed, the command may live on and write: the directories stay locked until it ends.
    for fd in locks:
        os.set_inheritable(fd, True)
    try:
        with steps.timed("run"):
            status = run(command, environment)
    except FileNotFoundError:
        steps.say(f"{program}: command not found")
        return NOT_FOUND
    except OSError as error:
        steps.say(f"{program}: cannot be executed: {error.strerror}")
        return NOT_EXECUTABLE
    steps.done("run", f"{program} ended with exit code {status}{'; nothing was saved' if status else ''}")
    return status
