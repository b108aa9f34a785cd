"""Where the files of added features go: under unused paths only, and never into what a feature holds."""

from __future__ import annotations

from itertools import chain, count
from typing import TYPE_CHECKING, Literal

import msgspec

from up42_state.features.paths import (
    EVERYTHING,
    RESERVED,
    above,
    check_path,
    companions,
    normal_path,
    quicklooks_of,
)

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from up42_state.features.files import File, Files
    from up42_state.features.sameness import Sameness

__all__ = ["Addition", "Placement"]


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the merged output takes from an earlier stage.

    :param earlier: the stage's place in the order they were given in, from 0.
    :param source: the file's path in that stage.
    :param target: its path in the merged output, which is unused there.
    """

    earlier: int
    kind: Literal["file", "quicklook"]
    source: str
    target: str


class Placement:
    """Finds places for the files of one earlier stage.

    Data paths that features share, that lie below each other, or that share sidecars form a group, which
    stays together: if one of its files is in the way of other bytes, all of them move under ``<stage>/``.

    :param current: the files of the current output.
    :param protected: directories that current features name: nothing is added to them.
    :param others: all data paths of the earlier stage, which are never sidecars.
    """

    def __init__(
        self,
        number: int,
        label: str,
        current: Files,
        earlier: Files,
        *,
        protected: set[str],
        others: Container[str],
        sameness: Sameness,
    ) -> None:
        self._number = number
        self._label = label
        self._current = current
        self._earlier = earlier
        self._protected = protected
        self._others = others
        self._sameness = sameness
        self._groups: dict[str, str] = {}
        self._companions: dict[str, list[File]] = {}
        self._owners: dict[str, str] = {}
        self._taken: dict[str, File] = {}
        self._taken_directories: dict[str, None] = {}
        self._taken_quicklooks: dict[str, File] = {}
        self._quicklook_folders = {folder for path in current.quicklooks for folder in above(path)}
        self._prefixes: dict[str, str] = {}
        self.additions: list[Addition] = []
        self.files: list[File] = []
        self.directories: dict[str, None] = {}
        self.moved: dict[str, str] = {}

    def join(self, paths: Iterable[str]) -> None:
        """Note that one feature has these data paths. All features are noted before the first is placed."""
        first: str | None = None
        for path in paths:
            if path not in self._groups:
                self._groups[path] = path
                self._own(path)
            if first is not None:
                self._unite(first, path)
            first = path

    def _own(self, path: str) -> None:
        files = self._companions[path] = companions(path, self._earlier, self._others)
        for file in files:
            owner = self._owners.setdefault(file.path, path)
            if owner != path:
                self._unite(owner, path)

    def _unite(self, one: str, other: str) -> None:
        self._groups[self._root(other)] = self._root(one)

    def _root(self, path: str) -> str:
        while self._groups[path] != path:
            self._groups[path] = self._groups[self._groups[path]]
            path = self._groups[path]
        return path

    def settle(self) -> None:
        """Place everything that was noted."""
        if EVERYTHING in self._groups:
            for path in list(self._groups):
                self._unite(EVERYTHING, path)
        for path in list(self._groups):
            for parent in above(path):
                if parent in self._groups:
                    self._unite(parent, path)
        groups: dict[str, list[str]] = {}
        for path in self._groups:
            groups.setdefault(self._root(path), []).append(path)
        for root, paths in groups.items():
            self._prefixes[root] = self._place(paths)

    def target(self, path: str) -> str:
        """Where a data path went."""
        return normal_path(self._prefixes[self._root(path)] + path)

    def _place(self, paths: list[str]) -> str:
        files = {file.path: file for path in paths for file in self._companions[path]}
        folders = [path for path in paths if self._earlier.is_directory(path)]
        candidates = self._candidates()
        if EVERYTHING in paths:
            next(candidates)  # the whole of an earlier output becomes a directory of its own
        prefix = next(p for p in candidates if self._fits(p, files.values(), folders))
        for file in files.values():
            self._add(file, prefix + file.path)
        inner = (self._earlier.directories_below(folder) for folder in folders)
        for folder in chain(folders, *inner):
            self._add_directory(normal_path(prefix + folder))
        if prefix:
            self.moved.update((path, normal_path(prefix + path)) for path in paths)
        return prefix

    def _candidates(self) -> Iterator[str]:
        yield ""
        yield f"{self._label}/"
        for number in count(2):
            yield f"{self._label}~{number}/"

    def _fits(self, prefix: str, files: Iterable[File], folders: Iterable[str]) -> bool:
        return all(self._file_fits(prefix + file.path, file) for file in files) and all(
            self._folder_fits(normal_path(prefix + folder), folder) for folder in folders
        )

    def _file_fits(self, target: str, file: File) -> bool:
        """Whether a file may lie there: equal bytes do, or nothing does and nothing is in the way."""
        if target.partition("/")[0] in RESERVED:
            return False
        there = self._current.get(target) or self._taken.get(target)
        if there is not None:
            return self._sameness.same_file(there, file)
        if self._is_directory(target):
            return False
        return not any(parent in self._protected or self._is_file(parent) for parent in above(target))

    def _folder_fits(self, target: str, folder: str) -> bool:
        """Whether a directory may be there: if one is, it must hold the same files and no others."""
        if self._is_file(target) or any(map(self._is_file, above(target))):
            return False
        if not self._is_directory(target):
            return not any(parent in self._protected for parent in above(target))
        there = set(self._current.inside(target))
        if target in self._taken_directories:
            there.update(p[len(target) + 1 :] for p in self._taken if p.startswith(target + "/"))
        return there == set(self._earlier.inside(folder))

    def _is_file(self, path: str) -> bool:
        return path in self._taken or self._current.get(path) is not None

    def _is_directory(self, path: str) -> bool:
        return path in self._taken_directories or self._current.is_directory(path)

    def _add(self, file: File, target: str) -> None:
        if self._is_file(target):
            return
        self._taken[target] = file
        self._taken_directories.update(dict.fromkeys(above(target)))
        self._note(file, target)

    def _add_directory(self, target: str) -> None:
        if not self._current.is_directory(target):
            self._taken_directories.update(dict.fromkeys([target, *above(target)]))
            self.directories[target] = None

    def _note(self, file: File, target: str) -> None:
        addition = Addition(earlier=self._number, kind=file.kind, source=file.path, target=target)
        self.additions.append(addition)
        self.files.append(msgspec.structs.replace(file, path=target))

    def add_quicklooks(
        self, feature_id: str | float | None, new_id: str | None, paths: Iterable[str]
    ) -> None:
        """Place the quicklooks of a feature, under its new id if it gets one."""
        for file in quicklooks_of(feature_id, paths, self._earlier):
            folder, slash, name = file.path.rpartition("/")
            stem, dot, extension = name.rpartition(".")
            renamed = f"{new_id}{dot}{extension}"
            if new_id is not None and stem == str(feature_id) and check_path(renamed) is None:
                name = renamed
            self._place_quicklook(file, folder + slash + name)

    def _place_quicklook(self, file: File, path: str) -> None:
        for prefix in self._candidates():
            there = self._current.quicklooks.get(prefix + path) or self._taken_quicklooks.get(prefix + path)
            if there is None and self._is_in_the_way(prefix + path):
                continue
            if there is None:
                self._taken_quicklooks[prefix + path] = file
                self._quicklook_folders.update(above(prefix + path))
                self._note(file, prefix + path)
                return
            if there is file or self._sameness.same_file(there, file):
                return

    def _is_in_the_way(self, path: str) -> bool:
        """Whether a quicklook is where this path needs a directory, or below it."""
        if path in self._quicklook_folders:
            return True
        taken = (self._current.quicklooks, self._taken_quicklooks)
        return any(parent in files for parent in above(path) for files in taken)
