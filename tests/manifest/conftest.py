"""Manifests for these tests: the corpus's, and small ones made on the spot."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from manifest.examples import data_block, spot_block

from up42_state.manifest import Manifest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def blocks(corpus: Path) -> dict[str, Manifest]:
    """The corpus's manifests of version 2 by block name, the documentation's before others of that name."""
    files = sorted((corpus / "manifests").iterdir(), key=lambda path: "docs" not in path.name)
    found: dict[str, Manifest] = {}
    for path in files:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if document["_up42_specification_version"] == 2:
            found.setdefault(document["name"], Manifest.read(path))
    return found


@pytest.fixture
def spot() -> Manifest:
    """A data block that gives what ship detection wants, tiles aside."""
    return Manifest.from_json(spot_block())


@pytest.fixture
def scenes() -> Manifest:
    """A data block with a GeoTIFF of no further description."""
    return Manifest.from_json(data_block())
