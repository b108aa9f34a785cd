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

from up42_state.buckets.network.hosts import is_amazon, origin_of
from up42_state.errors import StoreUnreachableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_s3 import S3Client

__all__ = ["check_object", "foreign", "watch_answers"]

# The root of each operation's document, and what is always in it. rclone's server leaves IsTruncated out of
# listings of uploads and parts that are complete.
_DOCUMENTS: dict[str, tuple[str, str]] = {
    "CompleteMultipartUpload": ("CompleteMultipartUploadResult", ""),
    "CopyObject": ("CopyObjectResult", "ETag"),
    "CreateMultipartUpload": ("", "UploadId"),  # rclone's server gives the root another name
    "DeleteObjects": ("DeleteResult", ""),
    "GetBucketVersioning": ("", ""),  # moto's server gives the root another name
    "GetObjectLockConfiguration": ("ObjectLockConfiguration", ""),
    "ListBuckets": ("ListAllMyBucketsResult", ""),
    "ListMultipartUploads": ("ListMultipartUploadsResult", "Bucket"),
    "ListObjectsV2": ("ListBucketResult", "IsTruncated"),
    "ListParts": ("ListPartsResult", "UploadId"),
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
_PAGES = (".html", ".htm", ".xhtml", ".shtml", ".xht")
_OBJECTS = ("GetObject", "HeadObject")  # whose Content-Type is the object's own
# What Go's servers, nginx and Apache say to whoever speaks without TLS.
_PLAIN = re.compile(rb"HTTP request (?:was sent )?to (?:an )?HTTPS|plain HTTP to an SSL", re.IGNORECASE)


def watch_answers(client: S3Client) -> None:
    """Raise an error for each answer that is none of S3's, before botocore reads it."""
    endpoint = client.meta.endpoint_url
    client.meta.events.register("before-send.s3", _name_in_text)
    for operation in (*_DOCUMENTS, *_HEADERS):
        # For whatever service: handlers of "*" are called before those of "s3", of which one has botocore
        # send five times what is not answered in XML.
        client.meta.events.register(
            f"before-parse.*.{operation}", partial(_check, endpoint=endpoint, operation=operation)
        )


def check_object(client: S3Client, operation: str, key: str, kind: str | None, encoding: str | None) -> None:
    """Refuse a page that is not the object, and an object that was encoded on its way.

    A login page may have a tag, a time and a length as objects have. Stores keep the type of an object, or
    take it from the end of its key.

    :param kind: the answer's Content-Type.
    :param encoding: its Content-Encoding; none of ours has one.
    :raises StoreUnreachableError: it is another thing than the object.
    """
    came = ""
    if encoding not in {None, "", "identity", "aws-chunked"}:
        came = f"a body that was encoded on its way ({encoding[:20]})"
    elif _is_page(kind or "") and not key.lower().endswith(_PAGES):
        came = f"a page ({(kind or '')[:40]}) where no page was saved"
    if came:
        raise foreign(client.meta.endpoint_url, operation, came)


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


def _name_in_text(request: AWSPreparedRequest, **_: object) -> None:
    """Give headers as text, which urllib3 expects when it looks at an answer of 303 (and does not follow it):
    botocore leaves some as bytes, and the answer would be lost in a TypeError.
    """
    for name, value in list(request.headers.items()):
        if isinstance(value, bytes):
            request.headers[name] = value.decode("latin-1")


def _check(response_dict: dict[str, Any], *, endpoint: str, operation: str, **_: object) -> None:
    status, headers = response_dict["status_code"], response_dict["headers"]
    if 300 <= status < 400 and status != 304:
        _check_redirect(endpoint, status, headers)
    elif status == 400 and _PLAIN.search(response_dict["body"][:2000]):
        raise StoreUnreachableError(
            f"{endpoint} speaks TLS only at this port", advice="write https:// in AWS_ENDPOINT_URL"
        )
    elif status in {401, 403} and _has_page(status, headers):
        raise foreign(endpoint, operation, _described(status, headers, response_dict["body"]))
    elif status == 404 and operation != "ListObjectsV2":  # whose error says to look at the address
        if not _is_refusal(operation, headers, response_dict["body"]):
            raise foreign(endpoint, operation, _described(status, headers, response_dict["body"]))
    elif status < 300 and (missing := _missing(operation, status, headers, response_dict["body"])):
        came = _described(status, headers, response_dict["body"])
        if operation == "GetObject":
            response_dict["body"].close()
        raise foreign(endpoint, operation, f"{came}, {missing}")


def _missing(operation: str, status: int, headers: Mapping[str, str], body: Any) -> str:
    """What an answer of success lacks; empty where nothing."""
    if operation in _DOCUMENTS:
        return _missing_in_document(*_DOCUMENTS[operation], body)
    for name in _HEADERS[operation]:
        if name not in headers:
            return f"without {name.title()}"
    if operation in _OBJECTS:
        return ""
    if body.strip() or _has_page(status, headers) or _is_json(headers):
        return "where S3 sends nothing"
    return ""


def _is_refusal(operation: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a 404 is S3's, which says in XML what is not found; answers to HEAD have no body."""
    if operation.startswith("Head"):
        return not _has_page(404, headers)
    return _root(body) == "Error"


def _missing_in_document(root: str, member: str, body: bytes) -> str:
    found = _root(body)
    if not found or found.lower() == "html":
        return f"not {root or 'XML'}"
    if found == "Error" or (found == root and not _is_whole(found, body)):
        return ""  # an error after all, or a document that broke off: botocore asks again
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


def _is_page(kind: str) -> bool:
    return kind.strip().lower().startswith(("text/html", "application/xhtml"))


def _has_page(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a page came, or would have to a GET. An answer that is empty is none, whatever its type:
    moto's server calls those HTML.
    """
    empty = status == 204 or headers.get("content-length") == "0"
    return _is_page(headers.get("content-type", "")) and not empty


def _is_json(headers: Mapping[str, str]) -> bool:
    return "json" in headers.get("content-type", "").lower()


def _described(status: int, headers: Mapping[str, str], body: Any) -> str:
    kind = headers.get("content-type", "").partition(";")[0].strip()[:60] or "no Content-Type"
    size = f"{len(body)} bytes" if isinstance(body, bytes) else f"{headers.get('content-length', '?')} bytes"
    return f"{status}, {kind}, {size}"


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
