"""A pytest plugin for authors of blocks. It comes with the package; there is nothing to register::

    def test_keeps_the_scene(state_store, block_dirs):
        block_dirs.write_input([scene], files={"scene.tif": b"…"})
        with block_dirs.block(parameters={"max_cloud_cover": 20}) as block:
            process(block)
        assert len(state_store.job("test").stage("block:1").features()["features"]) == 1

``pytest`` keeps state in a directory, ``pytest --up42-state-url localstack`` in LocalStack, and any other
URL in that store. The fixtures set the environment for the length of a test, so whatever reads it
(``Block.from_env()``, ``up42-state`` in a child process) finds the same store, job and stage.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from up42_state.testing.directories import BlockDirs
from up42_state.testing.stores import empty, store_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from up42_state.state import State

TASK = {
    "UP42_STATE_JOB": "test",
    "UP42_STATE_STAGE": "block:1",
    "UP42_STATE_AFTER": None,
    "UP42_STATE_PROPAGATE": None,
    "UP42_TASK_PARAMETERS": None,
    "UP42_JOB_MODE": None,
}

__all__ = ["BlockDirs", "block_dirs", "pytest_addoption", "state_store"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--up42-state-url``."""
    parser.getgroup("up42_state").addoption(
        "--up42-state-url",
        metavar="URL",
        help="where the fixture state_store keeps state: a store URL, or localstack; a directory by default."
        " UP42_STATE_TEST_URL says the same.",
    )


@pytest.fixture
def state_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[State]:
    """Give a :class:`~up42_state.State` for one test, named by the environment, and empty it afterwards."""
    from up42_state.state import State

    url = request.config.getoption("--up42-state-url") or os.environ.get("UP42_STATE_TEST_URL")
    if not url:
        url = tmp_path_factory.mktemp("state").as_uri()
    _set(monkeypatch, store_variables(url, os.environ))
    state = State.from_env()
    yield state
    empty(state.store.bucket)


@pytest.fixture
def block_dirs(
    state_store: State,  # noqa: ARG001 - the environment must name a store
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> BlockDirs:
    """Make the empty directories of a block that runs as the task ``block:1`` of the job ``test``."""
    directories = BlockDirs(root=tmp_path)
    for path in (directories.input, directories.output, directories.quicklooks):
        path.mkdir()
    _set(monkeypatch, TASK)
    return directories


def _set(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
