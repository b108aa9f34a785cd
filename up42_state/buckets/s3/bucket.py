"""Amazon S3, and stores that speak its protocol.

Modules that need botocore are imported where they are used: a thread loads them, beside other work, from the
moment on that a bucket is opened (:mod:`up42_state.buckets.s3.start`).
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from up42_state.buckets.base import MIB, Bucket, ObjectInfo
from up42_state.buckets.keys import is_key, join
from up42_state.buckets.network.hosts import is_amazon
from up42_state.buckets.s3.start import finish_loading, start_loading
from up42_state.buckets.uploads import Upload, UploadInfo
from up42_state.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ObjectNotFoundError,
    StateError,
    StorageError,
    UnsupportedStoreError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CopySourceTypeDef

    from up42_state.buckets.s3.checksums import Checksums
    from up42_state.buckets.s3.upload import S3Upload
    from up42_state.buckets.uploads import Buffer, LeftUpload
    from up42_state.settings.model import Settings

__all__ = ["S3Bucket"]

GIB = 1024 * MIB
_BATCH = 1000  # keys in a DeleteObjects request
_FEW = 10  # keys to be told whether there is any


class S3Bucket(Bucket):
    """A bucket, or what lies below a prefix in it.

    Amazon S3 creates atomically (``If-None-Match: *``: user guide, "Conditional writes"); another endpoint is
    probed.

    :param bucket: its name.
    :param prefix: comes before every key, with a slash between; may be empty.
    :param settings: credentials, endpoint, encryption, concurrency.
    """

    takes_uploads_away = True
    if_missing = "check the store's URL and AWS_ENDPOINT_URL, or make the bucket"
    min_part_size = 5 * MIB
    max_copy = 5 * GIB  # bytes that CopyObject takes; more go by UploadPartCopy
    copy_part = GIB

    def __init__(self, bucket: str, prefix: str, settings: Settings) -> None:
        self.url = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket, self.prefix, self._settings = bucket, prefix, settings
        self._lock = threading.Lock()
        self._made: S3Client | None = None
        start_loading()
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
        finish_loading()
        from up42_state.buckets.s3.client import make_client

        with self._lock:
            if self._made is None:
                self._made = make_client(self._settings)
            return self._made

    @cached_property
    def _checksums(self) -> Checksums:
        from up42_state.buckets.s3.client import checksums

        return checksums(self.client)

    def head(self, key: str) -> ObjectInfo:
        try:
            with self._errors(key):
                found = self.client.head_object(**self._at(key))
        except ObjectNotFoundError:
            self._head_bucket()  # the answer to HEAD has no body that would say what is missing
            raise
        from up42_state.buckets.s3.answers import check_object

        check_object(self.client, "HeadObject", key, found.get("ContentType"), found.get("ContentEncoding"))
        return ObjectInfo(key=key, size=found["ContentLength"], modified=found["LastModified"])

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        return b"".join(self._read(key, start, length, None))

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        yield from self._read(key, start, length, MIB)

    def put(self, key: str, data: Buffer) -> None:
        with self._errors(key):
            self._put(key, data)

    def create(self, key: str, data: Buffer) -> None:
        try:
            with self._errors(key):
                self._put(key, data, IfNoneMatch="*")
        except UnsupportedStoreError as error:
            lacks, alone = "the store does not know If-None-Match", self._settings.single_writer
            self._create_alone(key, data, lacks=lacks, single_writer=alone, error=error)

    def start_upload(self, key: str, size: int, part_size: int) -> Upload:  # noqa: ARG002 - told by the parts
        return self._upload(key, size)

    def continue_upload(self, left: LeftUpload, key: str) -> Upload | None:
        from up42_state.buckets.s3.upload import ContinuedUpload

        upload = self._upload(left.key, left.size, left.token)
        with suppress(ObjectNotFoundError, AccessDeniedError):  # listing parts is a right of its own
            upload.find(left)

        def move() -> None:
            self.copy(left.key, key)
            with suppress(StorageError):  # prune finds it
                self.delete([left.key])

        return ContinuedUpload(upload, move) if upload.held else None

    def uploads(self, prefix: str) -> Iterator[UploadInfo]:
        # rclone's server answers 404 where no upload was ever begun
        with suppress(ObjectNotFoundError), self._errors(prefix):
            from up42_state.buckets.s3.listing import upload_pages

            full = self._full_prefix(prefix)
            for page in upload_pages(self.client, self._bucket, full):
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
        self._check_deleted(failed)

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

    def retention(self) -> str | None:
        with self._errors(""):
            from up42_state.buckets.s3.retention import retention

            return retention(self.client, self._bucket)

    def signed_url(self, key: str, lifetime: timedelta) -> str:
        seconds = self._check_lifetime(lifetime)
        with self._errors(key):
            return self._signer.generate_presigned_url("get_object", Params=self._at(key), ExpiresIn=seconds)

    @cached_property
    def _signer(self) -> S3Client:
        from up42_state.buckets.s3.client import make_signer

        return make_signer(self._settings, self.client)

    def gdal_path(self, key: str) -> str:
        return f"/vsis3/{self._bucket}/{self._full(key)}"

    def gdal_options(self) -> Mapping[str, str]:
        with self._errors(""):
            from up42_state.buckets.s3.client import gdal_options

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
            raise self._missing_bucket(self.url) from error

    def _at(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._bucket, "Key": self._full(key)}

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        finish_loading()
        from up42_state.buckets.s3.client import credentials_source
        from up42_state.buckets.s3.errors import named, store_errors

        what = join(self.url, key) if key else self.url
        try:
            with store_errors(what, credentials_source(self._settings)):
                yield
        except BucketNotFoundError as error:
            raise self._missing_bucket(what) from error
        except StateError as error:
            named(error, self._settings)
            raise

    def _missing_bucket(self, what: str) -> StateError:
        """The error for a bucket that does not exist, naming some that do, as far as that may be asked."""
        from up42_state.buckets.s3.errors import named, store_errors

        names: list[str] = []
        # Not by _errors: where the answer to this, too, is that a bucket is missing, it would ask for ever.
        with suppress(StateError), store_errors(self.url, ""):
            names = [found["Name"] for found in self.client.list_buckets().get("Buckets", [])]
        return named(self._no_bucket(what, names), self._settings)

    def _read(self, key: str, start: int, length: int | None, chunk: int | None) -> Iterator[bytes]:
        if length == 0:
            self.head(key)
            return
        with self._errors(key):
            from up42_state.buckets.s3.body import read

            yield from read(self.client, self._at(key), f"{self.url}/{key}", start, length, chunk)

    def _put(self, key: str, data: Buffer, **condition: Any) -> None:
        from up42_state.buckets.s3.upload import as_body, unless_met

        body, at = as_body(data), self._at(key)
        self._checksums.sent(
            body,
            lambda checksum: unless_met(
                lambda: self.client.put_object(**at, Body=body, **condition, **self._encryption, **checksum)
            ),
        )

    def _upload(self, key: str, size: int, token: str = "") -> S3Upload:
        with self._errors(key):
            from up42_state.buckets.s3.upload import S3Upload

            return S3Upload(
                self.client,
                self._at(key),
                size,
                encryption=self._encryption,
                checksums=self._checksums,
                errors=lambda: self._errors(key),
                token=token,
            )

    def _pages(self, prefix: str, *, after: str = "", **options: Any) -> Iterator[Any]:
        if after:
            options["StartAfter"] = join(self.prefix, after)
        with self._errors(prefix):
            from up42_state.buckets.s3.listing import object_pages

            full = self._full_prefix(prefix)
            yield from object_pages(self.client, self._bucket, full, **options)

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
