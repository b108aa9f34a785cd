"""Directories of a task, a store, and stages that were saved by earlier tasks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from block.cases import Folders, feature, fill

from up42_state.settings.model import Settings
from up42_state.state import Job, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(root=tmp_path / "task")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine that runs the tests reaches a block."""
    for name in os.environ:
        if name.startswith(("UP42_", "AWS_", "GOOGLE_", "STORAGE_EMULATOR")):
            monkeypatch.delenv(name)


@pytest.fixture
def url(tmp_path: Path) -> str:
    store = tmp_path / "store"
    store.mkdir()
    return store.as_uri()


@pytest.fixture
def job(url: str) -> Job:
    return State(url).job("3f0c")


@pytest.fixture
def saved(job: Job, tmp_path: Path) -> Callable[..., None]:
    """Saves a stage: features of these names, each with a file; or dry, without."""

    def save(stage: str, *names: str, content: str = "", dry: bool = False) -> None:
        folder = tmp_path / "earlier" / stage / content
        files = {} if dry else {f"{name}.tif": f"{name} {content}" for name in names}
        fill(folder, [feature(name, f"{name}.tif", content=content) for name in names], files)
        job.stage(stage).save(folder, quicklooks=False, job_mode="DRY_RUN" if dry else "DEFAULT")

    return save


@pytest.fixture
def settings(url: str) -> Callable[..., Settings]:
    """Settings of the task ``report:1``."""

    def make(**options: Any) -> Settings:
        return Settings(**{"url": url, "job": "3f0c", "stage": "report:1", **options})

    return make
