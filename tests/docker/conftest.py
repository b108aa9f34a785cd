"""The images of ``docker/``, built once for the session; everything goes with it."""

from __future__ import annotations

import platform
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from servers.buildah import Buildah, debian
from servers.engines import busybox
from servers.pods import Pods, pods

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
PYTHON_IMAGE = "docker.io/library/python:3.11-slim"


@pytest.fixture(scope="session")
def buildah() -> Iterator[Buildah]:
    """buildah on an empty storage, which is removed at the end with all that it holds."""
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="buildah-", dir=CACHE) as storage:
        images = Buildah.on(Path(storage))
        yield images
        images("rm", "--all")


@pytest.fixture(scope="session")
def python_image(buildah: Buildah) -> str:
    """An image with Python 3.11: the official one, or Debian's where no registry is reachable."""
    if buildah("pull", "--quiet", PYTHON_IMAGE, check=False).returncode == 0:
        return PYTHON_IMAGE
    return buildah.add("localhost/debian-python", debian(CACHE / "debian-12.tar.gz"))


@pytest.fixture(scope="session")
def wheels() -> Path:
    """What the package depends on, as wheels for Linux and Python 3.11: the images are built offline."""
    directory = CACHE / "wheels"
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    target = ["--python-version", "3.11", "--only-binary", ":all:", "--dest", directory]
    for name in ("manylinux2014", "manylinux_2_17", "manylinux_2_28"):
        target += ["--platform", f"{name}_{platform.machine()}"]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "download", *target, *needed, "hatchling"], check=True)
    return directory


@pytest.fixture(scope="session")
def base_image(buildah: Buildah, python_image: str, wheels: Path) -> str:
    """``docker/Dockerfile``, built of this source tree without the network."""
    return buildah.build(
        "localhost/up42-state",
        ROOT / "docker" / "Dockerfile",
        ROOT,
        ["--volume", f"{wheels}:/wheels:ro"],
        BASE=python_image,
        PIP_NO_INDEX="1",
        PIP_FIND_LINKS="/wheels",
    )


@pytest.fixture(scope="session")
def block_image(buildah: Buildah, base_image: str) -> str:
    """``docker/block/``, with its manifest as the label."""
    block = ROOT / "docker" / "block"
    manifest = (block / "UP42Manifest.json").read_text()
    return buildah.build("localhost/block", block / "Dockerfile", block, BASE=base_image, manifest=manifest)


@pytest.fixture(scope="session")
def plain_image(buildah: Buildah, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image of busybox that knows nothing of us: a block like those of the hosted platform."""
    return buildah.add("localhost/plain", busybox(tmp_path_factory.mktemp("busybox") / "root.tar"))


@pytest.fixture(scope="session")
def kube(buildah: Buildah) -> Iterator[Pods]:
    """Runs pods with the images that buildah has built."""
    made = tempfile.TemporaryDirectory(prefix="up42-pods-", ignore_cleanup_errors=True)
    with made as folder, pods(Path(folder), buildah) as kube:
        yield kube
