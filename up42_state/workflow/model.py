"""A workflow as it is run: what its document says, with blocks found and defaults applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from up42_state.manifest import Manifest

__all__ = ["BlockReference", "PropagatedStages", "Resources", "Task", "Workflow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockReference:
    """What a task runs: an image, a command, or a Python function.

    :param kind: ``image``, ``command`` or ``python``.
    :param image: the image, as the document names it.
    :param folder: of a command, the block's folder, in which the command runs; of a function, the folder of
        the document, in which modules are looked for first.
    :param command: the program and its arguments; of an image, in place of the image's own command.
    :param function: ``module:function``.
    :param user: as whom an image's block runs: ``caller``, or ``image`` for the image's own user.
    :param environment: names of variables of this process that the block gets as well.
    """

    kind: Literal["image", "command", "python"]
    image: str = ""
    folder: Path | None = None
    command: tuple[str, ...] = ()
    function: str = ""
    user: Literal["caller", "image"] = "caller"
    environment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PropagatedStages:
    """Stages that are merged into a task's output.

    :param stages: tasks of the workflow, or ``JOB/STAGE``.
    :param options: options of :class:`~up42_state.Propagation`.
    """

    stages: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What an attempt at a task may use.

    :param cpus: processors; may be a fraction.
    :param memory: bytes; ``None`` for no limit.
    :param gpus: graphics processors.
    """

    cpus: float = 1.0
    memory: int | None = None
    gpus: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One block in a workflow.

    :param name: also the name of the task's stage.
    :param manifest: the block's; ``None`` if it has none.
    :param after: the tasks, or ``JOB/STAGE``, whose output is the input, in order.
    :param parameters: the job's for this task, after the manifest's defaults.
    :param chunk: features in a shard of ``foreach: feature``; 0 if the task is not split.
    :param retries: how many more times a failed attempt is made.
    :param timeout: seconds that one attempt may take; ``None`` for no limit.
    """

    name: str
    block: BlockReference
    manifest: Manifest | None = None
    after: tuple[str, ...] = ()
    propagate: tuple[PropagatedStages, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    chunk: int = 0
    retries: int = 0
    timeout: float | None = None
    resources: Resources = field(default_factory=Resources)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A workflow that can be run.

    :param tasks: in an order in which each comes after all that it stands on.
    :param warnings: what is no defect of the document and should be looked at.
    """

    name: str
    tasks: tuple[Task, ...]
    warnings: tuple[str, ...] = ()
