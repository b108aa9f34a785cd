"""Tell a file system's own directory ``lost+found`` from a user's.

A file system such as ext4 keeps ``lost+found`` at its top for what a check of the file system finds. A volume
that is mounted as an input, an output, a target or a store holds it from the beginning, mostly readable by
root alone. A block has not written it.
"""

from __future__ import annotations

import os

__all__ = ["NAME", "file_system_names"]

NAME = "lost+found"


def file_system_names(directory: str | os.PathLike[str]) -> frozenset[str]:
    """Return the names at the top of a directory that belong to the file system: ``lost+found`` or none.

    A ``lost+found`` that is empty or may not be read belongs to the file system; one with something in it is
    the user's.
    """
    try:
        with os.scandir(os.path.join(directory, NAME)) as found:
            is_users = next(iter(found), None) is not None
    except (FileNotFoundError, NotADirectoryError):
        is_users = True
    except OSError:
        is_users = False
    return frozenset() if is_users else frozenset((NAME,))
