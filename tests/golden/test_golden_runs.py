"""Records of runs that were written in every version can be read for ever."""

from __future__ import annotations

from pathlib import Path

import pytest
from golden.make_runs import NOW, WHY

from up42_state.state import State
from up42_state.workflow.records import AttemptRecord, RunRecord
from up42_state.workflow.runs import Runs

HERE = Path(__file__).resolve().parent
VERSIONS = sorted(HERE.glob("runs-v*"))


@pytest.fixture(params=VERSIONS, ids=lambda path: path.name)
def runs(request: pytest.FixtureRequest) -> Runs:
    """The runs of the job of one version."""
    return Runs(State((request.param / "store").as_uri()).store, "golden")


def test_the_run_is_as_it_was(runs: Runs) -> None:
    """Each task has the status and the reasons that it had."""
    run = runs.latest()
    assert isinstance(run, RunRecord)
    assert (run.workflow, run.status(), run.text, run.host) == ("ships", "failed", "1 task failed", "host")
    assert run.warnings == ("scenes:1 has no manifest",)
    assert [(task.task, task.status, task.text or task.why) for task in run.tasks] == [
        ("last:1", "waiting", ""),
        ("scenes:1", "cached", ""),
        ("tiles:1", "done", WHY),
        ("ships:1", "failed", "1 of 3 shards failed"),
        ("report:1", "skipped", "ships:1 failed"),
        ("other:1", "stopped", "the run was stopped"),
    ]
    ships = run.tasks[3]
    assert (ships.attempts, ships.exit_code, ships.shards, ships.start) == (2, 3, (2, 3), NOW)


def test_the_attempts_are_as_they_were(runs: Runs) -> None:
    """Each attempt has what was known of it, and its log."""
    (run,) = runs.list()
    found = [record for record in runs.attempts(run) if isinstance(record, AttemptRecord)]
    assert [(record.name, record.attempt, record.outcome) for record in found] == [
        ("tiles:1", 1, "done"),
        ("ships:1+00000000000000000001", 2, "failed"),
        ("ships:1", 1, "partial"),
    ]
    tiles, shard, ships = found
    assert (tiles.why, tiles.exit_code, tiles.seconds["run"], tiles.peak_memory) == (WHY, 0, 11.0, 1 << 20)
    assert (tiles.engine, tiles.code, tiles.resources["cpus"]) == ("podman 5.4.2", "image sha256:00", 1.5)
    assert (tiles.components[1]["name"], tiles.log_bytes) == ("scenes:1", 1_000_000)
    assert [each.outcome for each in ships.shards] == ["done", "failed", "done"]
    assert ships.missing == ("a",)
    assert runs.log(run, "tiles:1", 1) == "drei Kacheln, Rügen\n".encode()
    assert runs.log(run, shard.name, 2) == b"shard 1\n"
