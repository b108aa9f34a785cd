"""Run a task's command or function in given directories, for engines that run no containers.

Nothing of the store is needed: what fills the input and takes the output is the engine's affair.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from up42_state.block.leftovers import leftovers
from up42_state.contract import check_apart
from up42_state.errors import PathNotFoundError, SettingsError, TargetConflictError
from up42_state.secrets.redaction import remember
from up42_state.stages.format.names import some_names
from up42_state.stages.format.parameters import secret_texts
from up42_state.stages.local.directory import writing_to
from up42_state.workflow.blocks.logs import Log
from up42_state.workflow.blocks.opening import Blocks
from up42_state.workflow.blocks.variables import block_environment
from up42_state.workflow.blocks.work import Work
from up42_state.workflow.scratch import Scratch

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.settings.model import Settings
    from up42_state.workflow.blocks.work import Ending
    from up42_state.workflow.model import Task
    from up42_state.workflow.steps.text import PortableTask

__all__ = ["Directories", "run_block"]

_LONGEST = 256 * 1024  # bytes of a line that is shown


class Directories(NamedTuple):
    """Where a block finds its input and leaves its output.

    :param input: ``None`` for an empty one.
    :param quicklooks: ``None`` drops them.
    """

    input: Path | None
    output: Path
    quicklooks: Path | None


def run_block(
    portable: PortableTask,
    directories: Directories,
    *,
    settings: Settings,
    folder: Path | None = None,
    stop: threading.Event | None = None,
) -> Ending:
    """Run a block to its end, as a run of the workflow does; what it prints goes to stderr, line by line.

    :param settings: give the job's name and mode, and say which variables open the store: those the block
        does not get.
    :param folder: of the block, in place of the one that the task names.
    :param stop: set it to have the block stopped.
    :raises SettingsError: the block is an image, or another one than the task's.
    :raises PathNotFoundError: the input, or the block's folder, is not there.
    :raises TargetConflictError: files lie in the output, or among the quicklooks.
    """
    task = _placed(portable.task, folder)
    with Blocks(settings) as blocks, Scratch() as scratch:
        block = blocks.of(task)
        if block.code != portable.code:
            raise SettingsError(
                f"the block of {task.name} in {task.block.folder} is another one ({block.code}) than the "
                f"task's text speaks of ({portable.code})",
                advice="export the workflow again, or give the folder of that block (--folder)",
            )
        attempt = scratch.folder(task.name)
        given = _prepared(directories)
        log = _Shown()
        secrets = {name: os.environ[name] for name in task.block.environment if name in os.environ}
        remember(log, [*secrets.values(), *secret_texts(task.parameters)])
        # A secret of several lines, such as a key, is shown line by line.
        log.hide([line for secret in secrets.values() for line in secret.splitlines()])
        job = settings.job or ""
        work = Work(
            job=job,
            task=task.name,
            attempt=1,
            input=given.input or attempt.input,
            output=given.output,
            quicklooks=given.quicklooks or attempt.quicklooks,
            scratch=attempt.home,
            log=log,
            environment=block_environment(
                task, settings=settings, job=job, job_mode=settings.job_mode, scratch=attempt.home
            ),
            secrets=secrets,
            resources=task.resources,
            timeout=task.timeout,
            stop=stop or threading.Event(),
        )
        try:
            return block.run(work)
        finally:
            log.end()


def _placed(task: Task, folder: Path | None) -> Task:
    """Return a task whose block can be run here."""
    if task.block.kind == "image":
        raise SettingsError(
            f"the block of {task.name} is the image {task.block.image}",
            advice="have the engine run it in a container of its own; this step runs commands and functions",
        )
    folder = folder or task.block.folder
    if folder is None:
        raise SettingsError(f"the folder of {task.name}'s block is not known", advice="give it (--folder)")
    if not folder.is_dir():
        raise PathNotFoundError(
            f"there is no folder {folder} with the block of {task.name}", advice="give it (--folder)"
        )
    return replace(task, block=replace(task.block, folder=folder.absolute()))


def _prepared(given: Directories) -> Directories:
    """Make the directories that the block writes to, and make sure that nothing lies there."""
    check_apart(input=given.input, output=given.output, quicklooks=given.quicklooks)
    if given.input is not None and not given.input.is_dir():
        raise PathNotFoundError(f"there is no input directory {given.input}")
    for directory in filter(None, (given.output, given.quicklooks)):
        with writing_to(directory):
            directory.mkdir(parents=True, exist_ok=True)
        if found := leftovers(directory):
            raise TargetConflictError(
                f"{directory} holds files, which would be taken for the block's: {some_names(found)}",
                advice="empty it, or give another directory",
            )
    return Directories(
        input=given.input and given.input.absolute(),
        output=given.output.absolute(),
        quicklooks=given.quicklooks and given.quicklooks.absolute(),
    )


class _Shown(Log):
    """A log whose lines are shown on stderr as they come, without secrets."""

    def __init__(self) -> None:
        super().__init__()
        self._line = bytearray()
        self._showing = threading.Lock()

    def write(self, data: bytes) -> None:
        """Add bytes, and show the lines that end in them."""
        super().write(data)
        with self._showing:
            self._line += data
            *lines, rest = self._line.split(b"\n")
            for line in lines:
                self._show(line)
            # Half a line may hold half a secret, which is not found.
            self._line = rest[: _LONGEST + 1]

    def end(self) -> None:
        """Show a last line that does not end."""
        with self._showing:
            if self._line:
                self._show(self._line)
            self._line = bytearray()

    def _show(self, line: bytearray) -> None:
        if len(line) > _LONGEST:
            line = bytearray(b"[up42-state] a line of more than 256 KiB is left out")
        text = self.without_secrets(line.decode(errors="replace"))
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
