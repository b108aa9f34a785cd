"""The image of a block as another engine is told it: pinned to a digest, where a registry has one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from up42_state.workflow.blocks.containers.engine import Image

__all__ = ["BlockImage", "by_reference", "pinned"]

_TAG = re.compile(r":[A-Za-z0-9_][A-Za-z0-9_.-]*$")
_HERE = re.compile(r"localhost(:[0-9]+)?/")
_OF_DOCKER = re.compile(r"^(docker\.io/)?(library/)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockImage:
    """An image that a block runs in.

    :param code: what identifies the block's code, as a recipe has it.
    :param reference: for the other engine: ``repository@sha256:…``, or the name as the document has it.
    :param is_known: True if an engine has looked at the image; what follows is known then.
    :param entrypoint: the words that the image's own ``ENTRYPOINT`` has.
    :param command: the words that the image's own ``CMD`` has.
    :param user: the image's own user; empty for root.
    :param warning: what should be looked at; empty if nothing.
    """

    code: str
    reference: str
    is_known: bool = False
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    warning: str = ""


def by_reference(name: str) -> BlockImage:
    """Return an image of which nothing but its name is known."""
    is_pinned = "@sha256:" in name
    warning = "" if is_pinned else f"{name} is not pinned: whoever moves its tag changes what runs"
    return BlockImage(code=f"image {name}", reference=name, warning=warning)


def pinned(image: Image) -> BlockImage:
    """Return an image that an engine has looked at, under the digest that its registry has for it."""
    reference, warning = image.name, ""
    repository = _repository(image.name)
    same = [digest for digest in image.digests if _repository(digest) == repository]
    if _HERE.match(image.name):
        warning = (
            f"{image.name} is of this machine alone: push it to a registry that the other engine reaches"
        )
    elif "@sha256:" in image.name:
        pass  # it is one digest of several that a registry may have for the same image
    elif same:
        reference = same[0]
    else:
        warning = (
            f"no registry is known to have {image.name}, so it is not pinned to a digest:"
            " push it, and whoever moves its tag changes what runs"
        )
    return BlockImage(
        code=f"image {image.id}",
        reference=reference,
        is_known=True,
        entrypoint=image.entrypoint,
        command=image.command,
        user=image.user,
        warning=warning,
    )


def _repository(name: str) -> str:
    """Return a reference without tag and digest; podman writes out the registry that docker leaves away."""
    bare = _TAG.sub("", name.partition("@")[0])
    return _OF_DOCKER.sub("", bare)
