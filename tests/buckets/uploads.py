"""What every bucket has to do with uploads in parts; a part of ``buckets.contract``."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from up42_state.errors import StorageError

if TYPE_CHECKING:
    from up42_state.buckets import Bucket

MIB = 1024 * 1024


class UploadContract:
    """Tests of one bucket, given by the fixture ``bucket``: empty, and no other test's."""

    def test_upload_in_parts(self, bucket: Bucket) -> None:
        """Parts sent in any order from several threads become one object, which appears when completed."""
        part_size = bucket.part_size(1)
        data = random_bytes(2 * part_size + 12_345)
        upload = bucket.start_upload("a/big", len(data), part_size)
        pieces = {number: data[(number - 1) * part_size : number * part_size] for number in (3, 1, 2)}
        with ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(upload.put_part, n, memoryview(piece)) for n, piece in pieces.items()]:
                done.result()
        assert list(bucket.list("")) == []
        upload.complete()
        assert [(found.key, found.size) for found in bucket.list("")] == [("a/big", len(data))]
        assert bucket.get("a/big") == data
        assert bucket.get("a/big", part_size - 5, 10) == data[part_size - 5 : part_size + 5]
        assert list(bucket.uploads("")) == []

    def test_upload_replaces(self, bucket: Bucket) -> None:
        """A completed upload replaces an object of its key."""
        bucket.put("a", b"old")
        upload = bucket.start_upload("a", 3, bucket.part_size(3))
        upload.put_part(1, b"new")
        upload.complete()
        assert bucket.get("a") == b"new"

    def test_upload_with_a_part_missing(self, bucket: Bucket) -> None:
        """An upload that lacks a part is refused, and no object appears."""
        part_size = bucket.part_size(1)
        upload = bucket.start_upload("a", part_size + 5, part_size)
        upload.put_part(2, b"12345")
        with pytest.raises(StorageError, match="instead of"):
            upload.complete()
        assert list(bucket.list("")) == []
        upload.abort()

    def test_upload_aborted(self, bucket: Bucket) -> None:
        """An aborted upload leaves nothing, and may be aborted again."""
        part_size = bucket.part_size(1)
        upload = bucket.start_upload("a/b", part_size + 1, part_size)
        upload.put_part(1, b"x" * part_size)
        upload.abort()
        upload.abort()
        assert list(bucket.list("")) == []
        assert list(bucket.uploads("")) == []

    def test_unfinished_uploads(self, bucket: Bucket) -> None:
        """An upload left behind is found below its prefix with its time, and can be discarded by another."""
        part_size = bucket.part_size(1)
        upload = bucket.start_upload("job/stage a/big", part_size + 1, part_size)
        upload.put_part(1, b"x" * part_size)
        assert list(bucket.uploads("other/")) == []
        (found,) = bucket.uploads("job/")
        assert found.key.startswith("job/stage a/")
        assert abs(found.started - bucket.clock()) < timedelta(seconds=60)
        bucket.abort_upload(found)
        bucket.abort_upload(found)
        assert list(bucket.uploads("")) == []


def random_bytes(size: int) -> bytes:
    """Bytes in which no part is like another."""
    return random.Random(size).randbytes(size)
