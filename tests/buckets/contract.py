"""What every bucket has to do: each backend's test class inherits from :class:`BucketContract`."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

import pytest
from buckets.uploads import MIB, UploadContract, random_bytes

from up42_state.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    SettingsError,
    StorageError,
    UnsupportedStoreError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.buckets import Bucket

ODD_KEYS = [
    "a b/c d.tif",
    "a+b",
    "a%20b",
    "a:b/c=d@e",
    "a?b&c=d#e",
    "a'b\"c",
    "a<b>&amp;",
    "a\\b",
    "tile_Köln_東京_🛰.tif",
    "e\u0301/é",
    "~._-",
    "x" * 250,
    "/".join(["y" * 200] * 4),
]


class BucketContract(UploadContract):
    """Tests of one bucket, given by the fixture ``bucket``: empty, and no other test's."""

    def test_put_then_get(self, bucket: Bucket) -> None:
        """What was put is got."""
        bucket.put("a/b.txt", b"some bytes")
        assert bucket.get("a/b.txt") == b"some bytes"

    @pytest.mark.parametrize("data", [b"view", bytearray(b"view"), memoryview(b"a view")[2:]])
    def test_put_takes_any_buffer(self, bucket: Bucket, data: bytes | bytearray | memoryview) -> None:
        """Bytes, byte arrays and views are all written."""
        bucket.put("a", data)
        bucket.create("b", data)
        assert bucket.get("a") == bucket.get("b") == b"view"

    def test_put_replaces(self, bucket: Bucket) -> None:
        """A second put replaces the first, also by less."""
        bucket.put("a", b"first")
        bucket.put("a", b"2nd")
        assert bucket.get("a") == b"2nd"

    def test_empty_object(self, bucket: Bucket) -> None:
        """An object of no bytes is an object."""
        bucket.put("a", b"")
        assert bucket.head("a").size == 0
        assert bucket.get("a") == b""
        assert list(bucket.stream("a")) == []

    def test_head(self, bucket: Bucket) -> None:
        """A head gives key, size, and a time in UTC that is the store's now."""
        bucket.put("a/b", b"12345")
        found = bucket.head("a/b")
        assert (found.key, found.size) == ("a/b", 5)
        assert found.modified.utcoffset() == timedelta(0)
        assert abs(found.modified - bucket.clock()) < timedelta(seconds=60)

    def test_get_missing(self, bucket: Bucket) -> None:
        """An object that is not there is an error that names it."""
        with pytest.raises(ObjectNotFoundError, match="no/such"):
            bucket.get("no/such")

    def test_get_nothing_of_a_missing_object(self, bucket: Bucket) -> None:
        """Not even no bytes can be had of an object that is not there."""
        with pytest.raises(ObjectNotFoundError, match="no/such"):
            bucket.get("no/such", 0, 0)

    def test_head_missing(self, bucket: Bucket) -> None:
        """Nor is there anything to know about it."""
        with pytest.raises(ObjectNotFoundError, match="no/such"):
            bucket.head("no/such")

    def test_stream_missing(self, bucket: Bucket) -> None:
        """A stream says so when its first bytes are asked for."""
        with pytest.raises(ObjectNotFoundError, match="no/such"):
            next(iter(bucket.stream("no/such")))

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, 3, b"012"),
            (3, 4, b"3456"),
            (7, None, b"789"),
            (7, 100, b"789"),
            (9, 1, b"9"),
            (10, 1, b""),
            (10, None, b""),
            (1000, 5, b""),
            (4, 0, b""),
        ],
    )
    def test_ranges(self, bucket: Bucket, start: int, length: int | None, expected: bytes) -> None:
        """A range gives those of its bytes that there are."""
        bucket.put("a", b"0123456789")
        assert bucket.get("a", start, length) == expected
        assert b"".join(bucket.stream("a", start, length)) == expected

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [
            (0, 10, [b"0123", b"4567", b"89"]),
            (2, 4, [b"2345"]),
            (5, 100, [b"5678", b"9"]),
            (10, 5, []),
            (3, 0, []),
        ],
    )
    def test_pieces(self, bucket: Bucket, start: int, length: int, expected: list[bytes]) -> None:
        """Pieces fill the buffer one after the other; there are no more bytes than the object has."""
        bucket.put("a", b"0123456789")
        buffer = memoryview(bytearray(4))
        assert [bytes(piece) for piece in bucket.pieces("a", buffer, start, length)] == expected

    def test_pieces_of_a_large_object(self, bucket: Bucket) -> None:
        """Pieces need not be as long as whatever the store sends at once; the rest may be left."""
        data = random_bytes(3 * MIB + 5)
        bucket.put("a", data)
        buffer = memoryview(bytearray(MIB + 1))
        assert b"".join(map(bytes, bucket.pieces("a", buffer, 1, 3 * MIB))) == data[1 : 3 * MIB + 1]
        assert bytes(next(iter(bucket.pieces("a", buffer, 0, len(data))))) == data[: MIB + 1]
        assert bucket.get("a") == data

    def test_pieces_of_nothing(self, bucket: Bucket) -> None:
        """Nor are there any of an object that is not there."""
        with pytest.raises(ObjectNotFoundError, match="no/such"):
            next(iter(bucket.pieces("no/such", memoryview(bytearray(1)), 0, 1)))

    def test_stream_in_chunks(self, bucket: Bucket) -> None:
        """A stream gives chunks of at most 1 MiB, all bytes, in order."""
        data = bytes(range(256)) * 10_000
        bucket.put("a", data)
        chunks = list(bucket.stream("a"))
        assert max(map(len, chunks)) <= MIB
        assert b"".join(chunks) == data

    def test_stream_left_early(self, bucket: Bucket) -> None:
        """A stream may be left, and the bucket goes on working."""
        bucket.put("a", b"x" * 3 * MIB)
        stream = bucket.stream("a")
        assert next(stream)
        stream.close()
        assert bucket.get("a", 0, 1) == b"x"

    def test_create_then_get(self, bucket: Bucket) -> None:
        """Create writes where nothing is."""
        bucket.create("a/b", b"mine")
        assert bucket.get("a/b") == b"mine"

    def test_create_twice(self, bucket: Bucket) -> None:
        """A second create fails, and the first object stays as it was."""
        bucket.create("a", b"first")
        with pytest.raises(ObjectExistsError, match="exists already"):
            bucket.create("a", b"second")
        assert bucket.get("a") == b"first"

    def test_create_over_a_put(self, bucket: Bucket) -> None:
        """An object that was put is in the way too."""
        bucket.put("a", b"first")
        with pytest.raises(ObjectExistsError, match="exists already"):
            bucket.create("a", b"second")

    def test_create_after_delete(self, bucket: Bucket) -> None:
        """A deleted object is not in the way."""
        bucket.create("a", b"first")
        bucket.delete(["a"])
        bucket.create("a", b"second")
        assert bucket.get("a") == b"second"

    def test_racing_creators(self, bucket: Bucket) -> None:
        """Of eight creators at once exactly one wins, and the object is the winner's, in every round."""
        for number in range(5):
            key = f"race/{number}"
            texts = [f"writer {n}".encode() * 1000 for n in range(8)]
            won = race([partial(bucket.create, key, text) for text in texts])
            assert won.count(True) == 1
            assert bucket.get(key) == texts[won.index(True)]

    def test_list_in_key_order(self, bucket: Bucket) -> None:
        """Keys come in the order of their UTF-8 bytes, which is not that of a directory tree."""
        keys = ["a", "a-b", "a.b", "a/b/c", "a/b-c", "a0", "b", "é", "z", "\uffee", "\U00010000"]
        files = [key for key in keys if key != "a"]  # a directory cannot hold both "a" and "a/b"
        for key in files:
            bucket.put(key, key.encode())
        assert [found.key for found in bucket.list("")] == sorted(files, key=str.encode)

    def test_list_tells_size_and_time(self, bucket: Bucket) -> None:
        """A listing knows what a head knows."""
        bucket.put("a/b", b"12345")
        found = next(iter(bucket.list("a/")))
        assert (found.key, found.size) == ("a/b", 5)
        assert abs(found.modified - bucket.head("a/b").modified) < timedelta(seconds=2)

    @pytest.mark.parametrize(
        ("prefix", "expected"),
        [
            ("", ["a/b", "a/bc/d", "ab", "b"]),
            ("a", ["a/b", "a/bc/d", "ab"]),
            ("a/", ["a/b", "a/bc/d"]),
            ("a/b", ["a/b", "a/bc/d"]),
            ("a/bc/", ["a/bc/d"]),
            ("a/b/", []),
            ("no/such/", []),
        ],
    )
    def test_list_below_a_prefix(self, bucket: Bucket, prefix: str, expected: list[str]) -> None:
        """A prefix is the beginning of keys, whether or not it ends a part."""
        for key in ["a/b", "a/bc/d", "ab", "b"]:
            bucket.put(key, b"")
        assert [found.key for found in bucket.list(prefix)] == expected

    @pytest.mark.parametrize(
        ("after", "expected"),
        [
            ("", ["p/1", "p/2/x", "p/3"]),
            ("p/1", ["p/2/x", "p/3"]),
            ("p/2", ["p/2/x", "p/3"]),
            ("p/2/x", ["p/3"]),
            ("p/2/y", ["p/3"]),
            ("p/3", []),
            ("a", ["p/1", "p/2/x", "p/3"]),
            ("z", []),
        ],
    )
    def test_list_after_a_key(self, bucket: Bucket, after: str, expected: list[str]) -> None:
        """Only keys that sort after the given one are listed, whether or not that one exists."""
        for key in ["p/1", "p/2/x", "p/3", "q"]:
            bucket.put(key, b"")
        assert [found.key for found in bucket.list("p/", after=after)] == expected

    def test_prefixes(self, bucket: Bucket) -> None:
        """The next part of keys that go on after it: each once, in order, and no objects."""
        for key in ["job/a/1", "job/a/2", "job/a-b/1", "job/b:1/x/y", "job/c", "other/z/1"]:
            bucket.put(key, b"")
        assert sorted(bucket.prefixes("job/")) == ["a", "a-b", "b:1"]
        assert list(bucket.prefixes("")) == ["job", "other"]
        assert list(bucket.prefixes("job/b:1/")) == ["x"]
        assert list(bucket.prefixes("none/")) == []

    def test_odd_keys(self, bucket: Bucket) -> None:
        """Spaces, colons, any script and what URLs and XML are fussy about come back as they were."""
        for key in ODD_KEYS:
            bucket.put(key, key.encode())
        assert [found.key for found in bucket.list("")] == sorted(ODD_KEYS, key=str.encode)
        assert [bucket.get(key).decode() for key in ODD_KEYS] == ODD_KEYS
        for key in ODD_KEYS:
            bucket.copy(key, f"copy/{key}")
        assert sorted(bucket.prefixes("")) == sorted(
            {key.split("/")[0] for key in ODD_KEYS if "/" in key} | {"copy"}
        )
        assert bucket.get(f"copy/{ODD_KEYS[0]}") == ODD_KEYS[0].encode()
        bucket.delete([*ODD_KEYS, *(f"copy/{key}" for key in ODD_KEYS)])
        assert list(bucket.list("")) == []

    @pytest.mark.parametrize(
        "key",
        ["", "/a", "a/", "a//b", "../a", "a/../b", "a/..", "./a", "a/.", "a\0b", "a\nb", "a\x7f", "\ud800"],
    )
    def test_bad_keys(self, bucket: Bucket, key: str) -> None:
        """A key that could lead elsewhere is refused by every method."""
        bucket.put("a", b"")
        calls: list[Callable[[], object]] = [
            lambda: bucket.get(key),
            lambda: bucket.head(key),
            lambda: next(iter(bucket.stream(key))),
            lambda: bucket.put(key, b""),
            lambda: bucket.create(key, b""),
            lambda: bucket.start_upload(key, 1, 1),
            lambda: bucket.delete([key]),
            lambda: bucket.copy("a", key),
            lambda: bucket.copy(key, "a"),
        ]
        for call in calls:
            with pytest.raises(StorageError, match="cannot be an object's key"):
                call()

    def test_delete_missing(self, bucket: Bucket) -> None:
        """Deleting what is not there is no error, and what is there goes."""
        bucket.put("a/b", b"")
        bucket.delete(["no/such", "a/b", "a/b/c", "a"])
        assert list(bucket.list("")) == []

    def test_delete_nothing(self, bucket: Bucket) -> None:
        """Nothing may be deleted."""
        bucket.delete([])

    def test_copy(self, bucket: Bucket) -> None:
        """A copy has the same bytes, stands on its own, and replaces what was there."""
        bucket.put("a", b"bytes" * MIB)
        bucket.put("b/c", b"old")
        bucket.copy("a", "b/c")
        bucket.delete(["a"])
        assert bucket.get("b/c") == b"bytes" * MIB

    def test_copy_missing(self, bucket: Bucket) -> None:
        """What is not there cannot be copied."""
        with pytest.raises(ObjectNotFoundError, match="no/such"):
            bucket.copy("no/such", "b")

    def test_clock(self, bucket: Bucket) -> None:
        """The store's clock is in UTC; the test servers' is ours. Telling it leaves nothing."""
        now = bucket.clock()
        assert now.utcoffset() == timedelta(0)
        assert abs(now - datetime.now(UTC)) < timedelta(seconds=60)
        assert list(bucket.list("")) == []

    def test_names_of_ours_are_names_of_files(self, bucket: Bucket) -> None:
        """A file of an output may be called like anything that we write: it is listed, and no upload."""
        files = f"j/s:1/attempts/{uuid.uuid4()}/files/"
        names = [
            ".up42-0123456789abcdef.1.part",
            f".up42-{'0' * 32}.tmp",
            ".up42_state/clock-0",
            ".up42_uploads/0123456789abcdef/00001",
            ".up42_uploads/a",
            "d/.up42_uploads",
        ]
        for name in names:
            bucket.put(files + name, b"x")
        assert sorted(info.key for info in bucket.list("j/")) == sorted(files + name for name in names)
        assert list(bucket.uploads("")) == []
        bucket.delete([files + names[0]])
        assert bucket.get(files + names[1]) == b"x"

    def test_whether_there_is_anything(self, bucket: Bucket) -> None:
        """A prefix holds something once an object lies below it; an unfinished upload is none."""
        assert not bucket.holds("j/")
        upload = bucket.start_upload("j/s/a", 1, bucket.part_size(1))
        upload.put_part(1, b"x")
        assert not bucket.holds("j/")
        upload.complete()
        assert bucket.holds("j/")
        assert not bucket.holds("j/t")

    @pytest.mark.parametrize("key", ["a/b.tif", "ä b#c%20.tif"])
    def test_object_url(self, bucket: Bucket, key: str) -> None:
        """The address of an object is the store's URL and the key, which is quoted in a file's URL alone."""
        bucket.put(key, b"1")
        found = bucket.object_url(key)
        assert found.removeprefix(f"{bucket.url}/") in (key, quote(key))
        if found.startswith("file:"):
            assert Path(unquote(urlsplit(found).path)).read_bytes() == b"1"

    @pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(days=7, seconds=1), timedelta(hours=-1)])
    def test_signing_for_too_long(self, bucket: Bucket, lifetime: timedelta) -> None:
        """No store signs a URL for more than seven days, or for no time; some sign none."""
        with pytest.raises((SettingsError, UnsupportedStoreError), match="signed"):
            bucket.signed_url("a", lifetime)

    def test_url(self, bucket: Bucket) -> None:
        """The URL and the identity hold no credentials; the URL ends without a slash."""
        assert "://" in bucket.url
        assert "secret" not in f"{bucket.url} {bucket.identity} {bucket!r}"


def race(calls: list[Callable[[], object]]) -> list[bool]:
    """Run all calls at the same moment; which of them did not find an object in the way."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> bool:
        start.wait()
        try:
            call()
        except ObjectExistsError:
            return False
        return True

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
