"""``data.json``: read, check, write and merge. Nothing in here knows of storage."""

from __future__ import annotations

from up42_state.features.check import check, examine
from up42_state.features.collection import Collection, Feature
from up42_state.features.files.catalogue import File, Files
from up42_state.features.files.data_paths import DATA_PATH, check_path, companions, data_paths, quicklooks_of
from up42_state.features.files.sidecars import sidecar_of
from up42_state.features.files.tree import Tree, scan
from up42_state.features.merge.matching.earlier import EarlierOutput
from up42_state.features.merge.placement.paths import Addition
from up42_state.features.merge.report import Conflict, Outcome, Report, StageReport
from up42_state.features.selection import Selection
from up42_state.features.subset import subset
from up42_state.features.text.origin import ORIGIN, Origin

__all__ = [
    "DATA_PATH",
    "ORIGIN",
    "Addition",
    "Collection",
    "Conflict",
    "EarlierOutput",
    "Feature",
    "File",
    "Files",
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
    "quicklooks_of",
    "scan",
    "sidecar_of",
    "subset",
]
