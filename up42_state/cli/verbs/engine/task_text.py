"""The text of a task, which every step of an engine is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from up42_state.workflow.steps.text import PortableTask

__all__ = ["read_text", "task_text"]

task_text = click.option(
    "--task",
    metavar="TEXT",
    envvar="UP42_STATE_TASK",
    required=True,
    help="The task, as `workflow export` writes it; @FILE reads it from a file.  [UP42_STATE_TASK]",
)


def read_text(text: str) -> PortableTask:
    """Read a task's text, or the file that is named in its place.

    :raises SettingsError: it is no task's text.
    """
    from up42_state.errors import SettingsError
    from up42_state.workflow.steps.text import read_task

    if not text.startswith("@"):
        return read_task(text)
    try:
        return read_task(Path(text[1:]).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the task's text cannot be read: {error}", advice="look at --task @FILE"
        ) from error
