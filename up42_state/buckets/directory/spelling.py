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

__all__ = ["Spelling", "named_folders"]

_DEPTH = 2  # job and stage: the folders whose names people choose


def named_folders(key: str) -> Iterator[str]:
    """The folders above a key (or prefix) whose names people choose, outermost first."""
    folder = ""
    for name in key.split("/")[:-1][:_DEPTH]:
        folder = join(folder, name)
        yield folder


class Spelling:
    """Tells whether the folders of jobs and stages have the names that they are found under.

    :param url: of the store, for messages.
    :param root: the directory that holds the jobs.
    :param exists: whether something is found under a path.
    :param names: what a directory lists.
    """

    def __init__(
        self,
        url: str,
        root: str,
        exists: Callable[[str], bool] = os.path.lexists,
        names: Callable[[str], Iterable[str]] = os.listdir,
    ) -> None:
        self._url, self._root = url, root
        self._exists, self._names = exists, names
        self._apart: set[str] = set()  # directories that are known to tell names apart: they always will

    def is_right(self, key: str) -> bool:
        """Whether the folders of a key (or prefix) have these names, as far as they are there."""
        return all(self._other(folder) is None for folder in named_folders(key))

    def is_settled(self, folder: str) -> bool:
        """Whether names beside a folder are known to be told apart, so that nothing need be looked at."""
        return f"{self._root}/{folder}".rpartition("/")[0] in self._apart

    def check(self, folder: str) -> None:
        """Refuse to write into a folder that has another name.

        :raises UnsupportedStoreError: it has.
        """
        other = self._other(folder)
        if other is not None:
            name = folder.rpartition("/")[2]
            raise UnsupportedStoreError(
                f"{self._url} holds {other}, and its file system makes no difference between that and {name}",
                advice=f"write {other}, or take a name that differs in more, or another store",
            )

    def _other(self, folder: str) -> str | None:
        """What a folder is called, where it is found under this name although it has another one."""
        path = f"{self._root}/{folder}"
        above, _, name = path.rpartition("/")
        if self.is_settled(folder) or not self._exists(path):
            return None
        swapped, short = name.swapcase(), name.rstrip(".")
        alike = any(self._exists(f"{above}/{other}") for other in {swapped, short} - {name, ""})
        if not alike:
            if swapped != name and self._exists(path):  # it has not been removed meanwhile
                self._apart.add(above)
            return None
        listed = set(self._names(above))
        if name not in listed:
            return next((found for found in sorted(listed) if _folded(found) == _folded(name)), None)
        if swapped != name and swapped in listed:
            self._apart.add(above)
        return None


def _folded(name: str) -> str:
    return name.casefold().rstrip(".")
