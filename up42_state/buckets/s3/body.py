"""Bodies of objects of S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from up42_state.buckets.network.bodies import Body, Nothing, check_span, replaced, resumed
from up42_state.buckets.s3.answers import check_object
from up42_state.buckets.s3.errors import BROKEN, status_of
from up42_state.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

__all__ = ["read"]


def read(
    client: S3Client, at: dict[str, Any], what: str, start: int, length: int | None, chunk: int | None
) -> Iterator[bytes]:
    """The object's bytes from ``start``, going on where a body breaks off, and only with the same object.

    Always asked for with a range, so that the answer says how long the object is and a short body is found
    out.

    :param at: bucket and full key, as boto3's arguments.
    :param what: its URL, for messages.
    :param length: how many bytes, at least one; ``None`` for all.
    :param chunk: bytes in a chunk; ``None`` gives all in one where nothing breaks.
    """
    last = None if length is None else start + length - 1
    tag: dict[str, Any] = {}

    def open_at(position: int) -> Body:
        span = f"bytes={position}-{'' if last is None else last}"
        try:
            answer = client.get_object(**at, Range=span, **tag)
        except ClientError as error:
            if status_of(error) == 416:
                return Nothing()
            if status_of(error) == 412:
                raise replaced(what) from error
            raise
        tag["IfMatch"] = answer["ETag"]
        return _S3Body(client, at["Key"], answer, position, last)

    return resumed(open_at, start, broken=BROKEN, chunk=chunk)


class _S3Body:
    """The body of an answer to a request with a range."""

    def __init__(
        self, client: S3Client, key: str, answer: GetObjectOutputTypeDef, position: int, last: int | None
    ) -> None:
        self._body = answer["Body"]
        try:
            check_object(client, "GetObject", key, answer.get("ContentType"), answer.get("ContentEncoding"))
            self.end = check_span(answer.get("ContentRange"), position, last, answer.get("ContentLength"))
        except StateError:
            self.close()
            raise

    def read(self, size: int) -> bytes:
        return self._body.read(size)

    def close(self) -> None:
        self._body.close()
