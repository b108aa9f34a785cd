"""Cuts scenes that are clear enough into square tiles."""

import json
import os
from pathlib import Path

import geotiff

INPUT, OUTPUT = Path("/tmp/input"), Path("/tmp/output")


def main() -> None:
    """Write the tiles of each clear scene, row by row from the north-west, and a feature for each tile."""
    parameters = json.loads(os.environ.get("UP42_TASK_PARAMETERS") or "{}")
    width = parameters.get("tile_width", 64)
    scenes = json.loads((INPUT / "data.json").read_text())["features"]
    clear = [
        scene
        for scene in scenes
        if scene["properties"]["cloud_cover"] <= parameters.get("max_cloud_cover", 30)
    ]
    tiles = []
    for scene in clear:
        raster = geotiff.read(INPUT / scene["properties"]["up42.data_path"])
        for row, top in enumerate(range(0, raster.height, width)):
            for column, left in enumerate(range(0, raster.width, width)):
                name = f"{scene['id']}_{row}{column}"
                tile = raster.window(left, top, width, width)
                geotiff.write(OUTPUT / f"{name}.tif", tile)
                tiles.append(feature(name, scene, tile))
    (OUTPUT / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": tiles}))
    print(f"{len(tiles)} tiles of {len(clear)} scenes; {len(scenes) - len(clear)} have too many clouds")


def feature(name: str, scene: dict, tile: geotiff.Raster) -> dict:
    """Describe a tile."""
    west, south, east, north = tile.bbox
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "id": name,
        "bbox": list(tile.bbox),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "scene_id": scene["id"],
            "sensor": scene["properties"]["sensor"],
            "mean": round(sum(tile.pixels) / len(tile.pixels), 1),
            "up42.data_path": f"{name}.tif",
        },
    }


if __name__ == "__main__":
    main()
