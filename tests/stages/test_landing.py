"""Restoring where something is already: what is kept, what is in the way, and what a kill leaves."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import contents, feature, write_output

from up42_state.errors import StateError, TargetConflictError
from up42_state.stages.local.directory import Directory
from up42_state.stages.local.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job, Stage

FILES = {"a.tif": b"a", "b.tif": b"b", "c.tif": b"c"}


@pytest.fixture
def stage(job: Job, tmp_path: Path) -> Stage:
    """A stage of three files and a quicklook, saved from ``tmp_path/out`` and ``tmp_path/ql``."""
    (tmp_path / "ql").mkdir()
    (tmp_path / "ql" / "a.jpg").write_bytes(b"picture")
    job.stage("s:1").save(write_output(tmp_path / "out", FILES), quicklooks=tmp_path / "ql")
    return job.stage("s:1")


@pytest.mark.parametrize("executable", [True, False])
def test_a_kept_file_gets_its_executable_bit(job: Job, tmp_path: Path, executable: bool) -> None:
    """A file that is there with the same bytes is what was saved in this, too."""
    output = write_output(tmp_path / "out", {"run.tif": b"#!/bin/sh\n"})
    (output / "run.tif").chmod(0o755 if executable else 0o644)
    job.stage("s:1").save(output)
    job.stage("s:1").restore(tmp_path / "in")
    (tmp_path / "in" / "run.tif").chmod(0o644 if executable else 0o755)
    job.stage("s:1").restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)


@pytest.mark.parametrize("name", ["data.json", "b.tif"])
def test_a_file_of_the_same_size_is_another_one(stage: Stage, tmp_path: Path, name: str) -> None:
    """It is in the way, and stays as it is."""
    stage.restore(tmp_path / "in", quicklooks=False)
    path = tmp_path / "in" / name
    path.write_bytes(path.read_bytes().swapcase())
    before = contents(tmp_path / "in")
    with pytest.raises(TargetConflictError, match=f"holds other files: {name}"):
        stage.restore(tmp_path / "in", quicklooks=False)
    assert contents(tmp_path / "in") == before


def test_a_quicklook_in_the_way_is_not_replaced(stage: Stage, tmp_path: Path) -> None:
    """Unless that is asked for; other files in the directory of quicklooks are nobody's concern."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "other.jpg").write_bytes(b"other")
    (folder / "a.jpg").write_bytes(b"mine")
    with pytest.raises(TargetConflictError, match=r"pictures holds other files: a\.jpg"):
        stage.restore(tmp_path / "in", quicklooks=folder)
    assert not (tmp_path / "in").exists()
    stage.restore(tmp_path / "in", quicklooks=folder, overwrite=True)
    assert contents(folder) == {"a.jpg": (b"picture", False), "other.jpg": (b"other", False)}


def test_a_kill_while_an_older_revision_is_replaced(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The data.json that was there goes before the first file does: none ever describes files of another."""
    stage.restore(tmp_path / "in", quicklooks=False)
    new = write_output(tmp_path / "new", {"a.tif": b"other bytes"}, [feature("a.tif", "x")])
    stage.save(new, quicklooks=False)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Installation, "_switch_file", die)
        with pytest.raises(KeyboardInterrupt):
            stage.restore(tmp_path / "in", overwrite=True)
    assert not (tmp_path / "in" / "data.json").exists()
    stage.restore(tmp_path / "in", overwrite=True)
    assert (tmp_path / "in" / "a.tif").read_bytes() == b"other bytes"
    assert json.loads((tmp_path / "in" / "data.json").read_bytes())["features"][0]["id"] == "x"


def killed_restore(stage: Stage, target: Path, at: int, **options: Any) -> int:
    """Restore, and die when the ``at``-th thing is to be renamed; how many were, if it was done before."""
    renames = 0
    kinds = ("move_in", "move_new", "move_out", "enter")
    originals = {kind: getattr(Directory, kind) for kind in kinds}

    def dying(kind: str) -> Callable[..., Any]:
        def step(self: Directory, *arguments: Any, **named: Any) -> Any:
            nonlocal renames
            renames += 1
            if renames == at:
                raise KeyboardInterrupt
            return originals[kind](self, *arguments, **named)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for kind in kinds:
            patch.setattr(Directory, kind, dying(kind))
        patch.setattr(Installation, "__exit__", _let_go)
        with suppress(KeyboardInterrupt):
            stage.restore(target, **options)
    return renames


def _let_go(installation: Installation, *_: object) -> None:
    """What a kill does: descriptors are closed, nothing is taken away."""
    for root in installation._roots:
        root.close()


def new_revision(stage: Stage, tmp_path: Path) -> Path:
    """Save other files: one of the old ones is there with other bytes, one stands where a directory was."""
    new = write_output(tmp_path / "new", {"a.tif": b"other", "dir": b"was a directory", "z/y/x.tif": b"x"})
    (tmp_path / "ql" / "a.jpg").write_bytes(b"other picture")
    stage.save(new, quicklooks=tmp_path / "ql")
    return new


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("at", range(1, 21))
def test_a_kill_during_the_switch_before_a_new_revision(
    job: Job, tmp_path: Path, at: int, again: bool
) -> None:
    """The same call takes back what the killed one had put in, and restores the revision that is current now;
    so it does where a second call for the old one was killed, too. An input that was whole is refused.
    """
    (tmp_path / "ql").mkdir()
    (tmp_path / "ql" / "a.jpg").write_bytes(b"picture")
    stage, target, folder = job.stage("s:1"), tmp_path / "in", tmp_path / "pictures"
    stage.save(write_output(tmp_path / "out", {**FILES, "dir/d.tif": b"d"}), quicklooks=tmp_path / "ql")
    killed_restore(stage, target, at, quicklooks=folder)
    whole = (target / "data.json").exists()
    if again:
        killed_restore(stage, target, at, quicklooks=folder)
        whole = whole or (target / "data.json").exists()
    new = new_revision(stage, tmp_path)
    if whole:
        with pytest.raises(TargetConflictError, match="holds other files"):
            stage.restore(target, quicklooks=folder)
        assert contents(target) == contents(tmp_path / "out")
        assert contents(folder) == {"a.jpg": (b"picture", False)}
    else:
        stage.restore(target, quicklooks=folder)
        assert contents(target) == contents(new)
        assert contents(folder) == {"a.jpg": (b"other picture", False)}
        assert sorted(path.name for path in target.iterdir()) == ["a.tif", "data.json", "dir", "z"]


def test_nothing_but_ours_is_taken_back(stage: Stage, tmp_path: Path) -> None:
    """What was there before a killed restore, and what came after it, stays; it is in the way as ever."""
    target = tmp_path / "in"
    target.mkdir()
    (target / "b.tif").write_bytes(FILES["b.tif"])
    killed_restore(stage, target, 7, quicklooks=False)
    assert (target / "a.tif").exists()
    (target / "mine.txt").write_bytes(b"mine")
    (target / "c.tif").write_bytes(b"written over")
    new_revision(stage, tmp_path)
    with pytest.raises(TargetConflictError, match=r"holds other files: b\.tif, c\.tif, mine\.txt"):
        stage.restore(target, quicklooks=False)
    assert {path: data for path, (data, _) in contents(target).items()} == {
        "b.tif": FILES["b.tif"],
        "c.tif": b"written over",
        "mine.txt": b"mine",
    }


def test_what_was_moved_aside_comes_back(stage: Stage, tmp_path: Path) -> None:
    """A data.json, and a directory where a file of the killed revision was to be, are where they were."""
    target = write_output(tmp_path / "in", {"a.tif/mine.txt": b"mine"})
    before = contents(target)
    killed_restore(stage, target, 5, quicklooks=False, overwrite=True)
    assert not (target / "data.json").exists()
    new_revision(stage, tmp_path)
    with pytest.raises(TargetConflictError, match=r"a\.tif/mine\.txt, data\.json"):
        stage.restore(target, quicklooks=False)
    assert contents(target) == before


def test_a_planted_journal_reaches_nothing_outside(stage: Stage, tmp_path: Path) -> None:
    """What looks like the remains of a killed restore removes and moves nothing beyond the target."""
    victim, folder, target = tmp_path / "victim", tmp_path / "empty", tmp_path / "in"
    victim.write_bytes(b"precious")
    folder.mkdir()
    (target / ".up42_state/restore").mkdir(parents=True)
    (target / ".up42_state/restore/0").write_bytes(b"planted")
    (target / "link").symlink_to(tmp_path)
    digest = hashlib.sha256(b"precious").hexdigest()
    journal = {
        "data": "0" * 64,
        "files": [["../victim", digest], [str(victim), digest], ["link/victim", digest]],
        "directories": ["../empty", str(folder), "link/empty"],
        "aside": {"0": "../planted", "../../../victim": "stolen", "../restore": "link/planted"},
    }
    (target / ".up42_state/restore/journal.json").write_text(json.dumps(journal))
    with pytest.raises(TargetConflictError, match="holds other files: link"):
        stage.restore(target)
    assert (victim.read_bytes(), folder.is_dir()) == (b"precious", True)
    assert not list(tmp_path.glob("planted"))
    assert sorted(path.name for path in target.iterdir()) == ["link"]


def test_a_failure_after_a_kill_keeps_the_journal(stage: Stage, bucket: FaultyBucket, tmp_path: Path) -> None:
    """A call that continues and fails leaves what it found, for the next one to continue or take back."""
    target = tmp_path / "in"
    killed_restore(stage, target, 5, quicklooks=False)
    (target / ".up42_state/restore/2").unlink()
    bucket.operations.fail_at = len(bucket.operations) + 4
    with pytest.raises(StateError, match="the fault"):
        stage.restore(target, quicklooks=False)
    bucket.operations.fail_at = 0
    new = new_revision(stage, tmp_path)
    stage.restore(target, quicklooks=False)
    assert contents(target) == contents(new)


def test_what_is_staged_counts_by_its_digest(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that a kill tore, or that somebody else made longer, is fetched again."""
    stage = job.stage("s:1")
    stage.save(write_output(tmp_path / "out", {**FILES, "large.tif": bytes(9 * 2**20)}))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    def let_go(installation: Installation, *_: object) -> None:
        for root in installation._roots:
            root.close()

    with monkeypatch.context() as patch:
        patch.setattr(Installation, "switch", die)
        patch.setattr(Installation, "__exit__", let_go)
        with pytest.raises(KeyboardInterrupt):
            stage.restore(tmp_path / "in")
    for number, torn in enumerate((b"", b"?", b"longer", bytes(9 * 2**20 + 1))):
        staged = tmp_path / "in/.up42_state/restore" / str(number)
        assert staged.exists()
        staged.write_bytes(torn)
    stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(tmp_path / "out")
