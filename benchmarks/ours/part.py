"""Restore one feature of a stage: ``part.py JOB STAGE TARGET ID``.

Prints the seconds that it took once the index and ``data.json`` were read and looked through: those of the
feature itself, with its files fetched, verified and put in place.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state import State
from up42_state.features import Selection
from up42_state.stages.read.restore import restore
from up42_state.stages.read.selection import choose

if TYPE_CHECKING:
    from up42_state.stages.read.restore import Chosen
    from up42_state.stages.revision import Contents


def main(job: str, stage: str, target: str, key: str) -> None:
    """Restore, and say how long the part took that the other features have no share in."""
    pick = choose(Selection(ids=[key]))
    chosen_at = 0.0
    held = []

    def timed(contents: Contents) -> Chosen:
        nonlocal chosen_at
        held.append(contents)  # to let go of the index is a part of reading it
        chosen = pick(contents)
        chosen_at = time.perf_counter()
        return chosen

    folder = Path(target)
    restore(State.from_env().store, job, stage, folder, quicklooks=folder / ".quicklooks", choose=timed)
    print(json.dumps({"seconds": time.perf_counter() - chosen_at}))


if __name__ == "__main__":
    main(*sys.argv[1:])
