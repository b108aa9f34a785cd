"""Placing the files of added features: under unused paths only, and never into what a feature holds."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Literal

import msgspec

from up42_state.features.files.data_paths import EVERYTHING, RESERVED, above, companions, normal_path
from up42_state.features.files.sidecars import JOURNALS
from up42_state.features.merge.placement.quicklooks import Quicklooks
from up42_state.features.merge.placement.stage_folders import Protected, StageFolders

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from up42_state.features.files.catalogue import File, Files
    from up42_state.features.merge.matching.compare import Comparison

__all__ = ["Addition", "Placement"]


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the merged output takes from an earlier stage.

    :param earlier: the stage's position in the order in which the stages were given, from 0.
    :param source: the file's path in that stage.
    :param target: the file's path in the merged output, which is unused there.
    """

    earlier: int
    kind: Literal["file", "quicklook"]
    source: str
    target: str


class Placement:
    """Finds paths for the files of one earlier stage.

    Data paths that features share, that lie below each other, or that share sidecars form a group, which
    stays together. If other bytes have the path of one file of the group, the whole group moves under
    ``<stage>/``, or the next such folder that is unused.

    What lies below a data path that is a directory belongs to that directory, and is looked up once.

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
        comparison: Comparison,
    ) -> None:
        self._number = number
        self._current = current
        self._earlier = earlier
        self._protected = Protected(protected)
        self._others = others
        self._comparison = comparison
        self._folders = StageFolders(label, current, earlier)
        # By data path of the stage: those that a feature has with it, the outermost one that it lies in, the
        # next in its group (the last is the group's root, by which the group's prefix is found), its files.
        self._noted: dict[str, list[str]] = {}
        self._tops: dict[str, str] = {}
        self._groups: dict[str, str] = {}
        self._prefixes: dict[str, str] = {}
        self._companions: dict[str, list[File]] = {}
        self._owners: dict[str, str] = {}  # by file: the data path that it was found for first
        # By path in the merged output: the files that come, and the directories with what comes into them.
        self._taken: dict[str, File] = {}
        self._taken_directories: dict[str, list[str]] = {}
        # Directories that were looked at: nothing can be put below them, or something can by the group that
        # is being placed. They keep paths of very many levels from being gone through again and again.
        self._blocked: set[str] = set()
        self._open: set[str] = set()
        self._quicklooks = Quicklooks(label, current, earlier, comparison)
        self.additions: list[Addition] = []
        self.files: list[File] = []
        self.directories: dict[str, None] = {}
        self.moved: dict[str, str] = {}

    def join(self, paths: Iterable[str]) -> None:
        """Note that one feature has these data paths. All features are noted before the first is placed."""
        together = list(paths)
        for path in together:
            self._noted.setdefault(path, [])
        for path in together[1:]:
            self._noted[together[0]].append(path)

    def _find_tops(self) -> None:
        """Find the outermost data path that each data path lies in; a path that lies in none is outermost."""
        if EVERYTHING in self._noted:
            self._groups[EVERYTHING] = EVERYTHING
            self._tops = dict.fromkeys(self._noted, EVERYTHING)
            return
        # "/" sorts as the lowest character, so what lies in a directory follows the directory at once.
        top = ""
        for path in sorted(self._noted, key=lambda path: path.replace("/", "\0")):
            if not top or not path.startswith(top + "/"):
                top = path
                self._groups[path] = path
            self._tops[path] = top

    def _claim_files(self, path: str) -> None:
        files = self._companions[path] = companions(path, self._earlier, self._others)
        for file in files:
            owner = self._owners.setdefault(file.path, path)
            if owner != path:
                self._unite(owner, path)

    def _unite(self, one: str, other: str) -> None:
        self._groups[self._root(other)] = self._root(one)

    def _root(self, path: str) -> str:
        while self._groups[path] != path:
            self._groups[path] = self._groups[self._groups[path]]  # halves the way for the next time
            path = self._groups[path]
        return path

    def settle(self) -> None:
        """Find a target for every data path that was noted."""
        self._find_tops()
        tops = [path for path in self._noted if self._tops[path] == path]
        for path in tops:
            self._claim_files(path)
        for path, others in self._noted.items():
            for other in dict.fromkeys(self._tops[other] for other in others):
                self._unite(self._tops[path], other)
        groups: dict[str, tuple[list[str], list[str]]] = {}
        for path in self._noted:
            group = groups.setdefault(self._root(self._tops[path]), ([], []))
            group[self._tops[path] != path].append(path)  # False is 0: the outermost ones
        for root, (paths, inner) in groups.items():
            self._prefixes[root] = self._place(paths, inner)

    def target(self, path: str) -> str:
        """The path that a data path has in the merged output."""
        return normal_path(self._prefixes[self._root(self._tops[path])] + path)

    def _place(self, paths: list[str], inner: list[str]) -> str:
        """Place the files of a group, and give the prefix that the group's paths now have.

        :param paths: the group's outermost data paths.
        :param inner: the group's data paths that lie in the outermost ones.
        """
        self._open = set()
        files = {file.path: file for path in paths for file in self._companions[path]}
        folders = [path for path in paths if self._earlier.is_directory(path)]
        prefixes = self._folders.candidates(next(iter(files), None))
        if EVERYTHING in paths:
            next(prefixes)  # the whole of an earlier output becomes a directory of its own
        prefix = next(each for each in prefixes if self._fits(each, files.values(), folders, inner))
        for file in files.values():
            self._add(file, prefix + file.path)
        below = (self._earlier.directories_below(folder) for folder in folders)
        for folder in chain(folders, *below):
            self._add_directory(normal_path(prefix + folder))
        if prefix:
            self.moved.update((path, normal_path(prefix + path)) for path in chain(paths, inner))
        return prefix

    def _fits(self, prefix: str, files: Iterable[File], folders: Iterable[str], inner: Iterable[str]) -> bool:
        if prefix and not self._folders.is_new(prefix):  # the folder belongs to somebody: nothing is added
            return bool(files) and all(self._is_there(prefix + file.path, file) for file in files)
        return (
            all(self._file_fits(prefix + file.path, file) for file in files)
            and all(self._folder_fits(normal_path(prefix + folder), folder) for folder in folders)
            and all(self._inner_fits(prefix + path) for path in inner if self._earlier.is_directory(path))
        )

    def _is_there(self, target: str, file: File) -> bool:
        there = self._current.get(target)
        return there is not None and self._comparison.same_file(there, file)

    def _file_fits(self, target: str, file: File) -> bool:
        """True if a file may lie at ``target``: equal bytes do, or nothing does and nothing is in the way."""
        if target.partition("/")[0] in RESERVED:
            return False
        there = self._current.get(target) or self._taken.get(target)
        if not self._journals_fit(target, file, is_there=there is not None):
            return False
        if there is not None:
            return self._comparison.same_file(there, file)
        return not self._is_directory(target) and self._is_reachable(target)

    def _journals_fit(self, target: str, file: File, *, is_there: bool) -> bool:
        """True if a database would have at ``target`` the journals that it has in its stage, and no others.

        A database reads the journals that lie beside it: one more or one less changes what a reader gets.
        """
        for end in JOURNALS.split():
            here = self._earlier.get(file.path + end) is not None
            there = (self._current.get(target + end) or self._taken.get(target + end)) is not None
            if (there and not here) or (is_there and here and not there):
                return False
        return True

    def _is_reachable(self, target: str) -> bool:
        """True if something may be put at ``target``: in no current feature's folder, and below no file."""
        new, is_blocked = [], False
        for parent in above(target):
            if parent in self._open:
                break
            new.append(parent)
            is_blocked = self._blocks(parent)
            if is_blocked or self._is_directory(parent):  # then what is above it is a directory, too
                break
        (self._blocked if is_blocked else self._open).update(new)
        return not is_blocked

    def _blocks(self, path: str) -> bool:
        """True if nothing may be put below a path, whatever else is placed."""
        if self._is_directory(path):
            return self._protected.covers(path)
        return path in self._blocked or self._is_file(path)

    def _folder_fits(self, target: str, folder: str) -> bool:
        """True if a directory may be at ``target``: one that is there must hold just the same files."""
        if self._is_file(target):
            return False
        if not self._is_directory(target):
            return self._is_reachable(target)
        there = set(self._current.inside(target))
        there.update(path[len(target) + 1 :] for path in self._taken_below(target))
        return there == set(self._earlier.inside(folder))

    def _inner_fits(self, target: str) -> bool:
        """True if a directory may be at ``target`` in one that fits: it may be empty, and not be there."""
        return self._is_directory(target) or (not self._is_file(target) and self._is_reachable(target))

    def _taken_below(self, directory: str) -> Iterator[str]:
        waiting = [directory]
        while waiting:
            for path in self._taken_directories.get(waiting.pop(), ()):
                if path in self._taken:
                    yield path
                else:
                    waiting.append(path)

    def _is_file(self, path: str) -> bool:
        return path in self._taken or self._current.get(path) is not None

    def _is_directory(self, path: str) -> bool:
        return path in self._taken_directories or self._current.is_directory(path)

    def _add(self, file: File, target: str) -> None:
        if self._is_file(target):
            return
        self._taken[target] = file
        self._note_in_parents(target)
        self._note_addition(file, target)

    def _add_directory(self, target: str) -> None:
        if not self._current.is_directory(target):
            if target not in self._taken_directories:
                self._taken_directories[target] = []
                self._note_in_parents(target)
            self.directories[target] = None

    def _note_in_parents(self, path: str) -> None:
        """Note a new path in the directory above, and each new directory in the one above that."""
        for parent in above(path):
            is_known = parent in self._taken_directories
            self._taken_directories.setdefault(parent, []).append(path)
            if is_known:
                break
            path = parent

    def _note_addition(self, file: File, target: str) -> None:
        addition = Addition(earlier=self._number, kind=file.kind, source=file.path, target=target)
        self.additions.append(addition)
        self.files.append(msgspec.structs.replace(file, path=target))

    def add_quicklooks(
        self, feature_id: str | float | None, new_id: str | None, paths: Iterable[str]
    ) -> None:
        """Place the quicklooks of a feature, under its new id if it gets one."""
        for file, target in self._quicklooks.place(feature_id, new_id, paths):
            self._note_addition(file, target)
