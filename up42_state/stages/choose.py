"""Choosing a part of a revision: features, and the files that go with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.errors import Defect, InvalidDataError
from up42_state.features import Collection, File, Files, companions, data_paths, quicklooks_of, subset
from up42_state.stages.index import stored_name
from up42_state.stages.restore import Chosen, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from up42_state.features import Feature, Selection
    from up42_state.stages.contents import Contents
    from up42_state.stages.index import Entry

__all__ = ["catalogue", "choose", "without"]


def choose(selection: Selection | None) -> Callable[[Contents], Chosen]:
    """What to restore of a revision: the features that are selected, with their files.

    Without a selection, all of it, also files that no feature points to.
    """
    if selection is None:
        return whole

    def pick(contents: Contents) -> Chosen:
        collection = Collection.read(contents.data)
        files = catalogue(contents.index.entries, contents.index.directories)
        try:
            kept = [number for number, feature in enumerate(collection) if feature in selection]
            names, directories = _belongings((collection[number] for number in kept), files)
        except RecursionError as error:
            raise nested_too_deeply() from error
        return Chosen(
            data=subset(collection, kept),
            entries=[entry for entry in contents.index.entries if entry.name in names],
            directories=[path for path in contents.index.directories if path in directories],
        )

    return pick


def nested_too_deeply() -> InvalidDataError:
    """The error for features that were saved, but whose properties cannot be looked into."""
    defect = Defect("data.json", "is nested too deeply to be looked into", "write properties flatter")
    return InvalidDataError("features cannot be compared", defects=[defect])


def without(chosen: Chosen, damaged: set[str]) -> Chosen:
    """The same part without damaged files, and without the features whose data they are.

    :param damaged: names of files.
    """
    collection = Collection.read(chosen.data)
    files = catalogue(chosen.entries, chosen.directories)
    kept = [n for n, feature in enumerate(collection) if not _data(feature, files) & damaged]
    return Chosen(
        data=subset(collection, kept),
        entries=[entry for entry in chosen.entries if entry.name not in damaged],
        directories=chosen.directories,
    )


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
