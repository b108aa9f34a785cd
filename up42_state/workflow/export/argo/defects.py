"""What Argo cannot express, or Kubernetes does not take: of a task, all of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from up42_state.block.parameters import fits
from up42_state.errors import Defect
from up42_state.workflow.export.argo.text import has_reference, json_value
from up42_state.workflow.export.defects import readable_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.workflow.export.formats import Options
    from up42_state.workflow.export.images import BlockImage
    from up42_state.workflow.model import Task

__all__ = ["of_task", "too_long"]

_MOST = 128 * 1024  # bytes of a variable; Argo gives a template to its own containers in one


def of_task(task: Task, image: BlockImage | None, options: Options) -> Iterator[Defect]:
    """Yield everything that keeps a task out of the document."""
    yield from readable_secrets(task)
    if image is None:
        member = "block" if task.block.kind == "command" else "python"
        yield Defect(
            f"{task.name} {member}",
            "Argo runs images, and no programs or functions of this machine",
            "build an image of it (docs/docker.md), and name the image with `image`",
        )
    else:
        yield from _of_words(task, image)
    yield from _of_environment(task, options)
    if not fits(json_value(json.dumps(dict(task.parameters), ensure_ascii=False))):
        yield Defect(
            f"{task.name} parameters",
            "they are too long for a variable, which takes 128 KiB",
            "put them into a file that the block reads from its input",
        )


def _of_words(task: Task, image: BlockImage) -> Iterator[Defect]:
    own = [("ENTRYPOINT", image.entrypoint), ("CMD", () if task.block.command else image.command)]
    for name, words in [*own, ("command", task.block.command)]:
        for word in words:
            if has_reference(word) or "\0" in word:
                yield Defect(
                    f"{task.name} {name}",
                    f"Argo looks for values of its own in words with two braces: {word!r}",
                    "put the command into a script in the image",
                )
    if image.is_known and not (image.entrypoint or image.command or task.block.command):
        yield Defect(f"{task.name} image", f"{task.block.image} has no command", "give `command`")


def _of_environment(task: Task, options: Options) -> Iterator[Defect]:
    if task.block.environment and options.block_secret is None:
        names = ", ".join(task.block.environment)
        yield Defect(
            f"{task.name} environment",
            f"nothing says where {names} come from in the cluster",
            "put them into a Kubernetes Secret, and name it with --block-secret",
        )


def too_long(task: Task, templates: list[dict[str, Any]]) -> Iterator[Defect]:
    """Yield a defect for templates that Argo cannot hand to its own containers."""
    longest = max(len(json.dumps(template).encode()) for template in templates)
    if longest >= _MOST:
        yield Defect(
            f"{task.name} parameters",
            f"the task's template has {longest // 1024} KiB, and Argo hands it on in a variable, which takes"
            " 128 KiB; the parameters, the propagations and the manifest stand in it more than once",
            "put what is long into a file that the block reads from its input",
        )
