"""Write ``data.json`` into a task's output directory, checked and atomically."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.contract import DATA_JSON, QUICKLOOK_FOLDER
from up42_state.errors import InvalidOutputError
from up42_state.features import check, scan
from up42_state.features.objects import render, writable
from up42_state.stages.local.directory import OURS, own_folder, remove_own, writing_to

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from up42_state.errors import Defect

__all__ = ["write_output"]


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
