"""A stand-in for podman that knows images, and workflows of them to be exported."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from manifest.examples import data_block
from workflow.documents import write
from workflow.test_images import INFO, PODMAN

from up42_state.cli.root import root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

OPTIONS = ("--image", "example.com/up42-state:1", "--secret", "store", "--service-account", "argo")


def image_of(
    number: int, *, entrypoint: list[str] | None = None, command: list[str] | None = None, **more: Any
) -> str:
    """What podman prints of an image: with a manifest, an entrypoint and a command."""
    config = {"Labels": {"up42_manifest": json.dumps(data_block())}, "Entrypoint": entrypoint, "Cmd": command}
    return json.dumps([{"Id": f"{number:064x}", "Config": config, **more}])


def stand_in(folder: Path) -> Path:
    """The folder of a stand-in for podman that knows the image ``scenes``."""
    for inner in ("images", "registry"):
        (folder / inner).mkdir(parents=True)
    (folder / "info.json").write_text(json.dumps(INFO))
    (folder / "podman").write_text(PODMAN)
    (folder / "podman").chmod(0o755)
    for name in ("sh", "cat", "mv", "dirname"):
        (folder / name).symlink_to(f"/bin/{name}" if os.path.exists(f"/bin/{name}") else f"/usr/bin/{name}")
    (folder / "images" / "scenes").write_text(image_of(1, entrypoint=["run"], command=["all"]))
    return folder


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stand-in, which is the only engine on the PATH."""
    folder = stand_in(tmp_path / "engine")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def export_with(folder: Path, document: Any, *options: str) -> Result:
    """Export a document for Argo."""
    path = write(folder, document)
    return CliRunner().invoke(root, ["workflow", "export", str(path), "--to", "argo", *options])


@pytest.fixture
def export(engine: Path, tmp_path: Path) -> Callable[..., Result]:
    """Export a document for Argo, with the options that are always needed."""

    def call(document: Any, *options: str, usual: tuple[str, ...] = OPTIONS) -> Result:
        return export_with(tmp_path, document, *usual, *options)

    return call
