"""Choosing a part of a revision: features, and the files that go with them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from up42_state.errors import Defect, InvalidDataError
from up42_state.features import Collection, File, Files, subset
from up42_state.features.carried import Carried, all_paths, hit, left_behind
from up42_state.features.text.syntax import encoding_defect
from up42_state.stages.format.index import stored_name
from up42_state.stages.format.names import some_names
from up42_state.stages.read.restore import Chosen, whole
from up42_state.units import counted

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from up42_state.features import Selection
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.format.index import Entry
    from up42_state.stages.revision import Contents

__all__ = ["catalogue", "choose", "left_behind_warnings", "read_features", "without"]


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
            named = all_paths(collection, files)
            carried = Carried(map(collection.raw, kept), files, named)
            lonely = left_behind(collection, files, named)
            warnings = selection.warnings(collection)
        return Chosen(
            data=subset(collection, kept),
            features=len(kept),
            entries=[entry for entry in contents.index.entries if _is_in(carried, entry)],
            directories=[path for path in contents.index.directories if path in carried.directories],
            warnings=(*warnings, *left_behind_warnings(contents.commit, lonely)),
        )

    return pick


def _is_in(carried: Carried, entry: Entry) -> bool:
    return entry.path in (carried.files if entry.kind == "file" else carried.quicklooks)


def left_behind_warnings(commit: Commit, files: Sequence[File]) -> tuple[str, ...]:
    """What to say of the files that no feature carries, where only features are taken with what is theirs."""
    if not files:
        return ()
    names = some_names([stored_name(file.kind, file.path) for file in files])
    belong = "belongs" if len(files) == 1 else "belong"
    stage = f"{commit.job}/{commit.stage}@{commit.revision}"
    return (f"{counted(len(files), 'file')} of {stage} {belong} to no feature, and stayed behind: {names}",)


@contextmanager
def _looked_into() -> Iterator[None]:
    try:
        yield
    except RecursionError as error:
        defect = Defect("data.json", "is nested too deeply to be looked into", "restore the whole stage")
        raise InvalidDataError("features cannot be chosen", defects=[defect]) from error


def without(chosen: Chosen, damaged: set[str]) -> Chosen:
    """Leave damaged files, and the features that carry them, out of a part of a revision.

    :param damaged: names of files.
    """
    collection = read_features(chosen.data)
    files = catalogue(chosen.entries, chosen.directories)
    bad = catalogue((entry for entry in chosen.entries if entry.name in damaged), ())
    with _looked_into():
        named = all_paths(collection, files)
        kept = [n for n, feature in enumerate(collection) if not hit(feature.properties, files, bad, named)]
    return Chosen(
        data=subset(collection, kept),
        features=len(kept),
        entries=[entry for entry in chosen.entries if entry.name not in damaged],
        directories=chosen.directories,
        warnings=chosen.warnings,
    )


def read_features(data: bytes | mmap.mmap) -> Collection:
    """The features of a stored ``data.json``, which may be one that no check of ours has seen.

    :raises InvalidDataError: it is not JSON in UTF-8, or not a FeatureCollection.
    """
    defect = encoding_defect(memoryview(data))
    if defect is not None:
        raise InvalidDataError("a stored data.json cannot be read", defects=[defect])
    return Collection(data)


def catalogue(entries: Iterable[Entry], directories: Iterable[str]) -> Files:
    """Make the catalogue of a stored revision's files, which checking and merging look things up in."""
    return Files((entry.as_file() for entry in entries), directories)
