"""What keeps a task from being a CommandLineTool."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from up42_state.block.parameters import fits
from up42_state.errors import Defect
from up42_state.workflow.export.defects import readable_secrets
from up42_state.workflow.planner import upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.workflow.model import Task

__all__ = ["defects"]

_LONGEST = 128 * 1024  # bytes of NAME=value and a zero that Linux takes (MAX_ARG_STRLEN, execve(2))
_TASK = "UP42_STATE_TASK"


def defects(task: Task, parameters: str, text: str, *, is_staged: bool) -> Iterator[Defect]:
    """Yield what of a task CWL cannot express.

    :param parameters: the text of the task's parameters.
    :param text: the task's, for our own steps.
    """
    name, block = task.name, task.block
    yield from readable_secrets(task)
    if task.retries:
        yield Defect(
            f"{name} retries",
            "CWL has no retries",
            "leave out `retries`, and have the engine that runs the document retry",
        )
    if task.resources.gpus:
        yield Defect(
            f"{name} resources.gpus",
            "CWL has no graphics processors, and the extension that has some wants versions of CUDA, which no"
            " manifest names",
            "give the task `resources: {gpus: 0}` if it can do without, or run it with another engine",
        )
    for variable in block.environment:
        yield Defect(
            f"{name} environment",
            f"CWL engines write the variable {variable} of the block into command lines and logs",
            "leave it out, or run the task with another engine",
        )
    if block.kind == "image" and block.user == "image":
        yield Defect(
            f"{name} user",
            "CWL does not say as whom an image runs",
            "leave out `user: image`, or run the task with another engine",
        )
    if not is_staged:
        for other in (each for each in upstream(task) if "/" in each):
            yield Defect(
                f"{name} {other}",
                "a package that knows no store cannot have the stage of another job",
                "export with --staged",
            )
    if not fits(parameters) or len(os.fsencode(f"{_TASK}={text}")) >= _LONGEST:
        yield Defect(
            f"{name} parameters",
            "they are too long for a variable: CWL gives a block no others",
            "put what is long into a file of the block, or of its input",
        )
