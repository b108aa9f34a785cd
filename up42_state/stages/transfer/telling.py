"""Telling a caller how far a save, a restore, a propagation or a verification has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    Progress = Callable[[int, int], None]

__all__ = ["Step", "Telling", "begin"]


class Step(NamedTuple):
    """How far the work has come.

    :param phase: what goes on, such as ``hashing`` or ``uploading``.
    :param done: bytes done in this phase.
    :param total: bytes in all; 0 if the phase moves none.
    :param files: files done in this phase.
    :param all_files: files in all.
    """

    phase: str
    done: int = 0
    total: int = 0
    files: int = 0
    all_files: int = 0


def begin(progress: Progress, phase: str) -> None:
    """Tell that a phase begins in which nothing is counted.

    Who takes progress is a function of bytes done and bytes in all. An object that has a method ``tell`` as
    well gets a :class:`Step` by that instead, of every phase.
    """
    tell = getattr(progress, "tell", None)
    if tell is not None:
        tell(Step(phase))


class Telling:
    """Counts bytes and files of one phase, from any thread, and tells of them.

    :param progress: as for :func:`begin`.
    :param total: bytes in all.
    :param all_files: files in all.
    :param moves: False for a phase that a plain function is not told of: its numbers are of bytes that move.
    """

    def __init__(
        self, progress: Progress, phase: str, total: int, all_files: int = 0, *, moves: bool = True
    ) -> None:
        self._progress, self._moves = progress, moves
        self._tell: Callable[[Step], None] | None = getattr(progress, "tell", None)
        self._phase, self._total, self._all_files = phase, total, all_files
        self._done = self._files = 0
        if self._tell is not None:
            self._tell(Step(phase, 0, total, 0, all_files))

    def add(self, size: int, files: int = 0) -> None:
        """Count bytes, and files that are complete with them."""
        self._done += size  # a lost update between threads only makes a progress bar lag
        self._files += files
        if self._tell is not None:
            self._tell(Step(self._phase, self._done, self._total, self._files, self._all_files))
        elif self._moves:
            self._progress(self._done, self._total)
