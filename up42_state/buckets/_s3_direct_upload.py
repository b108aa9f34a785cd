"""Uploads in parts by requests of our own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from up42_state.buckets.base import Upload
from up42_state.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from up42_state.buckets._s3_requests import S3Requests
    from up42_state.buckets._s3_upload import S3Upload
    from up42_state.buckets.base import Buffer

__all__ = ["DirectUpload"]


class DirectUpload(Upload):
    """A multipart upload, begun when it is made; boto3 goes on with it from the first failure on.

    :param key: the full key.
    :param size: bytes in all.
    :param trying: makes a context that ends quietly where boto3 is to do what failed in it.
    :param careful: gives boto3's end of an upload, by its id.
    """

    def __init__(
        self,
        requests: S3Requests,
        key: str,
        size: int,
        *,
        trying: Callable[[], AbstractContextManager[None]],
        careful: Callable[[str], S3Upload],
    ) -> None:
        self._requests, self._key, self._size = requests, key, size
        self._trying, self._make_careful = trying, careful
        self._tags: dict[int, str] = {}
        self._sent: dict[int, int] = {}
        self._lock = threading.Lock()
        self._made: S3Upload | None = None
        self._id = requests.begin_upload(key)

    def put_part(self, number: int, data: Buffer, *, sha256: str = "") -> None:
        if self._made is None:
            with self._trying():
                self._tags[number] = self._requests.put_part(self._key, self._id, number, data, sha256)
                self._sent[number] = len(data)
                return
        self._careful().put_part(number, data)

    def complete(self) -> None:
        if self._made is None:
            sent = sum(self._sent.values())
            if sent != self._size:
                raise StorageError(f"{sent} bytes of {self._key} were sent instead of {self._size}")
            with self._trying():
                self._requests.complete_upload(self._key, self._id, self._tags)
                return
        careful = self._careful()
        for number, tag in self._tags.items():
            careful.note(number, self._sent[number], {"ETag": tag})
        careful.complete()

    def abort(self) -> None:
        if self._made is None:
            with self._trying():
                self._requests.abort_upload(self._key, self._id)
                return
        self._careful().abort()

    def _careful(self) -> S3Upload:
        """The same upload, as boto3 goes on with it."""
        with self._lock:
            if self._made is None:
                self._made = self._make_careful(self._id)
            return self._made
