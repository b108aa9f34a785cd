"""Ends saves and restores at random moments – by SIGKILL, by SIGTERM, by a disk that is full – and looks at
what is left. Prints what came out as JSON.

A script of its own, since it forks: ``python kills.py save|restore URL ROUNDS SEED``; settings of the store
come from the environment.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.cli.signals import Ended, end_on_signals
from up42_state.errors import StateError
from up42_state.stages.write import partial
from up42_state.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.state import Stage

partial.WORTH = 1  # an output of 24 MiB, too, is gone on with where a save was killed

MIB = 1024 * 1024
LARGEST = 20 * MIB
HANGS = 200.0  # seconds after which a child is taken to hang: more than three silent requests take
FULL = 75  # the child's exit status where it said that the disk is full
WAYS = ["kill", "term", "full"]
SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM}
ENDINGS = {
    "kill": {0, -signal.SIGKILL},
    "term": {0, -signal.SIGTERM, 128 + signal.SIGTERM},  # by default, before our handler is there
    "full": {0, FULL},
    "none": {0},
}


def in_child(work: Callable[[], object], way: str, moment: float) -> str:
    """Run work in a child and end it on the way; ``done`` where it ended by itself, else the way.

    The work opens a state of its own: connections must not be shared with the parent.

    :param way: ``kill`` and ``term`` send a signal; ``full`` limits the size of files, so that writes fail as
        on a full disk; ``none`` lets it be.
    :param moment: seconds until the signal; for ``full``, the share of the largest file that fits.
    """
    pid = os.fork()
    if pid == 0:
        code = 128 + signal.SIGTERM  # where the signal comes just before the work, or just after it
        try:
            code = _child(work, int(moment * LARGEST) if way == "full" else None)
        finally:
            os._exit(code)
    if way in SIGNALS:
        time.sleep(moment)
        os.kill(pid, SIGNALS[way])
    code = _ended(pid)
    if code not in ENDINGS[way]:
        raise SystemExit(f"the child was to end by {way}, and ended with {code}")
    return way if code else "done"


def _ended(pid: int) -> int:
    """The child's exit code; one that hangs is aborted, and its stacks are printed."""
    deadline = time.monotonic() + HANGS
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, signal.SIGABRT)  # faulthandler prints where each thread is
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _child(work: Callable[[], object], limit: int | None) -> int:
    """The child's exit status."""
    faulthandler.enable()
    end_on_signals()
    if limit is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        work()
    except Ended as ended:
        return ended.status
    except StateError as error:
        return FULL if limit is not None and "File too large" in str(error) else _failed()
    except BaseException:  # noqa: BLE001 - whatever it is, the parent must not go on as a second parent
        return _failed()
    return 0


def _failed() -> int:
    traceback.print_exc()
    return 1


def write(root: Path, seed: int) -> Path:
    """An output with packed, single and large files that depend on the seed."""
    data = random.Random(seed)
    files = {f"tile_{n:03d}.tif": data.randbytes(20_000) for n in range(60)}
    files |= {"single.tif": data.randbytes(2 * MIB), "large.tif": data.randbytes(LARGEST)}
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
    """End saves; the stage is the old revision or the new one, the next save works, and prune tidies up."""
    stage = fresh()
    outputs = [write(folder / f"out{n}", n) for n in range(2)]
    wanted = [contents(output) for output in outputs]
    stage.save(outputs[0])
    started = time.monotonic()
    in_child(lambda: fresh().save(outputs[1]), "none", 0)
    whole = time.monotonic() - started
    now = 1
    seen: Counter[str] = Counter()
    for number in range(rounds):
        new = 1 - now
        way = chance.choice(WAYS)
        moment = chance.uniform(0, 1.1 * (1 if way == "full" else whole))
        ended = in_child(lambda new=new: fresh().save(outputs[new]), way, moment)  # type: ignore[misc]
        target = folder / f"in{number}"
        stage.restore(target)
        found = contents(target)
        shutil.rmtree(target)
        if found not in (wanted[now], wanted[new]) or (ended == "done" and found != wanted[new]):
            raise SystemExit(f"round {number}: {ended}, and neither the old revision nor the new one")
        seen[f"{ended}: {'new' if found == wanted[new] else 'old'}"] += 1
        now = new if found == wanted[new] else now
    stage.save(outputs[1 - now])
    tidy(stage)
    return seen


def tidy(stage: Stage) -> None:
    """Prune what was left behind; only what the newest revision stands on remains."""
    time.sleep(1.5)  # some stores' clocks go by the second
    stage.job.prune(keep=1, grace=timedelta(0), no_writers=True)
    bucket = stage.job.state.store.bucket
    found = {info.key.split("/")[3] for info in bucket.list(f"{stage.job.key}/{stage.name}/attempts/")}
    wanted = {attempt.partition("/")[2] for attempt in stage.latest().refers}
    if found != wanted or list(bucket.uploads(f"{stage.job.key}/")):
        raise SystemExit(f"prune left {sorted(found - wanted)} behind, or an upload")
    if not stage.verify().ok:
        raise SystemExit("the last save is damaged")


def kill_restores(
    fresh: Callable[[], Stage], folder: Path, rounds: int, chance: random.Random
) -> Counter[str]:
    """End restores; a data.json is there only when all is, and the same call finishes."""
    stage = fresh()
    output = write(folder / "out", 0)
    wanted = contents(output)
    stage.save(output)
    started = time.monotonic()
    in_child(lambda: fresh().restore(folder / "probe"), "none", 0)
    whole = time.monotonic() - started
    seen: Counter[str] = Counter()
    for number in range(rounds):
        target = folder / f"in{number}"
        way = chance.choice(WAYS)
        moment = chance.uniform(0, 1.1 * (1 if way == "full" else whole))
        ended = in_child(lambda target=target: fresh().restore(target), way, moment)  # type: ignore[misc]
        switched = (target / "data.json").exists()
        ours = {path: data for path, data in contents(target).items() if not path.startswith(".up42_state/")}
        if (switched and ours != wanted) or (ended == "done" and not switched):
            raise SystemExit(f"round {number}: {ended}, and a data.json without its files, or none")
        seen[f"{ended}: {'whole' if switched else 'no data.json'}"] += 1
        stage.restore(target)
        if contents(target) != wanted:
            raise SystemExit(f"round {number}: the restore did not finish what the ended one began")
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
