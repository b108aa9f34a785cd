"""Scanning an output directory for its files, directories and defects."""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

import msgspec

from up42_state.contract import DATA_JSON
from up42_state.errors import Defect
from up42_state.features.files.catalogue import File, Files
from up42_state.features.files.data_paths import LONGEST_PATH
from up42_state.machine.lost_found import file_system_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Tree", "scan"]


# Links to directories can name each other so that few of them give endless paths: d1/x -> d2, d1/y -> d2, …
_MOST_LINKED = 100_000
_SHOWN = 400  # characters of a path in a defect
_TOO_DEEP = (
    f"lies deeper than a system opens: a path has at most {LONGEST_PATH:,} bytes",
    "nest its directories less deeply, or give them shorter names",
)


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    """A directory's contents at one moment.

    :param root: the directory, with all links resolved.
    :param files: the directory's files and directories, without the ``data.json`` at the top.
    :param defects: what cannot be saved: links out of the directory, dangling links, special files,
        unreadable directories, names that are not UTF-8.
    :param outside: the targets of the links that lead out of the directory, by the link's path.
    """

    root: str
    files: Files
    defects: tuple[Defect, ...]
    outside: Mapping[str, str]


def scan(directory: str | os.PathLike[str], *, ignore: Iterable[str] = (".up42_state",)) -> Tree:
    """Everything that lies in a directory.

    A link to something inside the directory counts as the file or directory that it names.

    :param ignore: names at the top of the directory that are not looked at. Neither are the file system's own
        names.
    :raises NotADirectoryError, FileNotFoundError: there is no such directory.
    """
    return _Scanner(os.path.realpath(directory, strict=True), ignore).scan()


class _Folder(msgspec.Struct, frozen=True):
    """A directory to be read.

    :param path: relative to the root, with ``/`` at its end; empty for the root.
    :param location: the real path, with all links resolved.
    :param above: the real directories on the way to this one, where a link was followed: a directory that
        comes again closes a cycle.
    """

    path: str
    location: str
    above: frozenset[str] = frozenset()


class _Scanner:
    def __init__(self, root: str, ignore: Iterable[str]) -> None:
        self.root = root
        self.ignore = {*ignore, *file_system_names(root)}
        self.files: list[File] = []
        self.directories: list[str] = []
        self.defects: list[Defect] = []
        self.outside: dict[str, str] = {}
        self.linked = 0

    def scan(self) -> Tree:
        waiting = [_Folder("", self.root)]
        while waiting:
            waiting += reversed(self._read(waiting.pop()))
        return Tree(
            root=self.root,
            files=Files(self.files, self.directories),
            defects=tuple(sorted(self.defects, key=lambda defect: defect.place)),
            outside=self.outside,
        )

    def _read(self, folder: _Folder) -> list[_Folder]:
        try:
            with os.scandir(folder.location) as entries:
                # Sorted: what a scan gives must not depend on the file system's order.
                in_order = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._unreadable(folder.path or "./", error)
            return []
        folders = (self._take(folder, entry) for entry in in_order)
        return [inner for inner in folders if inner is not None]

    def _take(self, folder: _Folder, entry: os.DirEntry[str]) -> _Folder | None:
        """Note one entry of a directory; give the entry back to be read where the entry is a directory."""
        if not folder.path and entry.name in self.ignore:
            return None
        path = folder.path + entry.name
        if not _is_utf8(entry.name):
            self._defect(path, "its name is not UTF-8", "rename it")
            return None
        if folder.above:
            self.linked += 1
            if self.linked > _MOST_LINKED:
                self._too_many_links(path)
                return None
        if len(path.encode()) > LONGEST_PATH:
            self._defect(path, *_TOO_DEEP)
            return None
        return self._take_entry(folder, path, entry)

    def _take_entry(self, folder: _Folder, path: str, entry: os.DirEntry[str]) -> _Folder | None:
        try:
            if entry.is_symlink():
                return self._take_link(folder, path, entry.path)
            if entry.is_dir(follow_symlinks=False):
                return self._take_directory(folder, path, entry.path)
            self._take_file(path, entry.path, entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            pass  # removed since the directory was read: no part of the output
        except OSError as error:
            self._unreadable(path, error)
        return None

    def _unreadable(self, path: str, error: OSError) -> None:
        if error.errno == errno.ENAMETOOLONG:
            self._defect(path, *_TOO_DEEP)
        else:
            self._defect(path, f"cannot be read: {error.strerror}", "let its owner read it")

    def _take_directory(self, folder: _Folder, path: str, location: str) -> _Folder:
        self.directories.append(path)
        above = folder.above | {location} if folder.above else folder.above
        return _Folder(path + "/", location, above)

    def _take_file(self, path: str, location: str, status: os.stat_result) -> None:
        if not stat.S_ISREG(status.st_mode):
            self._defect(path, f"is {_special(status.st_mode)}, not a file", "remove it")
        elif path != DATA_JSON:
            file = File(
                path=path,
                size=status.st_size,
                executable=bool(status.st_mode & stat.S_IXUSR),
                location=location,
                mtime_ns=status.st_mtime_ns,
            )
            self.files.append(file)

    def _take_link(self, folder: _Folder, path: str, location: str) -> _Folder | None:
        try:
            target = os.path.realpath(location, strict=True)
            status = os.stat(target)
        except (OSError, ValueError):
            self._defect(path, f"is a link to {os.readlink(location)!r}, which is not there", "remove it")
            return None
        if not self._is_inside(target):
            self.outside[path] = target
            self._defect(path, f"is a link out of the output, to {target!r}", "copy the file into the output")
            return None
        if not stat.S_ISDIR(status.st_mode):
            self._take_file(path, target, status)
            return None
        above = folder.above or _parents(folder.location, self.root)
        if target in above:
            self._defect(path, "is a link to a directory that it lies in", "remove it")
            return None
        self.directories.append(path)
        return _Folder(path + "/", target, above | {target})

    def _is_inside(self, target: str) -> bool:
        if not target.startswith(self.root.rstrip("/") + "/"):
            return target == self.root
        top = target[len(self.root.rstrip("/")) + 1 :].partition("/")[0]
        return top not in self.ignore

    def _too_many_links(self, path: str) -> None:
        if self.linked == _MOST_LINKED + 1:
            problem = f"links to directories give more than {_MOST_LINKED:,} further files here"
            self._defect(path, problem, "copy what is needed and remove the links")

    def _defect(self, path: str, problem: str, advice: str) -> None:
        place = path.encode("utf-8", "backslashreplace").decode()
        if len(place) > _SHOWN:
            place = f"{place[: _SHOWN // 2]}…{place[-_SHOWN // 2 :]}"
        self.defects.append(Defect(place, problem, advice))


def _parents(location: str, root: str) -> frozenset[str]:
    """A directory and all directories above it, up to the root."""
    parents = {location}
    while location != root and len(location) > len(root):
        location = os.path.dirname(location)
        parents.add(location)
    return frozenset(parents)


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _special(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    if stat.S_ISBLK(mode) or stat.S_ISCHR(mode):
        return "a device"
    return "a special file"
