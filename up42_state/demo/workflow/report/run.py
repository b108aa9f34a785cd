"""Counts the ships of each scene, in a table for programs and in a page for people."""

import csv
import json
import os
from pathlib import Path

INPUT, OUTPUT = Path("/tmp/input"), Path("/tmp/output")
COLUMNS = ("scene_id", "ships", "pixels", "brightness")


def main() -> None:
    """Write the table and the page into one directory, which the only feature points to."""
    parameters = json.loads(os.environ.get("UP42_TASK_PARAMETERS") or "{}")
    ships = json.loads((INPUT / "data.json").read_text())["features"]
    rows = [row(scene, ships) for scene in sorted({ship["properties"]["scene_id"] for ship in ships})]
    folder = OUTPUT / "report"
    folder.mkdir()
    with (folder / "ships.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([COLUMNS, *rows])
    (folder / "ships.md").write_text(page(parameters.get("title", "Ships by scene"), rows))
    report = {
        "type": "Feature",
        "id": "report",
        "geometry": {"type": "MultiPoint", "coordinates": [middle(ship) for ship in ships]},
        "properties": {"scenes": len(rows), "ships": len(ships), "up42.data_path": "report"},
    }
    (OUTPUT / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": [report]}))
    print(f"{len(ships)} ships in {len(rows)} scenes")


def row(scene: str, ships: list) -> tuple:
    """Sum up one scene: how many ships, their mean size in pixels, their mean brightness."""
    found = [ship["properties"] for ship in ships if ship["properties"]["scene_id"] == scene]
    means = (round(sum(ship[name] for ship in found) / len(found), 1) for name in ("pixels", "brightness"))
    return (scene, len(found), *means)


def page(title: str, rows: list) -> str:
    """Return the table in Markdown."""
    lines = [COLUMNS, ("---",) * len(COLUMNS), *rows]
    return f"# {title}\n\n" + "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def middle(ship: dict) -> list:
    """Return the middle of a ship."""
    west, south, east, north = ship["bbox"]
    return [(west + east) / 2, (south + north) / 2]


if __name__ == "__main__":
    main()
