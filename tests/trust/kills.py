"""Kills saves and restores at random moments and looks at what is left. Prints what came out as JSON.

A script of its own, since it forks: ``python kills.py save|restore URL ROUNDS SEED``; settings of the store
come from the environment.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.state import Stage

MIB = 1024 * 1024


def in_child(work: Callable[[], object], delay: float | None) -> tuple[bool, float]:
    """Run work in a child and kill it after a delay; whether it ended by itself, and how long it ran.

    The work opens a state of its own: connections must not be shared with the parent.
    """
    started = time.monotonic()
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001 - whatever it is, the parent must not go on as a second parent
            import traceback

            traceback.print_exc()
            os._exit(1)
    if delay is not None:
        time.sleep(delay)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"the child failed with {code}")
    return code == 0, time.monotonic() - started


def write(root: Path, seed: int) -> Path:
    """An output with packed, single and large files that depend on the seed."""
    data = random.Random(seed)
    files = {f"tile_{n:03d}.tif": data.randbytes(20_000) for n in range(60)}
    files |= {"single.tif": data.randbytes(2 * MIB), "large.tif": data.randbytes(20 * MIB)}
    root.mkdir(parents=True)
    for name, content in files.items():
        (root / name).write_bytes(content)
    features = [
        {"type": "Feature", "geometry": None, "properties": {"up42.data_path": name, "seed": seed}}
        for name in files
    ]
    (root / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return root


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def kill_saves(fresh: Callable[[], Stage], folder: Path, rounds: int, chance: random.Random) -> Counter[str]:
    """Kill saves; the stage is the old revision or the new one, and the next save works."""
    stage = fresh()
    outputs = [write(folder / f"out{n}", n) for n in range(2)]
    wanted = [contents(output) for output in outputs]
    stage.save(outputs[0])
    _, whole = in_child(lambda: fresh().save(outputs[1]), None)
    now = 1
    seen: Counter[str] = Counter()
    for number in range(rounds):
        new = 1 - now
        in_child(lambda new=new: fresh().save(outputs[new]), chance.uniform(0, 1.1 * whole))  # type: ignore[misc]
        target = folder / f"in{number}"
        stage.restore(target)
        found = contents(target)
        shutil.rmtree(target)
        if found not in (wanted[now], wanted[new]):
            raise SystemExit(f"round {number}: neither the old revision nor the new one")
        seen["new" if found == wanted[new] else "old"] += 1
        now = new if found == wanted[new] else now
    stage.save(outputs[1 - now])
    if not stage.verify().ok:
        raise SystemExit("the last save is damaged")
    return seen


def kill_restores(
    fresh: Callable[[], Stage], folder: Path, rounds: int, chance: random.Random
) -> Counter[str]:
    """Kill restores; a data.json is there only when all is, and the same call finishes."""
    stage = fresh()
    output = write(folder / "out", 0)
    wanted = contents(output)
    stage.save(output)
    _, whole = in_child(lambda: fresh().restore(folder / "probe"), None)
    seen: Counter[str] = Counter()
    for number in range(rounds):
        target = folder / f"in{number}"
        in_child(lambda target=target: fresh().restore(target), chance.uniform(0, 1.1 * whole))  # type: ignore[misc]
        switched = (target / "data.json").exists()
        ours = {path: data for path, data in contents(target).items() if not path.startswith(".up42_state/")}
        if switched and ours != wanted:
            raise SystemExit(f"round {number}: a data.json without its files")
        seen["whole" if switched else "no data.json"] += 1
        stage.restore(target)
        if contents(target) != wanted:
            raise SystemExit(f"round {number}: the restore did not finish what the killed one began")
        shutil.rmtree(target)
    return seen


def main() -> None:
    """Do as the command line says."""
    kind, url, rounds, seed = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])

    def fresh() -> Stage:
        return State(url).job(f"kills-{kind}-{seed}").stage("s:1")

    with tempfile.TemporaryDirectory() as folder:
        work = kill_saves if kind == "save" else kill_restores
        seen = work(fresh, Path(folder), rounds, random.Random(seed))
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
