"""What a format is made of: a workflow, read and checked as ``run`` does, and the code of its blocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from up42_state.errors import EngineError
from up42_state.workflow.blocks.containers.block import ImageBlock
from up42_state.workflow.blocks.opening import Blocks
from up42_state.workflow.document import NOT_SET, load
from up42_state.workflow.export.images import by_reference, pinned

if TYPE_CHECKING:
    from collections.abc import Mapping
    from os import PathLike

    from up42_state.settings.model import Settings
    from up42_state.workflow.export.images import BlockImage
    from up42_state.workflow.model import Task, Workflow

__all__ = ["Source", "read_source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A workflow to be exported.

    :param codes: by task, what identifies the block's code, as a recipe has it.
    :param images: by task, the image of the block; tasks whose block is no image have none.
    :param warnings: what should be looked at, the document's own warnings first.
    """

    workflow: Workflow
    codes: Mapping[str, str]
    images: Mapping[str, BlockImage] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def read_source(
    path: str | PathLike[str],
    *,
    parameters: Mapping[str, Any] | None = None,
    blocks: str | PathLike[str] | None = None,
    settings: Settings | None = None,
) -> Source:
    """Read a workflow document, check all of it, and look at its blocks.

    Images are looked at by docker or podman, and pulled if need be. Where neither answers, an image is known
    by its reference alone, and a warning says what that costs.

    :raises InvalidWorkflowError: ``defects`` has everything that is wrong, each with its place.
    :raises EngineError: an engine is there, and an image cannot be had of it.
    :raises PathNotFoundError: there is no such document, or no such blocks file.
    """
    with Blocks(settings) as opened:
        try:
            workflow = load(path, parameters=parameters, blocks=blocks, labels=opened.labels)
            missing = ""
        except EngineError as error:
            workflow = load(path, parameters=parameters, blocks=blocks)
            missing = error.message
        return _source(workflow, opened, missing)


def _source(workflow: Workflow, opened: Blocks, missing: str) -> Source:
    """Look at each task's block.

    :param missing: why no engine can be asked; empty if one can.
    """
    codes: dict[str, str] = {}
    images: dict[str, BlockImage] = {}
    for task in workflow.tasks:
        if task.block.kind == "image":
            image = by_reference(task.block.image) if missing else _opened(opened, task)
            codes[task.name], images[task.name] = image.code, image
        else:
            codes[task.name] = opened.of(task).code
    found = [image.warning for image in images.values() if image.warning]
    if missing:
        found.append(
            f"no engine tells the digests of images ({missing}): a task is known by the name of its image,"
            " so what `up42-state run` has made runs again, and what this document makes runs again there"
        )
    # What is set in this process says nothing of where the workflow is going to run.
    own = [warning for warning in workflow.warnings if not warning.endswith(NOT_SET)]
    warnings = dict.fromkeys((*own, *found))
    return Source(workflow=workflow, codes=codes, images=images, warnings=tuple(warnings))


def _opened(opened: Blocks, task: Task) -> BlockImage:
    block = opened.of(task)
    assert isinstance(block, ImageBlock)
    return pinned(block.image)
