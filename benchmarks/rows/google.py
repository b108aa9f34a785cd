"""Google Cloud Storage through the emulator: requests and bytes, not time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import data, servers
from benchmarks.contest import Result
from benchmarks.environment import our_command
from benchmarks.measure import run
from benchmarks.targets import Work, at_most, request_bound

if TYPE_CHECKING:
    from benchmarks.contest import Bench

TILE = 60_000


def requests(bench: Bench) -> list[Work]:
    """Save and restore 3,000 tiles, and refer to them from another stage."""
    count, folder = int(3000 * bench.scale), bench.folder
    source, empty = data.files(folder / "google", count, TILE), data.nothing(folder / "nothing")
    job = ["--job", "gcs", "--quiet"]
    bound = 2 * request_bound(count * TILE)
    commands = {
        "save": (["save", str(source), "--stage", "s:1"], bound),
        "restore": (["restore", "s:1", str(folder / "target")], bound),
        "propagate by reference": (["save", str(empty), "--stage", "s:2", "--propagate", "s:1"], 24),
    }
    targets, results = [], []
    with servers.gcs() as way:
        variables = {
            "STORAGE_EMULATOR_HOST": way.endpoint,
            "GOOGLE_CLOUD_PROJECT": "bench",
            "UP42_STATE_URL": f"gs://{servers.BUCKET}/state",
        }
        for name, (command, most) in commands.items():
            way.counts()
            sample = run([our_command(), *command, *job], variables, watch=True)
            counts = way.counts()
            assert counts is not None
            results.append(Result(name=name, seconds=0, cpu=sample.cpu, memory=sample.memory, counts=counts))
            asked = f"{name}: twice the bound of S3"
            targets.append(at_most(asked, counts.requests, int(most), "requests"))
    return [Work(name=f"GCS: {count:,} tiles (the emulator)", targets=targets, results=results)]
