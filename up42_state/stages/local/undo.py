"""What becomes of a directory when an error, not a kill, ends the switch to its new content.

The journal says what was put in and what was moved aside, so the directory is put back. Where that fails,
too, the journal stays, and the same call goes on from there later. The message says which of the two is true.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from up42_state.errors import StateError
from up42_state.features.files.data_paths import check_path
from up42_state.stages.local.journal import digest_of, take_back

if TYPE_CHECKING:
    from collections.abc import Mapping

    from up42_state.stages.local.journal import Journal
    from up42_state.stages.local.staging import Staging

__all__ = ["undo"]


def undo(journals: Mapping[Staging, Journal], error: BaseException) -> None:
    """Put directories back as they were before a switch that failed.

    :param journals: what was to be put into each, as it was written before the switch.
    :param error: what ended the switch.
    :raises StateError: they could not be put back; the next call goes on.
    """
    for root, journal in journals.items():
        try:
            take_back(root, journal)
            left = _is_left(root, journal)
        except (OSError, StateError):
            left = True
        if left:
            raise _half(root, error) from error


def _is_left(root: Staging, journal: Journal) -> bool:
    """Whether something that was put in is still there, or something that was moved aside still away."""
    replaced = set(journal.aside.values())
    aside = [name for name, path in journal.aside.items() if check_path(path) is None and "/" not in name]
    if any(os.path.lexists(root.folder / name) for name in aside):
        return True
    if any(_listing(root, path) == [] for path in journal.directories):
        return True
    return any(
        path not in replaced
        and os.path.basename(path) in (_listing(root, os.path.dirname(path)) or ())
        and digest_of(root, path) in (digest, None)  # another one's file may have appeared there
        for path, digest in journal.files
    )


def _listing(root: Staging, path: str) -> list[str] | None:
    """The names in a directory, never through a link; ``None`` where there is no such directory."""
    if path and check_path(path) is not None:
        return None
    try:
        return os.listdir(root.directory.enter(path.split("/") if path else [], make=False))
    except (FileNotFoundError, NotADirectoryError, StateError):
        return None


def _half(root: Staging, error: BaseException) -> StateError:
    reason = (
        error.message if isinstance(error, StateError) else getattr(error, "strerror", None) or str(error)
    )
    return StateError(
        f"{root.path} is half switched, and could not be put back: {reason}",
        advice="run the same command again once that is mended; it goes on where this one stopped",
    )
