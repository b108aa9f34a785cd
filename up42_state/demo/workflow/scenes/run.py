"""A data block: finds scenes of the sea north of Rügen, and delivers them as GeoTIFFs with quicklooks.

The scenes are made here, so that the example needs no network: water, ships, and clouds.
"""

import json
import math
import os
import struct
import zlib
from pathlib import Path

import geotiff

OUTPUT, QUICKLOOKS = Path("/tmp/output"), Path("/tmp/quicklooks")
PIXELS = 128  # along each side of a scene
SIDE = (0.30, 0.19)  # of a scene, in degrees

# Id, time, west and south in degrees, cloud cover in percent.
ARCHIVE = (
    ("S2A_20240511_north-west", "2024-05-11T10:16:01Z", 13.02, 54.56, 4),
    ("S2A_20240511_north", "2024-05-11T10:16:01Z", 13.30, 54.58, 71),
    ("S2A_20240511_north-east", "2024-05-11T10:16:01Z", 13.58, 54.55, 12),
    ("S2B_20240513_south-west", "2024-05-13T10:05:59Z", 13.05, 54.36, 22),
    ("S2B_20240513_south", "2024-05-13T10:05:59Z", 13.33, 54.38, 8),
    ("S2B_20240513_south-east", "2024-05-13T10:05:59Z", 13.61, 54.35, 64),
)


def main() -> None:
    """Write a feature for each scene that was asked for, and its files unless this is a dry run."""
    parameters = json.loads(os.environ.get("UP42_TASK_PARAMETERS") or "{}")
    dry_run = os.environ.get("UP42_JOB_MODE") == "DRY_RUN"
    wanted = parameters.get("time") or "../.."
    found = [(number, scene) for number, scene in enumerate(ARCHIVE) if is_between(scene[1], wanted)]
    features = []
    for number, (name, time, west, south, clouds) in found[: parameters.get("limit", 10)]:
        scene = make(number, clouds, (west, south, west + SIDE[0], south + SIDE[1]))
        write_png(QUICKLOOKS / f"{name}.png", scene)
        if not dry_run:
            geotiff.write(OUTPUT / f"{name}.tif", scene)
        features.append(feature(name, time, clouds, scene.bbox))
    (OUTPUT / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    print(f"{len(features)} of {len(ARCHIVE)} scenes{', as a dry run' if dry_run else ''}")


def is_between(time: str, wanted: str) -> bool:
    """Say whether a time is in a range: ``2024-05-11/..``. All are in UTC, so texts compare as times."""
    first, _, last = wanted.partition("/")
    last = last or first  # one moment, or one day
    return (first == ".." or time[: len(first)] >= first) and (last == ".." or time[: len(last)] <= last)


def feature(name: str, time: str, clouds: int, bbox: tuple) -> dict:
    """Describe a scene."""
    west, south, east, north = bbox
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "id": name,
        "bbox": list(bbox),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "scene_id": name,
            "sensor": "Sentinel2",
            "acquisition_date": time,
            "cloud_cover": clouds,
            "up42.data_path": f"{name}.tif",
        },
    }


def make(number: int, clouds: int, bbox: tuple) -> geotiff.Raster:
    """Make a scene: water, ships on it, and clouds over both."""
    rows = range(PIXELS)
    pixels = bytearray(water(number, x, y) for y in rows for x in rows)
    for left, top in ships(number):
        for y in range(top, top + 3):
            pixels[y * PIXELS + left : y * PIXELS + left + 8] = bytes(8 * [225])
    for place in range(PIXELS * PIXELS):
        if is_cloud(number, clouds, place % PIXELS, place // PIXELS):
            pixels[place] = 250
    return geotiff.Raster(bytes(pixels), PIXELS, bbox)


def ships(number: int) -> list:
    """Return where ships of 8 × 3 pixels lie; none lies across the edge of a tile of 32 pixels."""
    cells = [(number * 5 + ship * 7) % 16 for ship in range(3 + number)]
    return [(32 * (cell % 4) + 3 + cell, 32 * (cell // 4) + 5 + cell) for cell in cells]


def water(number: int, x: int, y: int) -> int:
    """Return the grey value of water: swell, and a glitter that is stronger in the north-east."""
    return round(80 + 40 * math.sin(x / 17 + number) * math.cos(y / 23 - number) + (x - y) / 6)


def is_cloud(number: int, clouds: int, x: int, y: int) -> bool:
    """Say whether a pixel is below a cloud."""
    return math.sin(x / 9 + 2 * number) + math.cos(y / 11 + 3 * number) > 2 - clouds / 25


def write_png(path: Path, raster: geotiff.Raster) -> None:
    """Write a greyscale PNG (ISO/IEC 15948)."""
    width, height = raster.width, raster.height
    lines = b"".join(b"\0" + raster.pixels[y * width : (y + 1) * width] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in chunks))


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


if __name__ == "__main__":
    main()
