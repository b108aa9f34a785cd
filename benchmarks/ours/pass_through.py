"""What a block that passes its parent's 160 MB on moves.

    python -m benchmarks.ours.pass_through SCRATCH [SCALE]

Storage is what ``UP42_STATE_URL`` names. Prints a line of JSON for each form of the output: seconds of the
first save and of the second stage's, and the bytes of files that the second one moved, by its commit.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import uuid
from pathlib import Path

from benchmarks import data
from up42_state import State

MB = 1_000_000
FORMS = {"2,667 × 60 kB, in packs": (2_667, 60_000), "16 × 10 MB": (16, 10 * MB), "1 × 160 MB": (1, 160 * MB)}


def main(scratch: str, scale: str = "1") -> None:
    """Measure each form, and print a line of each."""
    for form, (count, size) in FORMS.items():
        output = data.scaled(Path(scratch, "passed"), count, size, float(scale))
        job = State.from_env().job(uuid.uuid4().hex)
        begun = time.perf_counter()
        first = job.stage("a:1").save(output).commit
        middle = time.perf_counter()
        second = job.stage("b:1").save(output, after=[first]).commit
        ended = time.perf_counter()
        moved = second.totals.bytes - second.totals.referenced
        print(json.dumps({"form": form, "first": middle - begun, "again": ended - middle, "moved": moved}))
        job.delete()
        shutil.rmtree(output)


if __name__ == "__main__":
    main(*sys.argv[1:])
