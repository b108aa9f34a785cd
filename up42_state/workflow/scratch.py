"""The directories on this machine in which a run's blocks find their input and leave their output.

The directory of a run is locked while its runner lives. The lock ends with the runner, even with a killed
one, so the next run finds what a dead runner has left, and removes it.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.errors import SettingsError
from up42_state.machine.paths import local_path
from up42_state.machine.trees import remove_tree
from up42_state.workflow.blocks.sandbox.leftover import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

__all__ = ["Folder", "Scratch"]

_RUN = "run-"
_LOCK, _KEPT = ".lock", ".kept"


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
        remove_tree(self.root)


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
            with _held(
                self._parent
            ):  # or another runner took a directory that is not locked yet for a dead one's
                self._remove_abandoned()
                self.root = Path(tempfile.mkdtemp(prefix=_RUN, dir=self._parent)).resolve()
                self._lock = _open(self.root / _LOCK, os.O_CREAT)
                fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            raise _unusable(self._parent, error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not (self.root / _KEPT).exists():
            with suppress(
                OSError
            ):  # a container may have left files of another user; the next run tries again
                remove_tree(self.root)
        os.close(self._lock)

    def folder(self, name: str) -> Folder:
        """The directories of one attempt, made.

        :param name: the attempt, such as ``tiling:1.2``.
        """
        # Colons separate paths in PATH-like variables, and in docker's options.
        return Folder(self.root / re.sub(r"[^A-Za-z0-9._+=-]", "-", name)).make()

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
        for path in sorted(self._parent.glob(f"{_RUN}*")):
            if (path / _KEPT).exists() or _is_alive(path):
                continue
            sweep(path)  # its blocks may live on, where this machine could not have them die with it
            with suppress(OSError):  # files of another user
                remove_tree(path)


def _is_alive(run: Path) -> bool:
    """Tell whether the runner lives whose directory this is: it holds the lock."""
    try:
        with _held(run / _LOCK, fcntl.LOCK_NB):
            return False
    except FileNotFoundError:
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
        owner = parent.stat().st_uid
    except OSError as error:
        raise _unusable(parent, error) from error
    # In a directory that all may write to, another user may have made it, to read or change what lies there.
    if owner not in (os.getuid(), 0):
        raise SettingsError(f"{parent} belongs to another user", advice="give another directory (--scratch)")


def _unusable(parent: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"{parent} cannot be used for the directories of tasks: {error.strerror}",
        advice="give another directory (--scratch)",
    )
