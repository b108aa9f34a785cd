"""Stores that were written by every version of the format can be read for ever."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from golden.make import digests

from up42_state.errors import StageNotFoundError
from up42_state.stages.format.recipe import Recipe, fingerprint
from up42_state.stages.history import History
from up42_state.stages.write.standing import standing
from up42_state.state import State

HERE = Path(__file__).resolve().parent
REVISIONS = [
    (version, name)
    for version in sorted(HERE.glob("v*"))
    for name in json.loads((version / "expected.json").read_text())
]


@pytest.mark.parametrize(("version", "name"), REVISIONS, ids=lambda value: getattr(value, "name", value))
def test_every_revision_restores_as_it_was(version: Path, name: str, tmp_path: Path) -> None:
    """Each file of each revision has the bytes, the place and the executable bit that it had."""
    where, _, revision = name.partition("@")
    job, _, stage = where.partition("/")
    handle = State((version / "store").as_uri()).job(job).stage(stage)
    handle.restore(tmp_path / "in", revision=int(revision))
    assert digests(tmp_path / "in") == json.loads((version / "expected.json").read_text())[name]
    assert handle.verify(int(revision)).ok


@pytest.mark.parametrize("version", sorted(HERE.glob("v*")), ids=lambda value: value.name)
def test_what_was_removed_or_dry_is_so_still(version: Path) -> None:
    """A tombstone is a tombstone, and a dry run is no output."""
    job = State((version / "store").as_uri()).job("golden")
    for stage, why in (("gone:1", "was removed"), ("dry:1", "dry run")):
        with pytest.raises(StageNotFoundError, match=why):
            job.stage(stage).latest()


def test_components_are_read_as_they_were() -> None:
    """Commits of format 1.1 say what they were made of, and their fingerprint is the digest of that."""
    job = State((HERE / "v1.1/store").as_uri()).job("golden")
    commit = job.stage("last:1").latest()
    kinds = [component.kind for component in commit.components]
    assert kinds == ["recipe", "job_mode", "block", "command", "parameters", "parent", "propagated"]
    assert fingerprint(commit.components) == commit.fingerprint
    own = job.stage("scenes:1").revision(1)
    assert (own.fingerprint, own.components) == ("f", ())


def test_stages_of_format_1_0_run_once_more() -> None:
    """An older commit has no components, and a task is told so instead of being taken for done."""
    job = State((HERE / "v1.0/store").as_uri()).job("golden")
    history = History(job.state.store, "golden", "scenes:1")
    assert standing(history, Recipe(), []).reasons == [
        "golden/scenes:1@2 does not say what it was made of: an earlier release saved it"
    ]


@pytest.mark.parametrize("version", sorted(HERE.glob("v*")), ids=lambda value: value.name)
def test_an_old_store_can_be_written_to(version: Path, tmp_path: Path) -> None:
    """Today's saves refer to the bytes of old revisions."""
    store = tmp_path / "store"
    shutil.copytree(version / "store", store)
    stage = State(store.as_uri()).job("golden").stage("scenes:1")
    stage.restore(tmp_path / "in")
    (tmp_path / "in/new.bin").write_bytes(b"new")
    commit = stage.save(tmp_path / "in").commit
    assert commit.revision == 3
    assert commit.totals.bytes - commit.totals.referenced == 3
    assert stage.verify().ok
