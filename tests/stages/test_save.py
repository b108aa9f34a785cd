"""Saving: what is uploaded, what is referred to, and what makes a revision."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Literal

import pytest
from doubles.outputs import contents, feature, state_on, tiles, write_output

from up42_state import propagate
from up42_state.errors import (
    IntegrityError,
    InvalidOutputError,
    PathNotFoundError,
    SettingsError,
    StageConflictError,
    StageNotFoundError,
)
from up42_state.stages.format.commit import BlockInfo

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job

MIB = 1024 * 1024


def test_what_was_saved_comes_back(job: Job, tmp_path: Path) -> None:
    """Files of every kind and size come back byte for byte, with bits, directories and odd names."""
    files = {
        "a b:c.tif": os.urandom(100),
        "dir/ünï.tif": b"",
        "large.tif": os.urandom(20 * MIB),
        "medium.tif": os.urandom(2 * MIB),
        **tiles(20),
    }
    output = write_output(tmp_path / "out", files)
    (output / "run.sh").write_bytes(b"#!/bin/sh\n")
    (output / "run.sh").chmod(0o755)
    (output / "empty/inner").mkdir(parents=True)
    job.stage("s:1").save(output)
    job.stage("s:1").restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)


def test_small_files_share_objects(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """A thousand tiles take a handful of requests, not a thousand."""
    job.stage("s:1").save(write_output(tmp_path / "out", tiles(1000)))
    assert len(bucket.operations) <= 10


def test_a_handful_of_files_stays_browsable(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Fewer than 16 small files are objects under their own names."""
    job.stage("s:1").save(write_output(tmp_path / "out", tiles(15)))
    keys = [info.key for info in bucket.list("")]
    assert sum("/files/tile_" in key for key in keys) == 15


def test_nothing_is_packed_when_packing_is_off(bucket: FaultyBucket, tmp_path: Path) -> None:
    """UP42_STATE_PACK_BELOW=0 gives one object a file."""
    state_on(bucket, pack_below=0).job("j").stage("s:1").save(write_output(tmp_path / "out", tiles(30)))
    assert not [info.key for info in bucket.list("") if "/packs/" in info.key]


def test_the_same_output_made_from_something_else_is_a_revision(job: Job, tmp_path: Path) -> None:
    """Whoever reads its parents is told the right ones; no file moves."""
    job.stage("scenes:1").save(write_output(tmp_path / "scenes", tiles(1)))
    output = write_output(tmp_path / "out", tiles(2))
    first = job.stage("s:1").save(output).commit
    second = job.stage("s:1").save(output, after=["scenes:1"]).commit
    assert (second.revision, second.content, len(second.parents)) == (2, first.content, 1)
    assert second.totals.referenced == second.totals.bytes


@pytest.mark.parametrize("size", [0, 2, 2000])
def test_unchanged_output_makes_no_revision(
    job: Job, bucket: FaultyBucket, tmp_path: Path, size: int
) -> None:
    """Saving the same output again writes nothing and gives the commit that is there."""
    output = write_output(tmp_path / "out", tiles(20, size=size))
    first = job.stage("s:1").save(output).commit
    before = bucket.operations.count("put", "create", "start_upload")
    assert job.stage("s:1").save(output).commit == first
    assert bucket.operations.count("put", "create", "start_upload") == before


def test_a_save_tells_whether_it_made_a_revision(job: Job, tmp_path: Path) -> None:
    """The result says ``saved``, ``unchanged`` for the same output, and ``kept`` where another one stays."""
    output = write_output(tmp_path / "out", tiles(2))
    other = write_output(tmp_path / "other", tiles(3))
    stage = job.stage("s:1")
    results = [stage.save(output), stage.save(output), stage.save(other, if_exists="skip")]
    assert [result.outcome for result in results] == ["saved", "unchanged", "kept"]
    assert {result.commit.attempt for result in results} == {stage.latest().attempt}


def test_a_save_tells_what_it_mended(job: Job, tmp_path: Path) -> None:
    """The result has each change with its place, and the stage holds what was mended."""
    output = write_output(tmp_path / "out", {"a.tif": b"a"}, [feature(str(tmp_path / "out/a.tif"), "a")])
    saved = job.stage("s:1").save(output, repair=True)
    assert [change.place for change in saved.changes] == ['features[0].properties["up42.data_path"]']
    assert job.stage("s:1").features().features[0].properties["up42.data_path"] == "a.tif"


def test_only_changed_bytes_move(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """A revision refers to the older one's bytes for all that did not change."""
    output = write_output(tmp_path / "out", {**tiles(40), "large.tif": os.urandom(9 * MIB)})
    job.stage("s:1").save(output)
    (output / "tile_0003.tif").write_bytes(b"changed")
    before = {info.key for info in bucket.list("")}
    commit = job.stage("s:1").save(output).commit
    moved = sum(info.size for info in bucket.list("") if info.key not in before)
    assert commit.revision == 2
    assert commit.totals.referenced == commit.totals.bytes - len(b"changed")
    assert moved < 30_000  # the file, the index, data.json and the commit


def test_a_renamed_file_is_not_moved_again(job: Job, tmp_path: Path) -> None:
    """Bytes are known by what they are, not by their path – packed or not."""
    output = write_output(tmp_path / "out", {**tiles(20), "large.tif": os.urandom(2 * MIB)})
    job.stage("s:1").save(output)
    for name in ("large.tif", "tile_0001.tif"):
        (output / name).rename(output / f"new_{name}")
    write_output(output, {}, [])
    commit = job.stage("s:1").save(output).commit
    job.stage("s:1").restore(tmp_path / "in")
    assert commit.totals.referenced == commit.totals.bytes
    assert contents(tmp_path / "in") == contents(output)


def test_another_fingerprint_commits_by_reference(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Equal content with another fingerprint is a revision that shares index, data.json and all bytes."""
    output = write_output(tmp_path / "out", tiles(20))
    first = job.stage("s:1").save(output, fingerprint="one").commit
    before = bucket.operations.count("put", "start_upload")
    second = job.stage("s:1").save(output, fingerprint="two", block=BlockInfo(name="tiling")).commit
    assert (second.revision, second.index, second.data) == (2, first.index, first.data)
    assert bucket.operations.count("put", "start_upload") == before


def test_a_changed_executable_bit_is_another_output(job: Job, tmp_path: Path) -> None:
    """Restoring gives the bit back, so a change of it alone is saved – moving nothing."""
    output = write_output(tmp_path / "out", {"run.tif": b"#!/bin/sh\n"})
    job.stage("s:1").save(output)
    (output / "run.tif").chmod(0o755)
    commit = job.stage("s:1").save(output).commit
    job.stage("s:1").restore(tmp_path / "in")
    assert (commit.revision, commit.totals.referenced) == (2, 10)
    assert contents(tmp_path / "in") == contents(output)


def test_a_pack_that_is_mostly_dead_is_packed_anew(job: Job, tmp_path: Path) -> None:
    """What is left of a pack is moved once it is less than half of it."""
    output = write_output(tmp_path / "out", tiles(40))
    first = job.stage("s:1").save(output).commit
    for number in range(25):
        (output / f"tile_{number:04d}.tif").unlink()
    write_output(output, {}, [])
    second = job.stage("s:1").save(output).commit
    assert not set(first.refers) & set(second.refers)
    job.stage("s:1").restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)


def test_all_defects_are_named_and_nothing_is_uploaded(
    job: Job, bucket: FaultyBucket, tmp_path: Path
) -> None:
    """An output with defects is refused whole, with a list of them all."""
    features = [feature("gone.tif"), feature("../out.tif"), feature("/abs.tif")]
    output = write_output(tmp_path / "out", {}, features)
    os.mkfifo(output / "pipe")
    (output / "link").symlink_to("/etc/hostname")
    (output / ".quicklooks").symlink_to("/etc")
    with pytest.raises(InvalidOutputError) as caught:
        job.stage("s:1").save(output)
    places = {defect.place for defect in caught.value.defects}
    assert {"pipe", "link", ".quicklooks"} < places
    assert len(caught.value.defects) == 6
    assert not list(bucket.list(""))


def test_a_file_that_changes_meanwhile_fails_the_save(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Half an old file and half a new one are never saved."""
    output = write_output(tmp_path / "out", {"a.tif": b"1", "b.tif": b"2"})

    def grow(name: str, _key: str) -> None:
        if name == "put":
            (output / "b.tif").write_bytes(b"another size")
            (output / "a.tif").write_bytes(b"another size")

    bucket.operations.on_operation = grow
    state = state_on(bucket, concurrency=1)
    with pytest.raises(InvalidOutputError, match="changed while it was saved"):
        state.job("j").stage("s:1").save(output)
    assert not state.job("j").stage("s:1").exists()


@pytest.mark.parametrize("propagated", [(), ("s:2",)], ids=["alone", "with another"])
def test_a_data_json_that_changes_meanwhile_fails_the_save(
    job: Job, bucket: FaultyBucket, tmp_path: Path, propagated: tuple[str, ...]
) -> None:
    """A block that is still writing its features leaves no revision that is damaged, or half of each."""
    job.stage("s:2").save(write_output(tmp_path / "other", {"b.tif": b"2"}))
    output = write_output(tmp_path / "out", {"a.tif": b"1"})

    def write_on(name: str, key: str) -> None:
        if name == "put" and key.endswith("data.json"):
            text = (output / "data.json").read_text().replace("null", "true")
            (output / "data.json").write_text(text)

    bucket.operations.on_operation = write_on
    with pytest.raises(InvalidOutputError, match=r"data\.json: the file changed while it was saved"):
        job.stage("s:1").save(output, propagate=propagated)
    assert not job.stage("s:1").exists()


CUT_OFF = """
import os, sys
from up42_state import State
from up42_state.errors import InvalidOutputError
output, store = sys.argv[1:]
stage = State("file://" + store).job("j").stage("s:1")
try:
    stage.save(output, progress=lambda _done, _total: os.truncate(output + "/data.json", 0))
except InvalidOutputError as error:
    print(error)
"""


def test_a_data_json_that_is_cut_off_meanwhile_fails_the_save(tmp_path: Path) -> None:
    """The process is not ended by SIGBUS, as it would be where what it reads were mapped."""
    output = write_output(tmp_path / "out", tiles(1))
    (tmp_path / "store").mkdir()
    words = [sys.executable, "-c", CUT_OFF, str(output), str(tmp_path / "store")]
    result = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "data.json: the file changed while it was saved" in result.stdout


def test_a_missing_directory_is_named(job: Job, tmp_path: Path) -> None:
    """A path that is not there is a not-found error with the path in it."""
    with pytest.raises(PathNotFoundError, match="nowhere"):
        job.stage("s:1").save(tmp_path / "nowhere")


def test_skip_gives_the_current_revision(job: Job, tmp_path: Path) -> None:
    """With if_exists=skip a stage that is there is left alone."""
    first = job.stage("s:1").save(write_output(tmp_path / "one", tiles(1))).commit
    assert job.stage("s:1").save(write_output(tmp_path / "two", tiles(2)), if_exists="skip").commit == first


def test_error_refuses_a_stage_that_is_there(job: Job, tmp_path: Path) -> None:
    """With if_exists=error a second save is a conflict that names the revision."""
    output = write_output(tmp_path / "one", tiles(1))
    job.stage("s:1").save(output, if_exists="error")
    with pytest.raises(StageConflictError, match="3f0c/s:1@1 exists already"):
        job.stage("s:1").save(output, if_exists="error")


@pytest.mark.parametrize("expect", [0, 2])
def test_expect_refuses_another_revision(job: Job, tmp_path: Path, expect: int) -> None:
    """expect=N commits on revision N alone."""
    output = write_output(tmp_path / "one", tiles(1))
    job.stage("s:1").save(output, expect=0)
    with pytest.raises(StageConflictError, match=f"expected revision {expect}, found revision 1"):
        job.stage("s:1").save(output, expect=expect)


def test_expect_commits_on_its_revision(job: Job, tmp_path: Path) -> None:
    """expect=N with N current adds the next one."""
    job.stage("s:1").save(write_output(tmp_path / "one", tiles(1)))
    assert job.stage("s:1").save(write_output(tmp_path / "two", tiles(2)), expect=1).commit.revision == 2


@pytest.mark.parametrize("number", ["1", 1.0])
def test_a_revision_is_named_by_a_whole_number(job: Job, tmp_path: Path, number: Any) -> None:
    """Another type is refused by name: as text, no revision would ever be the expected one."""
    output = write_output(tmp_path / "one", tiles(1))
    stage = job.stage("s:1")
    stage.save(output)
    with pytest.raises(SettingsError, match=f"revision is {number!r}"):
        stage.restore(tmp_path / "here", revision=number)
    with pytest.raises(SettingsError, match=f"expect is {number!r}"):
        stage.save(output, expect=number)


def test_a_dry_run_never_supersedes_real_output(job: Job, tmp_path: Path) -> None:
    """Saving a dry run over real output leaves it alone."""
    first = job.stage("s:1").save(write_output(tmp_path / "one", tiles(1))).commit
    dry = write_output(tmp_path / "two", {}, [feature("not-there.tif")])
    assert job.stage("s:1").save(dry, job_mode="DRY_RUN").commit == first


def test_a_dry_run_is_never_restored_as_output(job: Job, tmp_path: Path) -> None:
    """What a dry run saved is found by dry runs alone, and real output supersedes it."""
    dry = write_output(tmp_path / "dry", {}, [feature("not-there.tif")])
    job.stage("s:1").save(dry, job_mode="DRY_RUN")
    with pytest.raises(StageNotFoundError, match="dry run"):
        job.stage("s:1").restore(tmp_path / "in")
    job.stage("s:1").save(write_output(tmp_path / "one", tiles(1)))
    assert job.stage("s:1").latest().job_mode == "DEFAULT"


def test_a_dry_run_can_stand_on_dry_runs(job: Job, tmp_path: Path) -> None:
    """The job mode that is given goes for parents and propagated stages, whatever the settings say."""
    dry = write_output(tmp_path / "dry", {}, [feature("not-there.tif")])
    first = job.stage("s:1").save(dry, job_mode="DRY_RUN").commit
    empty = write_output(tmp_path / "empty", {})
    commit = job.stage("s:2").save(empty, job_mode="DRY_RUN", after=["s:1"], propagate=["s:1"]).commit
    assert (commit.parents, commit.totals.features) == ((first.as_parent(),), 1)
    propagate(empty, [job.stage("s:1")], job_mode="DRY_RUN")
    job.stage("s:2").restore(tmp_path / "in", job_mode="DRY_RUN")
    assert contents(tmp_path / "in") == contents(empty)


@pytest.mark.parametrize("if_exists", ["skip", "error"])
def test_a_dry_run_does_not_stand_in_the_way_of_real_output(
    job: Job, tmp_path: Path, if_exists: Literal["skip", "error"]
) -> None:
    """For real output a stage that only a dry run has saved is not there."""
    job.stage("s:1").save(write_output(tmp_path / "dry", {}, [feature("not-there.tif")]), job_mode="DRY_RUN")
    job.stage("s:1").save(write_output(tmp_path / "one", tiles(1)), if_exists=if_exists)
    assert (job.stage("s:1").latest().revision, job.stage("s:1").latest().job_mode) == (2, "DEFAULT")


def test_parents_remember_what_they_were(job: Job, tmp_path: Path) -> None:
    """A commit names the revision and content of each stage that it was made from."""
    scenes = job.stage("scenes:1").save(write_output(tmp_path / "one", tiles(1))).commit
    tiling = job.stage("tiling:1").save(write_output(tmp_path / "two", tiles(2)), after=["scenes:1"]).commit
    assert tiling.parents == (scenes.as_parent(),)


def test_a_save_onto_a_damaged_revision_heals_the_stage(
    job: Job, bucket: FaultyBucket, tmp_path: Path
) -> None:
    """An index that cannot be read is no reason not to save: everything is written anew."""
    output = write_output(tmp_path / "one", tiles(20))
    first = job.stage("s:1").save(output).commit
    assert first.index is not None
    bucket.put(first.index.key, b"{}")
    (output / "tile_0000.tif").write_bytes(b"changed")
    job.stage("s:1").save(output)
    assert job.stage("s:1").verify().ok


def test_a_save_onto_a_damaged_commit_is_refused(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """A newest commit that cannot be read is an integrity error, never passed over."""
    output = write_output(tmp_path / "one", tiles(1))
    bucket.put(job.stage("s:1").save(output).commit.key, b"{}")
    with pytest.raises(IntegrityError, match="is damaged"):
        job.stage("s:1").save(output)


def test_quicklooks_are_part_of_the_stage(job: Job, tmp_path: Path) -> None:
    """Quicklooks are saved from their own directory and restored beside the target."""
    output = write_output(tmp_path / "out", {"a.tif": b"1"})
    (tmp_path / "ql").mkdir()
    (tmp_path / "ql/a.jpg").write_bytes(b"picture")
    job.stage("s:1").save(output, quicklooks=tmp_path / "ql")
    job.stage("s:1").restore(tmp_path / "in")
    assert (tmp_path / "in/.quicklooks/a.jpg").read_bytes() == b"picture"
    job.stage("s:2").save(tmp_path / "in")
    assert job.stage("s:2").latest().content == job.stage("s:1").latest().content


def test_a_path_longer_than_a_key_is_saved(job: Job, tmp_path: Path) -> None:
    """Files whose names no store takes as keys are packed, or stored under a digest."""
    deep = "/".join(["d" * 200] * 6)
    files = {f"{deep}/small.tif": b"1", f"{deep}/large.tif": os.urandom(17 * MIB), "a\nb.tif": b"2"}
    output = write_output(tmp_path / "out", files)
    job.stage("s:1").save(output)
    job.stage("s:1").restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)
    assert max(len(info.key) for info in job.state.store.bucket.list("")) <= 1024


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"if_exists": "fail"}, "if_exists is 'fail' – use one of replace, skip, error"),
        ({"job_mode": "dry_run"}, "job_mode is 'dry_run' – use DEFAULT or DRY_RUN"),
        ({"fingerprint": 5}, r"no commit of 3f0c/s can hold this: .*fingerprint"),
        ({"block": BlockInfo(name=None)}, r"no commit of 3f0c/s can hold this: .*block\.name"),  # type: ignore[arg-type]  # the case
    ],
)
def test_no_commit_that_nobody_can_read(
    job: Job, tmp_path: Path, options: dict[str, Any], problem: str
) -> None:
    """An option that is none of its choices is wrong usage; the stage can still be saved afterwards."""
    output = write_output(tmp_path / "out", {"a.tif": b"a"})
    with pytest.raises(SettingsError, match=problem):
        job.stage("s").save(output, **options)
    assert job.stage("s").save(output).commit.revision == 1


def test_a_text_is_one_stage(job: Job, tmp_path: Path) -> None:
    """A name without a list around it is a stage, and not as many as it has letters."""
    output = write_output(tmp_path / "out", {"a.tif": b"a"})
    job.stage("scenes:1").save(output)
    commit = job.stage("s").save(output, after="scenes:1", propagate="scenes:1").commit
    assert [parent.stage for parent in commit.parents] == ["scenes:1"]


def test_stages_by_name_have_no_store(job: Job, tmp_path: Path) -> None:
    """``propagate`` into a directory knows no job, so a name is wrong usage, alone or in a list."""
    for stages in ("scenes:1", ["scenes:1"]):
        with pytest.raises(SettingsError, match="holds the name 'scenes:1'"):
            propagate(tmp_path, stages)  # type: ignore[arg-type]  # the case
