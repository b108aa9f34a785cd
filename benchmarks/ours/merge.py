"""Merge with up42_state, without a store: ``merge.py CURRENT EARLIER TARGET``."""

from __future__ import annotations

import sys
from pathlib import Path

from up42_state.features import Collection, Earlier, Files
from up42_state.features.merge.operator import merge

current, earlier, target = sys.argv[1:]
stage = Earlier(
    job="bench", stage="earlier:1", revision=1, collection=Collection.read(Path(earlier)), files=Files([])
)
merged = merge(Collection.read(Path(current)), Files([]), [stage])
with open(target, "wb") as file:
    merged.write(file)
