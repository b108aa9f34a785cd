"""The example's workflow with its blocks as images, built with its Dockerfile and run by real engines."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from containers.conftest import load as load_image
from examples.container import ROOT

from up42_state import State
from up42_state.workflow.document import load
from up42_state.workflow.runner import run

if TYPE_CHECKING:
    from up42_state.workflow.blocks.containers.engine import Engine

EXAMPLE = ROOT / "examples" / "workflow"
BLOCKS = ("scenes", "tiling", "detection", "report")
BASE = "localhost/python-alone:1"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of a root file system that has this Python, what the blocks import, and nothing else.

    It is small, because engines copy all of an image for each of its layers and for each container.
    """
    archive = tmp_path_factory.mktemp("python") / "root.tar"
    program = Path(sys.executable).resolve()
    files = {program, *modules(program)}
    with tarfile.open(archive, "w", dereference=True) as tar:
        for path in sorted(files | libraries(files)):
            tar.add(path)
        link = tarfile.TarInfo("usr/local/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, str(program)
        tar.addfile(link)
    return archive


def modules(program: Path) -> set[Path]:
    """The files of the standard library that are loaded once the blocks' modules are imported."""
    script = (
        "import sys, __future__, csv, json, math, os, pathlib, struct, typing, zlib, encodings.latin_1\n"
        "print(*(module.__file__ for module in sys.modules.values() if getattr(module, '__file__', None)))"
    )
    shown = subprocess.run([program, "-I", "-c", script], capture_output=True, text=True, check=True).stdout
    return {*map(Path, shown.split())}


def libraries(files: set[Path]) -> set[Path]:
    """The shared libraries that files are linked with, under the names that the loader looks for."""
    shown = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False).stdout
    return {Path(word) for word in shown.split() if word.startswith("/") and not word.endswith(":")}


@pytest.fixture
def images(engine: Engine, python: Path) -> None:
    """The four images, as the comment at the top of the Dockerfile builds them."""
    load_image(engine.program, python, BASE, [])
    for block in BLOCKS:
        folder = EXAMPLE / block
        manifest = (folder / "UP42Manifest.json").read_text()
        subprocess.run(
            [
                *(engine.program, "build", "--tag", f"ships-{block}", "--file", EXAMPLE / "Dockerfile"),
                *("--build-arg", f"manifest={manifest}", "--build-arg", f"BASE={BASE}"),
                folder,
            ],
            env={**os.environ, "DOCKER_BUILDKIT": "0"},
            check=True,
            capture_output=True,
        )


@pytest.mark.usefixtures("images")
def test_the_example_as_images(engine: Engine, tmp_path: Path) -> None:
    """The workflow of images gives what the workflow of folders gives, and is cached the second time."""
    state = State((tmp_path / "store").as_uri(), engine=engine.program, engine_network="host")
    folders, images = (load(EXAMPLE / name) for name in ("workflow.yaml", "workflow-images.yaml"))
    results = [
        run(workflow, state.job(job))
        for workflow, job in ((folders, "folders"), (images, "images"), (images, "images"))
    ]
    statuses = [[(task.status, task.reason) for task in result.tasks] for result in results]
    assert statuses == [[("done", "")] * 4, [("done", "")] * 4, [("cached", "")] * 4]
    for block in BLOCKS[:-1]:
        contents = {state.job(job).stage(f"{block}:1").latest().content for job in ("folders", "images")}
        assert len(contents) == 1
    # The report's features say of which job the scenes are.
    reports = [
        state.job(job).stage("report:1").open("report/ships.md").read() for job in ("folders", "images")
    ]
    assert reports[0] == reports[1]
