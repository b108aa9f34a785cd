"""Names that a file system takes for one: those of jobs and stages, which are folders of a store.

Some file systems make no difference between names that differ in case alone (APFS, NTFS, SMB shares, ext4
with casefold) or in full stops at their ends (FAT, SMB shares). There, a job ``a`` would be read from, and
written into, the folder of a job ``A``. What a folder is called is what the folder above it lists, so that is
looked at; and only where another spelling leads to something, too, which it does not on most file systems.

Deeper folders have names that the stage format gives, and no two of them differ in case alone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from up42_state.buckets.keys import join
from up42_state.errors import UnsupportedStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["check_spelling", "is_spelled_so", "named_folders", "other_spelling"]

_DEPTH = 2  # job and stage: the folders whose names people choose


def named_folders(key: str) -> Iterator[str]:
    """The folders above a key (or prefix) whose names people choose, outermost first."""
    folder = ""
    for name in key.split("/")[:-1][:_DEPTH]:
        folder = join(folder, name)
        yield folder


def other_spelling(
    path: str,
    exists: Callable[[str], bool] = os.path.lexists,
    names: Callable[[str], Iterable[str]] = os.listdir,
) -> str | None:
    """What a folder is called, where the file system finds it under this name although it has another one.

    :param path: of the folder; nothing needs to be there.
    :param exists: whether something is found under a path.
    :param names: what a directory lists.
    """
    above, _, name = path.rpartition("/")
    others = {name.swapcase(), name.rstrip(".")} - {name, ""}
    if not any(exists(f"{above}/{other}") for other in others) or not exists(path):
        return None
    listed = list(names(above))
    if name in listed:
        return None
    return next((found for found in listed if _folded(found) == _folded(name)), None)


def is_spelled_so(root: str, key: str) -> bool:
    """Whether the folders of a directory's key (or prefix) have these names, as far as they are there."""
    return all(other_spelling(f"{root}/{folder}") is None for folder in named_folders(key))


def check_spelling(url: str, folder: str, found: str | None) -> None:
    """Refuse to write into a folder that has another name.

    :param found: its name, if that is another one.
    :raises UnsupportedStoreError: it is.
    """
    if found is not None:
        name = folder.rpartition("/")[2]
        raise UnsupportedStoreError(
            f"{url} holds {found}, and its file system makes no difference between that and {name}",
            advice=f"write {found}, choose a name that differs in more, or use a store that tells them apart",
        )


def _folded(name: str) -> str:
    return name.casefold().rstrip(".")
