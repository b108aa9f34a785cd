"""Data paths: which properties of a feature name files, and which files belong together.

A data path is relative to the output directory and has ``/`` between its parts. The rules are written down
in ``docs/data-json.md``.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Any

from up42_state.contract import DATA_JSON
from up42_state.features.files.sidecars import (
    extensions_of_kin,
    names_of_kin,
    scene_kin,
    starts_of_file,
    starts_of_kin,
    stem_of,
)
from up42_state.features.text.data_names import PREFIXES, STRICT

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from up42_state.features.files.catalogue import File, Files

__all__ = [
    "DATA_PATH",
    "EVERYTHING",
    "LONGEST_PATH",
    "RESERVED",
    "above",
    "all_above",
    "check_path",
    "companions",
    "data_paths",
    "folded",
    "folded_together",
    "is_data_property",
    "normal_path",
    "quicklook_names",
    "quicklooks_of",
    "sidecars",
]

DATA_PATH = "up42.data_path"
EVERYTHING = "."  # the data path that names the whole output
RESERVED = frozenset((DATA_JSON, ".up42_state"))  # names at the top of an output that no feature's file has

_ENDS = re.compile(r"[. ]+(?=/|$)")
# Default_Ignorable_Code_Point (Unicode, section 5.21), which no reader sees.
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LONGEST_PART = 255  # bytes of a name on Linux (NAME_MAX)
LONGEST_PATH = 4095  # bytes of a path on Linux (PATH_MAX counts the NUL at the end as well)
_MANY = 64  # paths of one stem that are gone through


def check_path(path: str) -> str | None:
    """The problem of a path that should lie below a directory; ``None`` if it has none.

    Colons, spaces, backslashes and any script are fine: they are ordinary characters of a file's name.
    """
    if not path:
        return "is empty"
    if path.startswith("/"):
        return "is absolute"
    if "\0" in path:
        return "holds a NUL character"
    if _SURROGATE.search(path):
        return "cannot be written in UTF-8"
    parts = path.split("/")
    if ".." in parts:
        return 'has ".."'
    if "" in parts or "." in parts:
        return 'has an empty or "." part'
    encoded = path.encode()
    if len(encoded) > LONGEST_PATH or max(map(len, encoded.split(b"/"))) > _LONGEST_PART:
        return "is longer than a file system takes"
    return None


def above(path: str) -> Iterator[str]:
    """The directories above a path, innermost first; the output itself is not among them."""
    while path := path.rpartition("/")[0]:
        yield path


def all_above(paths: Iterable[str]) -> set[str]:
    """The directories above some paths, each once, however many paths lie in the directory."""
    folders: set[str] = set()
    for path in paths:
        folder = path.rpartition("/")[0]
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return folders


def folded(path: str) -> str:
    """Fold a path: two paths that some file system takes for one are folded to one.

    File systems differ in what they fold: case (APFS, NTFS, SMB, ext4 with casefold; Unicode, section 3.13,
    D145), Unicode's forms (APFS, ZFS: NFC to NFKD), characters that are not seen (ext4, HFS+), and full stops
    and spaces at the end of a name (FAT, SMB). The key folds all of these, and so more than any file system.
    """
    if not path.isascii():
        path = unicodedata.normalize("NFKD", _UNSEEN.sub("", path)).upper().casefold()
        path = unicodedata.normalize("NFKD", path)
    return _ENDS.sub("", path.lower())


def folded_together(files: Iterable[str]) -> set[str]:
    """The files that some file system takes for another of the files, or for a directory above another."""
    files = list(files)
    first: dict[str, str] = {}
    several = set()
    for path in (*files, *all_above(files)):
        key = folded(path)
        if first.setdefault(key, path) != path:
            several.add(key)
    return {path for path in files if folded(path) in several} if several else set()


def normal_path(path: str) -> str:
    """The path without empty and ``.`` parts: ``./a//b/`` is ``a/b``, and ``./`` is ``.``.

    A ``..`` part stays.
    """
    if not (path.startswith(".") or path.endswith(("/", "/.")) or "//" in path or "/./" in path):
        return path
    start = "/" if path.startswith("/") else ""
    return start + "/".join(part for part in path.split("/") if part not in ("", ".")) or EVERYTHING


def is_data_property(name: str) -> bool:
    """True if a property of this name holds a data path when its value names something in the output."""
    return name.startswith(PREFIXES)


def data_paths(properties: Mapping[str, Any], files: Files) -> dict[str, str]:
    """The properties of a feature that name something in ``files``, and the path that each names.

    These are ``up42.data_path`` and every string property under ``up42.data*``, ``custom.*`` or ``data.*``
    (the keys of specification version 1). Paths are given in normal form. The whole output (``.``) is named
    by the first two alone: a full stop under another key is just a string.
    """
    named = {}
    for name, value in properties.items():
        if name.startswith(PREFIXES) and isinstance(value, str):
            path = normal_path(value)
            if files.exists(path) and (path != EVERYTHING or name.startswith(STRICT)):
                named[name] = path
    return named


def companions(path: str, files: Files, others: Container[str] = ()) -> list[File]:
    """The files that a data path stands for: the file and its sidecars, or everything below the directory.

    :param others: data paths of other features; a file that a data path names is no sidecar.
    """
    if files.is_directory(path):
        return files.below(path)
    main = files.get(path)
    if main is None:
        return []
    beside = sidecars(path, files)
    return [main, *(beside[name] for name in sorted(beside) if name not in others)]


def sidecars(path: str, files: Files) -> dict[str, File]:
    """The files that are sidecars of a file by their names, by path."""
    found: dict[str, File] = {}
    stem = stem_of(path)
    starts, names = scene_kin(path)
    if files.is_near(path, stem):
        names = [*names, *names_of_kin(path, stem)]
        by_extension = extensions_of_kin(path, stem) if files.number_starting(stem + ".") > _MANY else None
        if by_extension is None:
            starts = [*starts, *starts_of_kin(path, stem)]
        else:  # a walk over the whole stem for each of its files would be quadratic
            starts, names = [*starts, *starts_of_file(path)], [*names, *by_extension]
    for start, rest in starts:
        found.update(
            {file.path: file for file in files.starting(start) if rest.fullmatch(file.path, len(start))}
        )
    for name in names:
        found.update({file.path: file for file in files.in_any_case(name)})
    found.pop(path, None)
    return found


def quicklooks_of(feature_id: str | float | None, paths: Iterable[str], files: Files) -> list[File]:
    """The quicklooks of a feature.

    The platform's rule is ``/tmp/quicklooks/<feature id>.<ext>``. Blocks also name quicklooks after
    the data: the stem of a data path, or the first part of the path. A feature with the whole output has all
    quicklooks.
    """
    if not files.quicklooks:
        return []
    paths = list(paths)
    if EVERYTHING in paths:
        return list(files.quicklooks.values())
    names = dict.fromkeys(quicklook_names(feature_id, paths))
    return [file for name in names for file in files.quicklooks_named(name)]


def quicklook_names(feature_id: str | float | None, paths: Iterable[str]) -> list[str]:
    """The names that the quicklooks of a feature may have, without their extensions."""
    names = [] if feature_id is None else [str(feature_id)]
    for path in paths:
        names += [stem_of(path.rpartition("/")[2]), path.rpartition("/")[2], path.partition("/")[0]]
    return names
