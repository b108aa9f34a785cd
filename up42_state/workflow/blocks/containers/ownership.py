"""Directories that an image's own user writes to: open to that user before, and ours again afterwards."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from up42_state.errors import EngineError
from up42_state.machine.trees import everything

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from up42_state.workflow.blocks.containers.arguments import Mount
    from up42_state.workflow.blocks.containers.engine import Engine, Image

__all__ = ["open_to_all", "take_back"]


def open_to_all(directories: Iterable[Path]) -> None:
    """Let every user write into directories and those in them, and read what is there.

    What lies above them is this user's alone, so that only the container's user gains by it.
    """
    for directory in directories:
        directory.chmod(0o777)
        for entry in directory.iterdir():
            entry.chmod(0o777 if entry.is_dir() else 0o644)


def take_back(engine: Engine, image: Image, mounts: list[Mount]) -> None:
    """Make everything in directories belong to the user who runs this process.

    Root may read and remove what belongs to others anyway. Rootless podman has the right of its own users'
    files. Anybody else needs root in a container for it: the image's own ``chown`` is run there.

    :param mounts: directories that a container has written to, and their places in it.
    :raises EngineError: there are files of other users, and they cannot be made ours.
    """
    if os.geteuid() == 0 or not _others_files(mounts):
        return
    directories = [str(mount.source) for mount in mounts]
    try:
        if engine.kind == "podman" and engine.is_rootless:
            engine.call("unshare", "chown", "-R", "0:0", *directories)  # root there is this user here
        else:
            caller = "0:0" if engine.is_rootless else f"{os.geteuid()}:{os.getegid()}"
            binds = [f"type=bind,source={mount.source},target={mount.target}" for mount in mounts]
            engine.call(
                *("run", "--rm", "--network", "none", "--user", "0:0", "--entrypoint", "chown"),
                *(word for bind in binds for word in ("--mount", bind)),
                *(image.id, "-R", caller, *(mount.target for mount in mounts)),
            )
    except EngineError as error:
        raise EngineError(
            "the block wrote files as its image's own user, and they cannot be made this user's:"
            f" {error.message}",
            advice=f"sudo chown -R $(id -u):$(id -g) {' '.join(directories)}, or run the block as the caller",
        ) from error


def _others_files(mounts: list[Mount]) -> bool:
    ours = os.geteuid()
    closed: list[str] = []
    for mount in mounts:
        if any(status.st_uid != ours for _, status in everything(mount.source, closed=closed)):
            return True
    return bool(closed)
