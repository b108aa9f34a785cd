"""Write ``data.json`` into a task's output directory, checked and atomically."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - msgspec reads the type
from typing import TYPE_CHECKING, Any, Self

import msgspec

from up42_state.block.leftovers import leftovers
from up42_state.contract import DATA_JSON, QUICKLOOK_FOLDER
from up42_state.errors import InvalidOutputError
from up42_state.features import check, scan
from up42_state.features.objects import render, writable
from up42_state.stages.local.directory import OURS, own_folder, remove_own, writing_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from up42_state.errors import Defect
    from up42_state.features import Report
    from up42_state.propagation import Propagation
    from up42_state.stages.format.commit import JobMode

__all__ = ["Before", "merge_here", "write_output"]


def merge_here(
    directory: Path, quicklooks: Path, propagations: Iterable[Propagation], job_mode: JobMode
) -> list[Report]:
    """Merge earlier stages into an output directory, and say what became of every feature."""
    from up42_state.stages.propagate.into_directory import materialise

    resolved = [propagation.resolve() for propagation in propagations]
    return materialise(directory, resolved, quicklooks=quicklooks, job_mode=job_mode)


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """An output directory as it was found by a task that need not run.

    :param directory: the output directory.
    :param held_files: True if an earlier run has left files there.
    :param signature: numbers that change when ``data.json`` is written.
    """

    directory: Path
    held_files: bool
    signature: tuple[int, ...]

    @classmethod
    def look(cls, directory: Path) -> Self:
        """Look at a directory; it may be missing."""
        files = bool(leftovers(directory))
        return cls(directory=directory, held_files=files, signature=_signature(directory))

    def wrote_since(self, warn: Callable[[str], None]) -> bool:
        """Return True if an output was made since, and nothing else can have got into it."""
        if _signature(self.directory) == self.signature:
            return False
        if self.held_files:
            warn(f"{self.directory} held files before, so its new {DATA_JSON} is not saved")
        return not self.held_files


def _signature(directory: Path) -> tuple[int, ...]:
    try:
        status = (directory / DATA_JSON).stat()
    except OSError:
        return ()
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def write_output(directory: Path, collection: Mapping[str, Any], *, dry_run: bool = False) -> None:
    """Check a collection against the files in a directory, then write it there as ``data.json``.

    :param directory: the output directory; made if there is none.
    :param dry_run: data paths need not exist.
    :raises InvalidOutputError: the collection has defects, all of which are listed; nothing was written.
    :raises TargetConflictError: ``.up42_state`` in the directory is no directory.
    :raises StateError: the directory cannot be written to.
    """
    directory.mkdir(parents=True, exist_ok=True)
    data, defects = _rendered(collection)
    defects += check(data, scan(directory, ignore=(OURS, QUICKLOOK_FOLDER)), dry_run=dry_run)
    if defects:
        raise InvalidOutputError("the output has defects, and was not written", defects=defects)
    with writing_to(directory):
        _replace(directory, data)


def _rendered(collection: Mapping[str, Any]) -> tuple[bytes, list[Defect]]:
    """Render a collection.

    Values that JSON cannot hold are reported and left out, so that the rest can be checked and all defects
    are reported together.
    """
    try:
        return render(collection), []
    except InvalidOutputError as error:
        try:
            rest, defects = writable(collection)
            return render(rest), defects
        except (InvalidOutputError, RecursionError):
            raise error from None


def _replace(directory: Path, data: bytes) -> None:
    """Write the file in our folder, where a save does not look, and rename it into its place."""
    path = own_folder(directory) / DATA_JSON
    path.write_bytes(data)
    path.rename(directory / DATA_JSON)
    remove_own(directory, DATA_JSON)
