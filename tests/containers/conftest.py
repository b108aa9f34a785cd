"""Real engines, with an image of busybox: made once for the session, with a storage that goes with it."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from containers.lab import BLOCK, IMAGE, LABELS, OTHERS_IMAGE, Lab
from servers import engines

from up42_state.workflow.blocks.containers.engine import find_engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.workflow.blocks.containers.engine import Engine


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs engines."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.containers)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return engines.busybox(tmp_path_factory.mktemp("busybox") / "root.tar")


@pytest.fixture(scope="session", params=["docker", "podman"])
def engine(request: pytest.FixtureRequest, archive: Path) -> Iterator[Engine]:
    """Each engine in turn, with the images."""
    run = engines.docker if request.param == "docker" else engines.podman
    # A socket's path has at most 107 bytes.
    made = tempfile.TemporaryDirectory(prefix=f"up42-{request.param}-", ignore_cleanup_errors=True)
    with made as folder, run(Path(folder)) as variables, pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        changes = [f"CMD {json.dumps(['sh', '-c', BLOCK])}"]
        changes += [f"LABEL {name}={value}" for name, value in LABELS.items()]
        load(request.param, archive, IMAGE, changes)
        load(request.param, archive, OTHERS_IMAGE, [*changes, "USER 1234"])
        yield find_engine(request.param)


def load(program: str, archive: Path, name: str, changes: list[str]) -> None:
    arguments = [word for change in changes for word in ("--change", change)]
    subprocess.run([program, "import", *arguments, archive, name], check=True, capture_output=True)


@pytest.fixture
def lab(engine: Engine, tmp_path: Path) -> Iterator[Lab]:
    """The engine with nothing running; what a test leaves is an error."""
    lab = Lab(engine, tmp_path)
    assert lab.containers() == []
    yield lab
    left = lab.containers()
    for container in left:
        engine.call("rm", "--force", container)
    assert left == []
