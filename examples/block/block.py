"""Keeps the bright tiles, and brings back the scenes, which the stages in between did not pass on."""

import shutil

from up42_state import Block

with Block.from_env() as block:
    block.propagate("scenes:1")
    bright = [
        tile for tile in block.input.features if tile.properties["mean"] >= block.parameters["min_mean"]
    ]
    for tile in bright:
        path = tile.properties["up42.data_path"]
        shutil.copy(block.input_dir / path, block.output_dir / path)
    block.write({"type": "FeatureCollection", "features": bright})
