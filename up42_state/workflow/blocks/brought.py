"""Bring the files of returned features over from the input, where the function has not made new ones.

A function that only chooses among features need not care for files.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from up42_state.contract import QUICKLOOK_FOLDER
from up42_state.features import companions, data_paths, scan
from up42_state.features.files.data_paths import EVERYTHING, is_data_property
from up42_state.stages.local.directory import OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from up42_state.features import Files

__all__ = ["bring_files"]

_NO_DATA = (OURS, QUICKLOOK_FOLDER)


def bring_files(features: Iterable[Any], source: Path, output: Path) -> None:
    """Put the files that features name into the output, if they are in the input and not in the output.

    Sidecars come along. Files are linked where the file system can, so that no bytes are moved.

    :param features: what a function has returned; what is no feature is passed over.
    :param source: the directory of the input.
    :param output: the directory of the output.
    :raises OSError: a file cannot be copied.
    """
    found = list(filter(None, map(_properties, features)))
    if not found:
        return
    files = scan(source, ignore=_NO_DATA).files
    paths = dict.fromkeys(path for each in found for path in data_paths(each, files).values())
    for path in [path for path in paths if not _is_there(path, output)]:
        if files.is_directory(path):
            (output / path).mkdir(parents=True, exist_ok=True)
        for location, name in _files_of(path, files, paths):
            _bring(location, output / name)


def _properties(feature: Any) -> Mapping[str, Any]:
    """Return the properties of a feature if there may be a data path among them."""
    properties = feature.get("properties") if isinstance(feature, dict) else None
    if not isinstance(properties, dict):
        return {}
    named = any(isinstance(name, str) and is_data_property(name) for name in properties)
    return {str(name): value for name, value in properties.items()} if named else {}


def _is_there(path: str, output: Path) -> bool:
    if path == EVERYTHING:
        return any(name not in _NO_DATA for name in os.listdir(output))
    return os.path.lexists(output / path)


def _files_of(path: str, files: Files, others: Mapping[str, None]) -> Iterator[tuple[str, str]]:
    for file in files if path == EVERYTHING else companions(path, files, others):
        if file.location is not None and file.kind == "file":
            yield file.location, file.path


def _bring(location: str, target: Path) -> None:
    if os.path.lexists(target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(location, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(location, target)
