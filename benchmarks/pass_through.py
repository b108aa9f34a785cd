"""What a block that passes its parent's 160 MB on moves: ``python -m benchmarks.pass_through [STORE-URL]``.

Prints the bytes of files that the second stage's save wrote, by its commit, and how long both saves took.
"""

from __future__ import annotations

import sys
import tempfile
import time
import uuid
from pathlib import Path

from benchmarks import data
from up42_state import State

MB = 1_000_000
FORMS = {"small files": (2_667, 60_000), "medium files": (16, 10 * MB), "one large file": (1, 160 * MB)}


def main(url: str) -> None:
    """Measure each form, and print a line of each."""
    with tempfile.TemporaryDirectory() as folder:
        for form, (count, size) in FORMS.items():
            output = data.files(Path(folder, form), count, size)
            job = State(url or f"file://{folder}/store").job(uuid.uuid4().hex)
            begun = time.monotonic()
            first = job.stage("a:1").save(output).commit
            middle = time.monotonic()
            second = job.stage("b:1").save(output, after=[first]).commit
            ended = time.monotonic()
            moved = second.totals.bytes - second.totals.referenced
            print(f"{form}: {first.totals.bytes / MB:.0f} MB saved in {middle - begun:.2f} s,", end=" ")
            print(f"passed on in {ended - middle:.2f} s, {moved} bytes of files moved")
            job.delete()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
