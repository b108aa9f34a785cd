"""Merging as a whole command: from the store to the written file."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks import data, tools
from benchmarks.contest import Contender, environment, hold
from benchmarks.environment import PEERS, our_command, peer_script
from benchmarks.measure import run
from benchmarks.targets import MIB, Target, Work, at_most, faster

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.contest import Bench

VERTICES = 26
MEMORY = 400  # MiB
IDS = "compares ids only; reads local files"


def merge(bench: Bench) -> list[Work]:
    """Merge a stage of 200,000 features into an output of as many, half of them in both.

    Ours reads the stage out of the store, and writes the output's ``data.json``; peers read and write files.
    """
    count, folder = int(200_000 * bench.scale), bench.folder / "merge"
    current = data.collection(folder / "current" / "data.json", 0, count, VERTICES)
    earlier = data.collection(folder / "earlier" / "data.json", count // 2, count, VERTICES)
    size = current.stat().st_size + earlier.stat().st_size
    job = ("--job", "merge", "--quiet")
    save = [our_command(), "save", str(earlier.parent), *job, "--stage", "earlier:1"]
    run(save, environment(bench.way, bench.way.endpoint))
    into, merged = folder / "into", folder / "merged.json"
    ours = Contender(
        name=tools.OURS,
        command=lambda _: [our_command(), "propagate", "earlier:1", "--into", str(into), *job],
        prepare=lambda _: _output(current, into),
    )
    results = hold(bench, "merge", [ours, *_peers(current, earlier, merged)])
    _check(into / "data.json", merged)
    private = results[0].memory / MIB
    targets: list[Target] = [
        faster(results, 20, "geojson", peers=["geojson"]),
        faster(results, 5, "orjson", peers=["orjson"]),
        at_most("private memory ≤ half the input", private, size / MIB / 2, "MiB"),
        at_most("memory: peak below 400 MiB", private, MEMORY, "MiB"),
    ]
    name = f"propagate --into, 2 × {count:,} features ({size / 1e6:.0f} MB), from the store to the file"
    return [Work(name=name, targets=targets, results=results)]


def _peers(current: Path, earlier: Path, merged: Path) -> list[Contender]:
    """Commands that append to one file the features of another whose ids it lacks."""
    places = [str(current), str(earlier), str(merged)]
    jq = f'jq --compact-output --slurp --from-file {PEERS / "merge.jq"} "$0" "$1" > "$2"'
    commands = {
        "orjson": [*peer_script("merge_orjson.py"), *places],
        "geojson": [*peer_script("merge_geojson.py"), *places],
    }
    if shutil.which("jq"):
        commands["jq"] = ["sh", "-c", jq, *places]
    return [
        Contender(name=name, command=_always(command), lacks=IDS, slow=name != "orjson")
        for name, command in commands.items()
    ]


def _always(command: list[str]) -> Callable[[str], list[str]]:
    return lambda _: command


def _output(current: Path, into: Path) -> None:
    """Make ``into`` an output of the current features, nothing merged yet."""
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(current.parent, into)


def _check(*merged: Path) -> None:
    """All have merged the same number of features, whose ids are written once each."""
    counts = {path.read_bytes().count(b"feature-") for path in merged}
    assert len(counts) == 1, counts
