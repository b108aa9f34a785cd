"""A bucket around a real one that fails the operation that a test picks, before or after its effect."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal, TypeVar

from up42_state.buckets.base import Bucket, ObjectInfo
from up42_state.buckets.uploads import Upload, UploadInfo
from up42_state.errors import StoreUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from up42_state.buckets.uploads import Buffer

    When = Literal["before", "after"]


T = TypeVar("T")


class Operations:
    """Counts operations, and fails the one with number ``fail_at`` (from 1)."""

    def __init__(self) -> None:
        self.names: list[tuple[str, str]] = []
        self.fail_at = 0
        self.when: When = "before"
        self.error: Callable[[], Exception] = lambda: StoreUnreachableError("the fault asked for")
        self.on_operation: Callable[[str, str], None] = lambda _name, _key: None
        self._lock = threading.Lock()

    def enter(self, name: str, key: str) -> bool:
        """Count an operation; whether it is to fail after its effect."""
        with self._lock:
            self.names.append((name, key))
            mine = len(self.names) == self.fail_at
        self.on_operation(name, key)
        if mine and self.when == "before":
            raise self.error()
        return mine

    def __len__(self) -> int:
        return len(self.names)

    def count(self, *names: str) -> int:
        """How many operations of these names there were."""
        return sum(name in names for name, _ in self.names)


class FaultyBucket(Bucket):
    """Passes everything on to ``inner``, and tells ``operations`` of it."""

    def __init__(self, inner: Bucket) -> None:
        self.inner = inner
        self.url = inner.url
        self.atomic_create = inner.atomic_create
        self.operations = Operations()

    def _run(self, name: str, key: str, work: Callable[[], T]) -> T:
        late = self.operations.enter(name, key)
        result = work()
        if late:
            raise self.operations.error()
        return result

    @property
    def identity(self) -> str:
        return self.inner.identity

    def head(self, key: str) -> ObjectInfo:
        return self._run("head", key, lambda: self.inner.head(key))

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        return self._run("get", key, lambda: self.inner.get(key, start, length))

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self._run("stream", key, lambda: self.inner.stream(key, start, length))

    def pieces(self, key: str, buffer: memoryview, start: int, length: int) -> Iterator[memoryview]:
        return self._run("get", key, lambda: self.inner.pieces(key, buffer, start, length))

    def put(self, key: str, data: Buffer) -> None:
        self._run("put", key, lambda: self.inner.put(key, data))

    def create(self, key: str, data: Buffer) -> None:
        self._run("create", key, lambda: self.inner.create(key, data))

    def start_upload(self, key: str, size: int, part_size: int) -> Upload:
        upload = self._run("start_upload", key, lambda: self.inner.start_upload(key, size, part_size))
        return _FaultyUpload(self, key, upload)

    def uploads(self, prefix: str) -> Iterator[UploadInfo]:
        return self._run("uploads", prefix, lambda: self.inner.uploads(prefix))

    def abort_upload(self, upload: UploadInfo) -> None:
        self._run("abort_upload", upload.key, lambda: self.inner.abort_upload(upload))

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        return self._run("list", prefix, lambda: self.inner.list(prefix, after=after))

    def prefixes(self, prefix: str) -> Iterator[str]:
        return self._run("prefixes", prefix, lambda: self.inner.prefixes(prefix))

    def delete(self, keys: Iterable[str]) -> None:
        self._run("delete", "", lambda: self.inner.delete(keys))

    def copy(self, source: str, key: str) -> None:
        self._run("copy", key, lambda: self.inner.copy(source, key))

    def clock(self) -> datetime:
        return self._run("clock", "", self.inner.clock)

    def gdal_path(self, key: str) -> str:
        return self.inner.gdal_path(key)

    def gdal_options(self) -> Mapping[str, str]:
        return self.inner.gdal_options()


class _FaultyUpload(Upload):
    def __init__(self, bucket: FaultyBucket, key: str, inner: Upload) -> None:
        self._bucket, self._key, self._inner = bucket, key, inner

    def put_part(self, number: int, data: Buffer, *, sha256: str = "") -> None:
        self._bucket._run("put_part", self._key, lambda: self._inner.put_part(number, data, sha256=sha256))

    def complete(self) -> None:
        self._bucket._run("complete", self._key, self._inner.complete)

    def abort(self) -> None:
        self._inner.abort()
