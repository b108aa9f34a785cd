"""Google Cloud Storage through the emulator: requests and bytes, not time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import data, servers
from benchmarks.contest import Result
from benchmarks.environment import our_command
from benchmarks.measure import run
from benchmarks.rows import Row

if TYPE_CHECKING:
    from pathlib import Path

MIB = data.MIB


def measure(folder: Path, scale: float) -> list[Row]:
    """Save and restore 3,000 tiles, and refer to them from another stage."""
    count, size = int(3000 * scale), 60_000
    source = data.files(folder / "gcs-tiles", count, size)
    empty = folder / "gcs-empty"
    empty.mkdir()
    (empty / "data.json").write_text('{"type":"FeatureCollection","features":[]}')
    up42, job = our_command(), ["--job", "gcs", "--quiet"]
    bound = 2 * (10 + count * size / (32 * MIB))
    commands = {
        "save": ([up42, "save", str(source), "--stage", "s:1", *job], bound),
        "restore": ([up42, "restore", "s:1", str(folder / "gcs-target"), *job], bound),
        "propagate by reference": (
            [up42, "save", str(empty), "--stage", "s:2", "--propagate", "s:1", *job],
            24,
        ),
    }
    with servers.gcs() as server:
        environment = {
            "STORAGE_EMULATOR_HOST": server.proxied,
            "GOOGLE_CLOUD_PROJECT": "bench",
            "UP42_STATE_URL": f"gs://{servers.BUCKET}/state",
        }
        servers.make_gcs_bucket(server)
        server.counts()
        results = [_counted(server, name, command, environment) for name, (command, _) in commands.items()]
    bounds = [bound for _, bound in commands.values()]
    told = [f"{r.name} {r.counts.requests} of {b:.0f}" for r, b in zip(results, bounds, strict=True)]
    return [
        Row(
            work=f"GCS: {count:,} tiles (requests; the emulator)",
            target="twice the bounds of S3",
            verdict=", ".join(told),
            met=all(r.counts.requests <= b for r, b in zip(results, bounds, strict=True)),
            results=results,
        )
    ]


def _counted(server: servers.Server, name: str, command: list[str], environment: dict[str, str]) -> Result:
    sample = run(command, environment, watch=True)
    return Result(
        name=name, seconds=0.0, cpu=sample.cpu, server_cpu=0.0, memory=sample.memory, counts=server.counts()
    )
