"""A directory tree in the order of its keys.

Keys are ordered by their bytes, so ``a-b`` comes before ``a/b`` (``-`` is 0x2D, ``/`` 0x2F) although the
directory ``a`` comes before the file ``a-b``: directories are sorted with the slash that follows their name.
Symbolic links are not followed; objects are regular files whose names can be keys. A link to a directory,
below the top, is an error: whoever deletes what a listing lacks would take all that lies behind it for
absent. The ``lost+found`` of a volume, at the top, is left out.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from up42_state.buckets.keys import is_key, join, key_order
from up42_state.errors import StorageError
from up42_state.machine.lost_found import file_system_names

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["files", "folders"]


def files(root: str, prefix: str, after: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Every regular file whose key begins with ``prefix`` and sorts after ``after``, in key order.

    :raises OSError: as of scandir(2); a directory that is not there, or goes away, holds nothing.
    :raises StorageError: a link stands in the place of a directory.
    """
    last = key_order(after)
    waiting = _entries(root, prefix)
    while waiting:
        order, entry = waiting.pop()
        if order.endswith(b"/"):
            if order > last or last.startswith(order):
                waiting += _entries(root, order.decode())
        elif order > last:
            try:
                yield order.decode(), entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue


def folders(root: str, prefix: str) -> list[tuple[str, str]]:
    """Name and key (ending with ``/``) of every directory right below ``prefix``, in key order."""
    keys = [order.decode() for order, _ in reversed(_entries(root, prefix)) if order.endswith(b"/")]
    return [(key[len(prefix) : -1], key) for key in keys]


def _entries(root: str, prefix: str) -> list[tuple[bytes, os.DirEntry[str]]]:
    """Files and directories right below, last first; the key of a directory ends with a slash."""
    folder, _, start = prefix.rpartition("/")
    left_out = () if folder else file_system_names(root)
    found = []
    try:
        with os.scandir(os.path.join(root, folder)) as entries:
            for entry in entries:
                if not entry.name.startswith(start) or not is_key(entry.name) or entry.name in left_out:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    found.append((key_order(join(folder, entry.name)) + b"/", entry))
                elif entry.is_file(follow_symlinks=False):
                    found.append((key_order(join(folder, entry.name)), entry))
                elif folder and entry.is_dir():
                    raise StorageError(
                        f"{entry.path} is a link to a directory, and a store's directories are none",
                        advice="put the directory itself there, or mount it there, or remove the link",
                    )
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, key=lambda item: item[0], reverse=True)
