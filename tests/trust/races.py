"""Sixteen processes save one stage at once while others read it. Prints what came out as JSON.

A script of its own, since it forks: ``python races.py URL replace|skip|error SEED``; settings of the store
come from the environment.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.errors import NotFoundError, StageConflictError
from up42_state.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.state import Stage

WRITERS = 16
READERS = 2


def fork(work: Callable[[], object]) -> tuple[int, int]:
    """Run work in a child; its process id, and where its result can be read."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, reading
    status = 1
    try:
        os.write(writing, json.dumps(work()).encode())
        status = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the parent must not go on as a second parent
        traceback.print_exc()
    os._exit(status)


def result(pid: int, reading: int) -> object:
    """What a child's work gave."""
    with open(reading, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status:
        raise SystemExit("a child failed")
    return json.loads(data)


def write(root: Path, number: int) -> Path:
    """An output whose every file says whose it is."""
    root.mkdir()
    names = [f"{number}-{n}.tif" for n in range(20)]
    for name in names:
        (root / name).write_text(f"{number} " * 100)
    features = [
        {"type": "Feature", "geometry": None, "properties": {"up42.data_path": name, "writer": number}}
        for name in names
    ]
    (root / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return root


def writer_of(root: Path) -> int:
    """Whose output was restored; every file must be there and his."""
    features = json.loads((root / "data.json").read_bytes())["features"]
    writers = {feature["properties"]["writer"] for feature in features}
    (number,) = writers
    for feature in features:
        text = (root / feature["properties"]["up42.data_path"]).read_text()
        if text != f"{number} " * 100:
            raise SystemExit(f"a file of {number} holds other bytes")
    return int(number)


def save(fresh: Callable[[], Stage], output: Path, if_exists: str, start: float) -> tuple[str, int]:
    """Save at the moment when all others do."""
    time.sleep(max(0.0, start - time.monotonic()))
    try:
        commit = fresh().save(output, if_exists=if_exists).commit  # type: ignore[arg-type]  # one of its choices
    except StageConflictError:
        return "conflict", 0
    return commit.attempt, commit.revision


def read(fresh: Callable[[], Stage], folder: Path, until: float) -> int:
    """Restore again and again; how often something was there."""
    found = 0
    stage = fresh()
    while time.monotonic() < until:
        with tempfile.TemporaryDirectory(dir=folder) as target:
            try:
                stage.restore(target)
            except NotFoundError:
                continue
            writer_of(Path(target))
            found += 1
    return found


def main() -> None:
    """Race, then restore every revision."""
    url, if_exists, seed = sys.argv[1:4]
    number = random.Random(seed).randrange(1 << 32)

    def fresh() -> Stage:
        return State(url).job(f"races-{if_exists}-{number}").stage("s:1")

    fresh().exists()  # loads the SDK once, instead of in every child
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outputs = [write(folder / f"out{n}", n) for n in range(WRITERS)]
        start = time.monotonic() + 0.5
        readers = [fork(lambda: read(fresh, folder, start + 2.0)) for _ in range(READERS)]
        writers = [fork(lambda o=output: save(fresh, o, if_exists, start)) for output in outputs]  # type: ignore[misc]
        saved = [result(*child) for child in writers]
        reads = [result(*child) for child in readers]
        stage = fresh()
        revisions = {}
        for commit in stage.history():
            stage.restore(folder / f"in{commit.revision}", revision=commit.revision)
            revisions[commit.revision] = writer_of(folder / f"in{commit.revision}")
    sys.stdout.write(json.dumps({"saved": saved, "revisions": revisions, "reads": reads}) + "\n")


if __name__ == "__main__":
    main()
