"""``data.json``: read, check, write and merge. Nothing in here knows of storage."""

from __future__ import annotations

from up42_state.features.census import Earlier
from up42_state.features.check import check, examine
from up42_state.features.collection import Collection, Feature
from up42_state.features.files import File, Files
from up42_state.features.merge import Merge, merge
from up42_state.features.origin import ORIGIN, Origin
from up42_state.features.paths import DATA_PATH, check_path, companions, data_paths, quicklooks_of
from up42_state.features.placement import Addition
from up42_state.features.report import Conflict, Outcome, Report, StageReport
from up42_state.features.selection import Selection
from up42_state.features.sidecars import sidecar_of
from up42_state.features.subset import subset
from up42_state.features.tree import Tree, scan

__all__ = [
    "DATA_PATH",
    "ORIGIN",
    "Addition",
    "Collection",
    "Conflict",
    "Earlier",
    "Feature",
    "File",
    "Files",
    "Merge",
    "Origin",
    "Outcome",
    "Report",
    "Selection",
    "StageReport",
    "Tree",
    "check",
    "check_path",
    "companions",
    "data_paths",
    "examine",
    "merge",
    "quicklooks_of",
    "scan",
    "sidecar_of",
    "subset",
]
