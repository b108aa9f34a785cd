"""A stand-in for podman: a script that knows the images whose answers lie in a folder beside it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

INFO = {
    "host": {"security": {"rootless": False, "selinuxEnabled": False}, "cpus": 2},
    "version": {"Version": "5.0.0"},
}
# A stand-in for podman, that knows the images whose answers lie in a folder, and pulls from another.
PODMAN = """#!/bin/sh
cd "$(dirname "$0")"
echo "$@" >> calls
case "$1 $2" in
"--version "*) echo podman version 5.0.0 ;;
"info "*) cat info.json ;;
"image inspect") cat "images/$3" 2>/dev/null || { echo "Error: no such image $3" >&2; exit 125; } ;;
"pull --quiet") mv "registry/$3" images/ 2>/dev/null || { echo "Error: manifest unknown" >&2; exit 125; } ;;
*) echo "what?" >&2; exit 1 ;;
esac
"""


def stand_in(folder: Path) -> Path:
    """Make the stand-in in a folder, which is to be all of the PATH. It knows no image yet."""
    for inner in ("images", "registry"):
        (folder / inner).mkdir(parents=True)
    (folder / "info.json").write_text(json.dumps(INFO))
    (folder / "podman").write_text(PODMAN)
    (folder / "podman").chmod(0o755)
    for name in ("sh", "cat", "mv", "dirname"):
        (folder / name).symlink_to(f"/bin/{name}" if os.path.exists(f"/bin/{name}") else f"/usr/bin/{name}")
    return folder
