"""What every bucket has to do with uploads in parts; a part of ``buckets.contract``."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from up42_state.buckets.uploads import LeftUpload
from up42_state.errors import StorageError

if TYPE_CHECKING:
    from up42_state.buckets import Bucket

MIB = 1024 * 1024


class UploadContract:
    """Tests of one bucket, given by the fixture ``bucket``: empty, and no other test's.

    :cvar goes_on: whether the bucket can go on with an upload that another process has left.
    """

    goes_on = True

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

    def test_going_on_with_an_upload(self, bucket: Bucket) -> None:
        """An upload that was left goes on under another key, and again under a third if it was left again."""
        part_size = bucket.part_size(1)
        data = random_bytes(2 * part_size + 5)
        left = _left(bucket, "j/s/attempts/1/files/a", data, {3: data[2 * part_size :]})
        second = bucket.continue_upload(left, "j/s/attempts/2/files/a")
        if not self.goes_on:
            assert second is None
            return
        assert second is not None
        assert second.held == {3}
        second.keep(3)
        second.put_part(1, data[:part_size])
        second.sync()
        key = left.key if second.token == left.token else "j/s/attempts/2/files/a"
        parts = {1: second.tag(1), 3: second.tag(3)}
        again = msgspec.structs.replace(left, key=key, token=second.token, parts=parts)
        third = bucket.continue_upload(again, "j/s/attempts/3/files/a")
        assert third is not None
        assert third.held == {1, 3}
        third.keep(1)
        third.keep(3)
        third.put_part(2, data[part_size : 2 * part_size])
        third.complete()
        assert [found.key for found in bucket.list("")] == ["j/s/attempts/3/files/a"]
        assert bucket.get("j/s/attempts/3/files/a") == data

    def test_going_on_with_an_upload_that_is_gone(self, bucket: Bucket) -> None:
        """Nothing is gone on with where the upload was discarded, or was none."""
        part_size = bucket.part_size(1)
        data = random_bytes(part_size + 5)
        left = _left(bucket, "j/s/attempts/1/files/a", data, {1: data[:part_size]})
        longer = msgspec.structs.replace(left, size=4 * part_size, part_size=2 * part_size)
        strange = msgspec.structs.replace(left, parts={0: "", -1: "", 2: "", 10**12: ""})
        assert bucket.continue_upload(strange, "j/s/attempts/2/files/a") is None
        assert bucket.continue_upload(longer, "j/s/attempts/2/files/a") is None
        for found in bucket.uploads(""):
            bucket.abort_upload(found)
        assert bucket.continue_upload(left, "j/s/attempts/2/files/a") is None
        bucket.put("j/s/attempts/1/files/b", data)
        other = msgspec.structs.replace(left, token="j/s/attempts/1/files/b")
        assert bucket.continue_upload(other, "j/s/attempts/2/files/a") is None
        assert [found.key for found in bucket.list("")] == ["j/s/attempts/1/files/b"]


def _left(bucket: Bucket, key: str, data: bytes, parts: dict[int, bytes]) -> LeftUpload:
    """An upload that a process has left, with these parts, or what it took for them."""
    part_size = bucket.part_size(1)
    upload = bucket.start_upload(key, len(data), part_size)
    for number, part in parts.items():
        upload.put_part(number, part)
    upload.sync()
    tags = {number: upload.tag(number) for number in parts}
    return LeftUpload(key=key, token=upload.token, size=len(data), part_size=part_size, parts=tags)


def random_bytes(size: int) -> bytes:
    """Bytes in which no part is like another."""
    return random.Random(size).randbytes(size)
