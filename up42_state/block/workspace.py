"""Check, lock and empty the directories of one task, for ``Block`` and ``exec``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from up42_state.block.leftovers import check_clearable, clear, leave_mark, leftovers
from up42_state.contract import check_apart
from up42_state.errors import SettingsError, TargetConflictError
from up42_state.machine.lock import locked, locked_by_caller
from up42_state.machine.paths import check_no_link, lies_in
from up42_state.stages.format.names import some_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

__all__ = ["Workspace"]


class Workspace:
    """The directories in which one task finds its input and leaves its output.

    :param stores: directories that hold the state that the task works on.
    :param restores: True if the input is restored into its directory, False if it is only read there.
    """

    def __init__(
        self,
        *,
        input: Path,  # noqa: A002 - the block contract's own word
        output: Path,
        quicklooks: Path,
        stores: Iterable[Path] = (),
        restores: bool = False,
    ) -> None:
        self.input, self.output, self.quicklooks = input, output, quicklooks
        self._stores = list(stores)
        self._restores = restores

    @property
    def _own(self) -> dict[str, Path]:
        """The directories that the task writes to, by name."""
        own = {"output": self.output, "quicklooks": self.quicklooks}
        return own | {"input": self.input} if self._restores else own

    @contextmanager
    def held(
        self,
        *,
        emptied: bool = False,
        force: bool = False,
        code: Iterable[Path] = (),
        refuse: bool = True,
    ) -> Iterator[list[int]]:
        """Lock the directories for this task and empty the output ones; gives the locks' descriptors.

        Everything is checked before any file is touched.

        :param emptied: clear what an earlier run has left; otherwise files in the output or among the
            quicklooks are refused, because they would be saved as this run's.
        :param force: clear also directories that are not known to be a block's.
        :param code: files that are being run, whose folders are never cleared.
        :param refuse: False allows files in the output, for a restore, which never writes over another file.
        :raises SettingsError: directories lie in one another, are links, or must not be cleared.
        :raises TargetConflictError: another task is at work in a directory, or an earlier one has left files.
        """
        if force and not emptied:
            raise SettingsError(
                "force is given, and nothing is to be cleared", advice="give clear=True (--clear) as well"
            )
        check_apart(stores=self._stores, input=self.input, output=self.output, quicklooks=self.quicklooks)
        for name, folder in self._own.items():
            check_no_link(folder, name)
        for folder in self._own.values():
            _make(folder)
        with locked(self._locked, [self.input] if not self._restores and self.input.is_dir() else []) as fds:
            folders = [folder for folder in self._own.values() if not locked_by_caller(folder)]
            if emptied:
                self._clear(folders, force=force, code=list(code))
            for folder in folders:
                if refuse and folder != self.input:
                    _refuse(folder)
            try:
                yield fds
            finally:
                leave_mark(self.output)
                leave_mark(self.quicklooks)

    @property
    def _locked(self) -> list[Path]:
        """The directories to be locked. One that lies in the output needs no lock of its own."""
        return [path for path in self._own.values() if path == self.output or not lies_in(path, self.output)]

    def _clear(self, folders: list[Path], *, force: bool, code: list[Path]) -> None:
        for folder in folders:
            check_clearable(folder, code=code, force=force)
        for folder in folders:
            clear(folder)
            folder.mkdir(exist_ok=True)  # quicklooks in the output went with the output


def _make(folder: Path) -> None:
    """Make a directory if there is none.

    :raises SettingsError: the directory cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        problem = "it is a file" if folder.is_file() else error.strerror
        raise SettingsError(
            f"{folder} cannot be used as a directory: {problem}", advice="give another directory"
        ) from error


def _refuse(folder: Path) -> None:
    """Refuse a directory in which an earlier run has left files.

    :raises TargetConflictError: there are such files.
    """
    left = leftovers(folder)
    if left:
        raise TargetConflictError(
            f"{folder} holds files already: {some_names(left)}",
            advice="empty it, give another directory, or have it cleared: clear=True (--clear)",
        )
