"""Outputs of blocks, written by tests; and a state on a bucket of the test's choice."""

from __future__ import annotations

import json
import os
import socket
import stat
from typing import TYPE_CHECKING, Any

from up42_state.stages.store import Store
from up42_state.state import State

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from up42_state.buckets.base import Bucket


def write_output(
    root: Path, files: Mapping[str, bytes], features: list[dict[str, Any]] | None = None
) -> Path:
    """Write an output with these files; without features, one for each file that is no sidecar."""
    for path, data in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    if features is None:
        features = [feature(path) for path in files if path.endswith(".tif") and not path.startswith(".")]
    root.mkdir(parents=True, exist_ok=True)
    (root / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return root


def feature(path: str | None, identity: str | None = None, **properties: Any) -> dict[str, Any]:
    """A feature with a data path."""
    if path is not None:
        properties["up42.data_path"] = path
    made: dict[str, Any] = {"type": "Feature", "geometry": None, "properties": properties}
    return made if identity is None else {**made, "id": identity}


def tiles(count: int, size: int = 2000) -> dict[str, bytes]:
    """Small files of random bytes."""
    return {f"tile_{number:04d}.tif": os.urandom(size) for number in range(count)}


def contents(root: Path) -> dict[str, tuple[bytes, bool] | None]:
    """Every file below a directory with its bytes and executable bit; ``None`` for an empty directory."""
    found: dict[str, tuple[bytes, bool] | None] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_file():
            found[name] = (path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
        elif path.is_dir() and not any(path.iterdir()):
            found[name] = None
    return found


def make_socket(path: Path) -> None:
    """Put a socket there, named by the directory's descriptor: an address may have 107 bytes (unix(7))."""
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


def state_on(bucket: Bucket, **options: Any) -> State:
    """A state on a bucket that exists already.

    :param options: members of :class:`up42_state.stages.store.Store`.
    """
    state = State(bucket.url)
    vars(state)["store"] = Store(bucket=bucket, **options)
    return state


def data_paths(root: Path) -> list[str]:
    """Those of a directory's features, in their order."""
    features = json.loads((root / "data.json").read_text())["features"]
    return [found["properties"]["up42.data_path"] for found in features]
