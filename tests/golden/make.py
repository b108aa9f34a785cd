"""Makes the golden store of the format's current version: ``python tests/golden/make.py``.

Run once for each version of the format, never again: what it wrote is read by tests for ever.
"""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from pathlib import Path

from up42_state.stages.format.commit import FORMAT, BlockInfo
from up42_state.state import State

HERE = Path(__file__).resolve().parent


def write(root: Path, files: dict[str, bytes], **collection: object) -> Path:
    """An output with a feature for each GeoTIFF."""
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    features = [
        {"type": "Feature", "id": path, "geometry": None, "properties": {"up42.data_path": path}}
        for path in files
        if path.endswith(".tif") and not path.startswith(".")
    ]
    root.mkdir(exist_ok=True)
    (root / "data.json").write_text(
        json.dumps({"type": "FeatureCollection", **collection, "features": features})
    )
    return root


def digests(root: Path) -> dict[str, str]:
    """The SHA-256 of every file, with a mark on executables."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        + (" executable" if path.stat().st_mode & 0o100 else "")
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def main() -> None:
    """Every kind of entry: packed, single, by reference, renamed, copied, quicklooks, directories, links."""
    data = random.Random(42)
    target = HERE / f"v{FORMAT}"
    job = State((target / "store").as_uri()).job("golden")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scenes = write(
            folder / "scenes",
            {f"tile {n}: ünï.tif": data.randbytes(300) for n in range(20)}
            | {"tile 3: ünï.tfw": b"sidecar", ".quicklooks/tile 3: ünï.tif.jpg": b"picture"},
        )
        (scenes / "run.sh").write_bytes(b"#!/bin/sh\n")
        (scenes / "run.sh").chmod(0o755)
        (scenes / "empty/inner").mkdir(parents=True)
        (scenes / "link.tif").symlink_to("tile 1: ünï.tif")
        job.stage("scenes:1").save(scenes, block=BlockInfo(name="scenes", version="1.2"), fingerprint="f")
        (scenes / "tile 0: ünï.tif").write_bytes(b"changed")
        job.stage("scenes:1").save(scenes, parameters={"limit": 3, "token": "secret"})
        few = write(folder / "few", {"a.tif": b"few", "tile 5: ünï.tif": b"other bytes"}, name="few")
        job.stage("last:1").save(
            few,
            after=["scenes:1"],
            propagate=["scenes:1"],
            code="image sha256:" + "a" * 64,
            command=["python", "run.py", "<output>"],
            parameters={"width": 3, "password": "planted"},
        )
        job.stage("gone:1").save(few)
        job.stage("gone:1").delete()
        job.stage("dry:1").save(write(folder / "dry", {}), job_mode="DRY_RUN")
        job.state.job("other").stage("copy:1").save(write(folder / "none", {}), propagate=["golden/last:1"])
        expected = {}
        for stage, revision in [("scenes:1", 1), ("scenes:1", 2), ("last:1", 1), ("gone:1", 1)]:
            restored = folder / f"{stage}@{revision}"
            job.stage(stage).restore(restored, revision=revision)
            expected[f"golden/{stage}@{revision}"] = digests(restored)
        job.state.job("other").stage("copy:1").restore(folder / "copy")
        expected["other/copy:1@1"] = digests(folder / "copy")
    (target / "expected.json").write_text(json.dumps(expected, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
