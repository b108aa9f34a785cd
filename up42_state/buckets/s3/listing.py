"""Listings of S3, page by page, each of which must be the one that was asked for.

A listing that ends early loses objects for whoever deletes what is not listed. So a page that says there are
more without saying where, that came before, or that holds other keys, is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.buckets.s3.answers import foreign

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from mypy_boto3_s3 import S3Client

__all__ = ["object_pages", "part_pages", "upload_pages"]

_EMPTY = 1000  # pages without a key, one after the other: as many as a million deleted objects make


def object_pages(client: S3Client, bucket: str, prefix: str, **options: str) -> Iterator[Any]:
    """Pages of ``ListObjectsV2``.

    :raises StoreUnreachableError: an answer is no listing, or not this one.
    """
    check = _Check(client.meta.endpoint_url, "ListObjectsV2", prefix)
    for page in check.walk(
        client.list_objects_v2,
        {"ContinuationToken": "NextContinuationToken"},
        {"Bucket": bucket, "Prefix": prefix, **options},
    ):
        found = page.get("Contents", [])
        if not all({"Key", "Size", "LastModified"} <= each.keys() for each in found):
            raise check.refused("objects without key, size or time")
        names = [each["Key"] for each in found]
        names += [each["Prefix"] for each in page.get("CommonPrefixes", []) if "Prefix" in each]
        check.page(names)
        if page.get("KeyCount") and not names:
            raise check.refused(f"a listing without the {page['KeyCount']} keys that it counts")
        yield page


def upload_pages(client: S3Client, bucket: str, prefix: str) -> Iterator[Any]:
    """Pages of ``ListMultipartUploads``, keys URL-encoded.

    :raises StoreUnreachableError: an answer is no listing, or not this one.
    """
    check = _Check(client.meta.endpoint_url, "ListMultipartUploads", prefix)
    for page in check.walk(
        client.list_multipart_uploads,
        {"KeyMarker": "NextKeyMarker", "UploadIdMarker": "NextUploadIdMarker"},
        {"Bucket": bucket, "Prefix": prefix, "EncodingType": "url"},
    ):
        found = page.get("Uploads", [])
        if not all({"Key", "UploadId", "Initiated"} <= each.keys() for each in found):
            raise check.refused("uploads without key, id or time")
        yield page


def part_pages(client: S3Client, **upload: Any) -> Iterator[Any]:
    """Pages of ``ListParts``.

    :param upload: bucket, key and id, as boto3's arguments.
    :raises StoreUnreachableError: an answer is no listing, or not this one.
    """
    check = _Check(client.meta.endpoint_url, "ListParts", "")
    for page in check.walk(client.list_parts, {"PartNumberMarker": "NextPartNumberMarker"}, upload):
        if not all({"PartNumber", "ETag", "Size"} <= each.keys() for each in page.get("Parts", [])):
            raise check.refused("parts without number, tag or size")
        yield page


class _Check:
    """What is known of one listing so far.

    :param endpoint: the client's, for messages.
    :param prefix: what every key begins with.
    """

    def __init__(self, endpoint: str, operation: str, prefix: str) -> None:
        self._endpoint, self._operation, self._prefix = endpoint, operation, prefix
        self._began_with: set[str] = set()
        self._empty = 0

    def walk(
        self, ask: Callable[..., Any], tokens: Mapping[str, str], options: dict[str, Any]
    ) -> Iterator[Any]:
        """Ask for one page after the other.

        :param tokens: an argument, and the member of the page before that it is taken from.
        """
        seen: set[tuple[str, ...]] = set()
        while True:
            page = ask(**options)
            yield page
            if not page.get("IsTruncated"):
                return
            found = {argument: page[name] for argument, name in tokens.items() if page.get(name)}
            token = tuple(found.values())
            if not token or token in seen:
                raise self.refused("a page that says there are more, and not where they are")
            seen.add(token)
            options = {**options, **found}

    def page(self, names: list[str]) -> None:
        """Look at the keys of a page."""
        if any(not name.startswith(self._prefix) for name in names):
            raise self.refused("keys that do not begin as was asked for")
        self._empty = 0 if names else self._empty + 1
        if self._empty > _EMPTY or (names and names[0] in self._began_with):
            raise self.refused("pages that go round in circles")
        self._began_with.update(names[:1])

    def refused(self, came: str) -> Exception:
        """The error for an answer that is not this listing."""
        return foreign(self._endpoint, self._operation, came)
