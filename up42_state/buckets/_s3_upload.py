"""Uploads in parts to S3."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from up42_state.buckets._s3_errors import code_of
from up42_state.buckets.base import Upload
from up42_state.errors import NotFoundError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        CompletedPartTypeDef,
        CopyPartResultTypeDef,
        CopySourceTypeDef,
        UploadPartOutputTypeDef,
    )

    from up42_state.buckets.base import Buffer

__all__ = ["S3Upload", "as_body"]


def as_body(data: Buffer) -> bytes:
    """What boto3 takes for a body and sends in one piece; bytes and byte arrays, which it takes as well
    though its types do not say so, are not copied.
    """
    return cast("bytes", data) if isinstance(data, bytearray) else bytes(data)


class S3Upload(Upload):
    """A multipart upload, begun when it is made, unless it has an id already.

    :param client: a boto3 client.
    :param at: bucket and full key, as boto3's arguments.
    :param size: bytes in all.
    :param encryption: boto3's arguments for it.
    :param errors: makes a context in which boto3's errors are translated.
    :param upload_id: of an upload that was begun before.
    """

    def __init__(
        self,
        client: S3Client,
        at: dict[str, Any],
        size: int,
        *,
        encryption: dict[str, Any],
        errors: Callable[[], AbstractContextManager[None]],
        upload_id: str = "",
    ) -> None:
        self._client, self._at, self._size, self._errors = client, at, size, errors
        self._parts: dict[int, CompletedPartTypeDef] = {}
        self._sent: dict[int, int] = {}
        self._id = upload_id
        if not upload_id:
            with errors():
                self._id = client.create_multipart_upload(**at, **encryption)["UploadId"]

    def put_part(self, number: int, data: Buffer, *, sha256: str = "") -> None:  # noqa: ARG002 - boto3's to hash
        body = as_body(data)
        with self._errors():
            answer = self._client.upload_part(**self._at, UploadId=self._id, PartNumber=number, Body=body)
        self.note(number, len(body), answer)

    def copy_part(self, number: int, source: CopySourceTypeDef, begin: int, end: int) -> None:
        """Take bytes ``begin`` up to ``end`` of another object as a part."""
        with self._errors():
            answer = self._client.upload_part_copy(
                **self._at,
                UploadId=self._id,
                PartNumber=number,
                CopySource=source,
                CopySourceRange=f"bytes={begin}-{end - 1}",
            )
        self.note(number, end - begin, answer["CopyPartResult"])

    def complete(self) -> None:
        sent = sum(self._sent.values())
        if sent != self._size:
            raise StorageError(f"{sent} bytes of {self._at['Key']} were sent instead of {self._size}")
        parts = [self._parts[number] for number in sorted(self._parts)]
        with self._errors():
            try:
                self._client.complete_multipart_upload(
                    **self._at, UploadId=self._id, MultipartUpload={"Parts": parts}
                )
            except ClientError as error:
                if code_of(error) != "NoSuchUpload" or not self._completed():
                    raise

    def abort(self) -> None:
        try:
            with self._errors():
                self._client.abort_multipart_upload(**self._at, UploadId=self._id)
        except NotFoundError:
            return

    def note(
        self,
        number: int,
        size: int,
        answer: UploadPartOutputTypeDef | CopyPartResultTypeDef | CompletedPartTypeDef,
    ) -> None:
        """Keep what completing asks for: the part's tag, and its checksum where the store checked one."""
        part: CompletedPartTypeDef = {"PartNumber": number, "ETag": answer["ETag"]}
        if "ChecksumCRC32" in answer:
            part["ChecksumCRC32"] = answer["ChecksumCRC32"]
        self._parts[number], self._sent[number] = part, size

    def _completed(self) -> bool:
        """Whether an earlier attempt at completing took effect, its answer being lost."""
        try:
            return self._client.head_object(**self._at)["ContentLength"] == self._size
        except ClientError:
            return False
