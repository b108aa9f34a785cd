"""Check the rules of ``docs/stage-format.md`` that a reader of an index relies on.

Whoever may write to the store may write an index. So no path may leave the directory that is restored into,
no object may lie outside the job, and no entry outside its object.

An index may have a hundred thousand entries. They are checked together first, column by column, which is much
faster than one by one. Where the columns do not show that all entries are sound, each entry is checked by
itself, and the first that breaks a rule is named.
"""

from __future__ import annotations

import re
from itertools import pairwise
from operator import add, le
from typing import TYPE_CHECKING

from up42_state.features.files.data_paths import RESERVED, all_above, check_path
from up42_state.stages.format.names import NAME
from up42_state.stages.format.packs import MAX_BYTES
from up42_state.stages.format.records import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from up42_state.stages.format.records import Entry, PackOrFile

__all__ = ["problems"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_HEX = b"0123456789abcdef"
_KEY = re.compile(rf"{NAME}/attempts/[0-9a-f-]{{36}}/(?!/)[^\0]+")
_MOST = 1 << 63  # bytes; offsets in files are signed numbers of 64 bits (off_t), so no object is larger
# Bytes of a path of which every part is short enough, without splitting it: a part of a path has at most 255
# bytes (NAME_MAX of Linux and of nearly all file systems). A longer path is checked part by part.
_LONGEST = 255


def problems(
    objects: Sequence[PackOrFile], entries: Sequence[Entry], directories: Sequence[str]
) -> Iterator[str]:
    """Yield what is wrong with an index, each as a clause; nothing if the index is sound."""
    yield from _object_problems(objects)
    if not _are_sound(entries, objects):
        for entry in entries:
            problem = _problem(entry, objects)
            if problem:
                yield f"entry {entry.path!r}: {problem}"
    for path in directories:
        if _leads_elsewhere(path, path):
            yield f"directory {path!r}: its path leaves the output or is reserved"
    yield from _name_problems([entry.name for entry in entries], directories)
    yield from _overlaps(entries, objects)


def _object_problems(objects: Sequence[PackOrFile]) -> Iterator[str]:
    for stored in objects:
        parts = stored.key.split("/")
        if not _KEY.fullmatch(stored.key) or any(part in ("", ".", "..") for part in parts):
            yield f"object {stored.key!r} lies outside the job"
        elif not 0 <= stored.size <= (MAX_BYTES if stored.is_pack else _MOST):
            yield f"object {stored.key!r} cannot have {stored.size} bytes"
    if len({stored.key for stored in objects}) != len(objects):
        yield "it names an object twice"


def _are_sound(entries: Sequence[Entry], objects: Sequence[PackOrFile]) -> bool:
    """Return True if all entries are sound; False if some may not be, and each must be checked by itself."""
    # What few entries have is left to the check of each one: names in packs, and digests of blocks.
    if any(entry.member or entry.blocks or entry.size > BLOCK_BYTES for entry in entries):
        return False
    numbers = [entry.object for entry in entries]
    if entries and not 0 <= min(numbers) <= max(numbers) < len(objects):
        return False
    sizes, offsets = [entry.size for entry in entries], [entry.offset for entry in entries]
    ends = [objects[number].size for number in numbers]
    return (
        min(sizes, default=0) >= 0
        and min(offsets, default=0) >= 0
        and all(map(le, map(add, offsets, sizes), ends))
        and _are_digests([entry.sha256 for entry in entries])
        and _are_paths([entry.path for entry in entries])
    )


def _are_digests(digests: Sequence[str]) -> bool:
    """Return True if every digest is 64 lower-case hexadecimal digits."""
    if any(len(digest) != 64 for digest in digests):
        return False
    text = "".join(digests)
    return text.isascii() and not text.encode().translate(None, delete=_HEX)


def _are_paths(paths: Sequence[str]) -> bool:
    """Return True if every path is short, plain ASCII, stays below its directory and is not reserved."""
    # One text with NUL around each path is searched once for every rule. A path that holds NUL makes one too
    # many. Where slashes take the place of NULs, "//" shows an empty path and a slash at an end of a path.
    text = "\0".join(("", *paths, ""))
    if not text.isascii() or text.count("\0") != len(paths) + 1:
        return False
    steps = text.replace("\0", "/")
    if any(step in steps for step in ("//", "/./", "/../")):
        return False
    if any(f"\0{top}{end}" in text for top in RESERVED for end in "/\0"):
        return False
    return max(map(len, paths), default=0) <= _LONGEST


def _problem(entry: Entry, objects: Sequence[PackOrFile]) -> str:
    """Return the first rule that an entry breaks, as a clause; empty if the entry is sound."""
    if _leads_elsewhere(entry.path, entry.name):
        return "its path leaves the output or is reserved"
    if entry.member and check_path(entry.member) is not None:
        return "its name in the pack is malformed"
    if not 0 <= entry.object < len(objects):
        return "it names no object"
    if entry.size < 0 or entry.offset < 0:
        return "its size or offset is negative"
    if entry.offset + entry.size > objects[entry.object].size:
        return "it ends past the end of its object"
    if not _SHA256.fullmatch(entry.sha256):
        return "its sha256 is malformed"
    wanted = -(-entry.size // BLOCK_BYTES) if entry.size > BLOCK_BYTES else 0
    if len(entry.blocks) != wanted or not all(map(_SHA256.fullmatch, entry.blocks)):
        return "its block digests are malformed"
    return ""


def _name_problems(names: Sequence[str], directories: Sequence[str]) -> Iterator[str]:
    """Yield names that stand twice, and names of files below which another path lies."""
    files = set(names)
    if len(files) != len(names):
        twice = next(one for one, other in pairwise(sorted(names)) if one == other)
        yield f"{twice!r} is named twice"
    folders = all_above(names).union(directories, all_above(directories))
    for path in sorted(folders & files):
        yield f"{path!r} is both a file and a directory"


def _overlaps(entries: Sequence[Entry], objects: Sequence[PackOrFile]) -> Iterator[str]:
    """Yield objects in which two entries share some of their bytes.

    Entries may share all of their bytes (equal files are stored once) or none. With overlaps in part, a
    small pack could hold the bytes of endless many large files, and fill the disk of whoever restores it.
    """
    spans = sorted([(entry.object, entry.offset, entry.size) for entry in entries if entry.size])
    for one, other in pairwise(spans):
        if one[0] == other[0] and other[1] < one[1] + one[2] and one != other:
            yield f"entries overlap in object {objects[one[0]].key!r}"


def _leads_elsewhere(path: str, name: str) -> bool:
    """Return True if a path does not stay below its directory, or is one that a restore uses itself.

    :param path: the path of a file below the output, or of a quicklook below the quicklook directory.
    :param name: the path of that file in a restored stage. Both are checked, because a quicklook can be
        restored into a directory of quicklooks alone, where its name is its path.
    """
    tops = (path.partition("/")[0], name.partition("/")[0])
    return check_path(path) is not None or any(top in RESERVED for top in tops)
