"""Finds ships: small bright patches on dark water. Larger ones are clouds.

A patch at the edge of a tile is left out, because its size is not known.
"""

import json
import os
from pathlib import Path

import geotiff

INPUT, OUTPUT = Path("/tmp/input"), Path("/tmp/output")


def main() -> None:
    """Write a feature for each ship, with the rectangle around it."""
    parameters = json.loads(os.environ.get("UP42_TASK_PARAMETERS") or "{}")
    threshold = parameters.get("threshold", 200)
    least, most = parameters.get("min_pixels", 12), parameters.get("max_pixels", 28)
    tiles = json.loads((INPUT / "data.json").read_text())["features"]
    ships = []
    for tile in tiles:
        raster = geotiff.read(INPUT / tile["properties"]["up42.data_path"])
        whole = [patch for patch in patches(raster, threshold) if not is_at_edge(patch, raster)]
        found = [patch for patch in whole if least <= len(patch) <= most]
        ships += [feature(number, patch, raster, tile) for number, patch in enumerate(found, 1)]
    (OUTPUT / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": ships}))
    print(f"{len(ships)} ships on {len(tiles)} tiles")


def patches(raster: geotiff.Raster, threshold: int) -> list:
    """Return the patches of bright pixels that touch each other, each a list of places in the raster."""
    bright = {place for place, value in enumerate(raster.pixels) if value >= threshold}
    found = []
    while bright:
        patch = [min(bright)]  # from the north-west, so that ships are numbered in the same order every time
        bright.remove(patch[0])
        for place in patch:  # which grows on the way
            near = {place - raster.width, place + raster.width}
            near |= {place - 1} if place % raster.width else set()
            near |= {place + 1} if (place + 1) % raster.width else set()
            patch += sorted(near & bright)
            bright -= near
        found.append(patch)
    return found


def is_at_edge(patch: list, raster: geotiff.Raster) -> bool:
    """Say whether a patch may go on beyond the tile."""
    columns, rows = {place % raster.width for place in patch}, {place // raster.width for place in patch}
    return bool(columns & {0, raster.width - 1} or rows & {0, raster.height - 1})


def feature(number: int, patch: list, raster: geotiff.Raster, tile: dict) -> dict:
    """Describe a ship."""
    columns, rows = [place % raster.width for place in patch], [place // raster.width for place in patch]
    across, down = raster.step
    west, east = raster.bbox[0] + min(columns) * across, raster.bbox[0] + (max(columns) + 1) * across
    south, north = raster.bbox[3] - (max(rows) + 1) * down, raster.bbox[3] - min(rows) * down
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "id": f"{tile['id']}_ship-{number}",
        "bbox": [west, south, east, north],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "scene_id": tile["properties"]["scene_id"],
            "tile_id": tile["id"],
            "pixels": len(patch),
            "brightness": round(sum(raster.pixels[place] for place in patch) / len(patch), 1),
        },
    }


if __name__ == "__main__":
    main()
