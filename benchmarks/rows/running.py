"""What a workflow costs besides its blocks: a task in shards, run on two processors."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from benchmarks.contest import Contender, hold
from benchmarks.environment import our_command
from benchmarks.targets import Work, at_most

if TYPE_CHECKING:
    from benchmarks.contest import Bench

SHARDS = 1000
CPUS = 2
MODULE = """
def make(collection, count):
    return [
        {"type": "Feature", "id": f"f{n}", "geometry": None, "properties": {"n": n}} for n in range(count)
    ]


def add(collection):
    for feature in collection["features"]:
        feature["properties"]["n"] += 1
    return collection
"""
CALLS = "import shards; [shards.add({'features': [{'properties': {'n': n}}]}) for n in range(%d)]"


def shards(bench: Bench) -> list[Work]:
    """Run a function once for each of many features, each a shard that is saved, beside the calls alone."""
    count = max(CPUS, int(SHARDS * bench.scale))
    folder = bench.folder / "workflow"
    folder.mkdir(parents=True)
    (folder / "shards.py").write_text(MODULE)
    tasks = [
        {"name": "make:1", "python": "shards:make"},
        {"name": "add:1", "python": "shards:add", "after": ["make:1"], "foreach": "feature"},
    ]
    document = folder / "workflow.json"
    document.write_text(json.dumps({"tasks": tasks, "parameters": {"make:1": {"count": count}}}))

    def command(tag: str, executor: str = "local") -> list[str]:
        options = [
            "--job",
            f"shards-{executor}-{tag}",
            "--cpus",
            str(CPUS),
            "--quiet",
            "--executor",
            executor,
        ]
        return [our_command(), "run", str(document), *options, "--scratch", str(folder / "scratch")]

    calls = f"import sys; sys.path.insert(0, {str(folder)!r}); {CALLS % count}"
    contenders = [
        Contender(name="up42-state run", command=command),
        Contender(name="up42-state run --executor dask", command=lambda tag: command(tag, "dask")),
        Contender(name="the calls alone", command=lambda _: [sys.executable, "-c", calls]),
    ]
    results = hold(bench, "shards", contenders)
    ours, dask, alone = (result.seconds for result in results)
    return [
        Work(
            name=f"run of {count:,} shards of one feature on {CPUS} processors",
            targets=[at_most("60 ms of our own time a shard", 1000 * (ours - alone) / count, 60, "ms")],
            results=[results[0], results[2]],
            note="Each shard is checked and saved, and all are put together by reference.",
        ),
        Work(
            name=f"the same on a Dask cluster of {CPUS} processes, which is started and closed",
            targets=[at_most("60 ms of our own time a shard", 1000 * (dask - alone) / count, 60, "ms")],
            results=results[1:],
            note="Each worker cuts the input once, and fetches what its shards need.",
        ),
    ]
