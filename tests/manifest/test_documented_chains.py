"""Chains of the documentation's blocks: what was known to work, and what was known to fail and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from manifest.examples import processing_block, spot_block

from up42_state.manifest import Manifest, Verdict, check_workflow

if TYPE_CHECKING:
    from up42_state.manifest import WorkflowReport

Blocks = dict[str, Manifest]


def failing(report: WorkflowReport, task: str) -> list[str]:
    """The names of the keys that fail on the edge to a task."""
    return [check.key.name for check in report.edge(task).keys if check.verdict == Verdict.FAILS]


def output(report: WorkflowReport, task: str) -> dict[str, Any]:
    """The standard raster capabilities that a task offers in the end."""
    [offer] = report.outputs[task]
    standard: dict[str, Any] = offer["capabilities"]["raster"]["up42_standard"]
    return standard


def dimap_block(sensor: str) -> Manifest:
    """A data block of SPOT or Pléiades scenes for pansharpening."""
    bands = ["red", "green", "blue", "nir", "pan"]
    return Manifest.from_json(
        spot_block(format="DIMAP", sensor=sensor, bands=bands, processing_level="l2", dtype="uint16")
    )


def test_sentinel_1_feeds_the_polarimetric_block_which_feeds_tiling(blocks: Blocks) -> None:
    """Sentinel-1 GRD → SNAP polarimetric → tiling is certain to work."""
    chain = [blocks[name] for name in ("sentinel-1-grd-fullscene", "snap-polarimetric", "tiling")]
    report = check_workflow(chain)
    assert (report.valid, report.verdict, report.warnings) == (True, Verdict.CERTAIN, ())


def test_ship_detection_works_on_tiles(blocks: Blocks, spot: Manifest) -> None:
    """SPOT → tiling → ship detection works with the tiles' default size."""
    report = check_workflow([spot, blocks["tiling"], blocks["ship-detection"]])
    assert report.verdict == Verdict.CERTAIN


def test_ship_detection_takes_the_tile_size_from_the_job(blocks: Blocks, spot: Manifest) -> None:
    """``${tile_width}`` is the job's value, here said to be 768."""
    parameters = {"tiling:1": {"tile_width": 768, "tile_height": 768.0}}
    report = check_workflow([spot, blocks["tiling"], blocks["ship-detection"]], parameters)
    assert report.verdict == Verdict.CERTAIN


def test_ship_detection_fails_with_tiles_of_512(blocks: Blocks, spot: Manifest) -> None:
    """The report says which block, capability and key, what was offered and what was needed."""
    parameters = {"tiling:1": {"tile_width": 512}}
    report = check_workflow([spot, blocks["tiling"], blocks["ship-detection"]], parameters)
    [error] = report.errors
    expected = "raster.up42_standard.tile_width: 512 is offered by tiling:1, 768 is needed (fails)"
    assert (error.place, error.problem) == ("ship-detection:1", f"block ship-detection: {expected}")


def test_ship_detection_needs_tiling_before_it(blocks: Blocks, spot: Manifest) -> None:
    """Without tiling nothing offers a tile size."""
    report = check_workflow([spot, blocks["ship-detection"]])
    assert failing(report, "ship-detection:1") == ["tile_width", "tile_height"]


@pytest.mark.parametrize("sensor", ["SPOT", "Pleiades"])
def test_pansharpening_passes_the_sensor_on(blocks: Blocks, sensor: str) -> None:
    """After a SPOT block everything downstream is SPOT."""
    report = check_workflow(
        [dimap_block(sensor), blocks["pansharpen"], blocks["tiling"], blocks["sharpening"]]
    )
    assert [output(report, task)["sensor"] for task in list(report.outputs)] == [sensor] * 4


def test_pansharpening_refuses_other_sensors(blocks: Blocks) -> None:
    """Pansharpening takes SPOT and Pléiades alone."""
    report = check_workflow([dimap_block("Landsat8"), blocks["pansharpen"]])
    assert failing(report, "pansharpen:1") == ["sensor"]


def test_pansharpened_pleiades_is_not_fit_for_ship_detection(blocks: Blocks) -> None:
    """Pléiades → pansharpening → tiling → ship detection: the data type and the resolution are others."""
    chain = [blocks[name] for name in ("pleiades-scene", "pansharpen", "tiling", "ship-detection")]
    assert failing(check_workflow(chain), "ship-detection:1") == ["dtype", "resolution"]


def test_pansharpening_with_nothing_before_it_has_nothing_to_pass_on(blocks: Blocks) -> None:
    """Pansharpening → tiling → ship detection: no data type and no resolution reach the end."""
    report = check_workflow([blocks[name] for name in ("pansharpen", "tiling", "ship-detection")])
    missing = [check for check in report.edge("ship-detection:1").keys if check.offered is None]
    assert [check.key.name for check in missing] == ["dtype", "resolution"]


def test_sharpening_loses_the_tile_size(blocks: Blocks, spot: Manifest) -> None:
    """Tiling → sharpening → ship detection: sharpening does not pass the tile keys on."""
    report = check_workflow([spot, blocks["tiling"], blocks["sharpening"], blocks["ship-detection"]])
    assert failing(report, "ship-detection:1") == ["tile_width", "tile_height"]


def test_ships_are_no_ship(blocks: Blocks, spot: Manifest) -> None:
    """Custom keys are compared as the others: ``ships`` is offered, ``ship`` is needed."""
    report = check_workflow([spot, blocks["tiling"], blocks["ship-detection"], blocks["A2"]])
    [check] = [check for check in report.edge("A2:1").keys if check.verdict == Verdict.FAILS]
    assert (str(check.key), check.offered, check.needed) == ("vector.custom.object_type", "ships", "ship")


def test_nothing_can_precede_a_block_with_empty_input(blocks: Blocks) -> None:
    """The documentation's block A1 has to be first; it is a data block besides."""
    report = check_workflow([blocks["modis-aoiclipped"], blocks["A1"]])
    assert [str(error) for error in report.errors] == [
        "A1:1: block A1 is a data block, which can only be first"
    ]


def test_a_processing_block_with_empty_input_can_only_be_first(scenes: Manifest) -> None:
    """The rule holds for the capabilities, whatever the block's type."""
    generator = Manifest.from_json(processing_block(name="generator", input_capabilities={}))
    assert check_workflow([generator]).valid
    report = check_workflow([scenes, generator])
    assert [error.problem for error in report.errors] == [
        "block generator has empty input capabilities, so it can only be first"
    ]


def test_nothing_can_follow_a_block_with_empty_output(blocks: Blocks) -> None:
    """The documentation's block A2 has to be last."""
    follower = Manifest.from_json(processing_block(name="follower"))
    report = check_workflow([blocks["A2"], follower])
    [problem] = report.edge("follower:1").problems
    assert problem == "cannot follow A2:1, whose empty output capabilities say that it can only be last"


def test_a_block_with_empty_output_may_be_last(scenes: Manifest) -> None:
    """An empty output is no defect at the end of a chain."""
    export = Manifest.from_json(processing_block(name="export", output_capabilities={}))
    assert check_workflow([scenes, export]).verdict == Verdict.CERTAIN


def test_a_first_block_that_needs_input_fails(blocks: Blocks) -> None:
    """Nothing comes in to a first block, so every key that it names is missing."""
    assert failing(check_workflow([blocks["tiling"]]), "tiling:1") == ["format"]
