"""The templates of a task: a look at the store, the pod that runs the block, and putting shards together."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from up42_state.contract import INPUT, OUTPUT, QUICKLOOKS
from up42_state.workflow.export.argo.containers import (
    HANDOVER,
    VOLUMES,
    block_container,
    own_container,
    task_text,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from up42_state.workflow.export.formats import Options
    from up42_state.workflow.export.images import BlockImage
    from up42_state.workflow.model import Task

__all__ = ["Templates"]

_GROUP = 1000  # of what containers write into a pod's directories
# Looking and collecting change nothing that a second time would not: a pod that is lost is made again.
_LOST = {"limit": "2", "retryPolicy": "OnError"}
_SHARD = ["--shards", "{{inputs.parameters.shards}}", "--index", "{{inputs.parameters.index}}"]


class Templates:
    """Makes the templates of one task.

    :param name: of the template that leaves the task's stage.
    """

    def __init__(self, name: str, task: Task, image: BlockImage, options: Options) -> None:
        self._name, self._task, self._image, self._options = name, task, image, options
        self._text = task_text(task, image.code)

    def all(self) -> list[dict[str, Any]]:
        """Return the task's templates, in the order in which they run."""
        if not self._task.chunk:
            return [self._look(), self._pod(self._name, [])]
        inputs = {"inputs": {"parameters": [{"name": "shards"}, {"name": "index"}]}}
        return [self._look(), self._pod(f"{self._name}-shards", _SHARD, inputs), self._collect()]

    def _look(self) -> dict[str, Any]:
        arguments = ["--outputs", HANDOVER, "--force", "{{workflow.parameters.force}}"]
        files = ["run", "shards", "count"] if self._task.chunk else ["run"]
        outputs = [{"name": name, "valueFrom": {"path": f"{HANDOVER}/{name}"}} for name in files]
        return {
            "name": f"{self._name}-look",
            "retryStrategy": _LOST,
            "container": self._ours("look", arguments),
            "outputs": {"parameters": outputs},
        }

    def _collect(self) -> dict[str, Any]:
        return {"name": self._name, "retryStrategy": _LOST, "container": self._ours("collect", [])}

    def _ours(self, step: str, arguments: list[str]) -> dict[str, Any]:
        container = own_container("", step, arguments, self._text, self._options)
        del container["name"]  # which Argo gives to a container that is alone
        return container

    def _pod(self, name: str, shard: list[str], inputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
        task = self._task
        template: dict[str, Any] = {"name": name, **(inputs or {})}
        if task.timeout is not None:
            template["activeDeadlineSeconds"] = math.ceil(task.timeout)
        if task.retries:
            template["retryStrategy"] = {
                "limit": str(task.retries),
                "retryPolicy": "Always",
                "backoff": {"duration": "1s", "factor": 2},
            }
        template["securityContext"] = {"fsGroup": _GROUP}
        template["volumes"] = [{"name": volume, "emptyDir": {}} for volume in VOLUMES]
        containers = [self._stage_in(shard), self._block(), self._stage_out(shard)]
        return {**template, "containerSet": {"containers": containers}}

    def _stage_in(self, shard: list[str]) -> dict[str, Any]:
        arguments = ["--input", INPUT, "--handover", f"{HANDOVER}/handover.json", *shard]
        mounts = [{"name": "input", "mountPath": INPUT}, {"name": "handover", "mountPath": HANDOVER}]
        return own_container("stage-in", "stage-in", arguments, self._text, self._options, *mounts)

    def _block(self) -> dict[str, Any]:
        return block_container(self._task, self._image, self._options)

    def _stage_out(self, shard: list[str]) -> dict[str, Any]:
        handover = f"{HANDOVER}/handover.json"
        arguments = ["--output", OUTPUT, "--quicklooks", QUICKLOOKS, "--handover", handover, *shard]
        mounts = [
            {"name": "output", "mountPath": OUTPUT},
            {"name": "quicklooks", "mountPath": QUICKLOOKS},
            {"name": "handover", "mountPath": HANDOVER},
        ]
        container = own_container("stage-out", "stage-out", arguments, self._text, self._options, *mounts)
        return {"name": container.pop("name"), "dependencies": ["main"], **container}
