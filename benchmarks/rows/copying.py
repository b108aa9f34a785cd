"""Saving and restoring, beside the tools that copy: many tiles and one large file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import data, tools
from benchmarks.contest import Contender, hold
from benchmarks.environment import our_command, our_script
from benchmarks.targets import MIB, Target, Work, at_most, faster, requests

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.contest import Bench, Result
    from benchmarks.tools import Tool

TILE = 60_000
COMMAND, LIBRARY = "the fastest command", "the fastest library"
BOUND = 12  # requests of a save that refers to what another stage has stored
NEAR = "aws s3 and boto3 are left out: they take ten times as long as ours without a delay already."


def tiles(bench: Bench) -> list[Work]:
    """Copy 3,000 tiles of 60 KB: commands beside commands, a running process beside libraries."""
    source = _source(bench)
    count, size = _size(bench)
    name = f"{count:,} tiles × 60 KB"
    saved, restored = _both(bench, tools.COMMANDS, "tiles", source)
    warm_saved, warm_restored = _both(bench, tools.LIBRARIES, "tiles-warm", source)
    return [
        _work(f"save {name}, as a command", saved, faster(saved, 2, COMMAND), requests(saved[0], size)),
        _work(
            f"restore {name}, verified, as a command",
            restored,
            faster(restored, 1.3, COMMAND),
            requests(restored[0], size),
        ),
        _work(f"save {name}, in process", warm_saved, faster(warm_saved, 1.5, LIBRARY)),
        _work(f"restore {name}, verified, in process", warm_restored, faster(warm_restored, 1.5, LIBRARY)),
        _again(bench, source, warm_saved[0]),
    ]


def tiles_near(bench: Bench) -> list[Work]:
    """Copy the tiles where each request takes longer, as to a store that is near but not on the machine."""
    near, source = bench.over(bench.server.near), _source(bench)
    works = []
    for place, kind, chosen, than in (
        ("near", "as a command", tools.COMMANDS[:3], COMMAND),
        ("near-warm", "in process", tools.LIBRARIES[:2], LIBRARY),
    ):
        saved, restored = _both(near, chosen, place, source)
        works += [
            Work(
                name=f"save the tiles, requests delayed, {kind}",
                targets=[faster(saved, 3, than)],
                results=saved,
                note=NEAR,
            ),
            Work(
                name=f"restore them, requests delayed, {kind}",
                targets=[faster(restored, 2, than)],
                results=restored,
                note=NEAR,
            ),
        ]
    return works


def over_tls(bench: Bench) -> list[Work]:
    """Copy the tiles, and one large file, over TLS, as commands: the path that Amazon's users get."""
    secure, source = bench.over(bench.server.tls), _source(bench)
    s5cmd = (tools.S5CMD,)
    saved, restored = _both(secure, tools.COMMANDS, "tls", source)
    large, size = _large(bench)
    large_saved, large_restored = _both(secure, tools.COMMANDS, "tls-large", large)
    file = f"one file of {size / MIB:,.0f} MiB"
    return [
        _work("save the tiles over TLS", saved, faster(saved, 3, tools.S5CMD, peers=s5cmd)),
        _work("restore them over TLS", restored, faster(restored, 2.4, tools.S5CMD, peers=s5cmd)),
        _work(f"save {file} over TLS", large_saved, faster(large_saved, 1, COMMAND)),
        _work("restore it over TLS, verified", large_restored, faster(large_restored, 1, COMMAND)),
    ]


def large_file(bench: Bench) -> list[Work]:
    """Copy one file of 1 GiB, and refer to it from another stage."""
    source, size = _large(bench)
    file = f"one file of {size / MIB:,.0f} MiB"
    saved, restored = _both(bench, tools.COMMANDS, "large", source)
    referred = _propagated(bench, "large-up42_state-w")
    tools.forget(bench, "large")  # all lies in memory
    warm_saved, warm_restored = _both(bench, tools.LIBRARIES, "large-warm", source)
    transfer, boto3 = "boto3's own transfer", (tools.BOTO3,)
    return [
        _work(f"save {file}, as a command", saved, faster(saved, 1, COMMAND)),
        _work("restore it, verified, as a command", restored, faster(restored, 1, COMMAND)),
        _work(f"save {file}, in process", warm_saved, faster(warm_saved, 1, transfer, peers=boto3)),
        _work(
            "restore it, verified, in process",
            warm_restored,
            faster(warm_restored, 1, transfer, peers=boto3),
        ),
        referred,
    ]


def _again(bench: Bench, source: Path, first: Result) -> Work:
    """Save again with 1 % changed; timed within a running process, as hashing is."""
    contenders = [
        Contender(
            name=tools.OURS,
            command=lambda _: [*our_script("warm"), "save", str(source), "tiles-warm-up42_state-w", "s:1"],
            prepare=lambda tag: data.change(source, 0.01, tag),
        ),
        Contender(
            name="hashing alone",
            command=lambda _: [*our_script("warm"), "hash", str(source)],
            lacks="save",
        ),
    ]
    results = hold(bench, "save again", contenders)
    ours, hashing = results
    asked, allowed = "hashing + 10 % of a first save", hashing.seconds + 0.1 * first.seconds
    return _work("save again, 1 % changed", results, at_most(asked, ours.seconds, allowed, "s", 2))


def _propagated(bench: Bench, job: str) -> Work:
    """Refer to a job's large file from an output without features, in another stage of the job."""
    folder = data.nothing(bench.folder / "nothing")
    command = [our_command(), "save", str(folder), "--job", job, "--propagate", "s:1", "--quiet"]
    contender = Contender(name=tools.OURS, command=lambda tag: [*command, "--stage", f"next-{tag}"])
    results = hold(bench, "propagate", [contender])
    counts = results[0].counts
    assert counts is not None
    passed = (counts.sent + counts.received) / 1000
    return _work(
        "propagate it by reference",
        results,
        at_most("at most 12 requests", counts.requests, BOUND, "requests"),
        at_most("no asset bytes", passed, 1000, "kB for index and data.json"),
    )


def _both(bench: Bench, chosen: Sequence[Tool], work: str, source: Path) -> tuple[list[Result], list[Result]]:
    """Have tools copy a directory to the store, and back what they have stored."""
    saved = hold(bench, f"save {work}", tools.saving(bench, chosen, work, str(source)))
    return saved, hold(bench, f"restore {work}", tools.restoring(bench, chosen, work))


def _work(name: str, results: Sequence[Result], *targets: Target) -> Work:
    return Work(name=name, targets=targets, results=results)


def _size(bench: Bench) -> tuple[int, int]:
    """How many tiles there are, and their bytes."""
    count = int(3000 * bench.scale)
    return count, count * TILE


def _source(bench: Bench) -> Path:
    return data.files(bench.folder / "tiles", _size(bench)[0], TILE)


def _large(bench: Bench) -> tuple[Path, int]:
    size = int(1024 * MIB * bench.scale)
    return data.large_file(bench.folder / "large", size), size
