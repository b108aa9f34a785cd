"""What a save of 600 MB moves again once it was killed.

    python -m benchmarks.ours.killed_save SCRATCH [SCALE]

Storage is what ``UP42_STATE_URL`` names. A process saves, and kills itself (SIGKILL) when its progress says
80 %. A second one saves the same output. Prints a line of JSON for each form of the output: the bytes of
files that an undisturbed save and the second one hand to the store, and how long both take.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import data
from up42_state import State
from up42_state.buckets.directory.bucket import DirectoryUpload
from up42_state.buckets.s3.upload import S3Upload

if TYPE_CHECKING:
    from collections.abc import Callable

MB = 1_000_000
FORMS = {
    "10,000 × 60 kB, in packs": (10_000, 60_000),
    "60 × 10 MB": (60, 10 * MB),
    "1 × 600 MB": (1, 600 * MB),
}
SHARE = 0.8


def main(scratch: str, scale: str = "1") -> None:
    """Measure each form, and print a line of each."""
    for form, (count, size) in FORMS.items():
        output = data.scaled(Path(scratch, "killed"), count, size, float(scale))
        job = State.from_env().job(uuid.uuid4().hex)
        whole = _save(job.key, "undisturbed:1", output)
        killed = _save(job.key, "s:1", output, kill=True)
        again = _save(job.key, "s:1", output)
        assert killed["status"] == -signal.SIGKILL
        assert not job.stage("s:1").verify().damage
        line = {"form": form, "whole": whole["moved"], "moved": again["moved"]}
        print(json.dumps({**line, "undisturbed": whole["seconds"], "again": again["seconds"]}))
        job.delete()
        shutil.rmtree(output)


def _save(job: str, stage: str, output: Path, *, kill: bool = False) -> dict[str, Any]:
    """Save in a process of its own; what it tells, and its exit status."""
    command = [sys.executable, "-m", "benchmarks.ours.killed_save", "--save", job, stage, str(output)]
    done = subprocess.run([*command, "kill" * kill], stdout=subprocess.PIPE, check=False)
    assert kill or done.returncode == 0
    return {"status": done.returncode, **(json.loads(done.stdout) if done.stdout else {})}


def _child(job: str, stage: str, output: str, how: str) -> None:
    """Save, count what is handed to the store, and die on the way if ``how`` is not empty."""
    moved = [0]

    def progress(done: int, total: int) -> None:
        if how and done >= SHARE * total:
            os.kill(os.getpid(), signal.SIGKILL)

    handle = State.from_env().job(job).stage(stage)
    bucket = type(handle.job.state.store.bucket)
    _count(bucket, "put", moved)  # parts on Google, too
    for kind in (S3Upload, DirectoryUpload):
        _count(kind, "put_part", moved)
    begun = time.perf_counter()
    handle.save(output, progress=progress)
    print(json.dumps({"moved": moved[0], "seconds": time.perf_counter() - begun}))


def _count(kind: type, name: str, moved: list[int]) -> None:
    """Have a method count the bytes of files that it is called with."""
    original: Callable[..., None] = getattr(kind, name)

    def counted(self: Any, key: Any, body: Any, **options: Any) -> None:
        if not str(key).endswith(".json"):
            moved[0] += len(body)
        original(self, key, body, **options)

    setattr(kind, name, counted)


if __name__ == "__main__":
    if sys.argv[1] == "--save":
        _child(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
