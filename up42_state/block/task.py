"""One task in one container around a command that knows nothing of this library.

The command's exit code and signals pass through, also where this is the container's first process (PID 1).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from up42_state.block.block import Block
from up42_state.block.environment import child_environment, hidden_names
from up42_state.block.leftovers import code_of
from up42_state.block.parameters import with_parameters
from up42_state.block.process import run
from up42_state.block.result import TaskResult
from up42_state.contract import INPUT, OUTPUT, QUICKLOOKS
from up42_state.errors import SettingsError
from up42_state.machine.lock import HELD, lock_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from up42_state.settings.model import Settings
    from up42_state.stages.format.commit import BlockInfo

    PathLike = str | os.PathLike[str]

__all__ = ["NOT_EXECUTABLE", "NOT_FOUND", "run_task"]

NOT_EXECUTABLE, NOT_FOUND = 126, 127  # as shells, env(1) and docker have them


def run_task(
    command: Sequence[str],
    *,
    settings: Settings | None = None,
    info: BlockInfo | None = None,
    input: PathLike = INPUT,  # noqa: A002 - the block contract's own word
    output: PathLike = OUTPUT,
    quicklooks: PathLike = QUICKLOOKS,
    clear: bool = False,
    force: bool = False,
    pass_credentials: bool = False,
    note: Callable[[str], None] | None = None,
    result: TaskResult | None = None,
    **options: Any,
) -> int:
    """Restore the input, run the command, check its output, propagate and save it.

    The earlier stages that the settings' ``after`` names are restored into ``input``, several merged. The
    output is saved only if the command exits 0. Nobody else's task may use the directories meanwhile.

    :param command: the program and its arguments; no shell is involved.
    :param settings: where the state lies, job, stage, ``after``, ``propagate``, parameters and job mode;
        ``None`` reads the environment and the secret files.
    :param info: the block's name and version; ``None`` takes the name from an ``UP42Manifest.json`` in the
        working directory.
    :param clear: first remove what an earlier run has left in ``output``, ``quicklooks`` and, where stages
        are to be restored, ``input``; without it files in ``output`` or ``quicklooks`` are an error.
    :param pass_credentials: leave the credentials and our own settings in the command's environment.
    :param note: takes messages for people; ``None`` writes them to stderr.
    :param result: filled in while the task runs; it says what has happened where an error is raised, too.
    :param options: how stages are merged, as :class:`~up42_state.block.block.Block` takes them.
    :return: the command's exit code; 128 + N where signal N ended it, 127 where it was not found, 126 where
        it could not be executed.
    :raises SettingsError: store, job or stage is not given; a path or an argument holds NUL; directories lie
        in one another, are links, or must not be cleared.
    :raises TargetConflictError: a directory holds files of an earlier run, or another task is at work in it.
    :raises StateError: the input could not be restored, or the output not saved. The command line ends with
        exit code 125 then.
    """
    if settings is None:
        from up42_state.settings.model import Settings

        settings = Settings()
    if not command:
        raise SettingsError("no command is given", advice="write it after --, for example: -- python run.py")
    if "\0" in "".join(command):
        raise SettingsError("the command holds NUL, which no argument of a program can")
    _check_place(settings)
    block = Block.from_env(
        settings, info=info, input=input, output=output, quicklooks=quicklooks, note=note, **options
    )
    result = TaskResult() if result is None else result
    try:
        with block.workspace.held(emptied=clear, force=force, code=code_of(command)) as locks:
            parents = block.restore_input()
            result.input = [commit.name for commit in parents]
            environment = child_environment(settings, os.environ, pass_credentials=pass_credentials)
            if pass_credentials:  # a Block in the command may be given a place of its own
                environment[HELD] = lock_names([block.input_dir, block.output_dir, block.quicklooks_dir])
            with with_parameters(settings, environment, block.steps.say) as given:
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


def _check_place(settings: Settings) -> None:
    """Make sure that there is a stage to save to, before :class:`Block` looks: it knows of no options.

    :raises SettingsError: a part of it is not given.
    """
    missing = [name for name in ("url", "job", "stage") if not getattr(settings, name)]
    if missing:
        ways = [f"--{name} (or UP42_STATE_{name.upper()})" for name in missing]
        raise SettingsError(
            f"there is no {' and no '.join(missing)} to save the output to",
            advice=f"give {' and '.join(ways)}",
        )


def _tell_hidden(block: Block, program: str, names: Sequence[str]) -> None:
    """A command that failed may have wanted what it did not find."""
    if names:
        block.steps.warn(f"hidden from {program}: {', '.join(names)} (--pass-credentials leaves them)")


def _run(command: Sequence[str], environment: Mapping[str, str], locks: Iterable[int], block: Block) -> int:
    """Run the command, which keeps the locks if this process is killed; its exit code."""
    program, steps = command[0], block.steps
    steps.say(f"running {program}")
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
