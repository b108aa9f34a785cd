"""One point of a cost curve: ``curve.py files|stages COUNT DIRECTORY [--direct]``.

Prints a line of JSON for each operation: seconds, and the requests that the counting proxy saw.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from up42_state import State
from up42_state.stages.format.names import attempt_prefix, new_attempt

if TYPE_CHECKING:
    from collections.abc import Callable

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]


def main(kind: str, count: str, directory: str) -> None:
    """Measure every operation at one size."""
    {"files": _files, "stages": _stages}[kind](State.from_env(), int(count), Path(directory))


def _files(state: State, count: int, folder: Path) -> None:
    """A stage of so many files."""
    job, target = state.job(f"curve-{count}"), folder.parent / "curve-target"
    empty = folder.parent / "curve-empty"
    empty.mkdir(exist_ok=True)
    (empty / "data.json").write_text('{"type":"FeatureCollection","features":[]}')
    stage = job.stage("s:1")
    _measure("save", count, lambda: stage.save(folder))
    _measure("restore", count, lambda: stage.restore(target))
    shutil.rmtree(target)
    _measure("restore one feature", count, lambda: stage.restore(target, ids=["tile-5"]))
    shutil.rmtree(target)
    _measure("propagate by reference", count, lambda: job.stage("s:2").save(empty, propagate=["s:1"]))
    _measure("show", count, stage.latest)
    _measure("prune", count, lambda: job.prune(dry_run=True))


def _stages(state: State, count: int, folder: Path) -> None:
    """A job of so many stages: one is saved, the others are written as a save would have."""
    job = state.job(f"stages-{count}")
    bucket = state.store.bucket
    commit = job.stage("s:0").save(folder).commit
    assert commit.index is not None
    assert commit.data is not None
    index, data = bucket.get(commit.index.key), bucket.get(commit.data.key)
    for number in range(1, count):
        name, attempt = f"s:{number}", new_attempt()
        prefix = attempt_prefix(job.key, name, attempt)
        changed = msgspec.structs.replace(
            commit,
            stage=name,
            attempt=attempt,
            refers=(f"{name}/{attempt}",),
            index=msgspec.structs.replace(commit.index, key=f"{prefix}index.json"),
            data=msgspec.structs.replace(commit.data, key=f"{prefix}data.json"),
        )
        bucket.put(f"{prefix}index.json", index)
        bucket.put(f"{prefix}data.json", data)
        bucket.put(changed.key, changed.render())
    _measure("stages", count, job.stages)
    _measure("show one", count, job.stage("s:0").latest)
    _measure("save one more", count, lambda: job.stage("more:1").save(folder))
    _measure("prune the job", count, lambda: job.prune(dry_run=True))


def _measure(operation: str, count: int, work: Callable[[], object]) -> None:
    _requests()
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    peak = _peak()
    point = {
        "operation": operation,
        "count": count,
        "seconds": seconds,
        "requests": _requests(),
        "peak": peak,
    }
    print(json.dumps(point), flush=True)


def _peak() -> int:
    """The process's own; getrusage's begins with that of the process that started it."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def _requests() -> int:
    with urllib.request.urlopen(f"{ENDPOINT}/--counts", timeout=10) as answer:
        return int(json.load(answer)["requests"])


if __name__ == "__main__":
    main(*sys.argv[1:])
