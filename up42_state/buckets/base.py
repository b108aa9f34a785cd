"""The storage contract: what the stage format needs of a store, and nothing else.

A bucket is a flat map from keys to objects. Keys are relative to the bucket's URL, use ``/`` between their
parts, and never begin or end with it. Every method may be called from several threads at once. SDK errors
never leave a bucket: they are translated into the errors named here, chained with ``from``.

Errors that every method may raise: :class:`~up42_state.errors.BucketNotFoundError`,
:class:`~up42_state.errors.AccessDeniedError` (naming where the credentials came from, never their value),
:class:`~up42_state.errors.StoreUnreachableError` (after bounded, backed-off retries) and
:class:`~up42_state.errors.StorageError` for anything else.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    Buffer = bytes | bytearray | memoryview

__all__ = ["MIB", "Bucket", "LeftUpload", "ObjectInfo", "Upload", "UploadInfo"]

MIB = 1024 * 1024


class ObjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a listing or a head request says of an object.

    :param key: relative to the bucket's URL.
    :param size: in bytes.
    :param modified: when it was written, by the store's clock; timezone-aware, UTC.
    """

    key: str
    size: int
    modified: datetime


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


class Bucket(ABC):
    """A store of objects under one URL.

    ``url``
        the canonical URL, ``s3://bucket/prefix``, without credentials and without a trailing slash.
    ``atomic_create``
        whether :meth:`create` is known to be create-only: ``True`` by the store's own documentation,
        ``False`` where it is known not to be, ``None`` where only a probe can tell.
    ``takes_uploads_away``
        whether :meth:`continue_upload` ends the upload for the process that began it.
    """

    url: str
    atomic_create: bool | None = None
    takes_uploads_away: ClassVar[bool] = False
    min_part_size: ClassVar[int] = 8 * MIB
    max_parts: ClassVar[int] = 10_000

    @property
    @abstractmethod
    def identity(self) -> str:
        """Names the store (not the prefix) within this process: the probe runs once for each identity."""

    @property
    def local_root(self) -> str | None:
        """The directory of this machine that the objects lie in; ``None`` where they lie elsewhere."""
        return None

    @abstractmethod
    def head(self, key: str) -> ObjectInfo:
        """Size and time of an object.

        :raises ObjectNotFoundError: there is none.
        """

    @abstractmethod
    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        """The object's bytes, or ``length`` of them from ``start``.

        A range that ends past the object gives what there is; one that begins at or past its end gives
        ``b""``. A body that ends early is retried, never returned.

        :raises ObjectNotFoundError: there is none.
        """

    @abstractmethod
    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The same bytes as :meth:`get`, in chunks of at most 1 MiB, without holding them all.

        A connection that breaks in the body is resumed at the byte it broke at. Closing the iterator frees
        the connection.

        :raises ObjectNotFoundError: there is none; raised by the first ``next()`` at the latest.
        """

    def pieces(self, key: str, buffer: memoryview, start: int, length: int) -> Iterator[memoryview]:
        """A range of the object by way of a buffer: in pieces as long as that, but for the last, each of them
        there until the next is asked for.

        As with :meth:`get`, there are fewer bytes where the object ends. They are not to be trusted before
        their digests were compared: an object that is replaced meanwhile may give pieces of both.

        :raises ObjectNotFoundError: there is none; raised by the first ``next()`` at the latest.
        """
        filled = 0
        for chunk in self.stream(key, start, length):
            at = 0
            while at < len(chunk):
                count = min(len(chunk) - at, len(buffer) - filled)
                buffer[filled : filled + count] = chunk[at : at + count]
                at, filled = at + count, filled + count
                if filled == len(buffer):
                    yield buffer
                    filled = 0
        if filled:
            yield buffer[:filled]

    @abstractmethod
    def put(self, key: str, data: Buffer) -> None:
        """Write an object whole, replacing one of the same key; durable on return."""

    @abstractmethod
    def create(self, key: str, data: Buffer) -> None:
        """Write an object only if there is none under this key; durable on return.

        After a :class:`~up42_state.errors.StorageError` the object may or may not be there (a lost answer):
        the caller reads it back.

        :raises ObjectExistsError: there is one already – perhaps this very write, sent twice by a retry.
        """

    @abstractmethod
    def start_upload(self, key: str, size: int, part_size: int) -> Upload:
        """Begin an upload of ``size`` bytes in parts of ``part_size`` (the last may be shorter)."""

    def continue_upload(self, left: LeftUpload, key: str) -> Upload | None:  # noqa: ARG002
        """Go on with an upload that another process has left.

        :param key: the object that is to appear now.
        :return: an upload that holds those of the parts that are still there; ``None`` where none are, or
            where this store cannot go on.
        """
        return None

    @abstractmethod
    def uploads(self, prefix: str) -> Iterator[UploadInfo]:
        """Uploads to keys below ``prefix`` that were begun and not ended."""

    @abstractmethod
    def abort_upload(self, upload: UploadInfo) -> None:
        """Discard an unfinished upload. One that is already gone is no error."""

    @abstractmethod
    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """Every object whose key begins with ``prefix``, in key order (UTF-8 bytes), page by page.

        :param after: give only keys that sort after this one.
        """

    @abstractmethod
    def prefixes(self, prefix: str) -> Iterator[str]:
        """The next path part of every key below ``prefix`` (which is empty or ends with ``/``) that goes on
        after it: ``prefixes("job/")`` gives ``"a"`` for ``job/a/b``, and nothing for ``job/c``. In order,
        each once.
        """

    @abstractmethod
    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects, in batches where the store can. Missing ones are no error.

        :raises StorageError: some could not be deleted; all others were.
        """

    @abstractmethod
    def copy(self, source: str, key: str) -> None:
        """Copy an object within this bucket, without its bytes passing through here, whatever its size.

        :raises ObjectNotFoundError: there is no ``source``.
        """

    def holds(self, prefix: str) -> bool:
        """Whether there is any object whose key begins with ``prefix``. Empty "folders" that a web console
        makes, whose keys end with a slash, are none.
        """
        return any(True for _ in self.list(prefix))

    def clock(self) -> datetime:
        """The store's own time now; timezone-aware, UTC.

        It is the time that the store gives to an object that is written now, as its listing has it: the
        clock that ages of objects are told by. The ``Date`` of an answer may be a proxy's.
        """
        key = f".up42_state/clock-{uuid.uuid4().hex}"
        self.put(key, b"clock")
        try:
            listed = next(self.list(key), None)  # a listing may lag
            return (listed or self.head(key)).modified
        finally:
            self.delete([key])

    def retention(self) -> str | None:
        """What the store keeps of objects that are deleted or replaced, in a sentence for people: empty where
        it keeps nothing, ``None`` where it does not say, or not to these credentials.
        """
        return ""

    @abstractmethod
    def gdal_path(self, key: str) -> str:
        """The object's path for GDAL and rasterio (``/vsis3/bucket/key``, or a plain path).

        :raises UnsupportedStoreError: GDAL cannot read this store.
        """

    @abstractmethod
    def gdal_options(self) -> Mapping[str, str]:
        """GDAL configuration options with which :meth:`gdal_path` can be opened. They hold credentials."""

    def part_size(self, size: int) -> int:
        """Bytes a part for an upload of ``size`` bytes: 16 MiB, more where there would be too many parts.

        Always a multiple of 8 MiB, so that parts hold whole blocks of the index.
        """
        needed = -(-size // self.max_parts)
        return max(16 * MIB, -(-needed // (8 * MIB)) * 8 * MIB, self.min_part_size)

    def close(self) -> None:  # noqa: B027 - not abstract: some buckets have nothing to free
        """Free connections. The bucket is not used afterwards."""
