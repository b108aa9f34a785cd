"""Images and containers of a test session, by buildah, in a storage of their own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Buildah:
    """Runs buildah as root, with nothing of the machine's own images in sight.

    ``chroot`` isolation needs no kernel features, and leaves a container on the machine's network.

    :param storage: a directory for images and containers; whoever made it removes it.
    :param driver: how it holds them.
    """

    storage: Path
    driver: str

    @classmethod
    def on(cls, storage: Path) -> Self:
        """With the driver ``overlay`` where the kernel mounts it, or else ``vfs``, which copies files."""
        overlay = cls(storage=storage / "overlay", driver="overlay")
        container = overlay("from", "scratch", check=False)
        if (
            container.returncode == 0
            and overlay("mount", container.stdout.strip(), check=False).returncode == 0
        ):
            return overlay
        return cls(storage=storage / "vfs", driver="vfs")

    def __call__(self, *arguments: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one buildah command.

        :raises AssertionError: it failed; with what it said.
        """
        places = ["--root", self.storage / "root", "--runroot", self.storage / "run"]
        command = [str(word) for word in ("buildah", "--storage-driver", self.driver, *places, *arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert not (check and done.returncode), f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done

    def build(
        self, tag: str, file: Path, context: Path, options: Sequence[object] = (), **build_args: str
    ) -> str:
        """Build an image from a Dockerfile; its tag."""
        arguments = [f"--build-arg={name}={value}" for name, value in build_args.items()]
        self("build", "--isolation", "chroot", *options, *arguments, "--file", file, "--tag", tag, context)
        return tag

    def add(self, tag: str, archive: Path) -> str:
        """Make an image of a root file system; its tag."""
        container = self("from", "scratch").stdout.strip()
        self("add", "--quiet", container, archive, "/")
        self("commit", "--quiet", "--rm", container, tag)
        return tag

    def config(self, image: str) -> dict[str, Any]:
        """What the image says of itself: ``config`` and ``history`` as in the OCI image specification."""
        config: dict[str, Any] = json.loads(self("inspect", "--type", "image", image).stdout)["OCIv1"]
        return config

    def run(
        self,
        image: str,
        *,
        environment: Mapping[str, str] | None = None,
        volumes: Mapping[Path, str] | None = None,
        command: Sequence[str] | None = None,
        entrypoint: Sequence[str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a container as docker would, by the image's entrypoint and command, and remove it.

        :param volumes: where in the container each directory appears.
        :param command: takes the place of the image's command.
        :param entrypoint: takes the place of the image's entrypoint.
        """
        config = self.config(image)["config"]
        entrypoint = config.get("Entrypoint", []) if entrypoint is None else entrypoint
        words = [*entrypoint, *(command or config.get("Cmd", []))]
        options = [f"--env={name}={value}" for name, value in (environment or {}).items()]
        options += [f"--volume={source}:{target}" for source, target in (volumes or {}).items()]
        container = self("from", image).stdout.strip()
        try:
            return self("run", "--isolation", "chroot", *options, container, "--", *words, check=False)
        finally:
            self("rm", container)


def debian(archive: Path) -> Path:
    """A root file system of Debian 12 with its Python 3.11, made by debootstrap once and kept.

    For where no registry can be reached to pull ``python:3.11-slim``.
    """
    if not archive.exists():
        root = archive.with_suffix(".root")
        subprocess.run(["rm", "-rf", root], check=True)
        packages = "--include=python3,python3-venv,ca-certificates"
        subprocess.run(["debootstrap", "--variant=minbase", packages, "bookworm", root], check=True)
        left_out = [
            f"--exclude=./{name}" for name in ("proc/*", "sys/*", "var/cache/apt", "var/lib/apt/lists")
        ]
        partial = archive.with_suffix(".partial")
        subprocess.run(["tar", "-C", root, *left_out, "-czf", partial, "."], check=True)
        subprocess.run(["rm", "-rf", root], check=True)
        os.replace(partial, archive)
    return archive
