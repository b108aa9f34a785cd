"""A task as one text, by which a process that knows nothing of the workflow's document does a step of it.

The text is a JSON object. It holds what the store needs, and what runs a command or a function. Of the
machine that wrote the text it names the folder of such a block alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from up42_state.errors import InvalidManifestError, SettingsError
from up42_state.manifest import Manifest
from up42_state.stages.format.names import check_stage, split_stage
from up42_state.workflow.model import BlockReference, PropagatedStages, Resources, Task

__all__ = ["VARIABLE", "PortableTask", "read_task", "write_task"]

VARIABLE = "UP42_STATE_TASK"
_VERSION = 1
_ADVICE = "give the text that `up42-state workflow export` wrote, with --task or in UP42_STATE_TASK"
_NEEDED = {"image": "image", "command": "command", "python": "function"}  # of a block, by its kind
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Positive = Annotated[float, msgspec.Meta(gt=0)]


class PortableTask(NamedTuple):
    """A task that was read from a text.

    :param code: what identifies the block's code, as a recipe has it: ``image sha256:…``.
    """

    task: Task
    code: str


class _Block(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    kind: Literal["image", "command", "python"]
    image: str = ""
    folder: str | None = None
    command: tuple[str, ...] = ()
    function: str = ""
    user: Literal["caller", "image"] = "caller"
    environment: tuple[str, ...] = ()


class _Propagated(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    stages: tuple[str, ...]
    options: dict[str, Any] = {}


class _Resources(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    cpus: _Positive = 1.0
    memory: _Count | None = None
    gpus: _Count = 0


class _Text(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The members of a task text, in the order in which they are written."""

    version: int
    name: str
    code: str
    block: _Block
    manifest: dict[str, Any] | None = None
    after: tuple[str, ...] = ()
    propagate: tuple[_Propagated, ...] = ()
    parameters: dict[str, Any] = {}
    chunk: _Count = 0
    retries: _Count = 0
    timeout: _Positive | None = None
    resources: _Resources = _Resources()


def write_task(task: Task, code: str) -> str:
    """Return a task as one line of JSON, from which :func:`read_task` reads an equal one.

    Parameters stand in the text as they are, secrets too.

    :param code: what identifies the block's code, as a recipe has it: ``image sha256:…``.
    :raises SettingsError: a parameter, or an option of a propagation, cannot be written as JSON.
    """
    block, resources = task.block, task.resources
    text = _Text(
        version=_VERSION,
        name=task.name,
        code=code,
        block=_Block(
            kind=block.kind,
            image=block.image,
            folder=None if block.folder is None else str(block.folder),
            command=block.command,
            function=block.function,
            user=block.user,
            environment=block.environment,
        ),
        manifest=dict(task.manifest.document) if task.manifest else None,
        after=task.after,
        propagate=tuple(
            _Propagated(stages=each.stages, options=dict(each.options)) for each in task.propagate
        ),
        parameters=dict(task.parameters),
        chunk=task.chunk,
        retries=task.retries,
        timeout=task.timeout,
        resources=_Resources(cpus=resources.cpus, memory=resources.memory, gpus=resources.gpus),
    )
    try:
        # ASCII passes through every variable and every YAML file as it is.
        return json.dumps(msgspec.to_builtins(text), separators=(",", ":"))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{task.name} cannot be written as JSON: {error}") from error


def read_task(text: str) -> PortableTask:
    """Read a task from a text.

    :raises SettingsError: the text is no task, or is of another release.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_task(f"no JSON: {error}") from error
    version = value.get("version") if isinstance(value, dict) else None
    if version != _VERSION or isinstance(version, bool):
        raise _no_task(
            f"of version {version!r}, and this release reads version {_VERSION}"
            if isinstance(version, int)
            else "no task text: it is no JSON object with a version"
        )
    try:
        return _task(msgspec.convert(value, _Text))
    except (msgspec.ValidationError, InvalidManifestError, SettingsError) as error:
        raise _no_task(f"not valid: {error}") from error


def _no_task(problem: str) -> SettingsError:
    return SettingsError(f"the task's text is {problem}", advice=_ADVICE)


def _task(text: _Text) -> PortableTask:
    check_stage(text.name)
    for name in (*text.after, *(stage for each in text.propagate for stage in each.stages)):
        split_stage(name, text.name)
    block, resources = text.block, text.resources
    needed = _NEEDED[block.kind]
    if not getattr(block, needed):
        raise SettingsError(f"a block of the kind {block.kind} lacks `{needed}`")
    task = Task(
        name=text.name,
        block=BlockReference(
            kind=block.kind,
            image=block.image,
            folder=None if block.folder is None else Path(block.folder),
            command=block.command,
            function=block.function,
            user=block.user,
            environment=block.environment,
        ),
        manifest=None if text.manifest is None else Manifest.from_json(text.manifest),
        after=text.after,
        propagate=tuple(
            PropagatedStages(stages=each.stages, options=_options(each.options)) for each in text.propagate
        ),
        parameters=text.parameters,
        chunk=text.chunk,
        retries=text.retries,
        timeout=text.timeout,
        resources=Resources(cpus=resources.cpus, memory=resources.memory, gpus=resources.gpus),
    )
    return PortableTask(task, text.code)


def _options(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a propagation; JSON has lists for the pairs of ``match``."""
    if "match" not in options:
        return options
    return {**options, "match": msgspec.convert(options["match"], list[tuple[str, str]])}
