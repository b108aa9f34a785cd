"""What S3's answers mean in the terms of the storage contract.

Source: Amazon S3 API reference, "Error responses", and botocore.exceptions.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from botocore import exceptions as boto
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from up42_state.buckets.network.connections import connection_advice, is_of_a_proxy
from up42_state.buckets.s3.credentials import BUNDLES
from up42_state.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ObjectExistsError,
    ObjectNotFoundError,
    SettingsError,
    StateError,
    StorageError,
    StoreUnreachableError,
    UnsupportedStoreError,
)
from up42_state.secrets.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.settings.model import Settings

__all__ = ["BROKEN", "code_of", "named", "status_of", "store_errors"]

_MISSING = {"NoSuchKey", "NoSuchUpload", "NoSuchVersion", "NotFound"}
_DENIED = {
    "AccessDenied",
    "AllAccessDisabled",
    "AccountProblem",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidSecurity",
    "InvalidToken",
    "NotSignedUp",
    "SignatureDoesNotMatch",
    "TokenRefreshRequired",
}
_EXPIRED = {"ExpiredToken", "TokenRefreshRequired"}
_BUSY = {
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
}
_WEB_IDENTITY = (
    "AWS_WEB_IDENTITY_TOKEN_FILE names a file with a token that the cluster or the CI system writes there"
)
_WRONG_REGION = {"AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"}
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.SSOError,
)
# Raised by a connection, also in the middle of a body.
BROKEN = (boto.HTTPClientError, boto.ConnectionError, boto.IncompleteReadError, HTTPError, EOFError)


def code_of(error: ClientError) -> str:
    """S3's code of an error, or the HTTP status where the answer has no body."""
    return error.response.get("Error", {}).get("Code", "")


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer."""
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


@contextmanager
def store_errors(what: str, credentials: str) -> Iterator[None]:
    """Translate boto3's errors about ``what``, a URL; ``credentials`` says where they came from."""
    try:
        yield
    except StateError:
        raise
    except (ClientError, BotoCoreError, OSError, *BROKEN) as error:
        cause = None if isinstance(error, BROKEN) and is_of_a_proxy(error) else clean(error)
        raise _translated(error, what, credentials) from cause


def _translated(error: Exception, what: str, credentials: str) -> StateError:
    if isinstance(error, ClientError):
        return _answer(error, what, credentials)
    if isinstance(error, boto.ParamValidationError):
        problem = " ".join(str(error).split())
        if "WebIdentityToken" in problem:
            return AccessDeniedError(f"{what}: the web identity token is malformed", advice=_WEB_IDENTITY)
        return SettingsError(f"{what}: {problem}", advice="check the store's URL")
    if isinstance(error, _NO_CREDENTIALS):
        advice = f"the credentials come from {credentials}"
        if isinstance(error, (boto.SSOError, boto.TokenRetrievalError)):
            advice += "; log in with `aws sso login`"
        return AccessDeniedError(f"{what}: {error}", advice=advice)
    if isinstance(error, BROKEN):
        network = "check the network, AWS_ENDPOINT_URL and AWS_REGION"
        advice = connection_advice(error, "AWS_ENDPOINT_URL", BUNDLES, network)
        said = "the proxy cannot be used" if is_of_a_proxy(error) else str(error)
        return StoreUnreachableError(f"{what}: {said}", advice=advice)
    return StorageError(f"{what}: {error}")


def named(error: StateError, settings: Settings) -> StateError:
    """The error, its text naming the variables or arguments that set the endpoint and the region."""
    for name in ("aws_endpoint_url", "aws_region"):
        general = name.upper()
        if settings.origin(name):
            word = re.compile(rf"(?<![A-Z_]){general}(?![A-Z_])")
            error.advice = word.sub(settings.variable(name), error.advice)
            error.message = word.sub(settings.variable(name), error.message)
    return error


def _answer(error: ClientError, what: str, credentials: str) -> StateError:
    code, status = code_of(error), status_of(error)
    said = error.response.get("Error", {}).get("Message", "") or code
    # A listing is not found, too, where the endpoint itself ends with the bucket: it asks for a key then.
    if code == "NoSuchBucket" or (status == 404 and error.operation_name == "ListObjectsV2"):
        return BucketNotFoundError(f"{what}: the bucket does not exist")  # the bucket adds its advice
    if code == "RequestTimeTooSkewed":  # a 403, though nothing is wrong with the credentials
        return StorageError(f"{what}: {said} ({code})", advice="set this machine's clock")
    if code in _DENIED or status in {401, 403}:
        advice = f"the credentials come from {credentials}"
        if code in _EXPIRED:
            advice += "; they are valid for a time only: get new ones"
        return AccessDeniedError(f"{what}: access denied: {said} ({code})", advice=advice)
    if code in _MISSING or status == 404:
        return ObjectNotFoundError(f"there is no object {what}")
    if code == "PreconditionFailed" or status == 412:
        return ObjectExistsError(f"{what} exists already")
    if code == "NotImplemented" or status == 501:
        return UnsupportedStoreError(f"{what}: the store does not know this request: {said}")
    if code in _BUSY or status >= 500 or status == 429:
        return StoreUnreachableError(f"{what}: the store cannot answer now: {said} ({code})")
    advice = "check AWS_REGION" if code in _WRONG_REGION or status in {301, 307} else ""
    return StorageError(f"{what}: {said} ({code})", advice=advice)
