"""The variables that the hosted platform gave to a block, and that each kind of block gets here.

Sources: the platform's documentation, "Environment variables" (docs.up42.com, developers/blocks), which has
``UP42_TASK_PARAMETERS`` and ``UP42_JOB_MODE``; ``up42-blockutils``, ``blockutils/common.py``, whose
``get_block_info`` and ``get_job_info`` read ``UP42_BLOCK_INFO`` and ``UP42_JOB_INFO`` as JSON objects, and
its ``tests/test_common.py``, which has an example of the first. What the second held was never published:
its members here are ours, named in the manner of the first.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from up42_state.block.environment import child_environment
from up42_state.block.parameters import FILE, PARAMETERS, fits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from up42_state.manifest import Manifest
    from up42_state.settings.model import Settings
    from up42_state.workflow.model import Task

__all__ = ["block_environment", "documented_environment"]

_TOO_LONG = "parameters.json"


def block_environment(
    task: Task, *, settings: Settings, job: str, job_mode: str, scratch: Path
) -> dict[str, str]:
    """Return the variables of one attempt at a task, without secrets.

    Those of this process are among them, but for what opens the store, and not for an image, which has its
    own.

    :param scratch: as for :func:`documented_environment`.
    :raises OSError: the file for the parameters cannot be written.
    """
    documented = documented_environment(
        job=job,
        task=task.name,
        parameters=task.parameters,
        job_mode=job_mode,
        manifest=task.manifest,
        scratch=scratch,
    )
    if task.block.kind == "image":
        return documented
    machine = child_environment(settings, os.environ)
    # Parameters of the machine's are none of the task's, whichever variable they stand in.
    return {name: value for name, value in machine.items() if name not in (PARAMETERS, FILE)} | documented


def documented_environment(
    job: str,
    task: str,
    parameters: Mapping[str, Any],
    job_mode: str,
    manifest: Manifest | None = None,
    *,
    scratch: Path,
) -> dict[str, str]:
    """Return the documented variables of one attempt.

    :param task: the task's name, ``<block>:<n>``.
    :param parameters: after the manifest's defaults.
    :param scratch: the attempt's own directory; it takes the parameters if they are too long for a variable,
        and ``UP42_TASK_PARAMETERS_FILE`` then names the file.
    :raises OSError: that file cannot be written.
    """
    return {
        **_given(json.dumps(dict(parameters), ensure_ascii=False), scratch),
        "UP42_JOB_MODE": job_mode,
        "UP42_JOB_INFO": _text({"jobId": job, "jobName": job, "taskName": task, "jobMode": job_mode}),
        "UP42_BLOCK_INFO": _text(_block_info(task, manifest)),
    }


def _given(text: str, scratch: Path) -> dict[str, str]:
    if fits(text):
        return {PARAMETERS: text}
    path = scratch / _TOO_LONG
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # it may hold a secret
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return {FILE: str(path)}


def _block_info(task: str, manifest: Manifest | None) -> dict[str, Any]:
    """Return what is known of a block; prices and the identity that the platform gave it are not."""
    name = task.rpartition(":")[0] or task
    if manifest is None:
        return {"blockName": name}
    return {
        "blockName": manifest.name,
        "blockDisplayName": manifest.display_name,
        "inputCapabilities": list(manifest.input_capabilities),
        "outputCapabilities": list(manifest.output_capabilities),
        "machineName": manifest.machine.type,
    }


def _text(members: Mapping[str, Any]) -> str:
    return json.dumps(members, ensure_ascii=False)
