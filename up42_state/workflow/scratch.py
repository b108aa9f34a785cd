"""The directories on this machine in which a run's blocks find their input and leave their output.

The directory of a run is locked while its runner lives. The lock ends with the runner, even with a killed
one, so the next run finds what a dead runner has left, and removes it.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.errors import SettingsError, StateError
from up42_state.machine.paths import local_path
from up42_state.machine.trees import remove_tree
from up42_state.workflow.blocks.sandbox.leftover import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

__all__ = ["Folder", "Scratch"]

_RUN = "run-"
_LOCK, _KEPT = ".lock-of-up42-", ".kept"


class Folder:
    """The directories of one attempt; those that a block writes to are empty.

    :param root: holds all of them.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.input = root / "input"
        self.output = root / "output"
        self.quicklooks = root / "quicklooks"
        self.home = root / "home"

    def make(self) -> Self:
        """Make the directories."""
        for path in (self.input, self.output, self.quicklooks, self.home):
            path.mkdir(parents=True)
        return self

    def remove(self) -> None:
        """Remove them with all that they hold."""
        remove_tree(self.root, open_up=True)


class Scratch:
    """The directory of one run; a ``with`` statement makes, locks and removes it.

    :param parent: where runs have their directories; ``None`` for a directory of this user's below the
        system's temporary directory.
    """

    def __init__(self, parent: str | os.PathLike[str] | None = None) -> None:
        self._parent = local_path(parent) if parent is not None else _default()
        self._lock = -1

    def __enter__(self) -> Self:
        _make(self._parent)
        try:
            with _held(self._parent):  # or a lock that is not held yet would be taken for a dead runner's
                self._remove_abandoned()
                self._begin()
        except OSError as error:
            raise _unusable(self._parent, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A container may have left files of another user; the next run tries again.
        with suppress(OSError, StateError):
            _remove(self.root)
        os.close(self._lock)

    def _begin(self) -> None:
        """Make the directory of this run.

        The lock lies beside the directory, is made before it, and goes after it. So a runner that is killed
        leaves at no moment a directory that nobody knows to be a runner's.
        """
        while True:
            root = self._parent / f"{_RUN}{secrets.token_hex(4)}"
            with suppress(FileExistsError):
                self._lock = _open(_lock_of(root), os.O_CREAT | os.O_EXCL)
                break
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        root.mkdir(mode=0o700)
        self.root = root.resolve()

    def folder(self, name: str) -> Folder:
        """The directories of one attempt, made.

        :param name: the attempt, such as ``tiling:1.2``.
        """
        # Colons separate paths in PATH-like variables, and in docker's options.
        root = self.root / re.sub(r"[^A-Za-z0-9._+=-]", "-", name)
        number, free = 1, root
        while True:
            try:
                free.mkdir()
            except FileExistsError:  # another task's: tiling:1 and tiling-1
                number += 1
                free = root.with_name(f"{root.name}~{number}")
            else:
                return Folder(free).make()

    def keep(self) -> bool:
        """Leave the directory of this run where it is, with those of attempts that were not removed.

        :return: True the first time.
        """
        try:
            (self.root / _KEPT).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def _remove_abandoned(self) -> None:
        """Remove the directories of runs whose runner is dead, but for those that were to be kept."""
        for lock in sorted(self._parent.glob(f"{_LOCK}{_RUN}*")):
            path = self._parent / lock.name.removeprefix(_LOCK)
            if not _is_ours(path) or _is_alive(lock):
                continue
            if path.exists():
                sweep(path)  # its blocks may live on, where this machine could not have them die with it
            with suppress(OSError, StateError):  # files of another user, or somebody is at work there
                _remove(path)


def _lock_of(run: Path) -> Path:
    return run.with_name(_LOCK + run.name)


def _remove(run: Path) -> None:
    """Remove the directory of a run, if it is not to be kept, and then its lock."""
    if not (run / _KEPT).exists():
        remove_tree(run, open_up=True)
    _lock_of(run).unlink(missing_ok=True)


def _is_ours(run: Path) -> bool:
    """Tell whether a runner of this user made a directory: people have directories of such names, too."""
    try:
        lock = _lock_of(run).lstat()
        folder = run.lstat() if os.path.lexists(run) else None
    except OSError:
        return False
    is_folder = folder is None or (stat.S_ISDIR(folder.st_mode) and folder.st_uid == os.geteuid())
    return is_folder and stat.S_ISREG(lock.st_mode) and lock.st_uid == os.geteuid()


def _is_alive(lock: Path) -> bool:
    """Tell whether the runner lives whose lock this is: it holds the lock."""
    try:
        with _held(lock, fcntl.LOCK_NB):
            return False
    except OSError:
        return True


@contextmanager
def _held(path: Path, flags: int = 0) -> Iterator[None]:
    descriptor = _open(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path, flags: int = 0) -> int:
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags, 0o600)


def _default() -> Path:
    return Path(tempfile.gettempdir(), f"up42-state-{os.getuid()}")


def _make(parent: Path) -> None:
    """Make the directory that holds the directories of runs, for this user alone.

    :raises SettingsError: it cannot be made, or is another user's.
    """
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # In a directory that all may write to, another user may have made it, to read or change what lies
        # there; or a link, to have what it leads to taken for what a dead runner has left.
        owners = {parent.lstat().st_uid, parent.stat().st_uid}
    except OSError as error:
        raise _unusable(parent, error) from error
    if not owners <= {os.geteuid(), 0}:
        raise SettingsError(f"{parent} belongs to another user", advice="give another directory (--scratch)")


def _unusable(parent: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"{parent} cannot be used for the directories of tasks: {error.strerror}",
        advice="give another directory (--scratch)",
    )
