"""Choosing a part of a revision: features, and the files that go with them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from up42_state.errors import Defect, InvalidDataError
from up42_state.features import Collection, File, Files, companions, data_paths, quicklooks_of, subset
from up42_state.features.syntax import encoding_defect
from up42_state.stages.index import stored_name
from up42_state.stages.restore import Chosen, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from up42_state.features import Feature, Selection
    from up42_state.stages.contents import Contents
    from up42_state.stages.index import Entry

__all__ = ["catalogue", "choose", "read_features", "without"]


def choose(selection: Selection | None) -> Callable[[Contents], Chosen]:
    """What to restore of a revision: the features that are selected, with their files.

    Without a selection, all of it, also files that no feature points to.
    """
    if selection is None:
        return whole

    def pick(contents: Contents) -> Chosen:
        collection = read_features(contents.data)
        files = catalogue(contents.index.entries, contents.index.directories)
        with _looked_into():
            kept = selection.numbers(collection)
            warnings = selection.warnings(collection)
            names, directories = _belongings((collection[number] for number in kept), files)
        return Chosen(
            data=subset(collection, kept),
            features=len(kept),
            entries=[entry for entry in contents.index.entries if entry.name in names],
            directories=[path for path in contents.index.directories if path in directories],
            warnings=warnings,
        )

    return pick


@contextmanager
def _looked_into() -> Iterator[None]:
    try:
        yield
    except RecursionError as error:
        defect = Defect("data.json", "is nested too deeply to be looked into", "restore the whole stage")
        raise InvalidDataError("features cannot be chosen", defects=[defect]) from error


def without(chosen: Chosen, damaged: set[str]) -> Chosen:
    """The same part without damaged files, and without the features whose data they are.

    :param damaged: names of files.
    """
    collection = read_features(chosen.data)
    files = catalogue(chosen.entries, chosen.directories)
    with _looked_into():
        kept = [n for n, feature in enumerate(collection) if not _data(feature, files) & damaged]
    return Chosen(
        data=subset(collection, kept),
        features=len(kept),
        entries=[entry for entry in chosen.entries if entry.name not in damaged],
        directories=chosen.directories,
        warnings=chosen.warnings,
    )


def read_features(data: bytes) -> Collection:
    """The features of a stored ``data.json``, which may be one that no check of ours has seen.

    :raises InvalidDataError: it is not JSON in UTF-8, or not a FeatureCollection.
    """
    defect = encoding_defect(memoryview(data))
    if defect is not None:
        raise InvalidDataError("a stored data.json cannot be read", defects=[defect])
    return Collection.read(data)


def catalogue(entries: Iterable[Entry], directories: Iterable[str]) -> Files:
    """A stored revision's files, as the features' rules look things up in them."""
    found = (
        File(path=e.path, kind=e.kind, size=e.size, sha256=e.sha256, executable=e.executable) for e in entries
    )
    return Files(found, directories)


def _belongings(features: Iterable[Feature], files: Files) -> tuple[set[str], set[str]]:
    """The names of the files of some features, and the empty directories that they name."""
    names: set[str] = set()
    directories: set[str] = set()
    for feature in features:
        names |= _data(feature, files)
        paths = data_paths(feature.properties, files).values()
        names |= {stored_name("quicklook", file.path) for file in quicklooks_of(feature.id, paths, files)}
        directories.update(paths)
        for path in paths:
            directories.update(files.directories_below(path))
    return names, directories


def _data(feature: Feature, files: Files) -> set[str]:
    """The names of a feature's files: those that its data paths stand for, sidecars included."""
    paths = data_paths(feature.properties, files).values()
    return {file.path for path in paths for file in companions(path, files)}
