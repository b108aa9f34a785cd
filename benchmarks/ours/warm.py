"""One operation in a process that has worked before: ``warm.py save|restore|again|hash|propagate …``.

Prints ``{"seconds": …}``, so that the start of Python and of the SDK is left out: what a block pays that
saves or restores from within. Storage is what ``UP42_STATE_URL`` names.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state import State

if TYPE_CHECKING:
    from collections.abc import Callable


def main(verb: str, *arguments: str) -> None:
    """Warm up, then time the operation."""
    state = State.from_env()
    if verb != "hash":
        _warm_up(state)
    seconds = VERBS[verb](state, *arguments)
    print(json.dumps({"seconds": seconds}))


def _warm_up(state: State) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "data.json").write_text('{"type":"FeatureCollection","features":[]}')
        stage = state.job(f"warm-{os.getpid()}").stage("warm:1")
        stage.save(folder)
        stage.restore(Path(folder, "back"))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _save(state: State, folder: str, job: str, stage: str) -> float:
    return _timed(lambda: state.job(job).stage(stage).save(folder))


def _restore(state: State, folder: str, job: str, stage: str, *ids: str) -> float:
    return _timed(lambda: state.job(job).stage(stage).restore(folder, ids=ids or None))


def _propagate(state: State, folder: str, job: str, stage: str, earlier: str) -> float:
    return _timed(lambda: state.job(job).stage(stage).save(folder, propagate=[earlier]))


def _hash(_state: State, folder: str) -> float:
    """Read and hash every file, on as many threads as there are processors: the least that a save must do."""

    def digest(place: str) -> str:
        with open(place, "rb", buffering=0) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def work() -> None:
        places = [os.path.join(at, name) for at, _, names in os.walk(folder) for name in names]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(digest, places))

    return _timed(work)


VERBS: dict[str, Callable[..., float]] = {
    "save": _save,
    "restore": _restore,
    "propagate": _propagate,
    "hash": _hash,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
