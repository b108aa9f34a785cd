"""Google Cloud Storage."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from google.api_core.exceptions import GoogleAPICallError, NotFound, from_http_response
from google.auth.exceptions import GoogleAuthError

from up42_state.buckets.base import MIB, Bucket, ObjectInfo
from up42_state.buckets.gcs.answers import foreign
from up42_state.buckets.gcs.client import credentials_source, gdal_options, make_client
from up42_state.buckets.gcs.errors import (
    BROKEN,
    is_missing_bucket,
    retried,
    status_of,
    store_errors,
)
from up42_state.buckets.gcs.retention import retention
from up42_state.buckets.gcs.signing import signed_url
from up42_state.buckets.gcs.upload import GCSUpload, unfinished
from up42_state.buckets.keys import check_key, is_key, join
from up42_state.buckets.network.bodies import Body, Nothing, check_span, replaced, resumed
from up42_state.buckets.unfinished import is_unfinished
from up42_state.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    SettingsError,
    StorageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from google.auth.transport.requests import AuthorizedSession
    from google.cloud import storage
    from requests import Response

    from up42_state.buckets.uploads import Buffer, LeftUpload, Upload, UploadInfo
    from up42_state.settings.model import Settings

__all__ = ["GCSBucket"]

_FEW = 10  # objects to be told whether there is any
_BATCH = 100  # calls in a batch request ("Batch requests")
_TIMEOUT = (10.0, 60.0)  # seconds to connect, seconds without a byte
_LISTED = "kind,items(name,size,updated),prefixes,nextPageToken"
_ONCE: dict[str, Any] = {"retry": None, "timeout": _TIMEOUT}  # retries are bounded by their number, by us


class GCSBucket(Bucket):
    """A bucket, or what lies below a prefix in it.

    Google's own service creates atomically (``ifGenerationMatch=0``: "Request preconditions"); an emulator is
    probed, since some ignore preconditions.

    :param bucket: its name.
    :param prefix: comes before every key, with a slash between; may be empty.
    :param settings: credentials, emulator host, encryption, concurrency.
    :raises SettingsError: an encryption is asked for that this store does not have.
    """

    def __init__(self, bucket: str, prefix: str, settings: Settings) -> None:
        if settings.sse and settings.sse != "AES256" and not settings.kms_key:
            raise SettingsError(
                f"{settings.source('sse')}: Google Cloud Storage needs UP42_STATE_KMS_KEY for {settings.sse}"
            )
        self.url = f"gs://{bucket}/{prefix}".rstrip("/")
        self.atomic_create = None if settings.storage_emulator_host else True
        self._bucket, self.prefix, self._settings = bucket, prefix, settings
        self._lock = threading.Lock()
        self._made: tuple[storage.Client, AuthorizedSession] | None = None

    @property
    def identity(self) -> str:
        return f"gs:{self._settings.storage_emulator_host or 'googleapis.com'}/{self._bucket}"

    def head(self, key: str) -> ObjectInfo:
        blob = self._blob(key)
        with self._errors(key):
            retried(lambda: blob.reload(**_ONCE))
        return _info(key, blob)

    def get(self, key: str, start: int = 0, length: int | None = None) -> bytes:
        with self._errors(key):
            return b"".join(resumed(self._reader(key, start, length), start, broken=BROKEN, chunk=None))

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        with self._errors(key):
            yield from resumed(self._reader(key, start, length), start, broken=BROKEN, chunk=MIB)

    def put(self, key: str, data: Buffer) -> None:
        self._send(key, data, None)

    def create(self, key: str, data: Buffer) -> None:
        self._send(key, data, 0)

    def start_upload(self, key: str, size: int, part_size: int) -> Upload:  # noqa: ARG002 - told by the parts
        self._full(key)
        return GCSUpload(self, key, size)

    def continue_upload(self, left: LeftUpload, key: str) -> Upload | None:
        upload = GCSUpload(self, key, left.size)
        if is_unfinished(f"{left.token}/1"):
            upload.find(left, self._objects(f"{check_key(left.token)}/"))
        return upload if upload.held else None

    def uploads(self, prefix: str) -> Iterator[UploadInfo]:
        """Parts that were left behind. Finding the parts takes a listing of every object below the prefix."""
        yield from unfinished(self._objects(prefix))

    def abort_upload(self, upload: UploadInfo) -> None:
        found = [info.key for info in self._objects(f"{check_key(upload.upload_id)}/")]
        self.delete([key for key in found if is_unfinished(key)])

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        for info in self._objects(prefix, after):
            if not is_unfinished(info.key):
                yield info

    def holds(self, prefix: str) -> bool:
        objects = self._objects(prefix, most=_FEW)
        return any(not is_unfinished(info.key) for info in objects)

    def prefixes(self, prefix: str) -> Iterator[str]:
        for page in self._pages(prefix, delimiter="/"):
            for found in page.prefixes:
                name = self._relative(found)[len(prefix) :].removesuffix("/")
                if is_key(name):
                    yield name

    def delete(self, keys: Iterable[str]) -> None:
        failed: list[Exception] = []
        waiting = [self._blob(key) for key in keys]
        for begin in range(0, len(waiting), _BATCH):
            with self._errors(""):
                failed += self._delete_batch(waiting[begin : begin + _BATCH])
        self._check_deleted(failed)

    def copy(self, source: str, key: str) -> None:
        """Copy an object by rewrite requests. A large one takes several, each going on from the last."""
        origin, target, token = self._blob(source), self._blob(key), None
        with self._errors(source):
            while True:
                token, _, _ = retried(partial(target.rewrite, origin, token=token, **_ONCE))
                if token is None:
                    return

    def compose(self, sources: Sequence[str], key: str) -> None:
        """Join at most 32 objects into one, replacing what has its key."""
        parts, target = [self._blob(source) for source in sources], self._blob(key)
        target.content_type = "application/octet-stream"
        with self._errors(key):
            retried(lambda: target.compose(parts, **_ONCE))

    def retention(self) -> str | None:
        try:
            with self._errors(""):
                return retention(retried(lambda: self._open()[0].get_bucket(self._bucket, **_ONCE)))
        except AccessDeniedError:  # it takes storage.buckets.get, which nothing else does
            return None

    def signed_url(self, key: str, lifetime: timedelta) -> str:
        self._check_lifetime(lifetime)
        with self._errors(key):
            return signed_url(self._blob(key), self.url, lifetime)

    def gdal_path(self, key: str) -> str:
        return f"/vsigs/{self._bucket}/{self._full(key)}"

    def gdal_options(self) -> Mapping[str, str]:
        return gdal_options(self._settings)

    def close(self) -> None:
        with self._lock:
            if self._made is not None:
                self._made[0].close()
                self._made = None

    def _open(self) -> tuple[storage.Client, AuthorizedSession]:
        """Client and session; made when first needed, since finding credentials may take requests."""
        with self._lock:
            if self._made is None:
                self._made = make_client(self._settings)
            return self._made

    def _blob(self, key: str) -> storage.Blob:
        name = self._full(key)
        bucket = self._open()[0].bucket(self._bucket)
        return bucket.blob(name, kms_key_name=self._settings.kms_key)

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        what = join(self.url, key) if key else self.url
        try:
            with store_errors(what, credentials_source(self._settings)):
                yield
        except BucketNotFoundError as error:
            raise self._no_bucket(what, self._buckets()) from error

    def _buckets(self) -> Sequence[str]:
        """The buckets that there are, as far as the credentials may ask: for messages only."""
        try:
            return [found.name for found in self._open()[0].list_buckets(max_results=9, **_ONCE)]
        except (GoogleAPICallError, GoogleAuthError, ValueError, OSError):
            return []

    def _send(self, key: str, data: Buffer, generation: int | None) -> None:
        """Write an object, checked by the store against its CRC32C."""
        blob, body = self._blob(key), bytes(data)
        with self._errors(key):
            retried(
                lambda: blob.upload_from_string(
                    body,
                    "application/octet-stream",
                    if_generation_match=generation,
                    checksum="crc32c",
                    **_ONCE,
                )
            )

    def _reader(self, key: str, start: int, length: int | None) -> Callable[[int], Body]:
        """Opens the object at a position, with a range as S3's reader; only the same generation again.

        The client library pushes bytes into a file; we want to pull them, so this asks its session.
        """
        last = None if length is None else start + length - 1
        parameters = {"alt": "media"}

        def open_at(position: int) -> Body:
            if length == 0:
                self.head(key)
                return Nothing()
            span = f"bytes={position}-{'' if last is None else last}"
            try:
                answer = retried(lambda: self._request(self._full(key), parameters, span))
            except GoogleAPICallError as error:
                if status_of(error) == 416:
                    return Nothing()
                if status_of(error) == 412:
                    raise replaced(f"{self.url}/{key}") from error
                raise
            if "x-goog-generation" in answer.headers:
                parameters["ifGenerationMatch"] = answer.headers["x-goog-generation"]
            return _GCSBody(answer, position, last)

        return open_at

    def _request(self, name: str, parameters: Mapping[str, str], span: str | None = None) -> Response:
        """An open answer about the object of this full key, or a listing where it is empty."""
        client, session = self._open()
        host = client.api_endpoint
        path = f"/storage/v1/b/{quote(self._bucket, safe='')}/o"
        url = f"{host}/download{path}/{quote(name, safe='')}" if name else f"{host}{path}"
        headers = {"Accept-Encoding": "identity"} | ({"Range": span} if span else {})

        def note(answer: Response, **_: object) -> None:
            if not answer.ok:
                refused.callback(answer.close)

        with ExitStack() as refused:  # google-auth leaves open what it renews credentials after
            answer = session.get(
                url,
                params=parameters,
                headers=headers,
                stream=True,
                timeout=_TIMEOUT,
                hooks={"response": [*session.hooks["response"], note]},
            )
            if not answer.ok:
                raise from_http_response(answer)
            return answer

    def _objects(self, prefix: str, after: str = "", most: int | None = None) -> Iterator[ObjectInfo]:
        """Every object below a prefix, unfinished ones too.

        :param most: objects that one request gives; as many as the service gives if ``None``.
        """
        begin = self._full_prefix(prefix)
        for page in self._pages(prefix, after, most=most):
            for blob in page:
                if not (blob.name or "").startswith(begin) or blob.updated is None:
                    raise foreign(self.identity, "a listing", "objects that were not asked for, or no time")
                key = self._relative(blob.name)
                if is_key(key) and key > after:  # startOffset is inclusive
                    yield _info(key, blob)

    def _pages(
        self, prefix: str, after: str = "", delimiter: str | None = None, most: int | None = None
    ) -> Iterator[Any]:
        """Pages of a listing, each asked for anew so that each is tried again on its own."""
        begin = self._full_prefix(prefix)
        offset = join(self.prefix, after) if after else None
        token: str | None = None
        seen: set[str] = set()
        while True:
            with self._errors(prefix):
                try:
                    page, token = retried(partial(self._page, begin, offset, delimiter, token, most))
                except NotFound as error:  # of a listing nothing but the bucket can be missing
                    raise self._no_bucket(self.url) from error
            yield page
            if not token:
                return
            if token in seen:
                raise foreign(self.identity, "a listing", "pages that go round in circles")
            seen.add(token)

    def _page(
        self, prefix: str, offset: str | None, delimiter: str | None, token: str | None, most: int | None
    ) -> tuple[Any, str | None]:
        pages = self._open()[0].list_blobs(
            self._bucket,
            prefix=prefix,
            start_offset=offset,
            delimiter=delimiter,
            page_token=token,
            page_size=most,
            fields=_LISTED,
            **_ONCE,
        )
        page = next(pages.pages)
        return page, pages.next_page_token

    def _delete_batch(self, blobs: Sequence[storage.Blob]) -> Sequence[Exception]:
        """Delete objects in one request; one by one where it reports an error, as of a missing one."""
        try:
            retried(lambda: self._send_batch(blobs))
        except GoogleAPICallError:
            return [error for blob in blobs if (error := self._delete_one(blob)) is not None]
        return []

    def _send_batch(self, blobs: Sequence[storage.Blob]) -> None:
        try:
            with self._open()[0].batch():
                for blob in blobs:
                    blob.delete(**_ONCE)
        except ValueError as error:  # raised by the library alone: an answer for each request is missing
            raise foreign(self.identity, "a batch", "not an answer to each request") from error

    def _delete_one(self, blob: storage.Blob) -> Exception | None:
        try:
            retried(lambda: blob.delete(**_ONCE))
        except NotFound as error:
            if is_missing_bucket(error):
                raise
        except GoogleAPICallError as error:
            return error
        return None


def _info(key: str, blob: storage.Blob) -> ObjectInfo:
    """What is told of an object. JSON made from Protocol Buffers leaves out a size of 0."""
    return ObjectInfo(key=key, size=blob.size or 0, modified=blob.updated)


class _GCSBody:
    """The body of an answer to a request with a range."""

    def __init__(self, answer: Response, position: int, last: int | None) -> None:
        self._answer = answer
        length = answer.headers.get("Content-Length")
        span = answer.headers.get("Content-Range")
        try:
            self.end = check_span(span, position, last, None if length is None else int(length))
        except StorageError:
            self.close()
            raise

    def read(self, size: int) -> bytes:
        data: bytes = self._answer.raw.read(size)
        return data

    def close(self) -> None:
        self._answer.close()
