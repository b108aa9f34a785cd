"""The journal of a directory that is being filled: it says what is ours there after a kill.

It is written before the first thing is moved in, and goes when ``data.json``, which comes last, is there.
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
    from up42_state.stages.local.staging import Staging

__all__ = ["Journal", "digest_of", "take_back"]

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
        """The journal in a staging folder; an empty one where there is none, or none of ours."""
        fd = root.read(_NAME)
        if fd is None:
            return cls()
        with open(fd, "rb") as file:
            try:
                return _JOURNAL.decode(file.read())
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return cls()

    def write(self, root: Staging) -> None:
        """Write it into a staging folder, in place of one that is there."""
        root.put(_NAME, msgspec.json.encode(self))


_JOURNAL = msgspec.json.Decoder(Journal)


def take_back(root: Staging, journal: Journal) -> None:
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


def digest_of(root: Staging, path: str) -> str | None:
    """The digest of a regular file in the directory; never through a link."""
    try:
        fd = root.directory.open_file(path)
    except StateError:
        return None
    except OSError as error:
        if error.errno in UNKNOWN:
            raise  # it may be there: nothing is to be undone on a guess
        return None
    with open(fd, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
