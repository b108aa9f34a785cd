"""Generated outputs: the same bytes in every run."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MIB = 1024 * 1024


def files(folder: Path, count: int, size: int, *, per_directory: int = 100) -> Path:
    """An output of ``count`` files of ``size`` random bytes, and a feature for each."""
    noise = b"".join(_noise(count, size + 8 * count))
    features = []
    for number in range(count):
        path = f"t{number // per_directory:04d}/tile_{number:06d}.tif"
        place = folder / path
        if number % per_directory == 0:
            place.parent.mkdir(parents=True)
        place.write_bytes(noise[8 * number : 8 * number + size])
        features.append(_feature(f"tile-{number}", number, {"up42.data_path": path, "number": number}))
    return _write(folder, features)


def scaled(folder: Path, count: int, size: int, scale: float) -> Path:
    """An output of :func:`files` with a part of the bytes: fewer files, or a smaller one."""
    if count == 1:
        return files(folder, 1, int(size * scale))
    return files(folder, max(1, int(count * scale)), size)


def large_file(folder: Path, size: int) -> Path:
    """An output of one file of random bytes."""
    folder.mkdir(parents=True)
    with (folder / "scene.tif").open("wb") as file:
        file.writelines(_noise(size, size))
    return _write(folder, [_feature("scene", 0, {"up42.data_path": "scene.tif"})])


def _noise(seed: int, size: int) -> Iterator[bytes]:
    """Random bytes, in pieces: Python makes no more than 256 MiB at once."""
    source = random.Random(seed)
    for begin in range(0, size, 16 * MIB):
        yield source.randbytes(min(16 * MIB, size - begin))


def nothing(folder: Path) -> Path:
    """An output without features."""
    return _write(folder, [])


def change(folder: Path, part: float, seed: str) -> None:
    """Overwrite a part of an output's files with other bytes of the same length, others for each seed."""
    tiles = sorted(folder.glob("t*/*.tif"))
    for tile in tiles[:: round(1 / part)]:
        tile.write_bytes(random.Random(seed + tile.name).randbytes(tile.stat().st_size))


def collection(path: Path, first: int, count: int, vertices: int) -> Path:
    """A ``data.json`` of its own with ``count`` features, ids from ``first``, footprints of many vertices."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        file.write('{"type":"FeatureCollection","features":[')
        for number in range(first, first + count):
            properties = {
                "scene_id": f"S2A_MSIL2A_{number:08d}",
                "cloud": number % 100,
                "sensor": "Sentinel-2",
            }
            feature = _feature(f"feature-{number}", number, properties, vertices)
            file.write("," * (number > first) + json.dumps(feature, separators=(",", ":")))
        file.write("]}")
    return path


def _feature(name: str, number: int, properties: dict[str, Any], vertices: int = 4) -> dict[str, Any]:
    west, south = number % 179 - 89.5, number % 83 - 41.25
    ring = [[west + (at % 7) / 7.3, south + (at % 11) / 11.7] for at in range(vertices)]
    return {
        "type": "Feature",
        "id": name,
        "bbox": [west, south, west + 1, south + 1],
        "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
        "properties": properties,
    }


def _write(folder: Path, features: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    document = {"type": "FeatureCollection", "features": features}
    (folder / "data.json").write_text(json.dumps(document))
    return folder
