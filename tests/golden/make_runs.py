"""Makes the golden records of runs in their current version: ``python tests/golden/make_runs.py``.

Run once for each version, never again: what it wrote is read by tests for ever.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

from up42_state.state import State
from up42_state.workflow.events import Event
from up42_state.workflow.records import FORMAT, AttemptRecord
from up42_state.workflow.runs import Runs

HERE = Path(__file__).resolve().parent
NOW = datetime(2026, 5, 4, 3, 2, 1, 500_000, tzinfo=UTC)
WHY = "parameter tile_width was 512, is 768"


def event(kind: Any, task: str, **more: Any) -> Event:
    """An event of the run."""
    return Event(kind=kind, time=NOW, run="", task=task, **more)


def main() -> None:
    """A task of each status, an attempt of each outcome, shards, logs, and every member that there is."""
    runs = Runs(State((HERE / f"runs-v{FORMAT}" / "store").as_uri()).store, "golden")
    with patch("up42_state.workflow.runs.uname", lambda: type("", (), {"nodename": "host"})):
        run = runs.begin("ships", warnings=["scenes:1 has no manifest"])
    for told in (
        event("waiting", "last:1"),
        event("cached", "scenes:1", stage="golden/scenes:1@1", features=6, bytes=1000),
        event("started", "tiles:1", attempt=1, reason=WHY),
        event("done", "tiles:1", attempt=1, stage="golden/tiles:1@2", features=3, peak_memory=1 << 20),
        event("started", "ships:1", attempt=1, reason="it was not saved yet"),
        event("failed", "ships:1", attempt=2, reason="1 of 3 shards failed", exit_code=3, shards=(2, 3)),
        event("skipped", "report:1", reason="ships:1 failed"),
        event("stopped", "other:1", reason="the run was stopped"),
    ):
        run.update(told)
    done = AttemptRecord(
        task="tiles:1",
        why=WHY,
        outcome="done",
        reason="done",
        exit_code=0,
        start=NOW,
        end=NOW + timedelta(seconds=12),
        seconds={"restore": 0.5, "run": 11.0, "save": 0.5},
        peak_memory=1 << 20,
        block="image",
        engine="podman 5.4.2",
        image="registry.example.org/tiling:1.2",
        code="image sha256:00",
        resources={"cpus": 1.5, "memory": 1 << 30, "gpus": 0},
        timeout=60.0,
        features=3,
        bytes=1000,
        stage="golden/tiles:1@2",
        fingerprint="f",
        components=({"kind": "recipe", "digest": "1"}, {"kind": "parent", "name": "scenes:1", "digest": "c"}),
        warnings=("a property looks like a path",),
    )
    run.attempt(done, "drei Kacheln, Rügen\n".encode(), log_bytes=1_000_000)
    for number, outcome in enumerate(("done", "failed", "done")):
        shard = AttemptRecord(
            task="ships:1",
            shard=f"ships:1+{number:020x}",
            attempt=1 + number % 2,
            outcome=outcome,
            reason="exit code" if outcome == "failed" else "done",
            text="exit code 3" if outcome == "failed" else "",
            seconds={"run": 1.5},
            start=NOW + timedelta(seconds=20 + number),
        )
        run.attempt(shard, b"shard %d\n" % number)
    run.attempt(
        AttemptRecord(
            task="ships:1",
            outcome="partial",
            text="1 of 3 shards failed",
            start=NOW + timedelta(seconds=30),
            missing=("a",),
        )
    )
    run.end("failed", "1 task failed")


if __name__ == "__main__":
    main()
