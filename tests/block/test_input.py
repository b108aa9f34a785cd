"""What a block reads: the input that was put there, or one restored from earlier stages."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import geojson
import pytest
from block.cases import Folders, collection, feature, fill

from up42_state.block import Block
from up42_state.errors import (
    InvalidDataError,
    PathNotFoundError,
    StageNotFoundError,
    TargetConflictError,
)
from up42_state.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job

Saved = Callable[..., None]
MakeSettings = Callable[..., Settings]


def test_it_is_a_feature_collection(folders: Folders) -> None:
    """Block code gets geojson objects with all values as they were written."""
    fill(folders.input, [feature("a", cloud=0.1234567890123)])
    found = Block(input=folders.input).input
    assert isinstance(found, geojson.FeatureCollection)
    assert found[0].properties["cloud"] == 0.1234567890123


def test_none_is_said_clearly(folders: Folders) -> None:
    """The error names the file and what to do."""
    with pytest.raises(
        PathNotFoundError, match=r"no .*input/data\.json – name earlier stages in UP42_STATE_AFTER"
    ):
        _ = Block(input=folders.input).input


def test_a_broken_one_is_said_clearly(folders: Folders) -> None:
    """The error says where it is no JSON."""
    folders.input.mkdir(parents=True)
    (folders.input / "data.json").write_text("{")
    with pytest.raises(InvalidDataError, match="line 1, column 2"):
        _ = Block(input=folders.input).input


def test_a_named_stage_is_restored_into_an_empty_directory(
    folders: Folders, settings: MakeSettings, saved: Saved
) -> None:
    """The block finds its input there, files included."""
    saved("scenes:1", "a", "b")
    with Block.from_env(settings(after="scenes:1"), **folders.arguments) as block:
        assert [found.id for found in block.input.features] == ["a", "b"]
        assert (block.input_dir / "a.tif").read_text() == "a "
        block.write(collection())


def test_several_stages_are_merged_in_their_order(
    folders: Folders, settings: MakeSettings, saved: Saved
) -> None:
    """A feature that the first stage has is not taken from the second; nothing of ours is left."""
    saved("scenes:1", "a", "b")
    saved("more:1", "c")
    saved("again:1", "a")
    with Block.from_env(settings(after="scenes:1,more:1,again:1"), **folders.arguments) as block:
        assert [found.id for found in block.input.features] == ["a", "b", "c"]
        found = sorted(path.name for path in block.input_dir.iterdir())
        assert found == ["a.tif", "b.tif", "c.tif", "data.json"]
        block.write(collection())
    assert block.commit is not None
    assert [parent.stage for parent in block.commit.parents] == ["scenes:1", "more:1", "again:1"]


def test_an_input_that_is_there_is_kept(folders: Folders, settings: MakeSettings, saved: Saved) -> None:
    """Whoever runs the block may have put the input there; the stages are remembered as its parents."""
    saved("scenes:1", "a")
    fill(folders.input, [feature("mine")])
    with Block.from_env(settings(after="scenes:1"), **folders.arguments) as block:
        assert [found.id for found in block.input.features] == ["mine"]
        block.write(collection())
    assert block.commit is not None
    assert [parent.stage for parent in block.commit.parents] == ["scenes:1"]


@pytest.mark.parametrize("after", ["scenes:1", "scenes:1,more:1"])
def test_other_files_in_the_input_are_not_touched(
    folders: Folders, settings: MakeSettings, saved: Saved, after: str
) -> None:
    """A directory with files but no data.json is refused."""
    saved("scenes:1", "a")
    saved("more:1", "b")
    folders.input.mkdir(parents=True)
    (folders.input / "notes.txt").write_text("mine")
    with (
        pytest.raises(TargetConflictError, match=r"notes\.txt"),
        Block.from_env(settings(after=after), **folders.arguments),
    ):
        pytest.fail("the block ran")
    assert [path.name for path in folders.input.iterdir()] == ["notes.txt"]


def test_a_merge_that_was_interrupted_while_it_moved_up_is_continued(
    folders: Folders, settings: MakeSettings, saved: Saved
) -> None:
    """After a kill the input is completed; without data.json it never counts as one."""
    saved("scenes:1", "a")
    saved("more:1", "b")
    fill(folders.input / ".up42_state" / "merged", [feature("a"), feature("b")], {"b.tif": "b"})
    (folders.input / "a.tif").write_text("a")
    with Block.from_env(settings(after="scenes:1,more:1"), **folders.arguments) as block:
        assert sorted(path.name for path in block.input_dir.iterdir()) == ["a.tif", "b.tif", "data.json"]
        block.write(collection())


def test_a_merge_that_was_interrupted_before_is_begun_anew(
    folders: Folders, settings: MakeSettings, saved: Saved
) -> None:
    """What a kill left half merged is not used."""
    saved("scenes:1", "a")
    saved("more:1", "b")
    fill(folders.input / ".up42_state" / "merging", [feature("half")], {"half.tif": ""})
    with Block.from_env(settings(after="scenes:1,more:1"), **folders.arguments) as block:
        assert sorted(path.name for path in block.input_dir.iterdir()) == ["a.tif", "b.tif", "data.json"]
        block.write(collection())


def test_the_earlier_quicklooks_do_not_become_the_blocks_own(
    folders: Folders, job: Job, settings: MakeSettings, tmp_path: Path
) -> None:
    """A restored input leaves the directory for quicklooks empty."""
    earlier = fill(tmp_path / "earlier", [feature("a", "a.tif")], {"a.tif": "a", ".quicklooks/a.png": "q"})
    job.stage("scenes:1").save(earlier)
    job.stage("more:1").save(earlier)
    with Block.from_env(settings(after="scenes:1,more:1"), **folders.arguments) as block:
        assert list(block.quicklooks_dir.iterdir()) == []
        assert not (block.input_dir / ".quicklooks").exists()
        block.write(collection())


def test_a_stage_that_is_not_there_ends_the_block_before_it_runs(
    folders: Folders, settings: MakeSettings, saved: Saved
) -> None:
    """The error names the stages that there are."""
    saved("scenes:1", "a")
    with (
        pytest.raises(StageNotFoundError, match="no stage nosuch:1 – it has scenes:1"),
        Block.from_env(settings(after="nosuch:1"), **folders.arguments),
    ):
        pytest.fail("the block ran")
