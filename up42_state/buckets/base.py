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
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

import msgspec

from up42_state.buckets.keys import check_key, check_prefix, join
from up42_state.errors import (
    BucketNotFoundError,
    ObjectExistsError,
    ObjectNotFoundError,
    SettingsError,
    StorageError,
    UnsupportedStoreError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from up42_state.buckets.uploads import Buffer, LeftUpload, Upload, UploadInfo

__all__ = ["MIB", "Bucket", "ObjectInfo"]

MIB = 1024 * 1024
# Amazon S3, "Download and upload objects with presigned URLs"; Google Cloud Storage, "V4 signing process".
LONGEST_SIGNATURE = timedelta(days=7)
_MOST = 8  # names of other buckets in a message


class ObjectInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a listing or a head request says of an object.

    :param key: relative to the bucket's URL.
    :param size: in bytes.
    :param modified: when it was written, by the store's clock; timezone-aware, UTC.
    """

    key: str
    size: int
    modified: datetime


class Bucket(ABC):
    """A store of objects under one URL.

    ``url``
        the canonical URL, ``s3://bucket/prefix``, without credentials and without a trailing slash.
    ``atomic_create``
        whether :meth:`create` is known to be create-only: ``True`` by the store's own documentation,
        ``False`` where it is known not to be, ``None`` where only a probe can tell.
    ``takes_uploads_away``
        whether :meth:`continue_upload` ends the upload for the process that began it.
    ``prefix``
        comes before every key in the store, with a slash between; empty where the URL names the whole store.
    ``if_missing``
        what to do where the bucket does not exist.
    """

    url: str
    prefix: str = ""
    if_missing: ClassVar[str] = "check the store's URL, or make the bucket"
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
        """The object's bytes, or ``length`` of them from ``start``, in chunks of at most 1 MiB: one chunk is
        held at a time.

        A connection that breaks in the body is resumed at the byte it broke at. Closing the iterator frees
        the connection.

        :raises ObjectNotFoundError: there is none; raised by the first ``next()`` at the latest.
        """

    def pieces(self, key: str, buffer: memoryview, start: int, length: int) -> Iterator[memoryview]:
        """Read ``length`` bytes of an object from ``start`` into a buffer, which is filled again and again.

        Each piece fills the buffer, but the last may be shorter; a piece stays until the next is asked for.
        A range that ends past the object gives what there is. The caller compares digests before trusting the
        bytes: an object that is replaced meanwhile may give pieces of both.

        :raises ObjectNotFoundError: there is none; raised by the first ``next()`` at the latest.
        """
        # One copy from a chunk into the buffer. Reading into the buffer itself saves none: readinto of
        # urllib3, by which boto3 and requests read, reads bytes and copies those.
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

    def object_url(self, key: str) -> str:
        """The object's address: ``s3://bucket/key``, with the key as it is, as S3's and Google's own tools
        take it. It opens nothing by itself: the reader has credentials, or :meth:`signed_url`.
        """
        return join(self.url, check_key(key))

    def signed_url(self, key: str, lifetime: timedelta) -> str:  # noqa: ARG002 - for stores that can
        """An address that gives the object to whoever has it, until it expires: a secret.

        :param lifetime: at most 7 days.
        :raises SettingsError: ``lifetime`` is longer than that, or nothing.
        :raises UnsupportedStoreError: this store has none, or the credentials cannot sign.
        """
        raise UnsupportedStoreError(
            f"{self.url} has no signed URLs",
            advice="do without: the plain addresses are good for whoever may read the store",
        )

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

    def _full(self, key: str) -> str:
        """The store's own name of an object: the prefix and the key."""
        return join(self.prefix, check_key(key))

    def _full_prefix(self, prefix: str) -> str:
        """What the store's own names of all objects below ``prefix`` begin with."""
        return join(self.prefix, check_prefix(prefix))

    def _relative(self, full: str) -> str:
        """The key of an object that the store has under this name."""
        return full[len(self.prefix) + 1 :] if self.prefix else full

    def _check_lifetime(self, lifetime: timedelta) -> int:
        """Return the seconds that a signed URL is to last.

        :raises SettingsError: no store signs for that long, or the time is nothing.
        """
        if not timedelta(seconds=1) <= lifetime <= LONGEST_SIGNATURE:
            raise SettingsError(
                f"a URL cannot be signed for {lifetime}", advice="give a time from 1s to 7d, such as 12h"
            )
        return int(lifetime.total_seconds())

    def _create_alone(
        self, key: str, data: Buffer, *, lacks: str, single_writer: bool, error: Exception
    ) -> None:
        """Look for an object, then write it: where the store has no create-only writes.

        :param lacks: what the store refused, for the message.
        :param single_writer: whether the user vouches that saves never race.
        :param error: the refusal.
        :raises UnsupportedStoreError: nobody vouches for that.
        """
        if not single_writer:
            advice = "use another store, or UP42_STATE_SINGLE_WRITER=true if saves never race"
            raise UnsupportedStoreError(f"{self.url}: {lacks}", advice=advice) from error
        try:
            self.head(key)
        except ObjectNotFoundError:
            self.put(key, data)
        else:
            raise ObjectExistsError(f"{self.url}/{key} exists already")

    def _no_bucket(self, what: str, others: Sequence[str] = ()) -> BucketNotFoundError:
        """The error for a bucket that does not exist.

        :param what: a URL.
        :param others: names of buckets that exist; the message tells the first few.
        """
        advice = self.if_missing
        if others:
            advice += f"; there are {', '.join(others[:_MOST])}{' and more' if len(others) > _MOST else ''}"
        return BucketNotFoundError(f"{what}: the bucket does not exist", advice=advice)

    def _check_deleted(self, failed: Sequence[Exception | str]) -> None:
        """Tell of the objects that could not be deleted.

        :raises StorageError: there are some.
        """
        if failed:
            cause = failed[0] if isinstance(failed[0], Exception) else None
            problem = f"{self.url}: {len(failed)} objects were not deleted, first: {failed[0]}"
            raise StorageError(problem) from cause
