"""What a block reads: the input that was put there, or one restored from earlier stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import geojson
import pytest
from block.cases import Folders, collection, feature, fill, ids, restore

from up42_state.block.block import Block
from up42_state.block.inputs import Inputs
from up42_state.errors import (
    InvalidDataError,
    PathNotFoundError,
    StageNotFoundError,
    TargetConflictError,
)
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.stages.format.commit import Commit
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


class TestAnInputThatIsThere:
    """An input that was not restored by this task: the parents that are recorded are true."""

    AFTER = ("scenes:1", "scenes:1,more:1")

    @pytest.fixture(autouse=True)
    def stages(self, saved: Saved) -> None:
        saved("scenes:1", "a", "b")
        saved("more:1", "b", "c", content="other")

    @pytest.fixture
    def start(self, folders: Folders, settings: MakeSettings) -> Callable[..., Block]:
        def make(after: str, **options: Any) -> Block:
            return Block.from_env(settings(after=after), **folders.arguments, **options)

        return make

    @pytest.mark.parametrize("after", AFTER)
    def test_of_the_named_stages_is_taken(self, start: Callable[..., Block], after: str) -> None:
        """It is what they give: nothing is fetched, and they are the parents."""
        start(after).restore_input()
        with start(after) as block:
            names = [found.id for found in block.input.features]
            block.write(collection())
        assert names == (["a", "b"] if after == "scenes:1" else ["a", "b", "c"])
        assert block.commit is not None
        assert ",".join(parent.stage for parent in block.commit.parents) == after

    @pytest.mark.parametrize("after", AFTER)
    def test_of_other_features_is_refused(
        self, start: Callable[..., Block], folders: Folders, after: str
    ) -> None:
        """The stages would be recorded as parents of what was not made from them."""
        fill(folders.input, [feature("mine")])
        with (
            pytest.raises(
                TargetConflictError, match=r"another data\.json than 3f0c/scenes:1@1.*UP42_STATE_AFTER"
            ),
            start(after),
        ):
            pytest.fail("the block ran")
        assert ids(folders.input) == ["mine"]

    @pytest.mark.parametrize("after", AFTER)
    def test_of_an_older_revision_is_refused(
        self, start: Callable[..., Block], saved: Saved, after: str
    ) -> None:
        """What was saved since would be recorded as the parent of what was not made from it."""
        start(after).restore_input()
        saved(after.rpartition(",")[2], "a", "new", content="newer")
        with pytest.raises(TargetConflictError, match="@2 would give"), start(after):
            pytest.fail("the block ran")

    def test_that_was_merged_in_another_way_is_refused(self, start: Callable[..., Block]) -> None:
        """Other options give another input."""
        start("scenes:1,more:1").restore_input()
        with (
            pytest.raises(TargetConflictError, match=r"another data\.json"),
            start("scenes:1,more:1", on_conflict="both"),
        ):
            pytest.fail("the block ran")

    def test_can_be_cleared(self, start: Callable[..., Block], folders: Folders) -> None:
        """With ``clear`` the stages are restored in its place."""
        fill(folders.input, [feature("mine")], {"mine.tif": ""})
        with start("scenes:1", clear=True) as block:
            assert sorted(path.name for path in folders.input.iterdir()) == ["a.tif", "b.tif", "data.json"]
            block.write(collection())

    def test_and_no_stages_are_named_is_kept(self, start: Callable[..., Block], folders: Folders) -> None:
        """Whoever runs the block has put it there."""
        fill(folders.input, [feature("mine")])
        with start("") as block:
            assert [found.id for found in block.input.features] == ["mine"]
            block.write(collection())
        assert block.commit is not None
        assert block.commit.parents == ()

    def test_is_compared_at_the_end_where_nobody_did_before(
        self, start: Callable[..., Block], folders: Folders
    ) -> None:
        """``finish`` without the ``with`` records no parent unseen, either."""
        fill(folders.input, [feature("mine")])
        fill(folders.output, [])
        with pytest.raises(TargetConflictError, match=r"another data\.json"):
            start("scenes:1").finish()

    def test_files_of_one_path_merge_into_the_same_input(
        self, folders: Folders, job: Job, tmp_path: Path
    ) -> None:
        """The comparison knows which paths a merge gives to files, directories and quicklooks."""
        for stage, text in (("one:1", "1"), ("two:1", "2")):
            files = {"x.tif": text, "deep/y.tif": text, ".quicklooks/x.png": text}
            folder = fill(
                tmp_path / stage, [feature(f"{stage}-x", "x.tif"), feature(f"{stage}-y", "deep")], files
            )
            job.stage(stage).save(folder)
        assert restore(job, folders, "one:1", "two:1") == restore(job, folders, "one:1", "two:1")
        assert len(list(folders.input.rglob("*.tif"))) == 4


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


def test_files_of_an_earlier_merge_that_are_there_are_kept(folders: Folders, job: Job, saved: Saved) -> None:
    """Like those of a single stage: byte for byte the same, they are no other files."""
    saved("scenes:1", "a")
    saved("more:1", "b")
    restore(job, folders, "scenes:1", "more:1")
    (folders.input / "data.json").unlink()
    before = (folders.input / "b.tif").stat().st_ino
    restore(job, folders, "scenes:1", "more:1")
    assert (folders.input / "b.tif").stat().st_ino == before
    assert ids(folders.input) == ["a", "b"]


def before_each_merge(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Have something happen between looking the stages up and reading them."""
    planned = Inputs._planned

    def meanwhile(self: Inputs, commits: Sequence[Commit]) -> Any:
        happens()
        return planned(self, commits)

    monkeypatch.setattr(Inputs, "_planned", meanwhile)


def test_the_parents_of_a_merged_input_are_what_was_merged(
    folders: Folders, job: Job, saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stage that is saved again between being looked up and being read does not slip in."""
    saved("scenes:1", "a")
    saved("more:1", "b")

    def meanwhile() -> None:
        saved("more:1", "b", "late", content="again")

    before_each_merge(monkeypatch, meanwhile)
    commits = restore(job, folders, "scenes:1", "more:1")
    assert [commit.name for commit in commits] == ["3f0c/scenes:1@1", "3f0c/more:1@1"]
    assert ids(folders.input) == ["a", "b"]


def test_a_stage_that_was_pruned_meanwhile_is_taken_as_it_is_now(
    folders: Folders, job: Job, saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A merge that loses a revision to a prune starts again with the current ones."""
    saved("scenes:1", "a")
    saved("more:1", "b")

    def meanwhile() -> None:
        saved("more:1", "late", content="again")
        job.prune(keep=1, grace=timedelta(0), no_writers=True)

    before_each_merge(monkeypatch, meanwhile)
    commits = restore(job, folders, "scenes:1", "more:1")
    assert [commit.name for commit in commits] == ["3f0c/scenes:1@1", "3f0c/more:1@2"]
    assert ids(folders.input) == ["a", "late"]


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
