"""A block as it was before: it reads the input, writes the output, and knows nothing of up42_state.

up42-state exec --job 3f0c --stage report:1 --after tiling:1 --propagate scenes:1 -- python report.py
"""

import json
import os
from pathlib import Path

INPUT, OUTPUT = Path("/tmp/input"), Path("/tmp/output")

parameters = json.loads(os.environ["UP42_TASK_PARAMETERS"])
tiles = json.loads((INPUT / "data.json").read_text())["features"]

lines = [parameters.get("heading", "tile,mean")]
lines += [f"{tile['id']},{tile['properties']['mean']}" for tile in tiles]
(OUTPUT / "report.csv").write_text("\n".join(lines) + "\n")

report = {
    "type": "Feature",
    "geometry": None,
    "properties": {"tiles": len(tiles), "up42.data_path": "report.csv"},
}
(OUTPUT / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": [report]}))
