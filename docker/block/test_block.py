"""Tests of the block, with the fixtures that come with up42_state.

Run ``pytest``, or ``pytest --up42-state-url localstack`` after ``make localstack``.
"""

from block import process

SCENE = {"type": "Feature", "geometry": None, "properties": {"up42.data_path": "scene.tif"}}


def test_reports_every_scene(state_store, block_dirs):
    """A report holds the size of its scene, in the unit asked for."""
    block_dirs.write_input([SCENE], files={"scene.tif": b"x" * 3000})
    with block_dirs.block(parameters={"unit_bytes": 1000}) as block:
        process(block)
    assert state_store.job("test").stage("block:1").open("report-0.txt").read() == b"3\n"


def test_brings_the_scenes_along(state_store, block_dirs):
    """The earlier stage that is propagated becomes part of the output."""
    block_dirs.write_input([SCENE], files={"scene.tif": b"x"})
    scenes = state_store.job("test").stage("scenes:1")
    scenes.save(block_dirs.input)
    with block_dirs.block(propagate=["scenes:1"]) as block:
        process(block)
    saved = state_store.job("test").stage("block:1")
    assert [feature["properties"]["up42.data_path"] for feature in saved.features()["features"]] == [
        "report-0.txt",
        "scene.tif",
    ]
