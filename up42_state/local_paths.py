"""Paths on this machine, as callers give them."""

from __future__ import annotations

import os
from pathlib import Path

from up42_state.errors import SettingsError

__all__ = ["local_path"]


def local_path(path: str | os.PathLike[str]) -> Path:
    """A path that the system can be asked about; whether something is there is not looked at.

    :raises SettingsError: it has a character that no file name can have: NUL, which ends a path for the
        system (POSIX, "Pathname"), or a lone surrogate, which stands for no bytes; or it is empty, as a
        variable that nobody has set is, and does not mean the working directory.
    """
    name = os.fspath(path)
    if not name:
        raise SettingsError("an empty text cannot be a path", advice="write . for the working directory")
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise SettingsError(
            f"{name!r} cannot be a path",
            advice="it holds NUL or half a character, which no file can have in its name",
        )
    return Path(name)
