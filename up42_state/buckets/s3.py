"""Amazon S3, and stores that speak its protocol."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError, ClientError

from up42_state.buckets._resume import Body, Nothing, check_span, replaced, resumed
from up42_state.buckets._s3_client import credentials_source, gdal_options, make_client
from up42_state.buckets._s3_errors import BROKEN, missing_bucket, status_of, store_errors
from up42_state.buckets._s3_upload import S3Upload, as_body
from up42_state.buckets.base import MIB, Bucket, ObjectInfo, Upload, UploadInfo
from up42_state.buckets.hosts import is_amazon
from up42_state.buckets.keys import check_key, check_prefix, is_key, join
from up42_state.errors import (
    BucketNotFoundError,
    ObjectExistsError,
    ObjectNotFoundError,
    StorageError,
    UnsupportedStoreError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        CopySourceTypeDef,
        GetObjectOutputTypeDef,
        ListObjectsV2OutputTypeDef,
    )

    from up42_state.buckets.base import Buffer
    from up42_state.settings import Settings

__all__ = ["S3Bucket"]

GIB = 1024 * MIB
_BATCH = 1000  # keys in a DeleteObjects request
_FEW = 10  # keys to be told whether there is any
_CONFLICTS = 5  # attempts at a conditional write that the store answers with 409


class S3Bucket(Bucket):
    """A bucket, or what lies below a prefix in it.

    Amazon S3 creates atomically (``If-None-Match: *``: user guide, "Conditional writes"); another endpoint is
    probed.

    :param bucket: its name.
    :param prefix: comes before every key, with a slash between; may be empty.
    :param settings: credentials, endpoint, encryption, concurrency.
    """

    min_part_size = 5 * MIB
    max_copy = 5 * GIB  # bytes that CopyObject takes; more go by UploadPartCopy
    copy_part = GIB

    def __init__(self, bucket: str, prefix: str, settings: Settings) -> None:
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket, self._prefix, self._settings = bucket, prefix, settings
        self._lock = threading.Lock()
        self._made: S3Client | None = None
        self._encryption: dict[str, Any] = {}
        if settings.sse or settings.kms_key:
            self._encryption["ServerSideEncryption"] = settings.sse or "aws:kms"
        if settings.kms_key:
            self._encryption["SSEKMSKeyId"] = settings.kms_key

    @property
    def identity(self) -> str:
        return f"s3:{self.client.meta.endpoint_url}/{self._bucket}"

    @cached_property
    def atomic_create(self) -> bool | None:  # type: ignore[override]  # a plain attribute elsewhere
        """Asked of the client, since boto3's configuration file may name an endpoint, too."""
        return True if is_amazon(self.client.meta.endpoint_url) else None

    @property
    def client(self) -> S3Client:
        """The boto3 client; made when it is first needed, since finding credentials may take requests."""
        with self._lock:
            if self._made is None:
                self._made = make_client(self._settings)
            return self._made

    def head(self, key: str) -> ObjectInfo:
        try:
            with self._errors(key):
                found = self.client.head_object(**self._at(key))
        except ObjectNotFoundError:
            self._head_bucket()  # the answer to HEAD has no body that would say what is missing
            raise
        if not {"ContentLength", "LastModified"} <= found.keys():
            raise UnsupportedStoreError(f"{self.url}/{key}: the answer to HEAD has no size or no time")
        return ObjectInfo(key=key, size=found["ContentLength"], modified=found["LastModified"])

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        with self._errors(key):
            return b"".join(resumed(self._reader(key, start, length), start, broken=BROKEN, chunk=None))

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        with self._errors(key):
            yield from resumed(self._reader(key, start, length), start, broken=BROKEN, chunk=MIB)

    def put(self, key: str, data: Buffer) -> None:
        with self._errors(key):
            self.client.put_object(**self._at(key), Body=as_body(data), **self._encryption)

    def create(self, key: str, data: Buffer) -> None:
        """A 409 says that another request to the key was under way: it is sent again, within bounds."""
        with self._errors(key):
            for attempt in range(_CONFLICTS):
                try:
                    self.client.put_object(
                        **self._at(key), Body=as_body(data), IfNoneMatch="*", **self._encryption
                    )
                    return
                except ClientError as error:
                    if status_of(error) == 501 and self._settings.single_writer:
                        break
                    if status_of(error) == 501:
                        raise UnsupportedStoreError(
                            f"{self.url}: the store does not know If-None-Match",
                            advice="use another store, or UP42_STATE_SINGLE_WRITER=true if saves never race",
                        ) from error
                    if status_of(error) != 409 or attempt == _CONFLICTS - 1:
                        raise
                time.sleep(0.1 * 2**attempt)
            self._create_alone(key, data)

    def start_upload(self, key: str, size: int, part_size: int) -> Upload:  # noqa: ARG002 - told by the parts
        return self._upload(key, size)

    def resume_upload(self, key: str, size: int, upload_id: str) -> S3Upload:
        """Go on with an upload that was begun by other means."""
        return self._upload(key, size, upload_id)

    def uploads(self, prefix: str) -> Iterator[UploadInfo]:
        pages = self.client.get_paginator("list_multipart_uploads").paginate(
            Bucket=self._bucket, Prefix=join(self._prefix, check_prefix(prefix)), EncodingType="url"
        )
        # rclone's server answers 404 where no upload was ever begun
        with suppress(ObjectNotFoundError), self._errors(prefix):
            for page in pages:
                for found in page.get("Uploads", ()):
                    key = self._relative(unquote_plus(found["Key"]))
                    if not is_key(key):
                        continue
                    yield UploadInfo(key=key, upload_id=found["UploadId"], started=found["Initiated"])

    def abort_upload(self, upload: UploadInfo) -> None:
        with suppress(ObjectNotFoundError), self._errors(upload.key):
            self.client.abort_multipart_upload(**self._at(upload.key), UploadId=upload.upload_id)

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        for page in self._pages(prefix, after=after):
            for found in page.get("Contents", ()):
                key = self._relative(found["Key"])
                if is_key(key):
                    yield ObjectInfo(key=key, size=found["Size"], modified=found["LastModified"])

    def holds(self, prefix: str) -> bool:
        pages = self._pages(prefix, MaxKeys=_FEW)
        return any(
            is_key(self._relative(found["Key"])) for page in pages for found in page.get("Contents", ())
        )

    def prefixes(self, prefix: str) -> Iterator[str]:
        for page in self._pages(prefix, Delimiter="/"):
            for found in page.get("CommonPrefixes", ()):
                name = self._relative(found["Prefix"])[len(prefix) :].removesuffix("/")
                if is_key(name):
                    yield name

    def delete(self, keys: Iterable[str]) -> None:
        failed: list[str] = []
        waiting = [self._full(key) for key in keys]
        for begin in range(0, len(waiting), _BATCH):
            with self._errors(""):
                failed += self._delete_batch(waiting[begin : begin + _BATCH])
        if failed:
            raise StorageError(f"{self.url}: {len(failed)} objects were not deleted, first: {failed[0]}")

    def copy(self, source: str, key: str) -> None:
        size = self.head(source).size
        origin: CopySourceTypeDef = {"Bucket": self._bucket, "Key": self._full(source)}
        with self._errors(source):
            if size <= self.max_copy:
                self.client.copy_object(**self._at(key), CopySource=origin, **self._encryption)
                return
        upload = self._upload(key, size)
        try:
            for number, begin in enumerate(range(0, size, self.copy_part), 1):
                upload.copy_part(number, origin, begin, min(begin + self.copy_part, size))
            upload.complete()
        except BaseException:
            upload.abort()
            raise

    def gdal_path(self, key: str) -> str:
        return f"/vsis3/{self._bucket}/{self._full(key)}"

    def gdal_options(self) -> Mapping[str, str]:
        with self._errors(""):
            return gdal_options(self._settings, self.client.meta.endpoint_url)

    def close(self) -> None:
        with self._lock:
            if self._made is not None:
                self._made.close()
                self._made = None

    def _head_bucket(self) -> dict[str, str]:
        """The headers of an answer about the bucket itself."""
        try:
            with self._errors(""):
                return self.client.head_bucket(Bucket=self._bucket)["ResponseMetadata"]["HTTPHeaders"]
        except ObjectNotFoundError as error:
            raise missing_bucket(self.url, self._buckets()) from error

    def _create_alone(self, key: str, data: Buffer) -> None:
        """Look, then write: for a single writer, on a store that does not know the condition."""
        try:
            self.head(key)
        except ObjectNotFoundError:
            self.put(key, data)
        else:
            raise ObjectExistsError(f"{self.url}/{key} exists already")

    def _full(self, key: str) -> str:
        return join(self._prefix, check_key(key))

    def _relative(self, full: str) -> str:
        return full[len(self._prefix) + 1 :] if self._prefix else full

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._full(key)}

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        what = join(self.url, key) if key else self.url
        try:
            with store_errors(what, credentials_source(self._settings)):
                yield
        except BucketNotFoundError as error:
            raise missing_bucket(what, self._buckets()) from error

    def _buckets(self) -> Sequence[str]:
        """The buckets that there are, as far as the credentials may ask: for messages only."""
        try:
            return [found["Name"] for found in self.client.list_buckets().get("Buckets", [])]
        except (ClientError, BotoCoreError):
            return []

    def _reader(self, key: str, start: int, length: int | None) -> Callable[[int], Body]:
        """Opens the object at a position: always with a range, so that the answer says how long the object
        is and a short body is found out; and only the same object again.
        """
        last = None if length is None else start + length - 1
        tag: dict[str, Any] = {}

        def open_at(position: int) -> Body:
            if length == 0:
                self.head(key)
                return Nothing()
            try:
                answer = self.client.get_object(
                    **self._at(key), Range=f"bytes={position}-{'' if last is None else last}", **tag
                )
            except ClientError as error:
                if status_of(error) == 416:
                    return Nothing()
                if status_of(error) == 412:
                    raise replaced(f"{self.url}/{key}") from error
                raise
            if "ETag" in answer:  # as every store says; digests guard what is read anyway
                tag["IfMatch"] = answer["ETag"]
            return _S3Body(answer, position, last)

        return open_at

    def _upload(self, key: str, size: int, upload_id: str = "") -> S3Upload:
        return S3Upload(
            self.client,
            self._at(key),
            size,
            encryption=self._encryption,
            errors=lambda: self._errors(key),
            upload_id=upload_id,
        )

    def _pages(self, prefix: str, *, after: str = "", **options: Any) -> Iterator[ListObjectsV2OutputTypeDef]:
        if after:
            options["StartAfter"] = join(self._prefix, after)
        with self._errors(prefix):
            yield from self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=join(self._prefix, check_prefix(prefix)), **options
            )

    def _delete_batch(self, keys: Sequence[str]) -> Sequence[str]:
        """Delete full keys; what failed."""
        answer = self.client.delete_objects(
            Bucket=self._bucket, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
        )
        return [
            f"{error.get('Key')}: {error.get('Message')} ({error.get('Code')})"
            for error in answer.get("Errors", ())
            if error.get("Code") != "NoSuchKey"
        ]


class _S3Body:
    """The body of an answer to a request with a range."""

    def __init__(self, answer: GetObjectOutputTypeDef, position: int, last: int | None) -> None:
        self._body = answer["Body"]
        try:
            self.end = check_span(answer.get("ContentRange"), position, last, answer.get("ContentLength"))
        except StorageError:
            self.close()
            raise

    def read(self, size: int) -> bytes:
        return self._body.read(size)

    def close(self) -> None:
        self._body.close()
