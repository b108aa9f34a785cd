"""The containers of a task's pods: ours, which know the store, and the block's, which does not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from up42_state.contract import INPUT, OUTPUT, QUICKLOOKS
from up42_state.workflow.blocks.containers.arguments import HOME, TMPDIR
from up42_state.workflow.blocks.variables import documented_environment
from up42_state.workflow.export.argo.text import json_value, word
from up42_state.workflow.steps.text import VARIABLE, write_task

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from up42_state.workflow.export.formats import Options
    from up42_state.workflow.export.images import BlockImage
    from up42_state.workflow.model import Resources, Task

__all__ = ["HANDOVER", "VOLUMES", "block_container", "own_container", "task_text", "words"]

JOB, JOB_MODE = "{{workflow.parameters.job}}", "{{workflow.parameters.job-mode}}"
HANDOVER = "/tmp/up42"  # noqa: S108 - in our containers
VOLUMES = ("input", "output", "quicklooks", "home", "tmp", "handover")
_USER = 1000
_IDENTITY = {"runAsUser": _USER, "runAsGroup": _USER}
_OURS = {
    **_IDENTITY,
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
# What a save or a restore takes at most was measured (docs/internals/performance.md): less than 400 MiB.
_OUR_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}}
_NOWHERE = Path(HOME)  # parameters that would need a file are refused before
# Characters that no name of a job has: they stand for references while the texts around them are escaped.
_JOB_HERE, _MODE_HERE = "\ue000", "\ue001"


def own_container(
    name: str, step: str, arguments: list[str], task: str, options: Options, *mounts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a container of ours, which alone gets the store's credentials.

    :param step: of ``up42-state engine``.
    :param task: the task's text.
    """
    container: dict[str, Any] = {
        "name": name,
        "image": options.image,
        "command": ["up42-state"],
        "args": ["engine", step, *arguments],
        "env": [
            {"name": "UP42_STATE_JOB", "value": JOB},
            {"name": "UP42_JOB_MODE", "value": JOB_MODE},
            {"name": VARIABLE, "value": task},
        ],
        "envFrom": [{"secretRef": {"name": options.secret}}],
        "resources": _OUR_RESOURCES,
        "securityContext": _OURS,
    }
    if mounts:
        container["volumeMounts"] = list(mounts)
    return container


def task_text(task: Task, code: str) -> str:
    """Return the text by which our containers know a task."""
    return json_value(write_task(task, code))


def block_container(task: Task, image: BlockImage, options: Options) -> dict[str, Any]:
    """Return the block's container: its image as it is, what the contract says, and no credentials."""
    own_user = task.block.user == "image"
    container: dict[str, Any] = {
        "name": "main",  # whose log Argo shows first
        "dependencies": ["stage-in"],
        "image": image.reference,
        **words(task, image),
        "env": list(_environment(task, options)),
        "resources": _resources(task.resources),
    }
    if not own_user:
        container["securityContext"] = _IDENTITY
    container["volumeMounts"] = [
        {"name": "input", "mountPath": INPUT, "readOnly": True},
        {"name": "output", "mountPath": OUTPUT},
        {"name": "quicklooks", "mountPath": QUICKLOOKS},
        {"name": "home", "mountPath": HOME},
        {"name": "tmp", "mountPath": TMPDIR},
    ]
    return {name: value for name, value in container.items() if value}


def words(task: Task, image: BlockImage) -> dict[str, list[str]]:
    """Return what the container runs, which is what ``run`` runs.

    The document's command takes the place of the image's ``CMD``, and stands after its ``ENTRYPOINT``. Both
    are written out where they are known: Argo would have to ask the image's registry for them.
    """
    entrypoint = [word(each) for each in image.entrypoint]
    command = [word(each) for each in task.block.command or image.command]
    if image.is_known and not entrypoint:
        entrypoint, command = command[:1], command[1:]
    return {name: each for name, each in (("command", entrypoint), ("args", command)) if each}


def _environment(task: Task, options: Options) -> Iterator[dict[str, Any]]:
    values = {"TZ": "UTC", "HOME": HOME, "TMPDIR": TMPDIR, **_documented(task)}
    if task.block.user == "image":
        del values["HOME"]
    for name, value in values.items():
        if name not in task.block.environment:
            yield {"name": name, "value": value}
    for name in task.block.environment:
        yield {"name": name, "valueFrom": {"secretKeyRef": {"name": options.block_secret, "key": name}}}


def _documented(task: Task) -> dict[str, str]:
    values = {
        name: json_value(value)
        for name, value in documented_environment(
            _JOB_HERE, task.name, task.parameters, _MODE_HERE, task.manifest, scratch=_NOWHERE
        ).items()
    }
    values["UP42_JOB_MODE"] = JOB_MODE
    info = values["UP42_JOB_INFO"]
    values["UP42_JOB_INFO"] = info.replace(_JOB_HERE, JOB).replace(_MODE_HERE, JOB_MODE)
    return values


def _resources(wanted: Resources) -> dict[str, dict[str, str]]:
    """Return what the block may use; it is promised as much as it may use."""
    limits = {"cpu": _cpus(wanted.cpus)}
    if wanted.memory is not None:
        limits["memory"] = str(wanted.memory)
    gpus = {"nvidia.com/gpu": str(wanted.gpus)} if wanted.gpus else {}
    return {"requests": limits, "limits": {**limits, **gpus}}


def _cpus(cpus: float) -> str:
    thousandths = math.ceil(cpus * 1000)
    return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)
