"""Run a job of four blocks on a directory; the last block gets back the scenes that the second one dropped.

::

    scenes:1 ──► clear:1 ──► tiling:1 ──► bright:1
        └──────────── propagated ────────────┘

``scenes`` makes six small scenes, ``clear`` drops the cloudy ones, ``tiling`` cuts the others into quarters,
and ``bright`` keeps the bright quarters and propagates all six scenes.
"""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import geojson

from up42_state.block.block import Block
from up42_state.demo.rasters import Raster, write_geotiff, write_png
from up42_state.errors import TargetConflictError
from up42_state.features.text.origin import ORIGIN, Origin
from up42_state.machine.paths import local_path
from up42_state.publish.footprints import Footprint, footprint_map
from up42_state.stages.format.commit import BlockInfo
from up42_state.stages.format.names import some_names
from up42_state.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from up42_state.stages.format.commit import Commit
    from up42_state.state import Job, Stage

__all__ = ["Demo", "run_demo"]

DIRECTORY = "up42-state-demo"
JOB = "demo"
DATA_PATH = "up42.data_path"
PIXELS = 128  # along each side of a scene

# Name, west and south in degrees, cloud cover in percent: overlapping frames around Berlin.
_SCENES = (
    ("S2A_20240511_north-west", 13.02, 52.56, 4),
    ("S2A_20240511_north", 13.30, 52.58, 71),
    ("S2A_20240511_north-east", 13.58, 52.55, 12),
    ("S2B_20240513_south-west", 13.05, 52.36, 22),
    ("S2B_20240513_south", 13.33, 52.38, 8),
    ("S2B_20240513_south-east", 13.61, 52.35, 64),
)
_SIDE = (0.30, 0.19)  # of a scene, in degrees


@dataclass(frozen=True, kw_only=True)
class Demo:
    """A demo that ran.

    :param state: the store, a directory.
    :param commits: one commit for each task, in the order in which the tasks ran.
    :param dropped: the ids of the scenes that ``clear`` dropped.
    :param returned: the ids of the scenes that the last stage holds again.
    :param results: the directory that the last stage was restored to.
    :param map: an HTML file with the footprints of the last stage.
    """

    state: State
    commits: tuple[Commit, ...]
    dropped: tuple[str, ...]
    returned: tuple[str, ...]
    results: Path
    map: Path


def run_demo(
    directory: str | os.PathLike[str] | None = None, note: Callable[[str], None] | None = None
) -> Demo:
    """Run the demo; a second run in the same directory finds everything unchanged and saves nothing.

    :param directory: where the store, the results and the map go; ``None`` for ``up42-state-demo`` in the
        working directory or, if the working directory cannot be written to, a temporary directory.
    :param note: takes a line for each step of each block; ``None`` writes the lines to stderr.
    :raises TargetConflictError: the directory holds other files than an earlier demo's.
    """
    root = _make(directory)
    state = State((root / "store").resolve().as_uri())
    job = state.job(JOB)
    commits = tuple(_run_tasks(job, note))
    made, clear, *_, last = (job.stage(commit.stage) for commit in commits)
    last.restore(root / "results", overwrite=True)
    page = root / "map.html"
    page.write_text(footprint_map("The demo's last output, by the stage of origin", _footprints(last)))
    all_scenes = _ids(made)
    return Demo(
        state=state,
        commits=commits,
        dropped=tuple(sorted(all_scenes - _ids(clear))),
        returned=tuple(sorted(all_scenes & _ids(last))),
        results=root / "results",
        map=page,
    )


def scenes(block: Block) -> list[geojson.Feature]:
    """Make six scenes, each a GeoTIFF and a quicklook, as a data block does."""
    return [_scene(block, seed, *about) for seed, about in enumerate(_SCENES[: block.parameters["limit"]])]


def clear(block: Block) -> list[geojson.Feature]:
    """Keep the scenes with few clouds."""
    most = block.parameters["max_cloud_cover"]
    kept = [feature for feature in block.input.features if feature.properties["cloud_cover"] <= most]
    for feature in kept:
        _copy(block, feature)
    return kept


def tiling(block: Block) -> list[geojson.Feature]:
    """Cut each scene into quarters, and measure the mean of each quarter."""
    tiles = []
    for feature in block.input.features:
        raster = _read(block.input_dir / feature.properties[DATA_PATH], feature)
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            tile = raster.quarter(column, row)
            about = {"scene": feature.id, "mean": round(tile.mean, 1)}
            tiles.append(_write(block, f"{feature.id}_{row}{column}", tile, about))
    return tiles


def bright(block: Block) -> list[geojson.Feature]:
    """Keep the tiles that are bright in the mean, and ask for the scenes back."""
    block.propagate("scenes:1")
    found = [tile for tile in block.input.features if tile.properties["mean"] >= block.parameters["min_mean"]]
    for tile in found:
        _copy(block, tile)
    return found


@dataclass(frozen=True, slots=True)
class _Task:
    run: Callable[[Block], list[geojson.Feature]]
    after: tuple[str, ...]
    parameters: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.run.__name__}:1"


_TASKS = (
    _Task(scenes, (), {"limit": 6}),
    _Task(clear, ("scenes:1",), {"max_cloud_cover": 30}),
    _Task(tiling, ("clear:1",), {}),
    _Task(bright, ("tiling:1",), {"min_mean": 100}),
)


def _run_tasks(job: Job, note: Callable[[str], None] | None) -> Iterator[Commit]:
    """Run each task in directories of its own, as in a container; tasks share nothing but the store."""
    for task in _TASKS:
        with tempfile.TemporaryDirectory() as folder:
            block = Block(
                stage=job.stage(task.name),
                after=task.after,
                parameters=task.parameters,
                info=BlockInfo(name=task.run.__name__, version="1"),
                input=Path(folder, "input"),
                output=Path(folder, "output"),
                quicklooks=Path(folder, "quicklooks"),
                note=note,
            )
            with block:
                block.write({"type": "FeatureCollection", "features": task.run(block)})
            if block.commit is not None:
                yield block.commit


def _scene(block: Block, seed: int, name: str, west: float, south: float, clouds: int) -> geojson.Feature:
    raster = Raster(
        pixels=bytes(_pixel(seed, clouds, x, y) for y in range(PIXELS) for x in range(PIXELS)),
        width=PIXELS,
        bbox=(west, south, west + _SIDE[0], south + _SIDE[1]),
    )
    write_png(block.quicklooks_dir / f"{name}.png", raster)
    return _write(block, name, raster, {"cloud_cover": clouds, "sensor": name.partition("_")[0]})


def _pixel(seed: int, clouds: int, x: int, y: int) -> int:
    """Return a pixel's grey value: rolling ground, darker to the south-west, and clouds on some of it."""
    ground = 80 + 40 * math.sin(x / 17 + seed) * math.cos(y / 23 - seed) + (x - y) / 6
    cover = math.sin(x / 9 + 2 * seed) + math.cos(y / 11 + 3 * seed) > 2 - clouds / 25
    return 250 if cover else round(ground)


def _write(block: Block, name: str, raster: Raster, properties: Mapping[str, Any]) -> geojson.Feature:
    """Write a raster into the block's output, and return the feature that points to it."""
    write_geotiff(block.output_dir / f"{name}.tif", raster)
    west, south, east, north = raster.bbox
    ring = [(west, south), (east, south), (east, north), (west, north), (west, south)]
    return geojson.Feature(
        id=name,
        bbox=list(raster.bbox),
        geometry=geojson.Polygon([ring], precision=15),
        properties={**properties, DATA_PATH: f"{name}.tif"},
    )


def _copy(block: Block, feature: geojson.Feature) -> None:
    """Copy a feature's file from the input to the output."""
    path = feature.properties[DATA_PATH]
    shutil.copy(block.input_dir / path, block.output_dir / path)


def _read(path: Path, feature: geojson.Feature) -> Raster:
    """Read a raster that :func:`_write` has written."""
    west, south, east, north = feature.bbox
    data = path.read_bytes()
    start, end = 8, int.from_bytes(data[4:8], "little")  # the pixels lie between the header and the first IFD
    side = math.isqrt(end - start)
    return Raster(pixels=data[start:end], width=side, bbox=(west, south, east, north))


def _make(directory: str | os.PathLike[str] | None) -> Path:
    root = local_path(DIRECTORY if directory is None else directory)
    _refuse_others(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            return root
    except OSError:
        if directory is not None:
            raise
        return Path(tempfile.mkdtemp(prefix=f"{DIRECTORY}-"))


def _refuse_others(root: Path) -> None:
    """Refuse a directory with files in it, unless it has the store of an earlier demo.

    The store is the first thing that a demo makes, so an interrupted demo can be run again.
    """
    if root.is_dir() and not (root / "store" / JOB).is_dir() and (names := sorted(os.listdir(root))):
        raise TargetConflictError(
            f"{root} holds other files: {some_names(names)}",
            advice="give a directory that is empty or does not exist",
        )


def _footprints(stage: Stage) -> list[Footprint]:
    """Return the stage's features in layers named after the stage that each feature came from."""
    found = []
    for feature in stage.features().features:
        origin = Origin.parse(feature.properties.get(ORIGIN))
        layer = origin.stage if origin else stage.name
        title = f"{feature.id} ({layer})"
        found.append(Footprint(layer=layer, title=title, geometry=feature.geometry, bbox=feature.bbox))
    # Large scenes first: what is drawn later lies above.
    return sorted(found, key=lambda footprint: footprint.layer == stage.name)


def _ids(stage: Stage) -> set[str]:
    return {feature.id for feature in stage.features().features}
