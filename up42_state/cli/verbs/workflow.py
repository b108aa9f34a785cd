"""``workflow``: publish the schema of workflow documents, check a document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from up42_state.cli import options
from up42_state.cli.output import Table, print_result, write_text
from up42_state.cli.text import plain
from up42_state.cli.verbs.engines.export import export
from up42_state.secrets.redaction import HIDDEN, without_credentials
from up42_state.secrets.shapes import is_secret_name
from up42_state.units import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.cli.common import Common
    from up42_state.workflow.model import BlockReference, Task, Workflow

__all__ = ["workflow"]


@click.group()
@options.shared
def workflow() -> None:
    """Check workflow documents, write them for other engines."""


workflow.add_command(export)


@workflow.command()
@click.option("--blocks", is_flag=True, help="The schema of blocks files.")
@options.shared
def schema(blocks: bool) -> None:
    """Print the JSON Schema of workflow documents."""
    from up42_state.workflow.document import published

    write_text(json.dumps(published("blocks" if blocks else ""), indent=2) + "\n")


@workflow.command()
@click.argument("file")
@click.option("--parameters", metavar="P", help="The job's parameters: a JSON or YAML file, or JSON itself.")
@click.option(
    "--blocks", metavar="FILE", help="What to run for the blocks that the platform's form names by id."
)
@options.shared
@click.pass_obj
def check(common: Common, file: str, parameters: str | None, blocks: str | None) -> None:
    """Check the workflow document FILE as a whole; nothing is run.

    Prints the tasks in the order in which they run; the exit code is 5 if anything is wrong, and all of it is
    listed.
    """
    from up42_state.workflow.document import load, parameters_of

    found = load(file, parameters=parameters_of(parameters), blocks=blocks)
    for warning in found.warnings:
        common.note(f"warning: {plain(warning)}")
    print_result(common, _to_dict(found), _table(found))


def _table(found: Workflow) -> Table:
    columns = ("task", "after", "runs", "cpus", "memory", "gpus", "timeout", "retries", "foreach")
    return Table(columns=columns, rows=[_row(task) for task in found.tasks])


def _row(task: Task) -> tuple[object, ...]:
    resources = task.resources
    return (
        task.name,
        ", ".join(task.after) or "-",
        _runs(task.block),
        f"{resources.cpus:g}",
        "" if resources.memory is None else size(resources.memory),
        resources.gpus or "",
        "" if task.timeout is None else f"{task.timeout:g} s",
        task.retries or "",
        f"{task.chunk} feature{'s' if task.chunk > 1 else ''}" if task.chunk else "",
    )


def _runs(block: BlockReference) -> str:
    words = {"image": block.image, "python": block.function, "command": " ".join(_shown(block.command))}
    return f"{block.kind} {words[block.kind]}"


def _shown(command: Sequence[str]) -> list[str]:
    """Return a command without words that have a credential's form, or stand after ``--token``."""
    shown, before = [], ""
    for word in command:
        is_value = before.startswith("-") and "=" not in before and is_secret_name(before)
        name, equals, _ = word.partition("=")
        hidden = f"{name}={HIDDEN}" if equals and is_secret_name(name) else without_credentials(word)
        shown.append(HIDDEN if is_value and not word.startswith("-") else hidden)
        before = word
    return shown


def _to_dict(found: Workflow) -> dict[str, Any]:
    return {
        "valid": True,
        "name": found.name,
        "tasks": [_task_to_dict(task) for task in found.tasks],
        "warnings": list(found.warnings),
    }


def _task_to_dict(task: Task) -> dict[str, Any]:
    from up42_state.stages.format.parameters import mask_secrets

    block, resources = task.block, task.resources
    return {
        "name": task.name,
        "block": {
            "kind": block.kind,
            "image": block.image or None,
            "folder": str(block.folder) if block.folder else None,
            "command": _shown(block.command),
            "function": block.function or None,
            "name": task.manifest.name if task.manifest else None,
        },
        "after": list(task.after),
        "propagate": [list(propagated.stages) for propagated in task.propagate],
        "parameters": mask_secrets(task.parameters),
        "chunk": task.chunk,
        "retries": task.retries,
        "timeout": task.timeout,
        "resources": {"cpus": resources.cpus, "memory": resources.memory, "gpus": resources.gpus},
    }
