"""An input that is merged of several stages, where a call that filled it was killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from block.cases import Folders, collection, feature, fill, ids, restore
from doubles.faulty import FaultyBucket
from doubles.outputs import state_on

from up42_state.block.block import Block
from up42_state.block.inputs import Inputs, has_data
from up42_state.buckets.memory import MemoryBucket
from up42_state.errors import (
    TargetConflictError,
)
from up42_state.settings.model import Settings
from up42_state.stages.local.directory import Directory
from up42_state.stages.local.installation import Installation
from up42_state.stages.local.staging import Staging

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job

Saved = Callable[..., None]
MakeSettings = Callable[..., Settings]


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
