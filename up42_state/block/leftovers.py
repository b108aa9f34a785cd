"""Find what an earlier run has left in a task's directories, and clear it if that is safe.

A directory is cleared only if it is known to be a block's: it holds ``data.json``, or our folder, which a
failed task leaves, or it is one of the contract's own directories. A directory is never cleared while
somebody is at work in it: the working directory, the home directory, the folder of the command or of its
script, and any directory that holds one of these.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.contract import DATA_JSON, INPUT, OUTPUT, QUICKLOOKS
from up42_state.errors import SettingsError, StateError, TargetConflictError
from up42_state.machine.lost_found import file_system_names
from up42_state.machine.mounts import mounts_below
from up42_state.machine.paths import lies_in
from up42_state.machine.trees import remove_below
from up42_state.stages.format.names import some_names
from up42_state.stages.local.directory import OURS, own_folder, survey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["CONTRACT", "check_clearable", "clear", "leave_mark", "leftovers"]

CONTRACT = (INPUT, OUTPUT, QUICKLOOKS)
_MARK = "task"  # an empty file in our folder


def leftovers(directory: Path) -> list[str]:
    """Return the paths of the files in a directory; empty directories do not count."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return sorted(_files(directory))
    return []


def check_clearable(directory: Path, *, code: Iterable[Path] = (), force: bool = False) -> None:
    """Check that a directory may be cleared.

    :param code: files that are being run.
    :param force: allow also a directory that is not known to be a block's.
    :raises SettingsError: somebody is at work in the directory, or something is mounted below it.
    :raises TargetConflictError: the directory is not known to be a block's.
    """
    if not directory.is_dir():
        return
    for place, what in _occupied(code):
        if lies_in(place, directory):
            raise SettingsError(
                f"{directory} is not cleared: it is, or holds, {what} {place}",
                advice="give another directory, or clear this one by hand",
            )
    _check_mounts(directory)
    if not force and leftovers(directory) and not _is_known(directory):
        raise TargetConflictError(
            f"{directory} is not cleared: it holds {some_names(leftovers(directory))}, and no {DATA_JSON}",
            advice="give another directory, or have everything in it deleted: force=True (--force)",
        )


def clear(directory: Path) -> None:
    """Remove everything in a directory, but not the directory itself, which may be a mount.

    Links are removed, not followed.

    :raises StateError: something cannot be removed.
    """
    if not directory.is_dir():
        return
    try:
        remove_below(directory, keep=file_system_names(directory))
    except OSError as error:
        if isinstance(error, StateError):
            raise
        raise StateError(
            f"{directory} cannot be cleared: {error.filename or 'something in it'}: {error.strerror}",
            advice="remove what is in it by hand, or give another directory",
        ) from error


def leave_mark(directory: Path) -> None:
    """Mark a directory that holds files and no ``data.json`` as left by a task, so that it may be cleared."""
    with suppress(OSError, TargetConflictError):  # without the mark the next run needs --force, no more
        if not _is_known(directory) and leftovers(directory):
            (own_folder(directory) / _MARK).touch()


def _files(directory: Path) -> Iterator[str]:
    for path, status in survey(directory):
        if not stat.S_ISDIR(status.st_mode):
            yield path


def _is_known(directory: Path) -> bool:
    """Return True if a directory is known to be a block's."""
    known = any(os.path.lexists(directory / name) for name in (DATA_JSON, OURS))
    return known or _real(directory) in map(_real, map(Path, CONTRACT))


def _real(directory: Path) -> str:
    """Resolve the links above a directory, but not the directory itself: a link there is somebody's own."""
    path = os.path.abspath(directory)
    return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))


def _occupied(code: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield directories that are not to be cleared, with a description of each."""
    yield Path.cwd(), "the working directory"
    with suppress(RuntimeError):  # a user without a home
        yield Path.home(), "the home directory"
    main = getattr(sys.modules.get("__main__"), "__file__", None)
    for file in (*code, *([Path(main)] if main else [])):
        yield Path(os.path.realpath(file)).parent, f"the folder of {file.name},"


def _check_mounts(directory: Path) -> None:
    """Check that nothing is mounted below a directory: clearing would empty that, too.

    :raises SettingsError: something is mounted there.
    """
    mounted = mounts_below(directory)
    if mounted:
        raise SettingsError(
            f"{directory} is not cleared: another directory is mounted in it, at {mounted[0]}",
            advice="unmount it, or clear the directory by hand",
        )
