"""Restoring: the switch, resuming, and what a target keeps."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import contents, feature, tiles, write_output

from up42_state.errors import (
    IntegrityError,
    JobNotFoundError,
    RevisionNotFoundError,
    StageNotFoundError,
    StateError,
    TargetConflictError,
)
from up42_state.stages.local.directory import Directory
from up42_state.stages.local.installation import Installation
from up42_state.stages.local.staging import Staging

if TYPE_CHECKING:
    from doubles.faulty import FaultyBucket

    from up42_state.state import Job, Stage

MIB = 1024 * 1024


@pytest.fixture
def stage(job: Job, tmp_path: Path) -> Stage:
    """A stage of packed, single and large files, saved from ``tmp_path/out``."""
    files = {**tiles(20), "dir/medium.tif": os.urandom(2 * MIB), "large.tif": os.urandom(18 * MIB)}
    job.stage("s:1").save(write_output(tmp_path / "out", files))
    return job.stage("s:1")


def test_equal_files_are_not_fetched_again(stage: Stage, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Restoring over the same content moves only the commit, the index and data.json."""
    stage.restore(tmp_path / "in")
    before = bucket.operations.count("get")
    stage.restore(tmp_path / "in")
    assert bucket.operations.count("get") - before == 3


def test_a_target_with_other_files_is_refused_untouched(stage: Stage, tmp_path: Path) -> None:
    """Nothing that a user has is lost, and nothing is added to it."""
    target = write_output(tmp_path / "in", {"mine.txt": b"precious", "tile_0000.tif": b"mine too"})
    before = contents(target)
    with pytest.raises(TargetConflictError, match=r"data\.json, mine\.txt, tile_0000\.tif"):
        stage.restore(target)
    assert contents(target) == before


@pytest.mark.parametrize("wanted", [True, False])
def test_a_restore_into_the_contracts_input_uses_no_other_directory(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, *, wanted: bool
) -> None:
    """In /tmp/quicklooks the input's quicklooks would be saved as those of the output made from it."""
    places = []

    def land(target: Path, quicklooks: Path | None, **_: object) -> Installation:
        places.append((target, quicklooks))
        raise KeyboardInterrupt

    monkeypatch.setattr("up42_state.stages.read.restore.Installation", land)
    with pytest.raises(KeyboardInterrupt):
        stage.restore("/tmp/input", quicklooks=wanted)
    assert places == [(Path("/tmp/input"), None)]


def test_busy_quicklooks_cost_nothing_that_an_interrupted_call_has_left(tmp_path: Path) -> None:
    """What was moved aside by a restore that was killed is not lost to the next call that cannot begin."""
    left = tmp_path / "in" / ".up42_state" / "restore" / "aside-1"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"precious")
    other = Staging(tmp_path / "quicklooks", "restore")
    with pytest.raises(TargetConflictError, match="another process"):
        Installation(tmp_path / "in", tmp_path / "quicklooks", overwrite=True)
    other.close()
    assert left.read_bytes() == b"precious"


def test_a_call_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    """Directories that were made for it are taken away."""
    other = Staging(tmp_path / "quicklooks", "restore")
    with pytest.raises(TargetConflictError, match="another process"):
        Installation(tmp_path / "new" / "in", tmp_path / "quicklooks", overwrite=True)
    other.close()
    assert not (tmp_path / "new").exists()


def test_overwrite_replaces_what_is_in_the_way_and_leaves_the_rest(stage: Stage, tmp_path: Path) -> None:
    """Files, directories and links in the way go; others stay."""
    target = write_output(tmp_path / "in", {"mine.txt": b"precious", "tile_0000.tif": b"in the way"})
    (target / "tile_0001.tif").mkdir()
    (target / "tile_0001.tif/x").write_bytes(b"in the way")
    (target / "dir").write_bytes(b"in the way")
    (target / "tile_0002.tif").symlink_to("/etc/hostname")
    stage.restore(target, overwrite=True)
    assert contents(target) == {**contents(tmp_path / "out"), "mine.txt": (b"precious", False)}


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_kill_while_things_are_moved_aside_is_got_over(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """An overwriting restore that died between two directories in its way is finished by the same call."""
    target = tmp_path / "in"
    for name in ("tile_0000.tif", "tile_0001.tif"):
        (target / name).mkdir(parents=True)
        (target / name / "x").write_bytes(b"in the way")
    moves = 0
    move_out = Directory.move_out

    def dying(self: Directory, path: str, fd: int, name: str) -> bool:
        nonlocal moves
        moves += 1
        if moves == at:
            raise KeyboardInterrupt
        return move_out(self, path, fd, name)

    with monkeypatch.context() as patch:
        patch.setattr(Directory, "move_out", dying)
        with pytest.raises(KeyboardInterrupt):
            stage.restore(target, overwrite=True)
    stage.restore(target, overwrite=True)
    assert contents(target) == contents(tmp_path / "out")


def test_nobody_else_gets_in_while_a_failed_restore_tidies_up(
    stage: Stage, bucket: FaultyBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is taken away is one's own: the directory is let go afterwards."""
    discard = Staging.discard

    def watched(self: Staging) -> None:
        with pytest.raises(TargetConflictError, match="another process"):
            Staging(self.path, "restore")
        discard(self)

    monkeypatch.setattr(Staging, "discard", watched)
    bucket.operations.fail_at = len(bucket.operations) + 4
    with pytest.raises(StateError, match="the fault"):
        stage.restore(tmp_path / "in")


def test_a_failed_fetch_leaves_the_target_as_it_was(
    stage: Stage, bucket: FaultyBucket, tmp_path: Path
) -> None:
    """A target that was not there is not there afterwards; one that was is unchanged."""
    count = len(bucket.operations)
    stage.restore(tmp_path / "probe")
    for number in range(1, len(bucket.operations) - count + 1):
        bucket.operations.names.clear()
        bucket.operations.fail_at = number
        with pytest.raises(StateError, match="the fault"):
            stage.restore(tmp_path / "in/deep")
        assert not (tmp_path / "in").exists()


def test_a_full_disk_leaves_the_target_as_it_was(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No space left on the device is an error that says so, and nothing has changed."""
    (tmp_path / "in").mkdir()
    write = Staging.write

    def full(self: Staging, name: str, offset: int, data: memoryview, *, executable: bool = False) -> None:
        if name == "7":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, name, offset, data, executable=executable)

    monkeypatch.setattr(Staging, "write", full)
    with pytest.raises(StateError, match="No space left on device – free space or give another"):
        stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == {}


def test_a_target_that_is_a_file(stage: Stage, tmp_path: Path) -> None:
    """A file where the directory should be stays, and nobody is sent to free space."""
    (tmp_path / "in").write_bytes(b"mine")
    with pytest.raises(StateError, match="File exists – give another directory"):
        stage.restore(tmp_path / "in")
    assert (tmp_path / "in").read_bytes() == b"mine"


def test_a_killed_restore_continues_where_it_stopped(
    stage: Stage, bucket: FaultyBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was staged and verified before a kill is not fetched again – large files by block."""
    with monkeypatch.context() as patch:
        patch.setattr(Installation, "__exit__", _let_go)
        patch.setattr(Installation, "switch", _kill)
        with pytest.raises(KeyboardInterrupt):
            stage.restore(tmp_path / "in")
    assert not (tmp_path / "in/data.json").exists()
    staged = tmp_path / "in/.up42_state/restore"
    large = next(path for path in staged.iterdir() if path.stat().st_size == 18 * MIB)
    with open(large, "r+b") as file:
        file.write(b"torn")
    before = bucket.operations.count("get")
    stage.restore(tmp_path / "in")
    assert bucket.operations.count("get") - before == 4  # commit, data.json, index, one block
    assert contents(tmp_path / "in") == contents(tmp_path / "out")


def _let_go(installation: Installation, *_: object) -> None:
    """What a kill does: descriptors are closed, nothing is taken away."""
    for root in installation._roots:
        root.close()


def _kill(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("at", range(1, 25))
def test_a_kill_during_the_switch_leaves_no_data_json(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Once files are being renamed in there is no data.json until all are, and the same call finishes."""
    moves = 0
    move_in = Installation._switch_file

    def dying(self: Installation, entry: object) -> None:
        nonlocal moves
        moves += 1
        if moves == at:
            raise KeyboardInterrupt
        move_in(self, entry)  # type: ignore[arg-type]  # the entry is passed on as it came

    with monkeypatch.context() as patch:
        patch.setattr(Installation, "_switch_file", dying)
        if at <= 22:
            with pytest.raises(KeyboardInterrupt):
                stage.restore(tmp_path / "in")
            assert not (tmp_path / "in/data.json").exists()
    stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(tmp_path / "out")


def test_a_planted_link_leads_nowhere(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that appears between the check and the write is not followed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    switch = Installation.switch

    def plant(self: Installation, *arguments: object) -> None:
        (tmp_path / "in/dir").symlink_to(outside)
        switch(self, *arguments)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(Installation, "switch", plant)
    with pytest.raises(TargetConflictError, match="is not a directory"):
        stage.restore(tmp_path / "in")
    assert not list(outside.iterdir())


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_that_appears_meanwhile_is_not_replaced(
    stage: Stage, bucket: FaultyBucket, tmp_path: Path, overwrite: bool
) -> None:
    """What somebody writes while files are fetched is theirs, and stands; nothing else was added."""
    target = tmp_path / "in"

    def write(_name: str, key: str) -> None:
        if "/packs/" in key:
            (target / "tile_0001.tif").write_bytes(b"mine")

    bucket.operations.on_operation = write
    with pytest.raises(TargetConflictError, match=r"tile_0001\.tif appeared meanwhile"):
        stage.restore(target, overwrite=overwrite)
    assert contents(target) == {"tile_0001.tif": (b"mine", False)}


def test_our_folder_may_not_be_a_link(stage: Stage, tmp_path: Path) -> None:
    """A link planted in place of our staging folder is refused."""
    (tmp_path / "in").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "in/.up42_state").symlink_to(tmp_path / "outside")
    with pytest.raises(TargetConflictError, match="is not a directory"):
        stage.restore(tmp_path / "in")
    assert not list((tmp_path / "outside").iterdir())


def test_two_restores_into_one_target_do_not_mix(stage: Stage, tmp_path: Path) -> None:
    """While one restore is at work in a directory, another is refused."""
    target = tmp_path / "in"
    with (
        Installation(target, None, overwrite=False),
        pytest.raises(TargetConflictError, match="another process"),
    ):
        stage.restore(target)


def test_an_older_revision_comes_back(job: Job, tmp_path: Path) -> None:
    """Every revision can be restored by its number."""
    for number in (1, 2, 3):
        job.stage("s:1").save(write_output(tmp_path / f"out{number}", tiles(number)))
    job.stage("s:1").restore(tmp_path / "in", revision=2)
    assert contents(tmp_path / "in") == contents(tmp_path / "out2")


def test_what_is_not_there_is_named_with_what_is(job: Job, tmp_path: Path) -> None:
    """Not-found errors list the jobs, stages or revisions that exist."""
    job.stage("s:1").save(write_output(tmp_path / "out", tiles(1)))
    with pytest.raises(JobNotFoundError, match="it has 3f0c"):
        job.state.job("none").stage("s:1").restore(tmp_path / "in")
    with pytest.raises(StageNotFoundError, match="it has s:1"):
        job.stage("s:2").restore(tmp_path / "in")
    with pytest.raises(RevisionNotFoundError, match="it has revisions 1"):
        job.stage("s:1").restore(tmp_path / "in", revision=2)


def test_a_part_is_restored_with_its_files_alone(job: Job, bucket: FaultyBucket, tmp_path: Path) -> None:
    """Chosen features come with their data, sidecars and quicklooks, and nothing else is fetched."""
    names = [f"t{number:03d}" for number in range(500)]
    files = {f"{name}.tif": os.urandom(3000) for name in names} | {"t007.tfw": b"sidecar"}
    features = [feature(f"{name}.tif", name, cloud=number) for number, name in enumerate(names)]
    output = write_output(tmp_path / "out", files, features)
    (output / ".quicklooks").mkdir()
    (output / ".quicklooks/t007.jpg").write_bytes(b"picture")
    job.stage("s:1").save(output)
    job.stage("s:1").restore(tmp_path / "in", ids=["t007"])
    found = contents(tmp_path / "in")
    assert set(found) == {"data.json", "t007.tif", "t007.tfw", ".quicklooks/t007.jpg"}
    job.stage("s:1").restore(tmp_path / "in2", where=["cloud<3"])
    assert set(contents(tmp_path / "in2")) == {"data.json", "t000.tif", "t001.tif", "t002.tif"}


def test_partial_restores_what_is_undamaged(stage: Stage, bucket: FaultyBucket, tmp_path: Path) -> None:
    """A damaged file takes its features with it; the rest is restored, and the result names the loss."""
    key = next(info.key for info in bucket.list("") if info.key.endswith("dir/medium.tif"))
    bucket.put(key, b"x" * 2 * MIB)
    with pytest.raises(IntegrityError, match=r"dir/medium\.tif"):
        stage.restore(tmp_path / "in")
    restored = stage.restore(tmp_path / "in", partial=True)
    assert list(restored.damaged) == ["dir/medium.tif"]
    whole = contents(tmp_path / "out")
    assert set(contents(tmp_path / "in")) == set(whole) - {"dir/medium.tif"}
    assert b"medium" not in (tmp_path / "in/data.json").read_bytes()


def test_an_open_file_reads_like_any_other(stage: Stage, tmp_path: Path) -> None:
    """stage.open gives a seekable binary file with the file's bytes, packed or not."""
    for path in ("tile_0003.tif", "large.tif"):
        data = (tmp_path / "out" / path).read_bytes()
        with stage.open(path) as file:
            assert file.read() == data
            file.seek(-100, os.SEEK_END)
            assert file.read() == data[-100:]
            file.seek(5)
            assert file.read(10) == data[5:15]


def test_an_open_file_reads_only_the_blocks_it_needs(stage: Stage, bucket: FaultyBucket) -> None:
    """Ten bytes in the middle of a large file cost one range read."""
    with stage.open("large.tif") as file:
        before = bucket.operations.count("get")
        file.seek(9 * MIB)
        assert len(file.read(10)) == 10
    assert bucket.operations.count("get") - before == 1
