"""One task in one container around a command that knows nothing of this library.

The command's exit code and signals pass through, also where this is the container's first process (PID 1).
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from up42_state.block import INPUT, OUTPUT, QUICKLOOKS, Block
from up42_state.errors import SettingsError, TargetConflictError
from up42_state.stages.history import some_names
from up42_state.tasks.outputs import empty, leftovers
from up42_state.tasks.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from up42_state.settings import Settings
    from up42_state.stages.commit import BlockInfo

    PathLike = str | os.PathLike[str]

__all__ = ["NOT_EXECUTABLE", "NOT_FOUND", "child_environment", "run_task"]

NOT_EXECUTABLE, NOT_FOUND = 126, 127  # as shells, env(1) and docker have them

# Ways to credentials that the SDKs look for by themselves, besides those that our settings name.
_SDK_CREDENTIALS = frozenset(
    (
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_PROFILE",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "GOOGLE_APPLICATION_CREDENTIALS",
    )
)


def run_task(
    command: Sequence[str],
    *,
    settings: Settings | None = None,
    info: BlockInfo | None = None,
    input: PathLike = INPUT,  # noqa: A002 - the block contract's own word
    output: PathLike = OUTPUT,
    quicklooks: PathLike = QUICKLOOKS,
    clear: bool = False,
    pass_credentials: bool = False,
    note: Callable[[str], None] | None = None,
) -> int:
    """Restore the input, run the command, check its output, propagate and save it.

    The earlier stages that the settings' ``after`` names are restored into ``input``, several merged. The
    output is saved only if the command exits 0.

    :param command: the program and its arguments; no shell is involved.
    :param settings: where the state lies, job, stage, ``after``, ``propagate``, parameters and job mode;
        ``None`` reads the environment and the secret files.
    :param info: the block's name and version; ``None`` takes the name from an ``UP42Manifest.json`` in the
        working directory.
    :param clear: first remove what an earlier run has left in ``output``, ``quicklooks`` and, where stages
        are to be restored, ``input``; without it files in ``output`` or ``quicklooks`` are an error.
    :param pass_credentials: leave the credentials and our own settings in the command's environment.
    :param note: takes messages for people; ``None`` writes them to stderr.
    :return: the command's exit code; 128 + N where signal N ended it, 127 where it was not found, 126 where
        it could not be executed.
    :raises SettingsError: store, job or stage is not given; a path or an argument holds NUL.
    :raises TargetConflictError: a directory holds files of an earlier run.
    :raises StateError: the input could not be restored, or the output not saved. The command line ends with
        exit code 125 then.
    """
    if settings is None:
        from up42_state.settings import Settings

        settings = Settings()
    if not command:
        raise SettingsError("no command is given", advice="write it after --, for example: -- python run.py")
    if "\0" in "".join(command):
        raise SettingsError("the command holds NUL, which no argument of a program can")
    _check_place(settings)
    block = Block.from_env(settings, info=info, input=input, output=output, quicklooks=quicklooks)
    _prepare(block, restores=bool(settings.after), clear=clear)
    environment = child_environment(settings, os.environ, pass_credentials=pass_credentials)
    status = _run(command, environment)
    for text in _outcome(block, command[0], status):
        (note or _to_stderr)(text)
    return status


def child_environment(
    settings: Settings, environment: Mapping[str, str], *, pass_credentials: bool = False
) -> dict[str, str]:
    """The environment of a block's command: the documented variables, and no credentials of ours.

    This keeps credentials from leaking by accident, into a log or a subprocess; a command that runs as the
    same user can still read what that user can.

    :param environment: this process's own.
    :param pass_credentials: leave it as it is, but for the documented variables.
    """
    hidden = frozenset() if pass_credentials else _hidden_variables()
    kept = {
        name: value
        for name, value in environment.items()
        if name not in hidden and (pass_credentials or not name.startswith("UP42_STATE_"))
    }
    parameters = json.dumps(settings.parameters)
    return {**kept, "UP42_TASK_PARAMETERS": parameters, "UP42_JOB_MODE": settings.job_mode}


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


def _hidden_variables() -> frozenset[str]:
    """Variables that hold our credentials, or lead to them."""
    from up42_state._setting_sources import Variable
    from up42_state.settings import Settings

    found = (item for field in Settings.model_fields.values() for item in field.metadata)
    names = [name for item in found if isinstance(item, Variable) and item.secret for name in item.names]
    return _SDK_CREDENTIALS.union(names, (f"{name}_FILE" for name in names))


def _prepare(block: Block, *, restores: bool, clear: bool) -> None:
    """Empty directories for the output, and the input in its place.

    What a run before this one has left would be saved as this one's output.
    """
    outputs = (block.output_dir, block.quicklooks_dir)
    if clear:
        for folder in (*outputs, block.input_dir) if restores else outputs:
            empty(folder)
    for folder in outputs:
        left = leftovers(folder)
        if left:
            raise TargetConflictError(
                f"{folder} holds files already: {some_names(left)}",
                advice="empty it, give another directory, or have it cleared: clear=True (--clear)",
            )
        folder.mkdir(parents=True, exist_ok=True)
    block.restore_input()


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    try:
        return run(command, environment)
    except FileNotFoundError:
        _to_stderr(f"{command[0]}: command not found")
        return NOT_FOUND
    except OSError as error:
        _to_stderr(f"{command[0]}: cannot be executed: {error.strerror}")
        return NOT_EXECUTABLE


def _outcome(block: Block, program: str, status: int) -> Iterator[str]:
    """Save if all went well; what to tell people."""
    commit = block.finish() if status == 0 else None
    if commit is None:
        yield f"{program} ended with exit code {status}; nothing was saved"
        return
    yield from block.warnings
    for report in block.reports:
        yield from report.warnings
    if commit.job_mode != block.job_mode:
        yield f"nothing was saved: a dry run never supersedes real output, which is {commit.name}"
        return
    totals = commit.totals
    counts = f"{totals.features} features, {totals.files} files, {totals.bytes} bytes"
    yield f"{block.outcome} {commit.name}: {counts}"


def _to_stderr(text: str) -> None:
    sys.stderr.write(f"up42-state: {text}\n")
