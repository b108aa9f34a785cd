"""Objects in this process's memory: for tests, and for trying things out."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from up42_state.buckets.base import MIB, Bucket, ObjectInfo
from up42_state.buckets.uploads import CountedUpload, Upload, UploadInfo
from up42_state.errors import ObjectExistsError, ObjectNotFoundError, StorageError, UnsupportedStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from up42_state.buckets.uploads import Buffer

__all__ = ["MemoryBucket", "MemoryStore"]


@dataclass(slots=True)
class MemoryStore:
    """What buckets of one name share.

    :param name: tells stores of this process apart; one without a name gets one that no other has.
    :param now: the store's clock; tests may put it forward.
    """

    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    objects: dict[str, tuple[bytes, datetime]] = field(default_factory=dict)
    uploads: dict[str, UploadInfo] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @staticmethod
    @cache
    def named(name: str) -> MemoryStore:
        """The one store of this name in this process."""
        return MemoryStore(name=name)


class MemoryBucket(Bucket):
    """Objects in a dictionary, with an atomic create under its lock.

    :param url: ``memory://name/prefix``; it names the bucket in messages only.
    :param store: the objects; without it the bucket is on its own.
    :param prefix: comes before every key.
    """

    atomic_create = True

    def __init__(self, url: str = "memory://", store: MemoryStore | None = None, *, prefix: str = "") -> None:
        self.url = url
        self.store = MemoryStore() if store is None else store
        self.prefix = prefix

    @property
    def identity(self) -> str:
        return f"memory:{self.store.name}"

    def head(self, key: str) -> ObjectInfo:
        data, modified = self._object(key)
        return ObjectInfo(key=key, size=len(data), modified=modified)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        data, _ = self._object(key)
        return data[start : None if length is None else start + length]

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        data = memoryview(self.get(key, start, length))
        for position in range(0, len(data), MIB):
            yield bytes(data[position : position + MIB])

    def put(self, key: str, data: Buffer) -> None:
        with self.store.lock:
            self._write(key, data)

    def create(self, key: str, data: Buffer) -> None:
        with self.store.lock:
            if self._full(key) in self.store.objects:
                raise ObjectExistsError(f"{self.url}/{key} exists already")
            self._write(key, data)

    def start_upload(self, key: str, size: int, part_size: int) -> Upload:
        info = UploadInfo(key=self._full(key), upload_id=uuid.uuid4().hex, started=self.store.now())
        with self.store.lock:
            self.store.uploads[info.upload_id] = info
        return _MemoryUpload(self, key, upload_id=info.upload_id, size=size, part_size=part_size)

    def uploads(self, prefix: str) -> Iterator[UploadInfo]:
        start = self._full_prefix(prefix)
        with self.store.lock:
            found = [upload for upload in self.store.uploads.values() if upload.key.startswith(start)]
        for upload in found:
            key = self._relative(upload.key)
            yield UploadInfo(key=key, upload_id=upload.upload_id, started=upload.started)

    def abort_upload(self, upload: UploadInfo) -> None:
        with self.store.lock:
            self.store.uploads.pop(upload.upload_id, None)

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        for key, size, modified in self._sorted(prefix):
            if key > after:
                yield ObjectInfo(key=key, size=size, modified=modified)

    def prefixes(self, prefix: str) -> Iterator[str]:
        rests = (key[len(prefix) :] for key, _, _ in self._sorted(prefix))
        names = {rest.partition("/")[0] for rest in rests if "/" in rest}
        yield from sorted(names, key=lambda name: f"{name}/")  # as S3 sorts them: "a-b/" before "a/"

    def delete(self, keys: Iterable[str]) -> None:
        for key in keys:
            with self.store.lock:
                self.store.objects.pop(self._full(key), None)

    def copy(self, source: str, key: str) -> None:
        self.put(key, self.get(source))

    def gdal_path(self, key: str) -> str:
        raise UnsupportedStoreError(
            f"GDAL cannot read {self.url}/{key}: it lies in the memory of this process",
            advice="restore the file, or open() it",
        )

    def gdal_options(self) -> dict[str, str]:
        return {}

    def _object(self, key: str) -> tuple[bytes, datetime]:
        try:
            return self.store.objects[self._full(key)]
        except KeyError:
            raise ObjectNotFoundError(f"there is no object {self.url}/{key}") from None

    def _write(self, key: str, data: Buffer) -> None:
        self.store.objects[self._full(key)] = (bytes(data), self.store.now())

    def _sorted(self, prefix: str) -> Sequence[tuple[str, int, datetime]]:
        """Keys, sizes and times. Strings sort by code point, which is the order of their UTF-8 bytes."""
        start = self._full_prefix(prefix)
        with self.store.lock:
            found = [
                (self._relative(key), len(data), modified)
                for key, (data, modified) in self.store.objects.items()
                if key.startswith(start)
            ]
        return sorted(found)


class _MemoryUpload(CountedUpload):
    """An upload whose parts lie in a dictionary. A part of a wrong size is refused, as stores refuse it."""

    def __init__(self, bucket: MemoryBucket, key: str, *, upload_id: str, size: int, part_size: int) -> None:
        super().__init__(key, size)
        self._bucket, self._id, self._part_size = bucket, upload_id, part_size
        self._parts: dict[int, bytes] = {}

    def put_part(self, number: int, data: Buffer, *, sha256: str = "") -> None:  # noqa: ARG002 - nothing is signed here
        self._check()
        expected = min(self._part_size, self._size - (number - 1) * self._part_size)
        if len(data) != expected:
            raise self._error(f"part {number} has {len(data)} bytes instead of {expected}")
        self._parts[number], self._sent[number] = bytes(data), expected

    def complete(self) -> None:
        self._check()
        self._check_whole()
        self._bucket.put(self._what, b"".join(self._parts[number] for number in sorted(self._parts)))
        self.abort()

    def abort(self) -> None:
        self._bucket.store.uploads.pop(self._id, None)
        self._parts.clear()

    def _check(self) -> None:
        if self._id not in self._bucket.store.uploads:
            raise self._error("the upload has ended already")

    def _error(self, problem: str) -> StorageError:
        return StorageError(f"{self._bucket.url}/{self._what}: {problem}")
