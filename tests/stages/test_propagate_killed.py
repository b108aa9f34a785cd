"""Propagation into a directory that is killed: what it left is taken away, and nothing else."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import contents, data_paths, write_output

from up42_state import propagate
from up42_state.stages.local.directory import Directory
from up42_state.stages.local.installation import Installation
from up42_state.stages.local.staging import Staging
from up42_state.stages.propagate import into_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job


def _let_go(installation: Installation, *_: object) -> None:
    for root in installation._roots:
        root.close()


def die(*_: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def killed(
    monkeypatch: pytest.MonkeyPatch, kind: type, method: str, instead: Callable[..., None] = die
) -> Iterator[None]:
    """Die in a method, as a kill does: what an installation cleans up at its end stays."""
    with monkeypatch.context() as patch:
        patch.setattr(kind, method, instead)
        patch.setattr(Installation, "__exit__", _let_go)
        with pytest.raises(KeyboardInterrupt):
            yield


@pytest.mark.parametrize("at", [1, 5, 29])
def test_what_a_kill_left_is_taken_away(
    job: Job, scenes: Path, current: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """After a kill while files are put in, the next save sees the output as it was."""
    before = contents(current)
    moves = 0

    def dying(self: Any, *arguments: Any) -> None:
        nonlocal moves
        moves += 1
        if moves == at:
            raise KeyboardInterrupt
        move_new(self, *arguments)

    move_new = Directory.move_new
    with killed(monkeypatch, Directory, "move_new", dying):
        propagate(current, [job.stage("scenes:1")])
    assert contents(current) != before
    job.stage("last:1").save(current)
    assert contents(current) == before


def kill_before_the_switch(job: Job, current: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Propagate, and die when all files are fetched."""
    with killed(monkeypatch, Installation, "switch"):
        propagate(current, [job.stage("scenes:1")])


def fetched(bucket: FaultyBucket) -> int:
    """How often bytes of files were asked for."""
    return sum("/packs/" in key or "/files/" in key for _, key in bucket.operations.names)


def test_what_was_fetched_before_a_kill_is_not_fetched_again(
    job: Job, scenes: Path, current: Path, bucket: FaultyBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same call goes on with it."""
    kill_before_the_switch(job, current, monkeypatch)
    before = fetched(bucket)
    propagate(current, [job.stage("scenes:1")])
    assert fetched(bucket) == before
    assert {**contents(scenes), **contents(current)} == contents(current)
    assert not (current / ".up42_state").exists()


def test_what_was_fetched_for_another_propagation_is_not_used(
    job: Job, scenes: Path, current: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other options, or another output, are another call; it takes away what lies there."""
    kill_before_the_switch(job, current, monkeypatch)
    propagate(current, [job.stage("scenes:1")], path="tile_000[12].tif")
    assert data_paths(current) == ["tile_0000.tif", "new.tif", "tile_0001.tif", "tile_0002.tif"]
    assert not (current / ".up42_state").exists()
    kill_before_the_switch(job, current, monkeypatch)
    propagate(current, [job.stage("scenes:1")], path="nothing")
    assert not (current / ".up42_state").exists()


def test_what_was_fetched_of_an_older_revision_is_not_used(
    job: Job, scenes: Path, current: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newer one may differ in an executable bit alone, which a staged file does not tell."""
    kill_before_the_switch(job, current, monkeypatch)
    (scenes / "tile_0001.tif").chmod(0o755)
    job.stage("scenes:1").save(scenes)
    propagate(current, [job.stage("scenes:1")])
    assert contents(current)["tile_0001.tif"][1]
    assert {**contents(scenes), **contents(current)} == contents(current)


def test_quicklooks_that_a_kill_left_are_taken_away(
    job: Job, scenes: Path, current: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they have a directory of their own, it is as it was, too."""
    pictures = tmp_path / "pictures"
    write_output(pictures, {"mine.jpg": b"mine"}, []).joinpath("data.json").unlink()

    def dying(self: Any, fd: int, name: str, path: str) -> None:
        if path == "data.json":
            raise KeyboardInterrupt
        move_in(self, fd, name, path)

    move_in = Directory.move_in
    with killed(monkeypatch, Directory, "move_in", dying):
        propagate(current, [job.stage("scenes:1")], quicklooks=pictures)
    assert (pictures / "tile_0005.jpg").exists()
    into_directory.clean_up(current, pictures)
    assert contents(pictures) == {"mine.jpg": (b"mine", False)}


def test_a_kill_after_the_switch_takes_nothing_away(
    job: Job, scenes: Path, current: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the new data.json is in its place, what it names stays."""
    with killed(monkeypatch, Staging, "remove"):
        propagate(current, [job.stage("scenes:1")])
    into_directory.clean_up(current)
    assert {**contents(scenes), **contents(current)} == contents(current)
    assert len(data_paths(current)) == 31


def test_a_planted_journal_removes_nothing_outside(current: Path, tmp_path: Path) -> None:
    """A journal that a hostile output brings along cannot name files elsewhere, or change ours."""
    victim, empty = tmp_path / "victim", tmp_path / "empty"
    victim.write_bytes(b"precious")
    empty.mkdir()
    digest = hashlib.sha256(b"precious").hexdigest()
    folder = current / ".up42_state/propagate"
    folder.mkdir(parents=True)
    files = [["../victim", digest], [str(victim), digest], ["new.tif", digest]]
    journal = {"data": "0" * 64, "files": files, "directories": ["..", "../empty", str(empty)]}
    (folder / "journal.json").write_text(json.dumps(journal))
    before = contents(current)
    into_directory.clean_up(current)
    assert victim.exists()
    assert empty.exists()
    assert {path for path in before if not path.startswith(".up42")} == set(contents(current))
