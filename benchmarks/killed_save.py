"""What a save of 600 MB moves again once it was killed: ``python -m benchmarks.killed_save [STORE-URL]``.

A process saves, and kills itself (SIGKILL) when its progress says 80 %. A second one saves the same output.
Prints the bytes of files that the second one hands to its store, what records and the index take left out,
and how long an undisturbed save and the second one take.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
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
FORMS = {"small files": (10_000, 60_000), "medium files": (60, 10 * MB), "one large file": (1, 600 * MB)}
SHARE = 0.8


def main(url: str) -> None:
    """Measure each form, and print a line of each."""
    with tempfile.TemporaryDirectory() as folder:
        for form, (count, size) in FORMS.items():
            output = data.files(Path(folder, form), count, size)
            store, job = url or f"file://{folder}/store", uuid.uuid4().hex
            whole = _save(store, job, "undisturbed:1", output)
            killed = _save(store, job, "s:1", output, kill=True)
            again = _save(store, job, "s:1", output)
            assert killed["status"] == -signal.SIGKILL
            assert not State(store).job(job).stage("s:1").verify().damage
            print(f"{form}: killed at {SHARE:.0%} of {whole['moved'] / MB:.0f} MB,", end=" ")
            print(
                f"{again['moved'] / MB:.0f} MB moved again ({again['moved'] / whole['moved']:.0%})", end=" "
            )
            print(f"in {again['seconds']:.2f} s; undisturbed {whole['seconds']:.2f} s")
            State(store).job(job).delete()


def _save(url: str, job: str, stage: str, output: Path, *, kill: bool = False) -> dict[str, Any]:
    """Save in a process of its own; what it tells, and its exit status."""
    command = [sys.executable, "-m", "benchmarks.killed_save", url, job, stage, str(output), "kill" * kill]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    assert kill or done.returncode == 0
    return {"status": done.returncode, **(json.loads(done.stdout) if done.stdout else {})}


def _child(url: str, job: str, stage: str, output: str, how: str) -> None:
    moved = [0]

    def progress(done: int, total: int) -> None:
        if how and done >= SHARE * total:
            os.kill(os.getpid(), signal.SIGKILL)

    handle = State(url).job(job).stage(stage)
    bucket = type(handle.job.state.store.bucket)
    _count(bucket, "put", moved)  # parts on Google, too
    for kind in (S3Upload, DirectoryUpload):
        _count(kind, "put_part", moved)
    begun = time.monotonic()
    handle.save(output, progress=progress)
    print(json.dumps({"moved": moved[0], "seconds": time.monotonic() - begun}))


def _count(kind: type, name: str, moved: list[int]) -> None:
    """Have a method count the bytes of files that it is called with."""
    original: Callable[..., None] = getattr(kind, name)

    def counted(self: Any, key: Any, body: Any, **options: Any) -> None:
        if not str(key).endswith(".json"):
            moved[0] += len(body)
        original(self, key, body, **options)

    setattr(kind, name, counted)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        _child(*sys.argv[1:])
    else:
        main(sys.argv[1] if len(sys.argv) > 1 else "")
