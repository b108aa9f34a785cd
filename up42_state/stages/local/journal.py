"""The journal of a directory that is being filled: it says what is ours there, after a kill or an error.

The journal is written before the first thing is moved in, and goes when ``data.json``, which comes last, is
there. By the journal a directory is put back as it was. Where that fails, the journal stays, and the same
call goes on from there later.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from up42_state.errors import StateError
from up42_state.features.files.data_paths import check_path
from up42_state.stages.local.directory import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from up42_state.stages.local.staging import Staging

__all__ = ["Journal", "digest_of", "undo"]

_NAME = "journal.json"


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to be put into a directory.

    :param about: names the work; the same work can be continued.
    :param data: the digest of the new ``data.json``; empty while nothing has been put in.
    :param files: paths of files, with their digests.
    :param directories: those that are made.
    :param aside: the paths of what is moved out of the way, by the names that it gets in staging.
    :param kept: paths of files that stay, with their digests and the modes that they had.
    """

    about: str = ""
    data: str = ""
    files: list[tuple[str, str]] = []
    directories: list[str] = []
    aside: dict[str, str] = {}
    kept: list[tuple[str, str, int]] = []

    @classmethod
    def read(cls, root: Staging) -> Journal:
        """Give the journal in a staging folder; an empty one where there is none, or none of ours."""
        fd = root.read(_NAME)
        if fd is None:
            return cls()
        with open(fd, "rb") as file:
            try:
                return _JOURNAL.decode(file.read())
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return cls()

    def write(self, root: Staging) -> None:
        """Write the journal into a staging folder, in place of one that is there."""
        root.put(_NAME, msgspec.json.encode(self))


_JOURNAL = msgspec.json.Decoder(Journal)


def undo(journals: Mapping[Staging, Journal], error: BaseException) -> None:
    """Put directories back as they were before a switch that failed.

    :param journals: what was to be put into each, as it was written before the switch.
    :param error: what ended the switch.
    :raises StateError: a directory could not be put back; the next call goes on.
    """
    for root, journal in journals.items():
        try:
            _take_back(root, journal)
            left = _is_left(root, journal)
        except (OSError, StateError):
            left = True
        if left:
            raise _half(root, error) from error


def _take_back(root: Staging, journal: Journal) -> None:
    """Undo what a journal says of a directory: only files that are byte for byte those that it names."""
    for path, digest in journal.files:
        if check_path(path) is None and digest_of(root, path) == digest:
            *above, name = path.split("/")
            os.unlink(name, dir_fd=root.directory.enter(above, make=False))
    for path in sorted(journal.directories, reverse=True):
        if check_path(path) is None:
            *above, name = path.split("/")
            with suppress(OSError):  # it is not there, or not empty
                os.rmdir(name, dir_fd=root.directory.enter(above, make=False))
    for name, path in reversed(journal.aside.items()):
        if check_path(path) is None and check_path(name) is None and "/" not in name:
            with suppress(OSError):  # it had not been moved, or something else is there
                root.directory.move_new(root.fd, name, path)
    for path, digest, mode in reversed(journal.kept):
        if check_path(path) is None and digest_of(root, path) == digest:
            root.directory.set_executable(path, mode)


def _is_left(root: Staging, journal: Journal) -> bool:
    """Whether something that was put in is still there, or something that was moved aside still away."""
    aside = [name for name, path in journal.aside.items() if check_path(path) is None and "/" not in name]
    if any(os.path.lexists(root.folder / name) for name in aside):
        return True
    if any(_listing(root, path) == [] for path in journal.directories):
        return True
    replaced = set(journal.aside.values())
    names: dict[str, set[str]] = {}  # each directory is listed once, however many files went into it
    for path, digest in journal.files:
        folder, _, name = path.rpartition("/")
        if folder not in names:
            names[folder] = set(_listing(root, folder) or ())
        # Somebody else's file may have appeared at a path of ours, and is no file of ours that is left.
        if path not in replaced and name in names[folder] and digest_of(root, path) in (digest, None):
            return True
    return False


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


def digest_of(root: Staging, path: str) -> str | None:
    """Give the digest of a regular file in the directory, never through a link; ``None`` where there is none.

    :raises OSError: a file may be there, and cannot be read now.
    """
    try:
        fd = root.directory.open_file(path)
    except StateError:
        return None
    except OSError as error:
        if error.errno in UNKNOWN:
            raise  # nothing is to be undone on a guess
        return None
    with open(fd, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
