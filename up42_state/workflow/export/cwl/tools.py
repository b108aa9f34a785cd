"""The CommandLineTools of a document: one for each block, and those that run our own steps.

Texts reach a tool as the defaults of its inputs, which are no expressions: whatever stands in them arrives as
it is. Only references to inputs stand in expressions, so no engine needs JavaScript.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from up42_state.contract import INPUT, OUTPUT, QUICKLOOKS
from up42_state.workflow.blocks.variables import documented_environment

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from up42_state.workflow.model import Task

__all__ = ["STEPS", "STORE", "STORE_STEP", "block_info", "block_tool", "step_tools"]

Node = dict[str, Any]

_MIB = 1024 * 1024
_PROGRAM = "up42-state"
_OURS_TIME = {"TZ": "UTC"}


def empty(name: str) -> Node:
    """An empty directory, made where a tool gets none."""
    return {"class": "Directory", "basename": name, "listing": []}


# What our tools must know of the store, and what tells them: no other tool has these inputs.
STORE: dict[str, Any] = {
    "url": "string",
    "region": {"type": "string", "default": ""},
    "endpoint": {"type": "string", "default": ""},
    "credentials": {"type": "Directory", "default": empty("credentials")},
}
STORE_STEP = {name: name for name in STORE}
_OF_STORE = {
    "UP42_STATE_URL": "$(inputs.url)",
    "UP42_STATE_AWS_REGION": "$(inputs.region)",
    "UP42_STATE_AWS_ENDPOINT_URL": "$(inputs.endpoint)",
    "UP42_STATE_SECRETS_DIR": "$(inputs.credentials.path)",
}
_OF_TASK = {
    "UP42_STATE_TASK": "$(inputs.text)",
    "UP42_STATE_JOB": "$(inputs.job)",
    "UP42_JOB_MODE": "$(inputs.job_mode)",
}
_JOB = {"job": "string", "job_mode": "string"}
_DIRECTORIES = {"type": "array", "items": "Directory"}


class Step(NamedTuple):
    """A step of ours: a verb of ``up42-state engine``, and what it takes and gives.

    :param verb: with its fixed arguments.
    :param inputs: besides the task, the job and the store.
    :param uses_store: whether it reads or writes the store.
    :param printed: the file that takes what it prints; empty to leave that alone.
    """

    verb: tuple[str, ...]
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    uses_store: bool
    printed: str = ""
    arguments: tuple[str, ...] = ()


def _given(kind: Any, option: str) -> Node:
    return {"type": kind, "inputBinding": {"prefix": f"--{option}"}}


def _each(option: str) -> Node:
    """Directories, each with the option in front of it."""
    return {"type": {**_DIRECTORIES, "inputBinding": {"prefix": f"--{option}"}}, "default": []}


def _made(kind: Any, glob: str) -> Node:
    return {"type": kind, "outputBinding": {"glob": glob}}


_COMMIT = {"commit": {"type": "stdout"}}
STEPS = {
    # between directories
    "join": Step(
        ("join", "--outdir", "input"),
        {"parents": _each("parent")},
        {"output": _made("Directory", "input")},
        uses_store=False,
    ),
    "split": Step(
        ("split", "--outdir", "shards"),
        {"input": _given("Directory", "input")},
        {"shards": _made("Directory[]", "shards/shard-*")},
        uses_store=False,
    ),
    "merge": Step(
        ("merge", "--outdir", "output"),
        {
            "input": _given("Directory?", "input"),
            "outputs": _each("output"),
            "propagated": _each("propagated"),
        },
        {"output": _made("Directory", "output")},
        uses_store=False,
    ),
    # through the store
    "look": Step(
        ("look", "--json"),
        {"force": "boolean", "after": {"type": "Any?"}},
        {
            "task": "string",
            "status": "string",
            "run": "boolean",
            "reasons": "string[]",
            "stage": "string?",
            "shards": "string",
            "count": "int",
            "indices": "int[]",
        },
        uses_store=True,
        printed="cwl.output.json",
        arguments=("--force=$(inputs.force)",),
    ),
    "stage-in": Step(
        ("stage-in", "--input", "input", "--handover", "handover.json"),
        {"index": _given("int?", "index")},
        {"input": _made("Directory", "input"), "handover": _made("File", "handover.json")},
        uses_store=True,
    ),
    "stage-out": Step(
        ("stage-out", "--json"),
        {
            "output": _given("Directory", "output"),
            "quicklooks": _given("Directory?", "quicklooks"),
            "handover": _given("File", "handover"),
            "index": _given("int?", "index"),
        },
        _COMMIT,
        uses_store=True,
        printed="commit.json",
    ),
    "collect": Step(
        ("collect", "--json"),
        {"after": {"type": "Any?"}},
        _COMMIT,
        uses_store=True,
        printed="commit.json",
    ),
}


def step_tools(used: Container[str], image: str) -> list[Node]:
    """Return the tools of our own steps, in a fixed order.

    :param used: the steps that the document has.
    :param image: ours; empty for the program of the machine.
    """
    return [_step_tool(name, step, image) for name, step in STEPS.items() if name in used]


def _step_tool(own: str, step: Step, image: str) -> Node:
    variables = {**_OF_TASK, **(_OF_STORE if step.uses_store else {}), **_OURS_TIME}
    tool: Node = {
        "class": "CommandLineTool",
        "id": own,
        "requirements": {
            "EnvVarRequirement": {"envDef": variables},
            "NetworkAccess": {"networkAccess": step.uses_store},
        },
        **_ours(image),
        "baseCommand": [_PROGRAM, "engine", *step.verb],
        "inputs": {"text": "string", **_JOB, **(STORE if step.uses_store else {}), **step.inputs},
        "outputs": dict(step.outputs),
    }
    if step.arguments:
        tool["arguments"] = list(step.arguments)
    if step.printed:
        tool["stdout"] = step.printed
    return tool


def _ours(image: str) -> Node:
    """The image of a tool that runs our program: a hint, so that it runs without containers as well."""
    return {"hints": {"DockerRequirement": {"dockerPull": image}}} if image else {}


def block_info(task: Task) -> str:
    """Return the text of ``UP42_BLOCK_INFO``."""
    # Parameters are left out: the file that they would need if they were too long cannot be written.
    return documented_environment("", task.name, {}, "", task.manifest, scratch=Path())["UP42_BLOCK_INFO"]


def block_tool(own: str, task: Task, image: str, *, has_input: bool) -> Node:
    """Return the tool of a task's block.

    :param image: the block's; of a command or a function, ours.
    :param has_input: a directory is always given; otherwise one may be.
    """
    build = _image_tool if task.block.kind == "image" else _command_tool
    tool = {"class": "CommandLineTool", "id": own, **build(task, image, has_input=has_input)}
    if task.manifest is not None:
        tool["label"] = task.manifest.display_name or task.manifest.name
    return tool


def _image_tool(task: Task, image: str, *, has_input: bool) -> Node:
    """The image as it is: its entry point, in its own directories, without anything of ours."""
    command = {
        "command": {
            "type": "string[]",
            "default": list(task.block.command),
            "inputBinding": {"position": 1},
        }
    }
    return {
        "requirements": {
            "DockerRequirement": {"dockerPull": image, "dockerOutputDirectory": OUTPUT},
            "InitialWorkDirRequirement": {
                "listing": [
                    # An empty directory is there only if it can be written to.
                    {"entryname": INPUT, "entry": "$(inputs.input)", "writable": not has_input},
                    {"entryname": QUICKLOOKS, "entry": "$(inputs.quicklooks)", "writable": True},
                ]
            },
            "EnvVarRequirement": {
                "envDef": {
                    "UP42_TASK_PARAMETERS": "$(inputs.parameters)",
                    "UP42_JOB_MODE": "$(inputs.job_mode)",
                    "UP42_JOB_INFO": _job_info(),
                    "UP42_BLOCK_INFO": "$(inputs.block_info)",
                    **_OURS_TIME,
                }
            },
            **_limits(task),
        },
        "inputs": {
            "input": "Directory" if has_input else {"type": "Directory?", "default": empty("input")},
            "parameters": "string",
            "name": "string",
            "block_info": "string",
            **_JOB,
            "quicklooks": {"type": "Directory", "default": empty("quicklooks")},
            **(command if task.block.command else {}),
        },
        "outputs": {"output": _made("Directory", ".")},
    }


def _command_tool(task: Task, image: str, *, has_input: bool) -> Node:
    """The step of ours that runs a command or a function, in the sandbox that ``run`` has."""
    return {
        "requirements": {
            "EnvVarRequirement": {"envDef": {**_OF_TASK, **_OURS_TIME}},
            **_limits(task),
        },
        **_ours(image),
        "baseCommand": [_PROGRAM, "engine", "block", "--output", "output", "--quicklooks", "quicklooks"],
        "inputs": {
            "input": _given("Directory" if has_input else "Directory?", "input"),
            "folder": _given("Directory", "folder"),
            "text": "string",
            **_JOB,
        },
        "outputs": {
            "output": _made("Directory", "output"),
            "quicklooks": _made("Directory", "quicklooks"),
        },
    }


def _job_info() -> str:
    names = {"jobId": "job", "jobName": "job", "taskName": "name", "jobMode": "job_mode"}
    return json.dumps({member: f"$(inputs.{name})" for member, name in names.items()})


def _limits(task: Task) -> Node:
    resources = task.resources
    memory = {} if resources.memory is None else {"ramMin": math.ceil(resources.memory / _MIB)}
    is_data = task.manifest is not None and task.manifest.type == "data"
    limits: Node = {
        "ResourceRequirement": {"coresMin": resources.cpus, **memory},
        "NetworkAccess": {"networkAccess": is_data},
    }
    if task.timeout is not None:
        limits["ToolTimeLimit"] = {"timelimit": math.ceil(task.timeout)}
    return limits
