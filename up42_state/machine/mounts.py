"""What is mounted where on this machine: two paths may lead to one directory by more than links.

``/proc/self/mountinfo`` (proc(5)) says of each mount which part of which file system it shows. Where it
cannot be read, nothing is known to be mounted.
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
    """A directory of a file system, wherever that is mounted.

    :param device: the file system, ``major:minor``.
    :param path: from the file system's own root.
    """

    device: str
    path: str


class _Mount(NamedTuple):
    """A mount.

    :param point: where it is mounted.
    :param part: what it shows.
    """

    point: str
    part: _Part


def share_files(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two directories have files in common by way of mounts, in them or above them."""
    mounts = _mounts()
    theirs = list(_parts(other, mounts))
    return any(
        mine.device == part.device and (_lies_in(mine.path, part.path) or _lies_in(part.path, mine.path))
        for mine in _parts(one, mounts)
        for part in theirs
    )


def mounts_below(directory: str | os.PathLike[str]) -> list[str]:
    """Where in a directory something else is mounted; the directory itself may be a mount."""
    real = os.path.realpath(directory)
    return [mount.point for mount in _mounts() if mount.point != real and _lies_in(mount.point, real)]


def _parts(directory: str | os.PathLike[str], mounts: list[_Mount]) -> list[_Part]:
    """What a directory shows: a part of the file system that it lies in, and all that is mounted in it."""
    real = os.path.realpath(directory)
    above = [mount for mount in mounts if _lies_in(real, mount.point)]
    found = [mount.part for mount in mounts if mount.point != real and _lies_in(mount.point, real)]
    if above:
        inner = max(enumerate(above), key=lambda item: (len(item[1].point), item[0]))[
            1
        ]  # the last covers others
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
