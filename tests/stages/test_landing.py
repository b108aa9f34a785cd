"""Restoring where something is already: what is kept, what is in the way, and what a kill leaves."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import contents, feature, write_output

from up42_state.errors import TargetConflictError
from up42_state.stages.landing import Landing

if TYPE_CHECKING:
    from pathlib import Path

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
        patch.setattr(Landing, "_switch_file", die)
        with pytest.raises(KeyboardInterrupt):
            stage.restore(tmp_path / "in", overwrite=True)
    assert not (tmp_path / "in" / "data.json").exists()
    stage.restore(tmp_path / "in", overwrite=True)
    assert (tmp_path / "in" / "a.tif").read_bytes() == b"other bytes"
    assert json.loads((tmp_path / "in" / "data.json").read_bytes())["features"][0]["id"] == "x"


def test_what_is_staged_counts_by_its_digest(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that a kill tore, or that somebody else made longer, is fetched again."""
    stage = job.stage("s:1")
    stage.save(write_output(tmp_path / "out", {**FILES, "large.tif": bytes(9 * 2**20)}))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    def let_go(landing: Landing, *_: object) -> None:
        for root in landing._roots:
            root.close()

    with monkeypatch.context() as patch:
        patch.setattr(Landing, "switch", die)
        patch.setattr(Landing, "__exit__", let_go)
        with pytest.raises(KeyboardInterrupt):
            stage.restore(tmp_path / "in")
    for number, torn in enumerate((b"", b"?", b"longer", bytes(9 * 2**20 + 1))):
        staged = tmp_path / "in/.up42_state/restore" / str(number)
        assert staged.exists()
        staged.write_bytes(torn)
    stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(tmp_path / "out")
