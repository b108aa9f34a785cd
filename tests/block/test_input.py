"""What a block reads: the input that was put there, or one restored from earlier stages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import geojson
import pytest
from block.cases import Folders, collection, feature, fill, ids
from doubles.faulty import FaultyBucket
from doubles.outputs import state_on

from up42_state.block.block import Block
from up42_state.block.inputs import Inputs, has_data
from up42_state.buckets.memory import MemoryBucket
from up42_state.errors import (
    InvalidDataError,
    PathNotFoundError,
    StageNotFoundError,
    TargetConflictError,
)
from up42_state.settings.model import Settings
from up42_state.stages.local.directory import Directory
from up42_state.stages.local.installation import Installation
from up42_state.stages.local.staging import Staging

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.stages.format.commit import Commit
    from up42_state.state import Job

Saved = Callable[..., None]
MakeSettings = Callable[..., Settings]


def restore(job: Job, folders: Folders, *stages: str) -> list[Commit]:
    """The commits that an input was restored from."""
    return Inputs(stages=[job.stage(name) for name in stages], target=folders.input).restore().commits


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


@pytest.fixture
def killed(
    folders: Folders, job: Job, saved: Saved, monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], None]:
    """Merges the stages ``scenes:1`` and ``more:1`` as the input, and dies before the n-th step of the
    switch: two files, ``data.json``, and taking away the staging folder.
    """

    def merge(at: int) -> None:
        steps = 0

        def dying(step: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*arguments: Any) -> Any:
                nonlocal steps
                steps += 1
                if steps == at:
                    raise KeyboardInterrupt
                return step(*arguments)

            return counted

        saved("scenes:1", "a")
        saved("more:1", "b")
        with monkeypatch.context() as patch:
            for place, name in ((Directory, "move_new"), (Directory, "move_in"), (Staging, "remove")):
                patch.setattr(place, name, dying(getattr(place, name)))
            with pytest.raises(KeyboardInterrupt):
                restore(job, folders, "scenes:1", "more:1")
        assert steps == at

    return merge


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_merge_that_was_interrupted_during_its_switch_is_continued(
    folders: Folders, job: Job, killed: Callable[[int], None], at: int
) -> None:
    """After a kill the input is completed; without data.json it never counts as one."""
    killed(at)
    assert has_data(folders.input) == (at == 4)
    commits = restore(job, folders, "scenes:1", "more:1")
    assert [commit.name for commit in commits] == ["3f0c/scenes:1@1", "3f0c/more:1@1"]
    assert sorted(path.name for path in folders.input.iterdir()) == ["a.tif", "b.tif", "data.json"]


def test_a_merge_of_other_stages_is_not_continued(
    folders: Folders, job: Job, saved: Saved, killed: Callable[[int], None]
) -> None:
    """What a kill has left of another input is never taken for this one."""
    saved("third:1", "c")
    killed(1)
    restore(job, folders, "scenes:1", "third:1")
    assert sorted(path.name for path in folders.input.iterdir()) == ["a.tif", "c.tif", "data.json"]


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_merge_of_older_revisions_is_not_mixed_with_newer_ones(
    folders: Folders, job: Job, saved: Saved, killed: Callable[[int], None], at: int
) -> None:
    """Files of an input that was superseded while it was put in its place are taken back, not mixed."""
    killed(at)
    saved("more:1", "c")
    restore(job, folders, "scenes:1", "more:1")
    assert ids(folders.input) == ["a", "c"]
    assert sorted(path.name for path in folders.input.iterdir()) == ["a.tif", "c.tif", "data.json"]


def test_a_merge_with_other_options_takes_back_what_a_kill_has_left(
    folders: Folders, job: Job, saved: Saved, killed: Callable[[int], None]
) -> None:
    """The same revisions give another input then, and one stage of them another one still."""
    killed(2)
    stages = [job.stage("scenes:1"), job.stage("more:1")]
    Inputs(stages=stages, target=folders.input, options={"ids": ["none"]}).restore()
    assert sorted(path.name for path in folders.input.iterdir()) == ["a.tif", "data.json"]


def test_one_stage_takes_back_what_a_kill_has_left_of_a_merge(
    folders: Folders, job: Job, killed: Callable[[int], None]
) -> None:
    """One input or the other is there, never a part of both."""
    killed(3)
    restore(job, folders, "more:1")
    assert sorted(path.name for path in folders.input.iterdir()) == ["b.tif", "data.json"]


def test_what_a_killed_merge_has_fetched_is_not_fetched_again(
    folders: Folders, saved: Saved, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of every stage are staged in the input, and count by their digests."""
    bucket = FaultyBucket(MemoryBucket())
    job = state_on(bucket).job("3f0c")
    for stage, name in (("scenes:1", "a"), ("more:1", "b")):
        output = fill(tmp_path / stage, [feature(name, f"{name}.tif")], {f"{name}.tif": name})
        job.stage(stage).save(output, quicklooks=False)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    def let_go(installation: Installation, *_: object) -> None:
        for root in installation._roots:
            root.close()

    def fetched() -> list[str]:
        return [key for name, key in bucket.operations.names if name == "get" and "/files/" in key]

    with monkeypatch.context() as patch:
        patch.setattr(Installation, "switch", die)
        patch.setattr(Installation, "__exit__", let_go)
        with pytest.raises(KeyboardInterrupt):
            restore(job, folders, "scenes:1", "more:1")
    assert len(fetched()) == 2
    restore(job, folders, "scenes:1", "more:1")
    assert len(fetched()) == 2
    assert ids(folders.input) == ["a", "b"]
    assert (folders.input / "b.tif").read_text() == "b"


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


class TestWhatAnOlderReleaseHasLeft:
    """A folder that it merged the input in, whole or not."""

    @pytest.fixture(autouse=True)
    def stages(self, saved: Saved, folders: Folders) -> None:
        saved("scenes:1", "a")
        saved("more:1", "b")
        fill(folders.input / ".up42_state/merging", [feature("half")], {"half.tif": ""})
        fill(folders.input / ".up42_state/merged", [feature("old")], {"old.tif": ""})

    def test_is_taken_away(self, folders: Folders, job: Job) -> None:
        """It is no part of the input."""
        restore(job, folders, "scenes:1", "more:1")
        assert sorted(path.name for path in folders.input.iterdir()) == ["a.tif", "b.tif", "data.json"]

    def test_is_taken_away_where_the_input_is_whole(self, folders: Folders, job: Job, tmp_path: Path) -> None:
        """It was killed when all but its folder was done."""
        left = (folders.input / ".up42_state").rename(tmp_path / "left")
        restore(job, folders, "scenes:1", "more:1")
        left.rename(folders.input / ".up42_state")
        restore(job, folders, "scenes:1", "more:1")
        assert sorted(path.name for path in folders.input.iterdir()) == ["a.tif", "b.tif", "data.json"]

    def test_is_not_mixed_with_what_it_had_put_in(self, folders: Folders, job: Job) -> None:
        """Files of another input, which it had begun to move to their places, are refused."""
        (folders.input / "old.tif").write_text("")
        with pytest.raises(TargetConflictError, match=r"holds other files: old\.tif .*clear=True"):
            restore(job, folders, "scenes:1", "more:1")


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
