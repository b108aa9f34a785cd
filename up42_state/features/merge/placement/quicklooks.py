"""Placing the quicklooks of added features."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from up42_state.features.files.data_paths import EVERYTHING, above, check_path, quicklook_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from up42_state.features.files.catalogue import File, Files
    from up42_state.features.merge.matching.compare import Comparison

__all__ = ["Quicklooks"]


class Quicklooks:
    """Finds unused paths for the quicklooks of one earlier stage, one path for each quicklook.

    :param label: the stage's name, with ``:`` as ``-``.
    """

    def __init__(self, label: str, current: Files, earlier: Files, comparison: Comparison) -> None:
        self._label = label
        self._current = current
        self._earlier = earlier
        self._comparison = comparison
        self._taken: dict[str, File] = {}
        self._folders = {folder for path in current.quicklooks for folder in above(path)}
        self._asked: set[tuple[str, str | None]] = set()

    def place(
        self, feature_id: str | float | None, new_id: str | None, paths: Iterable[str]
    ) -> Iterator[tuple[File, str]]:
        """The quicklooks of a feature that are to be added, each with the path that the quicklook gets.

        :param new_id: the id that the feature gets; the feature's quicklooks are named after that id.
        """
        for file, path in self._wanted(feature_id, new_id, list(paths)):
            target = self._target(file, path)
            if target is not None:
                yield file, target

    def _wanted(
        self, feature_id: str | float | None, new_id: str | None, paths: list[str]
    ) -> Iterator[tuple[File, str]]:
        """The quicklooks that were not asked for before, each with the path that the quicklook wants."""
        names = dict.fromkeys([EVERYTHING] if EVERYTHING in paths else quicklook_names(feature_id, paths))
        for name in names:
            renamed = new_id if name == str(feature_id) else None
            if (name, renamed) in self._asked:
                continue
            self._asked.add((name, renamed))
            is_whole = name == EVERYTHING and EVERYTHING in paths
            files = self._earlier.quicklooks.values() if is_whole else self._earlier.quicklooks_named(name)
            yield from ((file, _renamed(file.path, renamed)) for file in files)

    def _target(self, file: File, path: str) -> str | None:
        """The path at which a quicklook is to be added; ``None`` if its bytes are there already."""
        for prefix in self._prefixes():
            target = prefix + path
            there = self._current.quicklooks.get(target) or self._taken.get(target)
            if there is not None and (there is file or self._comparison.same_file(there, file)):
                return None
            if there is None and not self._is_in_the_way(target):
                break
        self._taken[target] = file
        self._folders.update(above(target))
        return target

    def _prefixes(self) -> Iterator[str]:
        yield ""
        yield f"{self._label}/"
        for number in count(2):
            yield f"{self._label}~{number}/"

    def _is_in_the_way(self, path: str) -> bool:
        """True if a quicklook lies where ``path`` needs a directory, or below ``path``."""
        if path in self._folders:
            return True
        taken = (self._current.quicklooks, self._taken)
        return any(parent in files for parent in above(path) for files in taken)


def _renamed(path: str, name: str | None) -> str:
    """The path with ``name`` before the extension; the path as given where ``name`` is no file's name."""
    folder, slash, old = path.rpartition("/")
    new = f"{name}.{old.rpartition('.')[2]}" if "." in old else f"{name}"
    return path if name is None or check_path(new) is not None else folder + slash + new
