"""S3 by requests of our own, with boto3 behind them for everything else.

Loading boto3 and making its client takes longer than saving a hundred small files, it copies every body, and
holds Python's lock over it. So what saving and restoring takes – objects, ranges, listings, uploads in
parts – is sent by :mod:`up42_state.buckets._s3_requests`, straight out of and into our buffers (figures:
``docs/performance.md``). It carries out what succeeds at once. Whatever it does not do, and whatever fails
with it, is asked of :class:`~up42_state.buckets.s3.S3Bucket`: errors, retries and answers that break off are
boto3's alone, and so is every kind of operation from its first failure on.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from up42_state.buckets._s3_direct_upload import DirectUpload
from up42_state.buckets._s3_requests import RefusedError, S3Requests
from up42_state.buckets.base import MIB, Bucket, ObjectInfo, Upload, UploadInfo
from up42_state.buckets.keys import check_key, check_prefix, is_key, join
from up42_state.errors import ObjectExistsError, ObjectNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from up42_state.buckets._xml import Element
    from up42_state.buckets.base import Buffer
    from up42_state.buckets.s3 import S3Bucket
    from up42_state.settings import Settings

__all__ = ["DirectS3Bucket"]

_BLOCK = 8 * MIB  # of the index: a part that is one block is not hashed again to be signed
_FEW = 4  # objects that are removed one by one
_ABOUT_THE_OBJECT = {404, 412}  # statuses that say nothing against this kind of request


class DirectS3Bucket(Bucket):
    """The same objects as :class:`~up42_state.buckets.s3.S3Bucket`, which see for the parameters.

    For settings that :func:`~up42_state.buckets.hosts.serves_directly` accepts.
    """

    min_part_size = 5 * MIB

    def __init__(self, bucket: str, prefix: str, settings: Settings) -> None:
        self.url = f"s3://{join(bucket, prefix)}"
        self._bucket, self._prefix, self._settings = bucket, prefix, settings
        self._requests = S3Requests(bucket, settings)
        self._lock = threading.Lock()
        self._failed: set[str] = set()
        self._made: S3Bucket | None = None

    @property
    def identity(self) -> str:
        return f"s3:{self._settings.aws_endpoint_url}/{self._bucket}"

    @property
    def careful(self) -> S3Bucket:
        """The bucket that boto3 serves; made, and boto3 loaded, when it is first needed."""
        with self._lock:
            if self._made is None:
                from up42_state.buckets.s3 import S3Bucket

                self._made = S3Bucket(self._bucket, self._prefix, self._settings)
            return self._made

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        if length != 0 and self._may("get", key):
            with self._trying("get", key):
                last = None if length is None else start + length - 1
                return self._requests.get(self._full(key), start, last)
        return self.careful.get(key, start, length)

    def pieces(self, key: str, buffer: memoryview, start: int, length: int) -> Iterator[memoryview]:
        at, last = start, start + length - 1
        if length and self._may("get", key):
            with self._trying("get", key):
                for piece in self._requests.pieces(self._full(key), buffer, start, last):
                    yield piece
                    at += len(piece)
                return
        yield from self.careful.pieces(key, buffer, at, last + 1 - at)

    def put(self, key: str, data: Buffer) -> None:
        if self._may("put", key):
            with self._trying("put"):
                return self._requests.put(self._full(key), data)
        return self.careful.put(key, data)

    def create(self, key: str, data: Buffer) -> None:
        if self._may("create", key):
            with self._trying("create"):
                if not self._requests.create(self._full(key), data):
                    raise ObjectExistsError(f"{self.url}/{key} exists already")
                return None
        return self.careful.create(key, data)

    def start_upload(self, key: str, size: int, part_size: int) -> Upload:
        if self._may("upload", key):
            with self._trying("upload"):
                return DirectUpload(
                    self._requests,
                    self._full(key),
                    size,
                    trying=partial(self._trying, "upload"),
                    careful=lambda upload: self.careful.resume_upload(key, size, upload),
                )
        return self.careful.start_upload(key, size, part_size)

    def part_size(self, size: int) -> int:
        needed = -(-size // self.max_parts)
        return max(1, -(-needed // _BLOCK)) * _BLOCK

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        if self._may("list"):
            with self._trying("list"):
                for page in self._pages(prefix, after=after):
                    for found in map(self._info, page.all("Contents")):
                        if is_key(found.key):
                            yield found
                            after = found.key
                return
        yield from self.careful.list(prefix, after=after)

    def prefixes(self, prefix: str) -> Iterator[str]:
        if self._may("list"):
            with self._trying("list"):
                yield from list(self._names(prefix))
                return
        yield from self.careful.prefixes(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        waiting = list(keys)
        if len(waiting) <= _FEW and self._may("delete", *waiting):
            with self._trying("delete"):
                for key in waiting:
                    self._requests.delete(self._full(key))
                return
        self.careful.delete(waiting)

    def head(self, key: str) -> ObjectInfo:
        return self.careful.head(key)

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self.careful.stream(key, start, length)

    def uploads(self, prefix: str) -> Iterator[UploadInfo]:
        return self.careful.uploads(prefix)

    def abort_upload(self, upload: UploadInfo) -> None:
        self.careful.abort_upload(upload)

    def copy(self, source: str, key: str) -> None:
        self.careful.copy(source, key)

    def gdal_path(self, key: str) -> str:
        return self.careful.gdal_path(key)

    def gdal_options(self) -> Mapping[str, str]:
        return self.careful.gdal_options()

    def close(self) -> None:
        self._requests.close()
        with self._lock:
            if self._made is not None:
                self._made.close()
                self._made = None

    def _may(self, kind: str, *keys: str) -> bool:
        """Whether a request of our own is sent; if not, boto3 checks the keys, too."""
        return kind not in self._failed and all(map(is_key, keys))

    @contextmanager
    def _trying(self, kind: str, key: str = "") -> Iterator[None]:
        """End quietly where boto3 is to do it, and to do all of this kind after a failure."""
        try:
            yield
        except ObjectExistsError:
            raise
        except RefusedError as error:
            if error.code == "NoSuchKey":
                raise ObjectNotFoundError(f"there is no object {self.url}/{key}") from error
            if error.status not in _ABOUT_THE_OBJECT:
                self._failed.add(kind)
        except (OSError, ValueError):
            self._failed.add(kind)

    def _full(self, key: str) -> str:
        return join(self._prefix, check_key(key))

    def _relative(self, full: str) -> str:
        return full[len(self._prefix) + 1 :] if self._prefix else full

    def _pages(self, prefix: str, *, after: str = "", delimiter: str = "") -> Iterator[Element]:
        full = join(self._prefix, check_prefix(prefix))
        start = join(self._prefix, after) if after else ""
        return self._requests.pages(full, after=start, delimiter=delimiter)

    def _info(self, found: Element) -> ObjectInfo:
        return ObjectInfo(
            key=self._relative(found.value("Key")),
            size=int(found.value("Size")),
            modified=datetime.fromisoformat(found.value("LastModified")),
        )

    def _names(self, prefix: str) -> Iterator[str]:
        for page in self._pages(prefix, delimiter="/"):
            for found in page.all("CommonPrefixes"):
                name = self._relative(found.value("Prefix"))[len(prefix) :].removesuffix("/")
                if is_key(name):
                    yield name
