"""A block's output on this machine: read and checked, ready to be saved."""

from __future__ import annotations

import filecmp
import os
from typing import TYPE_CHECKING

import msgspec

from up42_state.contract import DATA_JSON, QUICKLOOK_FOLDER
from up42_state.errors import Defect, InvalidOutputError, PathNotFoundError
from up42_state.features import Collection, Files, examine, scan
from up42_state.features.files.data_paths import above, all_above
from up42_state.features.files.sidecars import ENDS
from up42_state.features.repair import Change, repair
from up42_state.stages.local.directory import OURS
from up42_state.stages.local.sources import Source, changed
from up42_state.units import counted

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.features import File, Tree
    from up42_state.features.check import Examined

__all__ = ["Output", "read_output"]

_COPY = "copy the files into the output"


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What a block has written.

    :param root: the directory with ``data.json``; ``None`` for an output that lies in the store.
    :param seen: what the system said of ``data.json`` before it was read.
    :param files: all files and quicklooks, and all directories.
    :param directories: those that hold no file.
    :param folders: those that data paths name: each is kept together.
    :param warnings: what is no defect and should be looked at.
    :param changes: what was mended in ``data.json``.
    """

    root: Path | None
    seen: tuple[int, ...]
    collection: Collection
    files: Files
    directories: tuple[str, ...]
    folders: frozenset[str]
    warnings: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()

    @property
    def sources(self) -> list[Source]:
        """The files and quicklooks, as what is to be uploaded; none of an output that lies in the store."""
        if self.root is None:
            return []
        outermost = self.folders - {
            folder for folder in self.folders if any(outer in self.folders for outer in above(folder))
        }
        return [_source(file, _group(file, outermost, self.files)) for file in self.files]

    def check_unchanged(self) -> None:
        """Make sure that ``data.json`` is what was read: it was mapped, and may have changed since.

        :raises InvalidOutputError: it changed.
        """
        if self.root is not None and _stamp(self.root / DATA_JSON) != self.seen:
            raise changed(DATA_JSON)


def read_output(root: Path, quicklooks: Path | None, *, dry_run: bool, mend: bool = False) -> Output:
    """Read a block's output.

    :param quicklooks: the directory of quicklooks, which need not be there; quicklooks in
        ``<root>/.quicklooks`` are part of the output as well. ``None`` leaves out all.
    :param dry_run: data paths need not exist.
    :param mend: mend what real blocks are known to write; the file itself stays as it is.
    :raises PathNotFoundError: there is no such directory.
    :raises InvalidOutputError: it has defects, all of which it lists.
    """
    if not root.is_dir():
        raise PathNotFoundError(f"there is no directory {root}", advice="give the directory with data.json")
    seen = _stamp(root / DATA_JSON)
    tree = scan(root, ignore=(OURS, QUICKLOOK_FOLDER))
    found = examine(root / DATA_JSON, tree, dry_run=dry_run, root=str(root))
    changes: list[Change] = []
    if mend and (found.defects or found.warnings):
        found, changes = _mended(root, tree, found, dry_run=dry_run)
    pictures = _Pictures()
    if quicklooks is not None:
        pictures.take(root, quicklooks)
    defects = found.defects + pictures.defects
    if defects or found.collection is None:
        raise InvalidOutputError(
            f"the output in {root} has {counted(len(defects), 'defect')}", defects=defects
        )
    return Output(
        root=root,
        seen=seen,
        collection=found.collection,
        files=Files([*tree.files, *pictures.found.values()], tree.files.directories),
        directories=_empty_directories(tree.files),
        folders=found.folders,
        warnings=found.warnings,
        changes=tuple(changes),
    )


def _mended(root: Path, tree: Tree, found: Examined, *, dry_run: bool) -> tuple[Examined, list[Change]]:
    """What the output is found to be once ``data.json`` is mended, and what was changed in it."""
    try:
        content = (root / DATA_JSON).read_bytes()
    except OSError:
        return found, []
    content, changes = repair(content, tree, str(root), dry_run=dry_run)
    return (examine(content, tree, dry_run=dry_run, root=str(root)), changes) if changes else (found, [])


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when a file does; empty where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns


class _Pictures:
    """The quicklooks of an output: those in their directory, and those in ``.quicklooks`` of the output."""

    def __init__(self) -> None:
        self.found: dict[str, File] = {}
        self.defects: list[Defect] = []

    def take(self, root: Path, folder: Path) -> None:
        """Find all that there are.

        :param folder: their directory.
        """
        own = root / QUICKLOOK_FOLDER
        if folder.is_dir() and not (own.is_dir() and folder.samefile(own)):
            self._scan(folder)
        if not os.path.lexists(own):
            return
        if not own.is_dir():
            self._defect(
                QUICKLOOK_FOLDER, "is no directory, and quicklooks lie in one of this name", "rename it"
            )
        elif not own.resolve().is_relative_to(root.resolve()):  # a scan begins behind the link
            self._defect(QUICKLOOK_FOLDER, f"is a link out of the output, to {str(own.resolve())!r}", _COPY)
        else:
            self._scan(own)

    def _scan(self, folder: Path) -> None:
        tree = scan(folder, ignore=(OURS,))
        self.defects += [Defect(f"{folder}/{d.place}", d.problem, d.advice) for d in tree.defects]
        folders = {path for name in self.found for path in above(name)}
        for file in tree.files:
            other = next(
                (self.found[path] for path in (file.path, *above(file.path)) if path in self.found), None
            )
            if other is None and file.path not in folders:
                self.found[file.path] = msgspec.structs.replace(file, kind="quicklook")
            elif other is None or not _same_bytes(file, other):
                where = other.location if other else "the directory of quicklooks"
                problem = f"cannot be saved beside what has its name in {where}"
                self._defect(f"{QUICKLOOK_FOLDER}/{file.path}", problem, "keep one of the two")

    def _defect(self, place: str, problem: str, advice: str) -> None:
        self.defects.append(Defect(place, problem, advice))


def _same_bytes(file: File, other: File) -> bool:
    return file.path == other.path and filecmp.cmp(file.location or "", other.location or "", shallow=False)


def _empty_directories(files: Files) -> tuple[str, ...]:
    """Directories without a file below them, innermost only."""
    full = all_above(file.path for file in files)
    empty = [path for path in files.directories if path not in full]
    inner = all_above(empty)
    return tuple(sorted(path for path in empty if path not in inner))


def _source(file: File, group: str) -> Source:
    return Source(
        path=file.path,
        kind=file.kind,
        location=file.location or "",
        size=file.size,
        mtime_ns=file.mtime_ns or 0,
        executable=file.executable,
        group=group,
    )


def _group(file: File, folders: frozenset[str], files: Files) -> str:
    """Files of one group go into one pack: those of a data path's directory, or a file and its sidecars.

    :param folders: the directories of data paths that lie in no other.
    """
    if file.kind == "quicklook":
        return f"{QUICKLOOK_FOLDER}/{file.path}"
    end = file.path.find("/") if folders else -1
    while end > 0:
        if file.path[:end] in folders:
            return f"{file.path[:end]}/"
        end = file.path.find("/", end + 1)
    return _stem(file.path, files)


def _stem(path: str, files: Files) -> str:
    """The path without its extension; a sidecar ``<file>.<ext>`` has its file's."""
    path = next((path[: -len(end)] for end in ENDS if path.lower().endswith(end)), path)
    start = path.rfind("/") + 2  # past a dot at the beginning of the name
    dot = path.find(".", start)
    while dot > 0:
        if files.get(path[:dot]) is not None:
            return _stem(path[:dot], files)
        dot = path.find(".", dot + 1)
    double = path[-8:].lower() in (".aux.xml", ".shp.xml")  # sidecars' extensions of two parts
    end = len(path) - 8 if double else path.rfind(".", start)
    return path[:end] if end > 0 else path
