"""Directories and documents of a task, written by hand, past the code under test."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from up42_state.block.inputs import Inputs
from up42_state.testing.directories import BlockDirs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from up42_state.stages.format.commit import Commit
    from up42_state.state import Job

Feature = dict[str, Any]


class Folders(BlockDirs):
    """What a container has below ``/tmp``, and how it is given to a block."""

    @property
    def arguments(self) -> dict[str, Path]:
        return {"input": self.input, "output": self.output, "quicklooks": self.quicklooks}


def feature(name: str, path: str | None = None, **properties: Any) -> Feature:
    where = {"up42.data_path": path} if path else {}
    return {"type": "Feature", "id": name, "geometry": None, "properties": {**properties, **where}}


def collection(*features: Feature) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def fill(folder: Path, features: Iterable[Feature], files: Mapping[str, str] | None = None) -> Path:
    """Write an output."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in (files or {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    (folder / "data.json").write_text(json.dumps(collection(*features)))
    return folder


def ids(folder: Path) -> list[str]:
    return [found["id"] for found in json.loads((folder / "data.json").read_bytes())["features"]]


def restore(job: Job, folders: Folders, *stages: str) -> list[Commit]:
    """Restore an input, and give the commits that it was made of."""
    return Inputs(stages=[job.stage(name) for name in stages], target=folders.input).restore().commits
