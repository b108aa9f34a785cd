"""Uploads of large objects, part by part: what a store tells of one, and what every store can do with one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import msgspec

from up42_state.errors import StorageError

if TYPE_CHECKING:
    from datetime import datetime

    Buffer = bytes | bytearray | memoryview

__all__ = ["CountedUpload", "LeftUpload", "Upload", "UploadInfo"]


class UploadInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An upload in parts that was begun and neither completed nor aborted.

    :param key: the key that it would create.
    :param upload_id: the store's name for it.
    :param started: by the store's clock; timezone-aware, UTC.
    """

    key: str
    upload_id: str
    started: datetime


class LeftUpload(msgspec.Struct, frozen=True, kw_only=True):
    """An upload in parts that a process has left, as far as it has told.

    :param key: the object that it would have made.
    :param token: the store's name for it (:class:`Upload`).
    :param size: of that object, in bytes.
    :param part_size: of every part but the last, in bytes.
    :param parts: the tags of the parts that were sent (:meth:`Upload.tag`), by their numbers.
    """

    key: str
    token: str
    size: int
    part_size: int
    parts: dict[int, str]

    def length(self, number: int) -> int:
        """The bytes of a part; 0 where the object has none of this number."""
        if number < 1 or (number - 1) * self.part_size >= self.size:
            return 0
        return min(self.part_size, self.size - (number - 1) * self.part_size)


class Upload(ABC):
    """One upload in parts. The object appears whole on :meth:`complete`, or not at all.

    ``token``
        the store's name for it, by which another process can go on with it
        (:meth:`Bucket.continue_upload`); empty where none can.
    ``held``
        the numbers of the parts that were left and are still there, in a continued one: each is either kept
        (:meth:`keep`) or sent.
    """

    token: str = ""
    held: frozenset[int] = frozenset()

    @abstractmethod
    def put_part(self, number: int, data: Buffer, *, sha256: str = "") -> None:
        """Send part ``number`` (from 1). Parts may be sent in any order and from several threads.

        Every part but the last has exactly the ``part_size`` that the upload was started with.

        :param sha256: of the part, in hex, where the caller knows it: a store that signs it need not hash.
        """

    def tag(self, number: int) -> str:  # noqa: ARG002 - most stores have none
        """What the store calls the part as it was sent or kept: another process that sends the same number
        to the same upload changes it. Empty where no other process can.
        """
        return ""

    def keep(self, number: int) -> None:  # noqa: B027 - not abstract: nothing to do where a part stays in its upload
        """Take a part as it was left. It is one of ``held``.

        :raises ObjectNotFoundError: it is gone meanwhile.
        """

    def sync(self) -> None:  # noqa: B027 - not abstract: most stores keep a part before they answer
        """Make sure that the parts which were sent outlive a power failure."""

    @abstractmethod
    def complete(self) -> None:
        """Make the object appear. Called once, after every part."""

    @abstractmethod
    def abort(self) -> None:
        """Discard what was sent. Never raises for an upload that is already gone."""


class CountedUpload(Upload):
    """An upload that counts the bytes of its parts, so that an object with a hole never appears.

    :param what: the object's key, for messages.
    :param size: bytes of the object.
    """

    def __init__(self, what: str, size: int) -> None:
        self._what, self._size = what, size
        self._sent: dict[int, int] = {}  # bytes of each part; sending a part again does not count it twice

    def _check_whole(self) -> None:
        """Compare the bytes of all parts with the object's size.

        :raises StorageError: there are more, or fewer.
        """
        sent = sum(self._sent.values())
        if sent != self._size:
            raise StorageError(f"{sent} bytes of {self._what} were sent instead of {self._size}")
