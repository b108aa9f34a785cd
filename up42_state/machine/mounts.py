"""Find what is mounted where: two paths may lead to one directory by a mount, as by a link.

``/proc/self/mountinfo`` (proc(5)) tells for each mount which part of which file system it shows. If the file
cannot be read, no mount is known.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ["mounts_below", "share_files"]

_TABLE = Path("/proc/self/mountinfo")
_ESCAPE = re.compile(r"\\([0-7]{3})")


class _Part(NamedTuple):
    """A directory of a file system, wherever that file system is mounted.

    :param device: the file system, ``major:minor``.
    :param path: the directory's path from the root of the file system.
    """

    device: str
    path: str


class _Mount(NamedTuple):
    """A mount.

    :param point: the directory that the mount covers.
    :param part: what is seen there.
    """

    point: str
    part: _Part


def share_files(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Return True if two directories show some files in common because of mounts in them or above them."""
    mounts = _mounts()
    theirs = list(_parts(other, mounts))
    return any(
        mine.device == part.device and (_lies_in(mine.path, part.path) or _lies_in(part.path, mine.path))
        for mine in _parts(one, mounts)
        for part in theirs
    )


def mounts_below(directory: str | os.PathLike[str]) -> list[str]:
    """Return the mount points below a directory; the directory itself may be one and is not counted."""
    real = os.path.realpath(directory)
    return [mount.point for mount in _mounts() if mount.point != real and _lies_in(mount.point, real)]


def _parts(directory: str | os.PathLike[str], mounts: list[_Mount]) -> list[_Part]:
    """Return what a directory shows: its own part of a file system, and all that is mounted below it."""
    real = os.path.realpath(directory)
    above = [mount for mount in mounts if _lies_in(real, mount.point)]
    found = [mount.part for mount in mounts if mount.point != real and _lies_in(mount.point, real)]
    if above:
        # Of several mounts on one directory the last covers the others.
        _, inner = max(enumerate(above), key=lambda item: (len(item[1].point), item[0]))
        path = os.path.join(inner.part.path, os.path.relpath(real, inner.point))
        found.append(_Part(inner.part.device, os.path.normpath(path)))
    return found


def _mounts() -> list[_Mount]:
    mounts = []
    with suppress(OSError):
        for line in os.fsdecode(_TABLE.read_bytes()).splitlines():
            words = line.split(" ")
            mounts.append(_Mount(_text(words[4]), _Part(words[2], _text(words[3]))))
    return mounts


def _text(word: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), word)


def _lies_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
