"""The servers behave like the services they stand for, where the stage format depends on it."""

from __future__ import annotations

import sys
import uuid
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.exceptions import ClientError
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from servers import process


@pytest.fixture(scope="module")
def s3(localstack_url):
    return boto3.client(
        "s3",
        endpoint_url=localstack_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture(scope="module")
def gcs(gcs_emulator_url):
    client = storage.Client(
        project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": gcs_emulator_url}
    )
    return client.create_bucket(f"servers-{uuid.uuid4()}")  # pytest-xdist may come back to this module


def wins(outcomes, loser):
    assert all(outcome is None or isinstance(outcome, loser) for outcome in outcomes)
    return sum(outcome is None for outcome in outcomes)


def at_once(action, count=8):
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(action, number) for number in range(count)]
        return [future.exception() for future in futures]


def test_a_server_that_does_not_start_fails_the_tests_with_its_log(tmp_path):
    """Never a skip: the failure says how the server ended, and what it said."""
    command = [sys.executable, "-c", "import sys; sys.exit('no such database')"]
    with (
        pytest.raises(pytest.fail.Exception, match=r"(?s)ended with exit code 1.*no such database"),
        process.running(command, ready=("http://127.0.0.1:9", b""), log=tmp_path / "log"),
    ):
        pass


def test_localstack_has_the_bucket_of_its_init_hook(s3):
    """The hook that the docker image runs has run here too."""
    assert s3.head_bucket(Bucket="up42-state")["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_one_of_eight_creators_wins_on_localstack(s3):
    """LocalStack enforces If-None-Match: exactly one of eight writers at once succeeds."""

    def create(number):
        s3.put_object(Bucket="up42-state", Key="servers/one", Body=b"%d" % number, IfNoneMatch="*")

    assert wins(at_once(create), ClientError) == 1


@pytest.mark.parametrize("size", [None, 300_000], ids=["one request", "resumable in chunks"])
def test_one_of_eight_creators_wins_on_gcs(gcs, size):
    """The emulator enforces ifGenerationMatch=0 for every kind of upload."""
    chunk = None if size is None else 262_144
    body = b"x" * (size or 10)

    def create(number):
        blob = gcs.blob(f"one-{size}", chunk_size=chunk)
        blob.upload_from_string(body, if_generation_match=0)

    assert wins(at_once(create), PreconditionFailed) == 1
    assert gcs.blob(f"one-{size}").download_as_bytes() == body


def test_compose_and_rewrite_hold_their_precondition(gcs):
    """Joining and copying refuse a name that is taken, and otherwise give the bytes of their sources."""
    parts = [gcs.blob(f"part-{number}") for number in range(2)]
    for part in parts:
        part.upload_from_string(part.name)
    whole = gcs.blob("whole")
    whole.compose(parts, if_generation_match=0)
    copy = gcs.blob("copy")
    copy.rewrite(whole, if_generation_match=0)
    assert copy.download_as_bytes() == b"part-0part-1"
    with pytest.raises(PreconditionFailed):
        whole.compose(parts, if_generation_match=0)
    with pytest.raises(PreconditionFailed):
        copy.rewrite(whole, if_generation_match=0)


def test_gcs_listing_has_pages_prefixes_and_an_offset(gcs):
    """A listing of more than a page gives every name once, in order, and starts where it is told to."""
    for number in range(7):
        gcs.blob(f"list/{number}").upload_from_string(b"")
        gcs.blob(f"list/{number}/below").upload_from_string(b"")
    pages = gcs.list_blobs(prefix="list/", delimiter="/", page_size=4, start_offset="list/2")
    names = [blob.name for blob in pages]
    assert names == [f"list/{number}" for number in range(2, 7)]
    assert pages.prefixes == {f"list/{number}/" for number in range(2, 7)}
    assert pages.page_number == 3


def test_gcs_says_whether_bucket_or_object_is_missing(gcs):
    """A missing bucket and a missing object are told apart, as by the real service."""
    with pytest.raises(NotFound, match=f"No such object: {gcs.name}/absent"):
        gcs.blob("absent").reload()
    with pytest.raises(NotFound, match="The specified bucket does not exist"):
        list(gcs.client.list_blobs("absent"))


def test_binary_bytes_survive_every_upload(gcs):
    """Bytes that look like line ends and boundaries come back as they were."""
    body = bytes(range(256)) * 40 + b"\r\n--\r\n\r"
    for name, chunk in [("multipart", None), ("resumable", 262_144)]:
        blob = gcs.blob(name, chunk_size=chunk)
        blob.upload_from_string(body)
        assert blob.download_as_bytes() == body
        assert blob.download_as_bytes(start=200, end=299) == body[200:300]
