"""What Google Cloud Storage's answers mean in the terms of the storage contract, and which are tried again.

Source: Cloud Storage, "HTTP status and error codes for JSON" and "Retry strategy".
"""

from __future__ import annotations

import random
import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError, TransportError
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from urllib3.exceptions import HTTPError

from up42_state.buckets.network.connections import connection_advice, is_of_a_proxy
from up42_state.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ObjectExistsError,
    ObjectNotFoundError,
    StateError,
    StorageError,
    StoreUnreachableError,
    UnsupportedStoreError,
)
from up42_state.secrets.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


__all__ = ["BROKEN", "BUNDLES", "is_missing_bucket", "retried", "status_of", "store_errors"]

_Answer = TypeVar("_Answer")
# Google's own service says "The specified bucket does not exist.", its testbench "Bucket x does not exist."
_NO_BUCKET = re.compile(r"\bbucket( [-.\w]+)? does not exist", re.IGNORECASE)
BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_ATTEMPTS = 5  # at a request, the first included
# Raised by a connection, also in the middle of a body.
BROKEN = (requests.RequestException, TransportError, HTTPError, ConnectionError, EOFError)
_KNOWN = (GoogleAPICallError, GoogleAuthError, InvalidResponse, DataCorruption, *BROKEN)


def status_of(error: Exception) -> int:
    """The HTTP status of an answer, 0 where there was none."""
    return int(error.code or 0) if isinstance(error, GoogleAPICallError) else 0


def retried(call: Callable[[], _Answer]) -> _Answer:
    """Call again, after pauses that double, where the store was busy or the connection broke."""
    for attempt in range(_ATTEMPTS):
        try:
            return call()
        except _KNOWN as error:
            if attempt == _ATTEMPTS - 1 or not _is_passing(error):
                raise
        time.sleep(random.uniform(0.5, 1) * 0.2 * 2**attempt)  # noqa: S311 - spreads callers, no secret
    raise AssertionError("the last attempt returns or raises")


@contextmanager
def store_errors(what: str, credentials: str) -> Iterator[None]:
    """Translate Google's errors about ``what``, a URL; ``credentials`` says where they came from."""
    try:
        yield
    except _KNOWN as error:
        cause = None if isinstance(error, BROKEN) and is_of_a_proxy(error) else clean(error)
        raise _translated(error, what, credentials) from cause


def _is_passing(error: Exception) -> bool:
    status = status_of(error)
    return isinstance(error, BROKEN) or status in {408, 429} or (status >= 500 and status != 501)


def _translated(error: Exception, what: str, credentials: str) -> StateError:
    if isinstance(error, GoogleAPICallError):
        return _answer(error, what, credentials)
    if isinstance(error, BROKEN):
        network = "check the network and STORAGE_EMULATOR_HOST"
        advice = connection_advice(error, "STORAGE_EMULATOR_HOST", BUNDLES, network)
        said = "the proxy cannot be used" if is_of_a_proxy(error) else str(error)
        return StoreUnreachableError(f"{what}: {said}", advice=advice)
    if isinstance(error, GoogleAuthError):
        return AccessDeniedError(f"{what}: {error}", advice=f"the credentials come from {credentials}")
    return StorageError(f"{what}: {error}")


def is_missing_bucket(error: GoogleAPICallError) -> bool:
    """Whether it is the bucket that was not found: nothing but the message tells it from an object."""
    return (
        status_of(error) == 404
        and "No such object" not in error.message
        and _NO_BUCKET.search(error.message) is not None
    )


def _answer(error: GoogleAPICallError, what: str, credentials: str) -> StateError:
    status, said = status_of(error), error.message
    if is_missing_bucket(error):
        return BucketNotFoundError(f"{what}: the bucket does not exist")  # the bucket adds its advice
    if status == 404:
        return ObjectNotFoundError(f"there is no object {what}")
    if status in {401, 403}:
        return AccessDeniedError(
            f"{what}: access denied: {said}", advice=f"the credentials come from {credentials}"
        )
    if status == 412:
        return ObjectExistsError(f"{what} exists already")
    if status == 501:
        return UnsupportedStoreError(f"{what}: the store does not know this request: {said}")
    if _is_passing(error):
        return StoreUnreachableError(f"{what}: the store cannot answer now: {said} ({status})")
    return StorageError(f"{what}: {said} ({status})")
