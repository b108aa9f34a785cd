"""Buckets that keep what is deleted, or want a checksum with each write."""

from __future__ import annotations

import base64
import hashlib
import uuid
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from buckets.scripted import Answer, Request, Script, answering
from click.testing import CliRunner
from doubles.outputs import contents, state_on, tiles, write_output

from up42_state.buckets.s3.bucket import S3Bucket
from up42_state.cli.root import root
from up42_state.doctor import check_store
from up42_state.errors import StorageError
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_region": "us-east-1"}
DATA = b"0123456789"
MIB = 1024 * 1024
AMAZON = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock"


def demanding(message: str, header: str, code: str = "InvalidRequest") -> Callable[[Request], Answer]:
    """Refuses a write without a header, as buckets do whose objects are locked by default."""

    def answer(request: Request) -> Answer:
        if request.method == "POST":
            return Answer(
                body=b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
            )
        if header not in request.headers:
            body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
            return Answer(status=400, body=body.encode())
        return Answer(headers={"ETag": '"e"'})

    return answer


@contextmanager
def bucket_at(*answers: Any) -> Iterator[tuple[S3Bucket, Script]]:
    with answering(*answers) as script:
        bucket = S3Bucket("b", "", Settings(aws_endpoint_url=script.url, **KEYS))
        yield bucket, script
        bucket.close()


WRITES: dict[str, Callable[[S3Bucket], Any]] = {
    "put": lambda bucket: bucket.put("a", DATA),
    "create": lambda bucket: bucket.create("a", DATA),
    "part": lambda bucket: bucket.start_upload("a", 10, 5 * MIB).put_part(1, DATA),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("InvalidRequest", AMAZON),
        ("InvalidRequest", "Missing required header for this request: Content-MD5"),
        ("MissingContentMD5", "Missing required header for this request."),
    ],
)
def test_a_checksum_that_is_asked_for(write: str, code: str, message: str) -> None:
    """A write that is refused for want of Content-MD5 is sent again with it."""
    with bucket_at(demanding(message, "content-md5", code)) as (bucket, script):
        WRITES[write](bucket)
    sent = [request.headers.get("content-md5") for request in script.requests if request.method == "PUT"]
    assert sent == [None, base64.b64encode(hashlib.md5(DATA).digest()).decode()]


def test_a_new_checksum_that_is_asked_for() -> None:
    """Where the refusal names no MD5, it is the CRC32 of Amazon's SDKs."""
    with bucket_at(demanding("A x-amz-checksum-* header is required", "x-amz-checksum-crc32")) as (
        bucket,
        script,
    ):
        bucket.put("a", DATA)
    assert (
        script.requests[1].headers["x-amz-checksum-crc32"]
        == base64.b64encode(zlib.crc32(DATA).to_bytes(4)).decode()
    )


def test_what_was_asked_for_is_remembered() -> None:
    """From then on every write carries it at once: objects, creations and parts."""
    with bucket_at(demanding(AMAZON, "content-md5")) as (bucket, script):
        for write in WRITES.values():
            write(bucket)
        bucket.create("b", DATA)
    assert [request.method for request in script.requests] == ["PUT", "PUT", "PUT", "POST", "PUT", "PUT"]
    assert script.requests[2].headers["if-none-match"] == "*"


def test_a_checksum_that_does_not_help() -> None:
    """A store that refuses the checksum as well is asked twice, and its refusal is told."""
    with (
        bucket_at(demanding(AMAZON, "x-never")) as (bucket, script),
        pytest.raises(StorageError, match="with Object Lock"),
    ):
        bucket.put("a", DATA)
    assert len(script.requests) == 2


def test_bytes_that_changed_on_their_way() -> None:
    """A refusal of a checksum that was sent is none for want of one."""
    body = b"<Error><Code>BadDigest</Code><Message>The MD5 differs</Message></Error>"
    with bucket_at(Answer(status=400, body=body)) as (bucket, script), pytest.raises(StorageError):
        bucket.put("a", DATA)
    assert len(script.requests) == 1


@pytest.fixture(scope="module")
def raw(localstack_url: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=localstack_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


@pytest.fixture
def locked(raw: Any, localstack_url: str) -> S3Bucket:
    """A bucket whose objects are locked for a day by default."""
    name = f"locked-{uuid.uuid4()}"
    raw.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    raw.put_object_lock_configuration(
        Bucket=name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    return S3Bucket(name, "p", Settings(aws_endpoint_url=localstack_url, **KEYS))


def test_a_bucket_whose_objects_are_locked(locked: S3Bucket, tmp_path: Path) -> None:
    """Saving, saving again, restoring and pruning work on it; doctor says what deleting does not free."""
    stage = state_on(locked).job("j").stage("s:1")
    output = write_output(tmp_path / "out", {**tiles(3), "large.tif": bytes(17 * MIB)})
    stage.save(output)
    stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)
    found = {check.name: check for check in check_store(locked)}
    assert not [check for check in found.values() if check.status]
    assert "locked for 1 days (GOVERNANCE)" in found["versions"].detail
    assert "NoncurrentVersionExpiration" in found["versions"].detail


def test_versions(raw: Any, localstack_url: str) -> None:
    """A bucket with versions, one that has had them, and one without are told apart."""
    name = f"versions-{uuid.uuid4()}"
    raw.create_bucket(Bucket=name)
    bucket = S3Bucket(name, "", Settings(aws_endpoint_url=localstack_url, **KEYS))
    assert bucket.retention() == ""
    raw.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    assert "keeps versions" in (bucket.retention() or "")
    raw.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Suspended"})
    assert "has kept versions" in (bucket.retention() or "")
    bucket.close()


def test_versions_under_another_name() -> None:
    """moto's server calls the document otherwise; what is in it is the same."""
    body = (
        b"<?xml version='1.0'?><GetBucketVersioningResponse><Status>Enabled</Status>"
        b"</GetBucketVersioningResponse>"
    )
    unlocked = Answer(status=404, body=b"<?xml version='1.0'?><Error><Code>NoSuchObjectLock</Code></Error>")
    with bucket_at(Answer(body=body), unlocked) as (bucket, _):
        assert "keeps versions" in (bucket.retention() or "")


def test_removing_says_what_is_kept(raw: Any, localstack_url: str, tmp_path: Path) -> None:
    """prune and rm say that their bytes are not free, on stderr; elsewhere they say nothing."""
    name = f"kept-{uuid.uuid4()}"
    raw.create_bucket(Bucket=name)
    environment = {
        "UP42_STATE_URL": f"s3://{name}",
        "AWS_ENDPOINT_URL": localstack_url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    prune = ["prune", "--job", "j", "--keep", "1", "--grace", "0", "--no-writers"]
    said = []
    for status in (None, "Enabled"):
        if status:
            raw.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
        bucket = S3Bucket(name, "", Settings(aws_endpoint_url=localstack_url, **KEYS))
        for text in ("old", "new"):
            output = write_output(tmp_path / f"{status}-{text}", {"a.tif": text.encode()})
            state_on(bucket).job("j").stage("s").save(output)
        for verb in (prune, ["rm", "--job", "j"]):
            done = CliRunner(env=environment).invoke(root, verb)
            assert done.exit_code == 0, done.stderr
            said.append("NoncurrentVersionExpiration" in done.stderr)
        bucket.close()
    assert said == [False, False, True, True]


def test_versions_that_may_not_be_asked_for() -> None:
    """Who may not ask is not told that nothing is kept."""
    body = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    with bucket_at(Answer(status=403, body=body)) as (bucket, _):
        assert bucket.retention() is None
