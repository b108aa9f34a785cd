"""The files of an output that its features carry, and those that no feature carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.features.files.catalogue import Files
from up42_state.features.files.data_paths import (
    EVERYTHING,
    above,
    companions,
    data_paths,
    quicklooks_of,
    sidecars,
)
from up42_state.features.text.fast_layout import batches
from up42_state.features.text.values import feature_id, heads, properties_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from up42_state.features.collection import Collection
    from up42_state.features.files.catalogue import File
    from up42_state.features.text.values import Head

    Text = bytes | memoryview

__all__ = ["Carried", "all_paths", "hit", "left_behind"]


class Carried:
    """The files, quicklooks and directories that some features carry.

    ``named`` holds their data paths.

    :param raws: the texts of the features.
    :param others: data paths of all features of the output: a file that a data path names is no sidecar.
    """

    def __init__(self, raws: Iterable[Text], files: Files, others: set[str]) -> None:
        self.directories: set[str] = set()
        self.quicklooks: set[str] = set()
        self.named = named = set[str]()
        for each in _heads(raws):
            paths = set(data_paths(properties_of(each), files).values())
            named |= paths
            self.quicklooks.update(file.path for file in quicklooks_of(feature_id(each), paths, files))
        self.files: set[str] = set()
        for path in _outermost(named, files):
            self.files.update(file.path for file in companions(path, files, others))
            if files.is_directory(path):
                self.directories.update((path, *files.directories_below(path)))


def all_paths(collection: Collection, files: Files) -> set[str]:
    """The data paths of all features."""
    return {
        path for each in _heads(collection.raws()) for path in data_paths(properties_of(each), files).values()
    }


def left_behind(collection: Collection, files: Files, named: set[str] | None = None) -> list[File]:
    """The files and quicklooks that no feature carries, by path.

    :param named: what :func:`all_paths` gives, where that is known.
    """
    if not len(files):
        return []
    named = all_paths(collection, files) if named is None else named
    if EVERYTHING in named:
        return []
    folders = {path for path in named if files.is_directory(path)}
    alone = {
        file.path: file
        for file in files
        if file.kind == "file"
        and file.path not in named
        and not (folders and any(folder in folders for folder in above(file.path)))
    }
    if alone:
        rest = Files(alone.values())  # far fewer than all: each named path is looked up among them
        for path in named - folders:
            for beside in sidecars(path, rest):
                alone.pop(beside, None)
    return [*(alone[path] for path in sorted(alone)), *_lonely_quicklooks(collection, files)]


def _lonely_quicklooks(collection: Collection, files: Files) -> Iterator[File]:
    if not files.quicklooks:
        return
    lonely = dict(files.quicklooks)
    for each in _heads(collection.raws()):
        paths = data_paths(properties_of(each), files).values()
        for file in quicklooks_of(feature_id(each), paths, files):
            lonely.pop(file.path, None)
    yield from (lonely[path] for path in sorted(lonely))


def hit(properties: dict[str, object], files: Files, damaged: Files, others: set[str]) -> bool:
    """True if a feature carries one of some damaged files.

    :param damaged: the damaged files of ``files``.
    """
    for path in data_paths(properties, files).values():
        if damaged.exists(path) if path != EVERYTHING else len(damaged):
            return True
        if not files.is_directory(path) and not others.issuperset(sidecars(path, damaged)):
            return True
    return False


def _outermost(named: set[str], files: Files) -> Iterator[str]:
    """The paths that lie in no named directory: what lies below a directory comes with the directory."""
    if EVERYTHING in named:
        yield EVERYTHING
        return
    folders = {path for path in named if files.is_directory(path)}
    yield from (path for path in named if not any(folder in folders for folder in above(path)))


def _heads(raws: Iterable[Text]) -> Iterator[Head]:
    for batch in batches(raws):
        yield from heads(batch)
