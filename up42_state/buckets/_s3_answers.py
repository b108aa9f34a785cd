"""Telling S3's answers from those of whatever else stands at the address: a login page, a proxy, a redirect.

botocore takes any document for a listing without keys, and any 200 for a write that was carried out. So each
answer is looked at before botocore reads it: whether it is the document, or has the headers, that S3 always
sends for this operation.
Source: Amazon S3 API reference, the response syntax of each operation.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from up42_state.buckets.hosts import is_amazon, origin_of
from up42_state.errors import StoreUnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_s3 import S3Client

__all__ = ["foreign", "watch_answers"]

# The root of each operation's document, and what is always in it.
_DOCUMENTS: dict[str, tuple[str, str]] = {
    "CompleteMultipartUpload": ("CompleteMultipartUploadResult", ""),
    "CopyObject": ("CopyObjectResult", "ETag"),
    "CreateMultipartUpload": ("", "UploadId"),  # rclone's server gives the root another name
    "DeleteObjects": ("DeleteResult", ""),
    "GetBucketVersioning": ("VersioningConfiguration", ""),
    "GetObjectLockConfiguration": ("ObjectLockConfiguration", ""),
    "ListBuckets": ("ListAllMyBucketsResult", ""),
    "ListMultipartUploads": ("ListMultipartUploadsResult", "IsTruncated"),
    "ListObjectsV2": ("ListBucketResult", "IsTruncated"),
    "ListParts": ("ListPartsResult", "IsTruncated"),
    "UploadPartCopy": ("CopyPartResult", "ETag"),
}
_HEADERS: dict[str, tuple[str, ...]] = {
    "AbortMultipartUpload": (),
    "GetObject": ("etag",),
    "HeadBucket": (),
    "HeadObject": ("etag", "last-modified", "content-length"),
    "PutObject": ("etag",),
    "UploadPart": ("etag",),
}
_ROOT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>)?\s*<(?:[\w-]+:)?([\w-]+)[\s/>]")
_BODY = ("GetObject", "HeadObject")  # whose Content-Type is the object's own


def watch_answers(client: S3Client) -> None:
    """Raise an error for each answer that is none of S3's, before botocore reads it."""
    endpoint = client.meta.endpoint_url
    for operation in (*_DOCUMENTS, *_HEADERS):
        # By its whole name: it is so called before botocore's own, which sends again what is no XML.
        client.meta.events.register(
            f"before-parse.s3.{operation}", partial(_check, endpoint=endpoint, operation=operation)
        )


def foreign(endpoint: str, asked: str, came: str) -> StoreUnreachableError:
    """The error for an answer that is none of S3's.

    :param asked: the operation.
    :param came: what came instead; nothing that might be secret.
    """
    return StoreUnreachableError(
        f"{endpoint} gave an answer to {asked} that is no S3 answer: {came}",
        advice="look for a login page or a proxy in between, or another service at this address"
        " (AWS_ENDPOINT_URL); nothing was taken from the answer",
    )


def _check(response_dict: dict[str, Any], *, endpoint: str, operation: str, **_: object) -> None:
    status, headers = response_dict["status_code"], response_dict["headers"]
    if 300 <= status < 400 and status != 304:
        _check_redirect(endpoint, status, headers)
    elif status == 404 and operation not in {"ListObjectsV2", "HeadObject", "HeadBucket"}:
        if not _root(response_dict["body"]) == "Error":
            raise foreign(endpoint, operation, _described(status, headers, response_dict["body"]))
    elif status < 300 and (missing := _missing(operation, headers, response_dict["body"])):
        came = _described(status, headers, response_dict["body"])
        if operation == "GetObject":
            response_dict["body"].close()
        raise foreign(endpoint, operation, f"{came}, {missing}")


def _missing(operation: str, headers: Mapping[str, str], body: Any) -> str:
    """What an answer of success lacks; empty where nothing."""
    if operation in _DOCUMENTS:
        return _missing_in_document(*_DOCUMENTS[operation], body)
    for name in _HEADERS[operation]:
        if name not in headers:
            return f"without {name.title()}"
    if operation not in _BODY and _is_page(headers):
        return "a page"
    return ""


def _missing_in_document(root: str, member: str, body: bytes) -> str:
    found = _root(body)
    if found == "Error" or (found == root and not _is_whole(found, body)):
        return ""  # an error after all, or one that broke off: botocore asks again
    if not found or found.lower() == "html":
        return f"not {root or 'XML'}"
    if root and found != root:
        return f"{found} instead of {root}"
    if member and not re.search(rf"<(?:[\w-]+:)?{member}>[^<]".encode(), body):
        return f"{found} without {member}"
    return ""


def _root(body: bytes) -> str:
    """The name of a document's root; empty where it is no XML."""
    match = _ROOT.match(body)
    return match[1].decode() if match else ""


def _is_whole(root: str, body: bytes) -> bool:
    end = body.rstrip()[-len(root) - 80 :]
    return re.search(rf"</(?:[\w-]+:)?{root}\s*>$|<(?:[\w-]+:)?{root}[^<]*/>$".encode(), end) is not None


def _is_page(headers: Mapping[str, str]) -> bool:
    return headers.get("content-type", "").lower().startswith(("text/html", "application/xhtml"))


def _described(status: int, headers: Mapping[str, str], body: Any) -> str:
    kind = headers.get("content-type", "").partition(";")[0].strip()[:60] or "no Content-Type"
    size = f"{len(body)} bytes" if isinstance(body, bytes) else f"{headers.get('content-length', '?')} bytes"
    return f"{status}, {kind!s}, {size}"


def _check_redirect(endpoint: str, status: int, headers: Mapping[str, str]) -> None:
    """Redirects are not followed: whoever answers could have requests and their signatures sent anywhere.
    Amazon's own, to the region of a bucket, are botocore's, which stays at the endpoints that it knows.
    """
    if "x-amz-bucket-region" in headers or (is_amazon(endpoint) and "x-amz-request-id" in headers):
        return
    target = origin_of(headers.get("location", ""))
    where = f"to {target}" if target else "without saying where"
    advice = f"set AWS_ENDPOINT_URL to {target}" if target else "look for a proxy in between"
    raise StoreUnreachableError(
        f"{endpoint} redirects {where} ({status}), and requests are not sent to another address than the"
        " one that was set",
        advice=f"{advice}, if that is the store",
    )
