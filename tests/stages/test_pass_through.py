"""A block that passes its input's files on: they are referred to, not uploaded again."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from doubles.outputs import contents, tiles, write_output

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job

MIB = 1024 * 1024


def _owned(job: Job, stage: str) -> list[str]:
    """What the attempts of a stage hold: the keys of their objects, below the attempt."""
    return sorted(
        info.key.split("/", 4)[4] for info in job.state.store.bucket.list(f"{job.key}/{stage}/attempts/")
    )


def test_files_of_a_parent_are_referred_to(job: Job, tmp_path: Path) -> None:
    """No byte of a parent's packed, medium or large file is moved, and all of them come back."""
    files = {**tiles(20), "medium.tif": os.urandom(2 * MIB), "large.tif": os.urandom(20 * MIB)}
    output = write_output(tmp_path / "out", files)
    parent = job.stage("a:1").save(output).commit
    steps: list[tuple[int, int]] = []
    passed = (
        job.stage("b:1")
        .save(
            write_output(tmp_path / "next", {**files, "new.tif": b"new"}),
            after=[job.stage("a:1")],
            progress=lambda done, total: steps.append((done, total)),
        )
        .commit
    )
    assert _owned(job, "b:1") == ["data.json", "files/new.tif", "index.json"]
    assert passed.totals.referenced == parent.totals.bytes
    assert steps[-1] == (passed.totals.bytes, passed.totals.bytes)
    job.stage("b:1").restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(tmp_path / "next")


def test_files_of_a_propagated_stage_that_the_output_has_already_are_referred_to(
    job: Job, tmp_path: Path
) -> None:
    """A propagated stage is as good as a parent."""
    output = write_output(tmp_path / "out", {"scene.tif": os.urandom(2 * MIB)})
    job.stage("a:1").save(output)
    job.stage("b:1").save(output, propagate=[job.stage("a:1")])
    assert [key for key in _owned(job, "b:1") if not key.endswith(".json")] == []


def test_a_parent_that_was_superseded_is_not_referred_to(job: Job, tmp_path: Path) -> None:
    """Its bytes may be pruned at any moment; those that its newest revision holds as well may not."""
    files = {"gone.tif": os.urandom(2 * MIB), "kept.tif": os.urandom(2 * MIB)}
    old = job.stage("a:1").save(write_output(tmp_path / "one", files)).commit
    job.stage("a:1").save(write_output(tmp_path / "two", {"kept.tif": files["kept.tif"]}))
    output = write_output(tmp_path / "next", files)
    job.stage("b:1").save(output, after=[old])
    assert "files/gone.tif" in _owned(job, "b:1")
    assert "files/kept.tif" not in _owned(job, "b:1")


def test_pruning_a_parent_leaves_what_its_child_refers_to(job: Job, tmp_path: Path) -> None:
    """The parent is removed; the child's commit names the attempt that its bytes are in."""
    output = write_output(tmp_path / "out", {"scene.tif": os.urandom(2 * MIB)})
    parent = job.stage("a:1").save(output).commit
    child = job.stage("b:1").save(output, after=[job.stage("a:1")]).commit
    assert f"a:1/{parent.attempt}" in child.refers
    job.stage("a:1").delete()
    job.prune(keep=1, grace=timedelta(), no_writers=True)
    job.stage("b:1").restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)
