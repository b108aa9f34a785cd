"""A directory that behaves as on a file system that takes names for one that differ in case, or in full stops
at their end.
"""

from __future__ import annotations

import builtins
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

_CALLS = (
    "lstat",
    "stat",
    "open",
    "mkdir",
    "rmdir",
    "unlink",
    "remove",
    "scandir",
    "listdir",
    "utime",
    "chmod",
)
_OF_TWO = ("rename", "replace", "link")


def fold_names(root: Path, patch: pytest.MonkeyPatch) -> None:
    """Let every system call with an absolute path below a directory find what is there under a like name.

    Names that are not there yet are made as such a file system makes them: in the case that is asked for, and
    without the full stops.
    """
    names = _Names(str(root))
    for call in _CALLS:
        patch.setattr(os, call, names.wrap(getattr(os, call), 1))
    for call in _OF_TWO:
        patch.setattr(os, call, names.wrap(getattr(os, call), 2))
    patch.setattr(builtins, "open", names.wrap(open, 1))


class _Names:
    def __init__(self, root: str) -> None:
        self._root = root + "/"
        self._list = os.listdir  # as it is before it is wrapped

    def wrap(self, call: Callable[..., Any], paths: int) -> Callable[..., Any]:
        """The same call, with its first arguments folded."""

        def folded(*arguments: Any, **options: Any) -> Any:
            return call(*map(self._real, arguments[:paths]), *arguments[paths:], **options)

        return folded

    def _real(self, path: Any) -> Any:
        name = os.fspath(path) if isinstance(path, os.PathLike) else path
        if not isinstance(name, str) or not name.startswith(self._root):
            return path
        real = self._root.rstrip("/")
        for part in name.removeprefix(self._root).split("/"):
            real = f"{real}/{next(self._alike(real, part), part.rstrip('.') or part)}"
        return real

    def _alike(self, folder: str, name: str) -> Iterator[str]:
        try:
            listed = self._list(folder)
        except OSError:
            return
        yield from (found for found in listed if _key(found) == _key(name))


def _key(name: str) -> str:
    return name.casefold().rstrip(".")
