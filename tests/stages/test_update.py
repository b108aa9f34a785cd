"""A stage that many jobs change: no change is lost, none counts twice, whatever comes in between."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import tiles, write_output

from up42_state.errors import (
    InvalidOutputError,
    SettingsError,
    StageConflictError,
    StageNotFoundError,
)
from up42_state.updating import APPLIED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job, Stage


@pytest.fixture
def running(job: Job) -> Stage:
    return job.stage("baseline/seen:1")


def adding(name: str) -> Callable[[Any, Path], None]:
    """A change that adds a feature."""

    def change(current: Any, _folder: Path) -> None:
        current["features"].append({"type": "Feature", "id": name, "geometry": None, "properties": {}})

    return change


def names(stage: Stage) -> list[str]:
    return [feature["id"] for feature in stage.features().features]


def test_the_first_change_is_made_to_nothing(running: Stage) -> None:
    """An empty collection; and the result says that there was nothing before."""
    first = running.update(adding("a"))
    assert (first.outcome, first.before, first.commit.revision) == ("saved", None, 1)
    second = running.update(adding("b"))
    assert (second.before, second.commit.revision) == (first.commit, 2)
    assert names(running) == ["a", "b"]


def test_a_marked_change_counts_once(running: Stage, job: Job) -> None:
    """The second call changes nothing, and says what the first one was made to."""
    running.update(adding("a"), mark="may/seen:1")
    first = running.update(adding("b"), mark=job.stage("seen:1"))
    running.update(adding("c"), mark="july/seen:1")
    again = running.update(adding("b"), mark=job.stage("seen:1"))
    assert names(running) == ["a", "b", "c"]
    assert (again.outcome, again.before, again.commit.revision) == ("kept", first.before, 3)
    assert again.warnings == []
    assert running.features()[APPLIED] == {"may/seen:1": 1, "3f0c/seen:1": 2, "july/seen:1": 3}


def test_a_change_that_changes_nothing_is_marked_as_well(running: Stage) -> None:
    """So that it is not made later, to another state; without a mark it makes no revision."""
    running.update(adding("a"))
    assert running.update(lambda _current, _folder: None).outcome == "unchanged"
    assert running.update(lambda _current, _folder: None, mark="x").outcome == "saved"
    assert running.update(adding("b"), mark="x").outcome == "kept"
    assert names(running) == ["a"]


def test_another_writer_comes_first(running: Stage) -> None:
    """The change is made again, to what that one has saved."""
    tried = []

    def change(current: Any, folder: Path) -> dict[str, Any]:
        if not tried:
            running.update(adding("other"), mark="other")
        tried.append(len(current["features"]))
        adding("mine")(current, folder)
        return dict(current)

    updated = running.update(change, mark="mine")
    assert tried == [0, 1]
    assert updated.before is not None
    assert updated.before.revision == 1
    assert names(running) == ["other", "mine"]


def test_a_change_takes_few_requests(running: Stage, bucket: FaultyBucket) -> None:
    """Of a stage without files; docs/howto/state-across-jobs.md gives the number."""
    for name in ("a", "b", "c"):
        bucket.operations.names.clear()
        running.update(adding(name), mark=name)
    assert len(bucket.operations) == 14
    bucket.operations.names.clear()
    assert running.update(adding("c"), mark="c").outcome == "kept"
    assert len(bucket.operations) == 5


def test_an_error_of_the_change_goes_its_way(running: Stage) -> None:
    """Once, also if it is one that another writer would bring about; nothing is saved."""
    tried = []

    def change(_current: Any, _folder: Path) -> None:
        tried.append(1)
        raise StageConflictError("of the change's own")

    with pytest.raises(StageConflictError, match="of the change's own"):
        running.update(change)
    assert tried == [1]
    assert not running.exists()
    with pytest.raises(InvalidOutputError, match="defect"):
        running.update(lambda _current, _folder: {"type": "FeatureCollection", "features": [1]})


def test_files_are_there_and_are_not_moved_again(running: Stage, tmp_path: Path) -> None:
    """The directory holds the current files; those that stay are referred to."""
    running.save(write_output(tmp_path / "out", tiles(3) | {".quicklooks/tile_0000.jpg": b"picture"}))

    def change(current: Any, folder: Path) -> None:
        (folder / "tile_0002.tif").unlink()
        del current["features"][2]
        (folder / "note.txt").write_text("new")

    updated = running.update(change)
    found = {entry.path for entry in running.files()}
    assert found == {"tile_0000.tif", "tile_0001.tif", "note.txt", "tile_0000.jpg"}
    assert updated.commit.totals.referenced == 4000 + len("picture")


def test_the_lineage_is_recorded(running: Stage, job: Job, tmp_path: Path) -> None:
    """Each revision's parents are the stages that its change was made from, of whatever job."""
    scenes = job.stage("june/scenes:1")
    made = scenes.save(write_output(tmp_path / "out", tiles(1))).commit
    updated = running.update(adding("a"), mark="june", after=scenes)
    assert updated.commit.parents == (made.as_parent(),)
    with pytest.raises(StageNotFoundError, match="has no stage other:1"):
        running.update(adding("b"), after=job.stage("june/other:1"))


def test_another_output_of_a_job_that_counts_already_is_told(
    running: Stage, job: Job, tmp_path: Path
) -> None:
    """The first one stays: what it added cannot be taken out again."""
    scenes = job.stage("june/scenes:1")
    scenes.save(write_output(tmp_path / "out", tiles(1)))
    running.update(adding("a"), mark="june", after=scenes)
    assert running.update(adding("a"), mark="june", after=scenes).warnings == []
    scenes.save(write_output(tmp_path / "out", tiles(1)))
    (warning,) = running.update(adding("a"), mark="june", after=scenes).warnings
    assert warning == "june is in baseline/seen:1@1 already, from another output than now; that one stays"


def test_a_stage_that_was_removed_begins_anew(running: Stage) -> None:
    """Without what was counted before the removal."""
    running.update(adding("a"), mark="x")
    running.delete()
    again = running.update(adding("b"), mark="x")
    assert (again.before, again.commit.revision, names(running)) == (None, 3, ["b"])
    assert running.update(adding("b"), mark="x").before is None


def test_a_dry_run_changes_no_real_revision(running: Stage) -> None:
    """It says that it was kept; what only a dry run has made is nothing for a real one."""
    assert running.update(adding("dry"), mark="x", job_mode="DRY_RUN").outcome == "saved"
    real = running.update(adding("real"), mark="x")
    assert (real.outcome, real.before, names(running)) == ("saved", None, ["real"])
    assert running.update(adding("dry"), mark="y", job_mode="DRY_RUN").outcome == "kept"
    assert names(running) == ["real"]


def test_marks_that_are_none_are_passed_over(running: Stage, tmp_path: Path) -> None:
    """Somebody may have saved the stage by hand."""
    folder = write_output(tmp_path / "out", {})
    (folder / "data.json").write_text(f'{{"type": "FeatureCollection", "features": [], "{APPLIED}": [1]}}')
    running.save(folder)
    running.update(adding("a"), mark="x")
    assert running.features()[APPLIED] == {"x": 2}


def test_a_killed_update_is_made_once(running: Stage, bucket: FaultyBucket) -> None:
    """Cut off at each request in turn, before or after its effect, and called again."""
    running.update(adding("a"), mark="a")
    bucket.operations.names.clear()
    running.update(adding("b"), mark="b")
    count = len(bucket.operations)
    wanted = ["a", "b"]
    for number in range(1, count + 1):
        for when in ("before", "after"):
            name = f"{when} {number}"
            bucket.operations.names.clear()
            bucket.operations.fail_at, bucket.operations.when = number, when  # type: ignore[assignment]
            bucket.operations.error = KeyboardInterrupt
            with suppress(KeyboardInterrupt):
                running.update(adding(name), mark=name)
            bucket.operations.fail_at = 0
            running.update(adding(name), mark=name)
            wanted.append(name)
            assert names(running) == wanted


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ([1, 2], "is of type list, not a FeatureCollection"),
        (5, "is of type int"),
        ("text", "is of type str"),
        (True, "is of type bool"),
    ],
)
def test_a_change_that_returns_no_collection_is_refused(running: Stage, made: Any, message: str) -> None:
    """With an error that says what to return; nothing is saved."""
    with pytest.raises(InvalidOutputError, match=message):
        running.update(lambda _current, _folder: made, mark="x")
    assert not running.exists()


def test_a_data_json_that_the_change_writes_is_refused(running: Stage, tmp_path: Path) -> None:
    """It would be lost and the change marked all the same. The directory has none, with files or without."""
    running.save(write_output(tmp_path / "out", tiles(1)))

    def change(_current: Any, folder: Path) -> None:
        assert [path.name for path in folder.iterdir()] == ["tile_0000.tif"]
        (folder / "data.json").write_text('{"type": "FeatureCollection", "features": []}')

    with pytest.raises(InvalidOutputError, match=r"data\.json: was written by the change, and would be lost"):
        running.update(change, mark="x")
    with pytest.raises(InvalidOutputError, match="the directory: is gone"):
        running.update(lambda _current, folder: shutil.rmtree(folder), mark="x")
    assert running.latest().revision == 1


def test_a_mark_is_text_or_a_stage(running: Stage, job: Job) -> None:
    """``None`` is no mark, so that two callers without one do not count as the same."""
    running.update(adding("a"), mark=None)
    running.update(adding("b"), mark=None)
    assert names(running) == ["a", "b"]
    assert APPLIED not in running.features()
    with pytest.raises(SettingsError, match="mark is of type Job"):
        running.update(adding("c"), mark=job)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="job_mode is 'DRY'"):
        running.update(lambda _current, _folder: pytest.fail("called"), job_mode="DRY")  # type: ignore[arg-type]


@pytest.mark.parametrize("number", ["true", "0", "-5", '"3"', "1.5"])
def test_a_mark_with_no_number_of_a_revision_is_passed_over(
    running: Stage, tmp_path: Path, number: str
) -> None:
    """It says of no revision that the change was made."""
    folder = write_output(tmp_path / "out", {})
    text = f'{{"type": "FeatureCollection", "features": [], "{APPLIED}": {{"x": {number}}}}}'
    (folder / "data.json").write_text(text)
    running.save(folder)
    assert running.update(adding("a"), mark="x").outcome == "saved"
