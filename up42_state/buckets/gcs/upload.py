"""Uploads in parts to Google Cloud Storage.

Every part is an object in a folder for unfinished uploads, and composing joins them: at most 32 at once
("Compose objects"), so more are joined in a tree. The other way, multipart uploads of the XML API, wants
S3-style requests that google-cloud-storage offers for files only, and that emulators do not know; composing
is part of the JSON API, which they all speak.
"""

from __future__ import annotations

import threading
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from up42_state.buckets.keys import join
from up42_state.buckets.unfinished import folder_of, is_unfinished
from up42_state.buckets.uploads import CountedUpload, UploadInfo
from up42_state.errors import ObjectNotFoundError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from up42_state.buckets.base import ObjectInfo
    from up42_state.buckets.uploads import Buffer, LeftUpload

__all__ = ["GCSUpload", "unfinished"]

_COMPOSED = 32  # objects in one compose request


def unfinished(objects: Iterable[ObjectInfo]) -> Iterator[UploadInfo]:
    """The uploads that parts belong to, among all objects of a prefix. The key that an upload would have
    created is not kept: they go by the folder of their parts.
    """
    found: dict[str, ObjectInfo] = {}
    for info in objects:
        if is_unfinished(info.key):
            upload = info.key.rpartition("/")[0]
            found[upload] = min(info, found.get(upload, info), key=_modified)
    for upload, info in found.items():
        yield UploadInfo(key=upload, upload_id=upload, started=info.modified)


def _part(folder: str, number: int) -> str:
    """The key of a part."""
    return f"{folder}/{number:05}"


def _modified(info: ObjectInfo) -> float:
    return info.modified.timestamp()


class Composer(Protocol):
    """What an upload needs of its bucket."""

    url: str

    def put(self, key: str, data: Buffer) -> None:
        """Write an object."""

    def compose(self, sources: Sequence[str], key: str) -> None:
        """Join objects into a new one."""

    def copy(self, source: str, key: str) -> None:
        """Copy an object."""

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects."""


class GCSUpload(CountedUpload):
    """Objects that are to become one. Nothing is sent before the first part."""

    def __init__(self, bucket: Composer, key: str, size: int) -> None:
        super().__init__(key, size)
        self._bucket = bucket
        self.token = self._folder = join(folder_of(key), uuid.uuid4().hex)
        self._components: list[str] = []
        self._lock = threading.Lock()
        self._left: LeftUpload | None = None

    def put_part(self, number: int, data: Buffer, *, sha256: str = "") -> None:  # noqa: ARG002 - GCS signs no bodies
        self._bucket.put(self._component(number), data)
        with self._lock:
            self._sent[number] = memoryview(data).nbytes

    def find(self, left: LeftUpload, found: Iterable[ObjectInfo]) -> None:
        """Note the parts that an upload was left with.

        :param found: the objects in that upload's folder.
        """
        self._left = left
        sizes = {info.key: info.size for info in found}
        self.held = frozenset(n for n in left.parts if sizes.get(_part(left.token, n)) == left.length(n))

    def keep(self, number: int) -> None:
        if self._left is None:
            raise ObjectNotFoundError(f"no part of {self._what} was left")
        self._bucket.copy(_part(self._left.token, number), self._component(number))
        with self._lock:
            self._sent[number] = self._left.length(number)

    def complete(self) -> None:
        self._check_whole()
        level = [self._component(number) for number in sorted(self._sent)]
        free = max(self._sent, default=0) + 1
        while len(level) > _COMPOSED:
            groups = [level[begin : begin + _COMPOSED] for begin in range(0, len(level), _COMPOSED)]
            level = [self._component(free + number) for number in range(len(groups))]
            free += len(groups)
            for group, key in zip(groups, level, strict=True):
                self._bucket.compose(group, key)
        self._bucket.compose(level, self._what)
        with suppress(StorageError):  # the object is there; parts that stay are found as unfinished uploads
            self.abort()

    def abort(self) -> None:
        self._bucket.delete(self._components)

    def _component(self, number: int) -> str:
        """The key of a part, noted to be deleted: also one that may not have arrived."""
        key = _part(self._folder, number)
        with self._lock:
            self._components.append(key)
        return key
