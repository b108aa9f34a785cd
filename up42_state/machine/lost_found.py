"""``lost+found``, which a file system such as ext4 keeps at its top for what a check of it finds.

A volume that is mounted as an input, an output, a target or a store holds it from the beginning, mostly
readable by root alone. It is not part of what a block has written.
"""

from __future__ import annotations

import os

__all__ = ["NAME", "not_ours"]

NAME = "lost+found"


def not_ours(directory: str | os.PathLike[str]) -> frozenset[str]:
    """The names at the top of a directory that are the file system's own: ``lost+found`` or none.

    What cannot be looked into, or is empty, is the file system's. A directory of that name with something in
    it is the user's.
    """
    try:
        with os.scandir(os.path.join(directory, NAME)) as found:
            is_users = next(iter(found), None) is not None
    except (FileNotFoundError, NotADirectoryError):
        is_users = True
    except OSError:
        is_users = False
    return frozenset() if is_users else frozenset((NAME,))
