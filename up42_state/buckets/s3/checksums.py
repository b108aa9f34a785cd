"""Checksums that writes to S3 carry, because the endpoint is known to want them or because it asked.

Amazon checks CRC32, which its SDKs send by themselves. Many other stores know none of the new checksums, so
they get none until they refuse a write for want of one: a bucket whose objects are locked for a time by
default wants ``Content-MD5`` or another checksum with each.
Source: Amazon S3 user guide, "Checking object integrity"; API reference, "PutObject", Content-MD5.
"""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from botocore.exceptions import ClientError

from up42_state.buckets.s3.errors import code_of, status_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.buckets.uploads import Buffer

__all__ = ["Checksums", "md5_of"]

_Answer = TypeVar("_Answer")
_WANTED = re.compile(r"content-?md5|checksum", re.IGNORECASE)
_WRONG = {"BadDigest", "InvalidDigest"}  # the checksum that was sent is not that of the bytes


def md5_of(data: Buffer) -> str:
    """The value of ``Content-MD5`` (RFC 1864)."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


class Checksums:
    """The kind of checksum that a bucket's writes carry; what a refusal asks for is remembered.

    :param kind: of the first write; empty for none.
    """

    def __init__(self, kind: Literal["", "crc32", "md5"]) -> None:
        self.kind = kind

    def sent(self, data: Buffer, send: Callable[[dict[str, Any]], _Answer]) -> _Answer:
        """Send bytes with their checksum; once more, with the one that was asked for, where that is refused.

        :param send: sends them with these arguments of boto3.
        """
        kind = self.kind
        try:
            return send(_argument(kind, data))
        except ClientError as error:
            wanted = _wanted(error)
            if kind or not wanted:
                raise
        self.kind = wanted
        return send(_argument(wanted, data))


def _argument(kind: str, data: Buffer) -> dict[str, Any]:
    if kind == "crc32":
        return {"ChecksumCRC32": base64.b64encode(zlib.crc32(data).to_bytes(4)).decode()}
    return {"ContentMD5": md5_of(data)} if kind == "md5" else {}


def _wanted(error: ClientError) -> Literal["", "crc32", "md5"]:
    """The kind of checksum that a refusal asks for; empty where the refusal is about something else."""
    text = f"{code_of(error)} {error.response.get('Error', {}).get('Message', '')}"
    if status_of(error) not in {400, 411, 412, 422} or code_of(error) in _WRONG or not _WANTED.search(text):
        return ""
    return "md5" if "md5" in text.lower() else "crc32"
