"""S3 with obstore for the bytes, and boto3 behind it for everything else.

Loading boto3 and making its client takes longer than saving a hundred small files, and its bodies hold
Python's lock; obstore (Rust) is loaded in milliseconds and holds none (figures: ``docs/performance.md``). It
carries out what succeeds at once. Whatever it does not do, and whatever fails with it, is asked of
:class:`~up42_state.buckets.s3.S3Bucket`: errors, retries, timeouts and answers that break off are boto3's
alone, and so is every kind of operation from its first failure on.
"""

from __future__ import annotations

import os
import re
import threading
from concurrent.futures import Future
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from obstore.exceptions import BaseError
from obstore.store import S3Store

from up42_state.buckets.base import MIB, Bucket, ObjectInfo, Upload, UploadInfo
from up42_state.buckets.keys import check_key, is_key, join

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from obstore.store import ClientConfig, S3Credential

    from up42_state.buckets.base import Buffer
    from up42_state.buckets.s3 import S3Bucket
    from up42_state.settings import Settings

__all__ = ["DirectS3Bucket"]

T = TypeVar("T")

_LOADED_BY = os.getpid()  # obstore's threads do not follow into a forked child
_PLAIN = re.compile(r"[A-Za-z0-9/._:+=@-]+")  # keys that every client sends and signs alike
_OPTIONS: ClientConfig = {"connect_timeout": "10s", "timeout": "60s"}


def _interruptibly(work: Callable[[], T]) -> T:
    """Do work so that the main thread stays open to signals: Python's handlers run in it alone, and not while
    it is inside obstore.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    future: Future[T] = Future()
    threading.Thread(target=_fulfil, args=(future, work), daemon=True).start()
    return future.result()


def _fulfil(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
        future.set_exception(error)


class DirectS3Bucket(Bucket):
    """The same objects as :class:`~up42_state.buckets.s3.S3Bucket`, which see for the parameters.

    For settings that :func:`~up42_state.buckets.hosts.serves_directly` accepts.
    """

    min_part_size = 5 * MIB

    def __init__(self, bucket: str, prefix: str, settings: Settings) -> None:
        self.url = f"s3://{join(bucket, prefix)}"
        self._bucket, self._prefix, self._settings = bucket, prefix, settings
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
        kind = "range" if start else "get"
        if length != 0 and self._may(kind, key):
            try:
                data = _interruptibly(partial(self._get, self._full(key), start, length))
            except FileNotFoundError:
                data = None  # boto3 tells whether it is the object or the bucket that is missing
            except (BaseError, OSError):
                self._failed.add(kind)
                data = None
            if data is not None:
                return data
        return self.careful.get(key, start, length)

    def _get(self, full: str, start: int, length: int | None) -> bytes | None:
        """The bytes; ``None`` where boto3 is to ask for a part of the object.

        From the beginning no range is sent: not every server that has ranges answers them by the book, and
        most readers want the whole object, or no more than they can hold.
        """
        if start:
            if length is None:
                return None
            data = bytes(self._store.get_range(full, start=start, length=length))
            return data if len(data) == length else None
        found = self._store.get(full)
        if length is not None and found.meta["size"] > length:
            return None
        return bytes(found.bytes())

    def put(self, key: str, data: Buffer) -> None:
        if not self._put(key, data):
            self.careful.put(key, data)

    def create(self, key: str, data: Buffer) -> None:
        """A refusal is boto3's to tell: it meets the object that is there, perhaps our own."""
        if not self._put(key, data, mode="create"):
            self.careful.create(key, data)

    def _put(self, key: str, data: Buffer, **options: Any) -> bool:
        kind = options.get("mode", "put")
        if not self._may(kind, key):
            return False
        try:
            put = partial(self._store.put, self._full(key), data, use_multipart=False, **options)
            _interruptibly(put)
        except FileExistsError:
            return False
        except (BaseError, OSError):
            self._failed.add(kind)
            return False
        return True

    def list(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        if not after and prefix.endswith("/") and self._may("list", prefix):
            try:
                pages = self._store.list(self._full(prefix.rstrip("/")))
                while page := _interruptibly(partial(next, pages, None)):
                    for found in page:
                        key = self._relative(found["path"])
                        if is_key(key):
                            yield ObjectInfo(key=key, size=found["size"], modified=found["last_modified"])
                            after = key
            except (BaseError, OSError):
                self._failed.add("list")
            else:
                return
        yield from self.careful.list(prefix, after=after)

    def head(self, key: str) -> ObjectInfo:
        return self.careful.head(key)

    def stream(self, key: str, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        return self.careful.stream(key, start, length)

    def start_upload(self, key: str, size: int, part_size: int) -> Upload:
        return self.careful.start_upload(key, size, part_size)

    def uploads(self, prefix: str) -> Iterator[UploadInfo]:
        return self.careful.uploads(prefix)

    def abort_upload(self, upload: UploadInfo) -> None:
        self.careful.abort_upload(upload)

    def prefixes(self, prefix: str) -> Iterator[str]:
        return self.careful.prefixes(prefix)

    def delete(self, keys: Iterable[str]) -> None:
        self.careful.delete(keys)

    def copy(self, source: str, key: str) -> None:
        self.careful.copy(source, key)

    def clock(self) -> datetime:
        return self.careful.clock()

    def gdal_path(self, key: str) -> str:
        return self.careful.gdal_path(key)

    def gdal_options(self) -> Mapping[str, str]:
        return self.careful.gdal_options()

    def close(self) -> None:
        with self._lock:
            if self._made is not None:
                self._made.close()
                self._made = None

    def _may(self, kind: str, key: str) -> bool:
        """Whether obstore is asked; if not, boto3 checks the key, too."""
        plain = _PLAIN.fullmatch(join(self._prefix, key)) is not None
        return plain and kind not in self._failed and os.getpid() == _LOADED_BY and is_key(key.rstrip("/"))

    def _full(self, key: str) -> str:
        return join(self._prefix, check_key(key))

    def _relative(self, full: str) -> str:
        return full[len(self._prefix) + 1 :] if self._prefix else full

    @cached_property
    def _store(self) -> S3Store:
        """The keys go through a provider, or obstore would mix them with what the environment holds."""
        settings = self._settings
        key, secret, token = (
            settings.aws_access_key_id,
            settings.aws_secret_access_key,
            settings.aws_session_token,
        )
        assert key is not None  # see serves_directly()
        assert secret is not None
        credential: S3Credential = {
            "access_key_id": key.get_secret_value(),
            "secret_access_key": secret.get_secret_value(),
            "token": token.get_secret_value() if token else None,
            "expires_at": None,
        }
        endpoint = settings.aws_endpoint_url or ""
        options: ClientConfig = {**_OPTIONS, "allow_http": urlsplit(endpoint).scheme == "http"}
        return S3Store(
            self._bucket,
            endpoint=endpoint,
            region=settings.aws_region or "us-east-1",
            virtual_hosted_style_request=False,
            skip_signature=False,
            credential_provider=lambda: credential,
            client_options=options,
            retry_config={"max_retries": 0},
        )
