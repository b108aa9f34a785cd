"""Find the manifests of the blocks in a workflow document, for ``manifest check``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from up42_state.contract import MANIFEST
from up42_state.errors import NotFoundError
from up42_state.manifest import Manifest, read_label
from up42_state.manifest.label import read_image_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["find_manifests"]


def find_manifests(document: object, folder: Path, files: Iterable[str]) -> dict[str, Manifest | None]:
    """Return the manifests of the blocks in a workflow, under the names that the workflow has for the blocks.

    :param folder: where the workflow file lies: ``block`` is a folder relative to it that holds
        ``UP42Manifest.json``. The manifest of an ``image`` is its label; a ``python`` block and an image
        without a label have none.
    :param files: manifests given besides, known by their names.
    """
    library: dict[str, Manifest | None] = {}
    for path in files:
        manifest = Manifest.read(path)
        _note(library, manifest.name, manifest, path)
    raw = document.get("tasks") if isinstance(document, dict) else document
    tasks = [task for task in raw if isinstance(task, dict)] if isinstance(raw, list) else []
    for block in dict.fromkeys(task["block"] for task in tasks if isinstance(task.get("block"), str)):
        file = folder / block / MANIFEST
        if block not in library or file.exists():
            _note(library, block, Manifest.read(file), str(file))
    for task in tasks:
        _add(library, task)
    return library


def _note(library: dict[str, Manifest | None], name: str, manifest: Manifest, path: str) -> None:
    """Keep a manifest under its name, or under its path if another has that name: the check reports both."""
    if library.setdefault(name, manifest) != manifest:
        library[path] = manifest


def _add(library: dict[str, Manifest | None], task: Mapping[str, Any]) -> None:
    block, image, python = (task.get(key) for key in ("block", "image", "python"))
    if isinstance(block, str):
        return
    if isinstance(image, str) and image not in library:
        library[image] = _of_image(image)
    elif isinstance(python, str) and str(task.get("name")).rpartition(":")[0] not in library:
        library[python] = None


def _of_image(image: str) -> Manifest | None:
    # Blocks' folders are often called as their images are: a folder that is no OCI layout is not the image.
    is_other = os.path.isdir(image) and not os.path.isfile(os.path.join(image, "index.json"))
    try:
        return Manifest.from_json(read_image_label(image) if is_other else read_label(image))
    except NotFoundError:
        return None
