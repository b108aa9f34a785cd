"""The blocks of ``examples/workflow``, each alone, as a container would run it: they know nothing of us."""

from __future__ import annotations

import ast
import csv
import json
import shutil
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling.builders.sdist import SdistBuilder

import up42_state
from examples import container
from up42_state.manifest import Manifest, check_workflow
from up42_state.manifest.capabilities import Verdict
from up42_state.workflow.document import find_manifests, load

EXAMPLE = container.ROOT / "examples" / "workflow"
BLOCKS = ("scenes", "tiling", "detection", "report")
# Isolated and without site-packages: a block has nothing but the standard library.
SCRIPT = """
kept=${UP42_STATE_URL#file://}
cp -r $kept/input /tmp/input
mkdir /tmp/output /tmp/quicklooks
python -S -B examples/workflow/$BLOCK/run.py
cp -r /tmp/output /tmp/quicklooks $kept/
"""
CLEAR = {
    "S2A_20240511_north-west": 3,
    "S2A_20240511_north-east": 3,
    "S2B_20240513_south-west": 3,
    "S2B_20240513_south": 4,
}


@dataclass(frozen=True)
class Output:
    """What a block left, and what it printed."""

    folder: Path
    printed: str

    @property
    def features(self) -> list[dict[str, Any]]:
        return json.loads((self.folder / "output" / "data.json").read_text())["features"]

    @property
    def files(self) -> set[str]:
        return {path.name for path in (self.folder / "output").iterdir()} - {"data.json"}

    def data(self, feature: dict[str, Any]) -> bytes:
        return (self.folder / "output" / feature["properties"]["up42.data_path"]).read_bytes()


def run(
    block: str, folder: Path, before: Output | None = None, mode: str = "DEFAULT", **parameters: Any
) -> Output:
    """Run a block on what the block before it left."""
    folder.mkdir()
    if before is None:
        (folder / "input").mkdir()
    else:
        shutil.copytree(before.folder / "output", folder / "input")
    variables = {"BLOCK": block, "UP42_TASK_PARAMETERS": json.dumps(parameters), "UP42_JOB_MODE": mode}
    done = container.run(SCRIPT, folder, variables)
    assert done.returncode == 0, done.stderr
    return Output(folder, done.stdout)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Output:
    return run("scenes", tmp_path_factory.mktemp("scenes") / "here")


@pytest.fixture(scope="module")
def tiles(scenes: Output, tmp_path_factory: pytest.TempPathFactory) -> Output:
    return run("tiling", tmp_path_factory.mktemp("tiles") / "here", scenes)


@pytest.fixture(scope="module")
def ships(tiles: Output, tmp_path_factory: pytest.TempPathFactory) -> Output:
    return run("detection", tmp_path_factory.mktemp("ships") / "here", tiles)


def test_the_package_holds_the_example() -> None:
    """An installed package has every file of the example, so that the demo needs no checkout."""
    installed = Path(up42_state.__file__).parent / "demo" / "workflow"
    for path in EXAMPLE.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert (installed / path.relative_to(EXAMPLE)).read_bytes() == path.read_bytes()


def test_a_source_distribution_holds_it_in_both_places(tmp_path: Path) -> None:
    """The package's files are there as well as the link's, so a wheel built from it has a demo."""
    archive = next(SdistBuilder(str(container.ROOT)).build(directory=str(tmp_path)))
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    for path in EXAMPLE.rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            inner = path.relative_to(EXAMPLE)
            assert {f"examples/workflow/{inner}", f"up42_state/demo/workflow/{inner}"} <= names


@pytest.mark.parametrize("block", BLOCKS)
def test_the_manifest_is_valid(block: str) -> None:
    """And nothing about it is odd."""
    manifest = Manifest.read(EXAMPLE / block / "UP42Manifest.json")
    assert (manifest.name, manifest.warnings) == (block, ())


def test_the_blocks_fit() -> None:
    """The workflow can be loaded, and each block gives what the next one needs, whatever comes."""
    path = EXAMPLE / "workflow.yaml"
    document = yaml.safe_load(path.read_text())
    report = check_workflow(find_manifests(document, EXAMPLE, []), workflow=document)
    assert (report.verdict, list(report.errors), list(report.warnings)) == (Verdict.CERTAIN, [], [])
    workflow = load(path, parameters=json.loads((EXAMPLE / "parameters.json").read_text()))
    assert [task.name for task in workflow.tasks] == [f"{block}:1" for block in BLOCKS]
    assert workflow.warnings == ()


def test_the_workflow_of_images_is_the_same() -> None:
    """It has the same tasks after each other, with an image of each block in place of its folder."""
    folders, images = (
        yaml.safe_load((EXAMPLE / name).read_text())["tasks"]
        for name in ("workflow.yaml", "workflow-images.yaml")
    )
    for task in folders:
        task["image"] = f"ships-{task.pop('block')}"
        del task["command"]
    assert images == folders


@pytest.mark.parametrize("block", BLOCKS)
def test_the_block_needs_nothing_but_its_folder(block: str) -> None:
    """A block imports what is in its folder and the standard library, and is a block as others write it."""
    for path in (EXAMPLE / block).glob("*.py"):
        assert "up42_state" not in path.read_text()
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names | {"geotiff"}


def test_blocks_that_read_rasters_do_it_alike() -> None:
    """Each block is whole in its folder, so three have the same module, which does not differ."""
    copies = {(EXAMPLE / block / "geotiff.py").read_text() for block in ("scenes", "tiling", "detection")}
    assert len(copies) == 1


def test_scenes_are_delivered_with_files_and_quicklooks(scenes: Output) -> None:
    """Each of the six scenes is a GeoTIFF and has a PNG as its quicklook."""
    assert scenes.printed == "6 of 6 scenes\n"
    for scene in scenes.features:
        assert scenes.data(scene)[:4] == b"II*\0"
        assert (scenes.folder / "quicklooks" / f"{scene['id']}.png").read_bytes()[1:4] == b"PNG"


def test_a_dry_run_delivers_what_there_would_be(scenes: Output, tmp_path: Path) -> None:
    """The same features and quicklooks, and no data."""
    dry = run("scenes", tmp_path / "dry", mode="DRY_RUN")
    assert (dry.features, dry.files) == (scenes.features, set())
    assert len(list((dry.folder / "quicklooks").iterdir())) == 6


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({"time": "2024-05-12T00:00:00Z/2024-05-14T00:00:00Z"}, ["S2B", "S2B", "S2B"]),
        ({"time": "../2024-05-12T00:00:00Z"}, ["S2A", "S2A", "S2A"]),
        ({"time": "2024-05-11T10:16:01Z"}, ["S2A", "S2A", "S2A"]),
        ({"time": "../2024-05-11"}, ["S2A", "S2A", "S2A"]),
        ({"time": None, "limit": 2}, ["S2A", "S2A"]),
    ],
    ids=["between", "open", "moment", "day", "limit"],
)
def test_scenes_are_found_by_time_and_limit(
    tmp_path: Path, parameters: dict[str, Any], found: list[str]
) -> None:
    """The filters that the manifest names choose among the scenes."""
    chosen = run("scenes", tmp_path / "chosen", mode="DRY_RUN", **parameters)
    assert [scene["id"][:3] for scene in chosen.features] == found


def test_tiles_cover_the_clear_scenes_and_no_others(scenes: Output, tiles: Output) -> None:
    """Each clear scene is cut into four tiles that have all of its pixels between them and its outline."""
    by_scene: dict[str, list[dict[str, Any]]] = {}
    for tile in tiles.features:
        by_scene.setdefault(tile["properties"]["scene_id"], []).append(tile)
    assert by_scene.keys() == CLEAR.keys()
    for scene in (scene for scene in scenes.features if scene["id"] in by_scene):
        parts = by_scene[scene["id"]]
        assert sorted(b"".join(tiles.data(part)[8:4104] for part in parts)) == sorted(
            scenes.data(scene)[8:16392]
        )
        corners = list(zip(*(part["bbox"] for part in parts), strict=True))
        outline = [*map(min, corners[:2]), *map(max, corners[2:])]
        assert outline == pytest.approx(scene["bbox"])


def test_tiles_at_the_edge_may_be_smaller(scenes: Output, tmp_path: Path) -> None:
    """A width that does not divide the scene's leaves narrow tiles at the east and the south."""
    tiles = run("tiling", tmp_path / "tiles", scenes, tile_width=100, max_cloud_cover=4)
    assert [len(tiles.data(tile)) for tile in tiles.features] == [
        len(tiles.data(tiles.features[0])) + pixels - 10000 for pixels in (10000, 2800, 2800, 784)
    ]


def test_ships_are_found_and_clouds_are_not(ships: Output) -> None:
    """Every ship that no cloud touches is found once: it has its size, and the brightness of a ship."""
    found = [ship["properties"] for ship in ships.features]
    counts = {scene: sum(ship["scene_id"] == scene for ship in found) for scene in CLEAR}
    assert counts == CLEAR
    assert {(ship["pixels"], ship["brightness"]) for ship in found} == {(24, 225.0)}


def test_a_ship_lies_on_its_tile(tiles: Output, ships: Output) -> None:
    """The rectangle of a ship is as large as eight by three pixels, within the tile that it was found on."""
    boxes = {tile["id"]: tile["bbox"] for tile in tiles.features}
    for ship in ships.features:
        west, south, east, north = ship["bbox"]
        box = boxes[ship["properties"]["tile_id"]]
        assert box[0] < west < east < box[2]
        assert box[1] < south < north < box[3]
        assert east - west == pytest.approx(8 * 0.30 / 128)
        assert north - south == pytest.approx(3 * 0.19 / 128)


def test_the_report_counts_the_ships_of_each_scene(ships: Output, tmp_path: Path) -> None:
    """The table, the page and the feature say the same."""
    report = run("report", tmp_path / "report", ships, title="Ships in May")
    (feature,) = report.features
    assert (feature["properties"]["ships"], feature["properties"]["scenes"]) == (13, 4)
    assert len(feature["geometry"]["coordinates"]) == 13
    folder = report.folder / "output" / feature["properties"]["up42.data_path"]
    with (folder / "ships.csv").open() as file:
        assert {row["scene_id"]: int(row["ships"]) for row in csv.DictReader(file)} == CLEAR
    page = (folder / "ships.md").read_text()
    assert page.startswith("# Ships in May\n")
    assert "| S2B_20240513_south | 4 | 24.0 | 225.0 |" in page
