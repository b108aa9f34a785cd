"""Uploads in parts to S3."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from up42_state.buckets.s3.errors import code_of, status_of
from up42_state.buckets.uploads import CountedUpload, Upload
from up42_state.errors import NotFoundError, ObjectNotFoundError, StorageError, StoreUnreachableError
from up42_state.secrets.redaction import clean

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import (
        CompletedPartTypeDef,
        CopyPartResultTypeDef,
        CopySourceTypeDef,
        PartTypeDef,
        UploadPartOutputTypeDef,
    )

    from up42_state.buckets.s3.checksums import Checksums
    from up42_state.buckets.uploads import Buffer, LeftUpload

__all__ = ["ContinuedUpload", "S3Upload", "as_body", "unless_met"]

_SMALL = 64 * 1024  # bytes that are better joined to the headers: one packet instead of two
_CONFLICTS = 5  # attempts at a write that the store answers with 409


def as_body(data: Buffer) -> bytes:
    """What botocore takes for a body and sends in one piece.

    botocore's own types name bytes only. It takes byte arrays as well, and sends those as they are; bytes it
    joins to the headers, which copies them. It takes no memory views: one that shows a whole byte array is
    that array, and another large one is copied.
    """
    if isinstance(data, memoryview) and data.nbytes > _SMALL:
        shown = data.obj
        whole = isinstance(shown, bytearray) and len(shown) == data.nbytes and data.c_contiguous
        return cast("bytes", shown if whole else bytearray(data))
    return cast("bytes", data) if isinstance(data, bytearray) else bytes(data)


def unless_met(put: Callable[[], object]) -> None:
    """Write; again, within bounds, where a 409 says that another request to the key was under way."""
    for attempt in range(_CONFLICTS):
        try:
            put()
        except ClientError as error:
            if status_of(error) != 409 or attempt == _CONFLICTS - 1:
                raise
        else:
            return
        time.sleep(0.1 * 2**attempt)


class S3Upload(CountedUpload):
    """A multipart upload, begun when it is made.

    :param client: a boto3 client.
    :param at: bucket and full key, as boto3's arguments.
    :param size: bytes in all.
    :param encryption: boto3's arguments for it.
    :param checksums: what each part carries.
    :param errors: makes a context in which boto3's errors are translated.
    :param token: of an upload that was begun before.
    """

    def __init__(
        self,
        client: S3Client,
        at: dict[str, Any],
        size: int,
        *,
        encryption: dict[str, Any],
        checksums: Checksums,
        errors: Callable[[], AbstractContextManager[None]],
        token: str = "",
    ) -> None:
        super().__init__(at["Key"], size)
        self._client, self._at = client, at
        self._checksums, self._errors = checksums, errors
        self._parts: dict[int, CompletedPartTypeDef] = {}
        if not token:
            with errors():
                token = client.create_multipart_upload(**at, **encryption)["UploadId"]
        self.token = self._id = token

    def put_part(self, number: int, data: Buffer, *, sha256: str = "") -> None:  # noqa: ARG002 - boto3's to hash
        body = as_body(data)
        with self._errors():
            answer = self._checksums.sent(
                body,
                lambda checksum: self._client.upload_part(
                    **self._at, UploadId=self._id, PartNumber=number, Body=body, **checksum
                ),
            )
        self._note(number, len(body), answer)

    def find(self, left: LeftUpload) -> None:
        """Note what the store holds of the parts that an upload was left with.

        A part whose tag is another was sent again, by another process that went on with the same upload.
        """
        with self._errors():
            from up42_state.buckets.s3.listing import part_pages

            for page in part_pages(self._client, **self._at, UploadId=self._id):
                for part in page.get("Parts", ()):
                    number = part["PartNumber"]
                    if (part["Size"], _bare(part["ETag"])) == (left.length(number), left.parts.get(number)):
                        self._note(number, part["Size"], part)
        self.held = frozenset(self._sent)

    def tag(self, number: int) -> str:
        return _bare(self._parts[number].get("ETag", ""))

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
        self._note(number, end - begin, answer["CopyPartResult"])

    def complete(self) -> None:
        self._check_whole()
        parts = [self._parts[number] for number in sorted(self._parts)]
        with self._errors():
            try:
                self._client.complete_multipart_upload(
                    **self._at, UploadId=self._id, MultipartUpload={"Parts": parts}
                )
            except ClientError as error:
                if code_of(error) == "InvalidPart":
                    raise ObjectNotFoundError(
                        f"parts of the upload to {self._at['Key']} were replaced by another save"
                    ) from clean(error)
                if code_of(error) != "NoSuchUpload" or not self._completed():
                    raise

    def abort(self) -> None:
        try:
            with self._errors():
                self._client.abort_multipart_upload(**self._at, UploadId=self._id)
        except NotFoundError:
            return

    def _note(
        self,
        number: int,
        size: int,
        answer: UploadPartOutputTypeDef | CopyPartResultTypeDef | PartTypeDef,
    ) -> None:
        """Keep what completing asks for: the part's tag, and its checksum where the store checked one."""
        part: CompletedPartTypeDef = {"PartNumber": number, "ETag": answer["ETag"]}
        if "ChecksumCRC32" in answer:
            part["ChecksumCRC32"] = answer["ChecksumCRC32"]
        self._parts[number], self._sent[number] = part, size

    def _completed(self) -> bool:
        """Whether an earlier attempt at completing took effect, its answer being lost.

        Another process may have gone on with the upload, and completed it with parts of its own: the object's
        tag tells, which is the MD5 of the parts' tags ("Checking object integrity", composite).
        """
        tags = "".join(self.tag(number) for number in sorted(self._parts))
        try:
            found = self._client.head_object(**self._at)
            digest = hashlib.md5(bytes.fromhex(tags), usedforsecurity=False).hexdigest()
        except (ClientError, ValueError):
            return False
        expected = (self._size, f"{digest}-{len(self._parts)}")
        return (found["ContentLength"], _bare(found["ETag"])) == expected


def _bare(tag: str) -> str:
    """A tag without the quotes that stores do not agree on."""
    return tag.strip('"')


class ContinuedUpload(Upload):
    """A multipart upload that another process has left, whose object is wanted under another key.

    Parts cannot leave their upload. So it is completed under the key that it was begun for, and the store
    copies the object.

    :param move: moves the object, when it is there.
    """

    def __init__(self, upload: S3Upload, move: Callable[[], None]) -> None:
        self._upload, self._move = upload, move
        self.token, self.held = upload.token, upload.held

    def put_part(self, number: int, data: Buffer, *, sha256: str = "") -> None:
        self._upload.put_part(number, data, sha256=sha256)

    def tag(self, number: int) -> str:
        return self._upload.tag(number)

    def complete(self) -> None:
        """Make the object appear, and move it.

        :raises ObjectNotFoundError: it cannot be moved: then going on with this upload leads nowhere.
        """
        self._upload.complete()
        try:
            self._move()
        except StoreUnreachableError:
            raise
        except StorageError as error:  # reading, or copying, may be denied
            raise ObjectNotFoundError(f"an object that was completed cannot be moved: {error}") from error

    def abort(self) -> None:
        self._upload.abort()
