"""Workflow documents with blocks beside them, and what is wrong with a document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from manifest.examples import data_block, processing_block

from up42_state.errors import InvalidWorkflowError
from up42_state.workflow.document import load

if TYPE_CHECKING:
    from pathlib import Path

SCENES: dict[str, Any] = {"name": "scenes:1", "block": "scenes", "command": "./run"}
TILING: dict[str, Any] = {"name": "tiling:1", "after": "scenes:1", "block": "tiling", "command": ["./run"]}
WIDTH = {"tile_width": {"type": "integer", "required": True, "minimum": 1, "default": 768}}


def make_block(folder: Path, manifest: dict[str, Any]) -> None:
    """A block's folder with a manifest and a program ``run``."""
    folder.mkdir()
    (folder / "UP42Manifest.json").write_text(json.dumps(manifest))
    (folder / "run").write_text("#!/bin/sh\n")
    (folder / "run").chmod(0o755)


def make_blocks(folder: Path) -> None:
    """The blocks of SCENES and TILING, and a module with a function ``detect``."""
    make_block(folder / "scenes", data_block())
    make_block(
        folder / "tiling", processing_block(name="tiling", parameters=WIDTH, machine={"type": "large"})
    )
    (folder / "detection.py").write_text("def detect(collection):\n    return collection\n")


def write(folder: Path, document: object, name: str = "workflow.json") -> Path:
    """A file with a document: text as it is, and anything else as JSON."""
    path = folder / name
    text = document if isinstance(document, (str, bytes)) else json.dumps(document)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems(path: Path, **given: Any) -> list[str]:
    """The defects with which a document is refused, each as one text."""
    with pytest.raises(InvalidWorkflowError) as caught:
        load(path, **given)
    assert caught.value.defects
    return [str(defect) for defect in caught.value.defects]
