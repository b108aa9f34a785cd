"""Listings of S3, page by page.

boto3 by itself asks for keys in URL encoding, since XML 1.0 has no control characters. Here they are asked
for plain, and encoded only where a page cannot be read: LocalStack compares *encoded* keys with the plain key
that a page begins after, so keys with ``:`` or spaces are given twice, for ever, or left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from botocore.handlers import set_list_objects_encoding_type_url
from botocore.parsers import ResponseParserError

from up42_state.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

__all__ = ["ask_for_plain_keys", "pages"]


def ask_for_plain_keys(client: S3Client) -> None:
    """Take back what boto3 would ask for by itself."""
    client.meta.events.unregister(
        "before-parameter-build.s3.ListObjectsV2", set_list_objects_encoding_type_url
    )


def pages(client: S3Client, **options: Any) -> Iterator[ListObjectsV2OutputTypeDef]:
    """All pages of ``ListObjectsV2``.

    :raises StorageError: the store gives the same page again and again.
    """
    token = None
    while True:
        try:
            page = client.list_objects_v2(**options)
        except ResponseParserError:
            page = _decoded(client.list_objects_v2(**options, EncodingType="url"))
        yield page
        last, token = token, page.get("NextContinuationToken")
        if not token:
            return
        if token == last:
            raise StorageError(f"the listing of {options['Bucket']} does not get on from {token!r}")
        options["ContinuationToken"] = token


def _decoded(page: ListObjectsV2OutputTypeDef) -> ListObjectsV2OutputTypeDef:
    for found in page.get("Contents", ()):
        found["Key"] = unquote_plus(found["Key"])
    for folder in page.get("CommonPrefixes", ()):
        folder["Prefix"] = unquote_plus(folder["Prefix"])
    return page
