"""S3 by our own requests, with boto3 behind them: the same contract and the same errors."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from buckets.contract import MIB, BucketContract, random_bytes
from buckets.scripted import Answer, answering

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
    """Writing, creating, listing and reading objects that are there need nothing of boto3."""
    bucket.put("a/b", b"1")
    bucket.create("a/c", b"23")
    assert [(info.key, info.size) for info in bucket.list("a/")] == [("a/b", 1), ("a/c", 2)]
    assert bucket.get("a/b") == b"1"
    assert bucket.get("a/c", 1, 1) == b"3"
    assert bucket._made is None


def test_what_is_missing_is_told_by_boto3(bucket: DirectS3Bucket, localstack_url: str) -> None:
    """A missing object and a missing bucket are told apart, and neither hands the next read to boto3."""
    with pytest.raises(ObjectNotFoundError):
        bucket.get("nothing")
    with pytest.raises(BucketNotFoundError, match="no-such-bucket"):
        DirectS3Bucket("no-such-bucket", "", settings(localstack_url)).get("a")
    assert not bucket._failed


def test_an_object_that_is_there(bucket: DirectS3Bucket) -> None:
    """A second create is refused, and what the first one wrote stays."""
    bucket.create("a", b"first")
    with pytest.raises(ObjectExistsError):
        bucket.create("a", b"second")
    assert bucket.get("a") == b"first"


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
    agents = [request.headers.get("user-agent", "").split("/")[0] for request in script.requests]
    assert agents == ["", "Boto3", "Boto3"]


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
