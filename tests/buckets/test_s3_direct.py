"""S3 by our own requests, with boto3 behind them: the same contract and the same errors."""

from __future__ import annotations

import hashlib
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from buckets.contract import BucketContract
from buckets.scripted import Answer, Script, answering, serving
from buckets.uploads import MIB, random_bytes
from doubles.outputs import contents, state_on, tiles, write_output

from up42_state.buckets import open_bucket
from up42_state.buckets.s3_direct import DirectS3Bucket
from up42_state.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ObjectExistsError,
    ObjectNotFoundError,
    StoreUnreachableError,
)
from up42_state.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "planted-secret"}


def settings(endpoint: str, **others: Any) -> Settings:
    return Settings(**{"aws_endpoint_url": endpoint, "aws_region": "us-east-1", **KEYS, **others})


@pytest.fixture
def bucket(localstack_url: str) -> Iterator[DirectS3Bucket]:
    raw: Any = boto3.client("s3", endpoint_url=localstack_url, region_name="us-east-1", **KEYS)
    name = f"test-{uuid.uuid4()}"
    raw.create_bucket(Bucket=name)
    bucket = DirectS3Bucket(name, "prefix/of-it", settings(localstack_url))
    yield bucket
    bucket.close()


class TestDirectS3Bucket(BucketContract):
    pass


def test_everyday_work_leaves_boto3_out(bucket: DirectS3Bucket) -> None:
    """Writing, creating, listing and reading objects, uploads in parts, and a refused create need nothing of
    boto3.
    """
    bucket.put("a/b", b"1")
    bucket.create("a/c", b"23")
    with pytest.raises(ObjectExistsError):
        bucket.create("a/c", b"45")
    assert [(info.key, info.size) for info in bucket.list("a/")] == [("a/b", 1), ("a/c", 2)]
    assert list(bucket.prefixes("")) == ["a"]
    assert bucket.get("a/b") == b"1"
    assert bucket.get("a/c", 1, 1) == b"3"
    for name in ("aborted", "large"):
        upload = bucket.start_upload(name, 1, 8 * MIB)
        upload.put_part(1, b"x", sha256=hashlib.sha256(b"x").hexdigest())
        upload.abort() if name == "aborted" else upload.complete()
    bucket.delete(["a/b"])
    assert [info.key for info in bucket.list("")] == ["a/c", "large"]
    assert bucket._made is None


def test_a_save_and_a_restore_leave_boto3_out(bucket: DirectS3Bucket, tmp_path: Path) -> None:
    """The probe, packs, a file in parts, the commit, and all of it back need nothing of boto3 either."""
    output = write_output(tmp_path / "out", {**tiles(16), "large.tif": random_bytes(9 * MIB)})
    stage = state_on(bucket).job("j").stage("s:1")
    assert stage.save(output).revision == 1
    stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)
    assert bucket._made is None


def test_what_is_missing(bucket: DirectS3Bucket, localstack_url: str) -> None:
    """A missing object takes one request; boto3 tells of a missing bucket, and then reads no more."""
    with pytest.raises(ObjectNotFoundError, match=f"no object {bucket.url}/nothing"):
        bucket.get("nothing")
    with pytest.raises(ObjectNotFoundError, match=f"no object {bucket.url}/nothing"):
        next(iter(bucket.pieces("nothing", memoryview(bytearray(1)), 0, 1)))
    assert bucket._made is None
    with pytest.raises(BucketNotFoundError, match="no-such-bucket"):
        DirectS3Bucket("no-such-bucket", "", settings(localstack_url)).get("a")
    assert not bucket._failed


def test_a_length_that_the_object_has_not(bucket: DirectS3Bucket) -> None:
    """A read from the beginning of fewer or more bytes than there are gives what a range gives."""
    data = random_bytes(MIB)
    bucket.put("a", data)
    assert bucket.get("a", 0, 1000) == data[:1000]
    assert bucket.get("a", 0, 2 * MIB) == data


def test_broken_answers_are_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of 500 to our own request is followed by boto3's request, and everything of this kind then is
    boto3's.
    """
    answers = [Answer(status=500), *[Answer(headers={"ETag": '"e"'})] * 2]
    with answering(*answers) as script:
        bucket = DirectS3Bucket("b", "", settings(script.url))
        bucket.put("a", b"x")
        bucket.put("b", b"y")
        bucket.close()
    assert agents(script) == ["", "Boto3", "Boto3"]


@contextmanager
def bucket_at(*answers: Any) -> Iterator[tuple[DirectS3Bucket, Script]]:
    with answering(*answers) as script:
        bucket = DirectS3Bucket("b", "", settings(script.url))
        try:
            yield bucket, script
        finally:
            bucket.close()


def agents(script: Script) -> list[str]:
    """Who sent each request: boto3 names itself, we do not."""
    return [request.headers.get("user-agent", "").split("/")[0] for request in script.requests]


def test_a_part_that_fails() -> None:
    """boto3 sends the part again and goes on with the upload, which holds the parts that we have sent."""
    begun = Answer(body=b"<R><UploadId>u</UploadId></R>")
    done = Answer(body=b"<CompleteMultipartUploadResult/>")
    tags = [Answer(headers={"ETag": tag}) for tag in ('"one"', '"two"')]
    with bucket_at(begun, tags[0], Answer(status=500), tags[1], done) as (bucket, script):
        upload = bucket.start_upload("a", 2, 1)
        upload.put_part(1, b"x")
        upload.put_part(2, b"y")
        upload.complete()
    assert agents(script) == ["", "", "", "Boto3", "Boto3"]
    body = script.requests[-1].body
    assert [tag in body for tag in (b"one", b"two")] == [True, True]


def test_an_upload_that_is_not_completed_though_the_answer_is_200() -> None:
    """An error may come after the status ("CompleteMultipartUpload"): boto3 completes the upload."""
    begun = Answer(body=b"<R><UploadId>u</UploadId></R>")
    failed = Answer(body=b"<Error><Code>InternalError</Code></Error>")
    done = Answer(body=b"<CompleteMultipartUploadResult/>")
    with bucket_at(begun, Answer(headers={"ETag": '"e"'}), failed, done) as (bucket, script):
        upload = bucket.start_upload("a", 1, 1)
        upload.put_part(1, b"x")
        upload.complete()
    assert agents(script) == ["", "", "", "Boto3"]


def test_an_abort_that_fails() -> None:
    """boto3 aborts the upload then."""
    begun = Answer(body=b"<R><UploadId>u</UploadId></R>")
    with bucket_at(begun, Answer(status=503), Answer(status=204)) as (bucket, script):
        bucket.start_upload("a", 1, 1).abort()
    assert [request.method for request in script.requests] == ["POST", "DELETE", "DELETE"]
    assert agents(script) == ["", "", "Boto3"]


def test_bytes_are_asked_for_as_they_are() -> None:
    """Nothing on the way may compress them; that is not signed, since whoever is there may change it."""
    with bucket_at(serving(b"0123456789")) as (bucket, script):
        bucket.get("a")
    headers = script.requests[0].headers
    assert headers["accept-encoding"] == "identity"
    assert "accept-encoding" not in headers["authorization"]


def test_a_range_that_is_answered_with_200() -> None:
    """The range counts, not the status: ``rclone serve s3`` answers so."""
    answer = Answer(body=b"3456", headers={"Content-Range": "bytes 3-6/10"})
    with bucket_at(answer) as (bucket, script):
        assert bucket.get("a", 3, 4) == b"3456"
    assert script.requests[0].headers["range"] == "bytes=3-6"
    assert agents(script) == [""]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=206, body=b"34", headers={"Content-Range": "bytes 3-4/10"}),
        Answer(status=206, body=b"2345", headers={"Content-Range": "bytes 2-5/10"}),
        Answer(status=206, body=b"34567", headers={"Content-Range": "bytes 3-7/10"}),
        Answer(status=200, body=b"0123456789"),
        Answer(status=301, headers={"Location": "http://elsewhere/"}),
        Answer(status=206, body=b"3456", headers={"Content-Range": "bytes 3-6/10"}, cut=2),
    ],
)
def test_another_range_than_was_asked_for(answer: Answer) -> None:
    """It is never given: boto3 is asked, now and from now on."""
    with bucket_at(answer, serving(b"0123456789")) as (bucket, script):
        assert bucket.get("a", 3, 4) == b"3456"
        assert bucket.get("a", 4, 2) == b"45"
    assert agents(script) == ["", "Boto3", "Boto3"]


def test_pieces_that_break_off() -> None:
    """boto3 goes on after the last piece that was given."""
    data = random_bytes(100)
    with bucket_at(serving(data, cut=50), serving(data)) as (bucket, script):
        pieces = [bytes(piece) for piece in bucket.pieces("a", memoryview(bytearray(20)), 10, 80)]
    assert pieces == [data[at : at + 20] for at in range(10, 90, 20)]
    assert [request.headers["range"] for request in script.requests] == ["bytes=10-89", "bytes=50-89"]
    assert agents(script) == ["", "Boto3"]


def test_a_listing_that_breaks_off() -> None:
    """boto3 goes on after the last key that was given."""
    page = """<ListBucketResult><IsTruncated>{}</IsTruncated><NextContinuationToken>t</NextContinuationToken>
        <Contents><Key>{}</Key><Size>1</Size><LastModified>2026-01-05T10:00:00.000Z</LastModified></Contents>
        </ListBucketResult>"""
    pages = [
        Answer(body=page.format(more, key).encode()) for more, key in (("true", "a&amp;b"), ("false", "c"))
    ]
    with bucket_at(pages[0], Answer(status=500), pages[1]) as (bucket, script):
        assert [found.key for found in bucket.list("")] == ["a&b", "c"]
    assert "continuation-token=t" in script.requests[1].path
    assert "start-after=a%26b" in script.requests[2].path
    assert agents(script) == ["", "", "Boto3"]


@pytest.mark.parametrize(
    "body",
    [b"<html><body>Log in first</body></html>", b"no XML", b"", b"<!DOCTYPE x><ListBucketResult/>"],
)
def test_a_listing_that_is_none(body: bytes) -> None:
    """A page that some proxy gives is not taken for an empty listing."""
    empty = Answer(body=b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
    with bucket_at(Answer(body=body), empty) as (bucket, script):
        assert list(bucket.list("")) == []
    assert agents(script) == ["", "Boto3"]


def test_create_sends_the_condition() -> None:
    """A create is one PUT that carries If-None-Match: *, and is not boto3's."""
    with bucket_at(Answer()) as (bucket, script):
        bucket.create("a", b"x")
    (request,) = script.requests
    assert (request.method, request.headers["if-none-match"], agents(script)) == ("PUT", "*", [""])


def test_a_kept_connection_that_ends_at_a_create() -> None:
    """A create is not sent twice on the quiet: boto3 sends it again, and tells what it meets."""
    ended = Answer(headers={"Content-Length": "10"}, cut=0)
    refused = Answer(status=412)
    with bucket_at(Answer(), ended, refused) as (bucket, script):
        bucket.put("a", b"x")
        with pytest.raises(ObjectExistsError):
            bucket.create("b", b"x")
    assert agents(script) == ["", "", "Boto3"]


def test_parts_are_blocks() -> None:
    """Parts are blocks of the index, so that none is hashed twice, and more where there would be too many."""
    bucket = DirectS3Bucket("b", "", settings("http://127.0.0.1:9"))
    assert bucket.part_size(1) == bucket.part_size(10_000 * 8 * MIB) == 8 * MIB
    assert bucket.part_size(10_000 * 8 * MIB + 1) == 16 * MIB


def test_unreachable() -> None:
    """A store that nobody listens for is unreachable, after boto3's retries."""
    bucket = DirectS3Bucket("b", "", settings("http://127.0.0.1:9"))
    with pytest.raises(StoreUnreachableError):
        bucket.get("a")


def test_refused_credentials_are_not_repeated() -> None:
    """Refused credentials are an access error that says where they came from, and never what they are."""
    body = b"<?xml version='1.0'?><Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error>"
    refusals = [Answer(status=403, body=body, headers={"Content-Type": "application/xml"})] * 2
    with answering(*refusals) as script:
        bucket = DirectS3Bucket("b", "", settings(script.url))
        with pytest.raises(AccessDeniedError, match="come from argument") as caught:
            bucket.get("a")
    assert "planted-secret" not in repr(caught.value)


@pytest.mark.parametrize(
    ("others", "kind"),
    [
        ({}, "DirectS3Bucket"),
        ({"aws_endpoint_url": None}, "S3Bucket"),
        ({"aws_endpoint_url": "https://s3.eu-west-1.amazonaws.com"}, "S3Bucket"),
        ({"aws_access_key_id": None, "aws_secret_access_key": None}, "S3Bucket"),
        ({"sse": "AES256"}, "S3Bucket"),
        ({"aws_endpoint_url": "https://here/s3"}, "S3Bucket"),
        ({"aws_endpoint_url": "https://hier.müller.example"}, "S3Bucket"),
    ],
)
def test_who_serves(others: dict[str, Any], kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only an endpoint of one's own, with keys in the settings, is served directly."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert type(open_bucket("s3://b", settings("http://here:9000", **others))).__name__ == kind


def test_proxies_are_left_to_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment names a proxy, boto3 does all."""
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert type(open_bucket("s3://b", settings("http://here:9000"))).__name__ == "S3Bucket"
