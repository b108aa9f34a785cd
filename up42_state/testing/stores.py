"""Set the environment to a store for one test, and empty the store afterwards."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from up42_state.errors import BucketNotFoundError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from up42_state.buckets import Bucket

__all__ = ["empty", "store_variables"]

LOCALSTACK = "localstack"


def store_variables(url: str, environment: Mapping[str, str]) -> dict[str, str | None]:
    """Return the environment variables of a store for one test, below a fresh prefix; ``None`` unsets one.

    :param url: any store URL, or ``localstack`` for the bucket that LocalStack's init hook makes, at
        ``AWS_ENDPOINT_URL_S3`` or LocalStack's usual port.
    :param environment: the variables that are set now.
    """
    variables: dict[str, str | None] = {}
    if url == LOCALSTACK:
        url = f"s3://{environment.get('UP42_STATE_BUCKET', 'up42-state')}"
        variables = {
            "AWS_ENDPOINT_URL_S3": environment.get("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:4566"),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_SESSION_TOKEN": None,
            "AWS_PROFILE": None,
            "AWS_REGION": "us-east-1",
        }
    return variables | {"UP42_STATE_URL": f"{url.rstrip('/')}/test-{uuid.uuid4().hex}"}


def empty(bucket: Bucket) -> None:
    """Remove everything below the bucket's URL, unfinished uploads too."""
    with suppress(BucketNotFoundError):  # a directory that nothing was saved in
        for upload in list(bucket.uploads("")):
            bucket.abort_upload(upload)
        bucket.delete([found.key for found in bucket.list("")])
