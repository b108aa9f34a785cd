"""The folders that files of an earlier stage move to when the paths that the files had are taken."""

from __future__ import annotations

from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING

from up42_state.features.files.data_paths import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.features.files.catalogue import Files

__all__ = ["Protected", "StageFolders"]


class StageFolders:
    """``<stage>/``, ``<stage>~2/`` and so on: the folders that exist, and the first name that is unused.

    A folder that exists belongs to somebody: to an earlier application of the stage, to a stage of another
    job that has the stage's name, or to a stage whose name differs in ``:`` and ``-`` alone. Files share such
    a folder where all bytes are equal. Nothing is added to such a folder.

    :param label: the stage's name, with ``:`` as ``-``.
    """

    def __init__(self, label: str, current: Files, earlier: Files) -> None:
        self._label = label
        self._current = current
        self._earlier = earlier

    def candidates(self, path: str | None) -> Iterator[str]:
        """Yield what may stand before a group's paths: nothing, a folder that has its first file, a new one.

        :param path: the group's first file; ``None`` for a group of empty directories.
        """
        yield ""
        yield from self._holding.get(path, ()) if path is not None else ()
        yield self._new

    def is_new(self, prefix: str) -> bool:
        """True for the folder that nobody uses."""
        return prefix == self._new

    def _names(self) -> Iterator[str]:
        yield self._label
        for number in count(2):
            yield f"{self._label}~{number}"

    @cached_property
    def _new(self) -> str:
        unused = (name for name in self._names() if not self._is_used(name))
        return next(unused) + "/"

    def _is_used(self, name: str) -> bool:
        return name in RESERVED or self._current.exists(name) or self._earlier.exists(name)

    @cached_property
    def _holding(self) -> dict[str, list[str]]:
        """The folders that exist, by the paths that files have inside a folder."""
        holding: dict[str, list[str]] = {}
        for name in self._names():
            if not self._is_used(name):  # names are used in this order, without gaps
                break
            for file in self._current.below(name):
                holding.setdefault(file.path[len(name) + 1 :], []).append(name + "/")
        return holding


class Protected:
    """Directories that nothing is added to, whether directly or further below.

    :param directories: the outermost protected directories, and any others.
    """

    def __init__(self, directories: set[str]) -> None:
        self._directories = directories
        self._verdicts: dict[str, bool] = {}

    def covers(self, directory: str) -> bool:
        """True if a directory is a protected one, or lies in one. Each directory is looked up once."""
        new = []
        path = directory
        while path and path not in self._verdicts and path not in self._directories:
            new.append(path)
            path = path.rpartition("/")[0]
        verdict = path in self._directories or self._verdicts.get(path, False)
        self._verdicts.update(dict.fromkeys(new, verdict))
        return verdict
