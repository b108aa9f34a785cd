"""The bucket on S3, against LocalStack."""

from __future__ import annotations

import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from buckets.contract import BucketContract
from buckets.uploads import MIB, random_bytes
from doubles.outputs import contents, state_on, tiles, write_output

from up42_state.buckets import open_bucket
from up42_state.buckets.s3.bucket import S3Bucket
from up42_state.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    JobNotFoundError,
    SettingsError,
    StageNotFoundError,
    StoreUnreachableError,
)
from up42_state.settings.model import Settings
from up42_state.stages.upkeep.usage import usages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


def settings(endpoint: str | None, **others: Any) -> Settings:
    return Settings(**{"aws_endpoint_url": endpoint, "aws_region": "us-east-1", **KEYS, **others})


@pytest.fixture(scope="module")
def raw(localstack_url: str) -> Any:
    return boto3.client("s3", endpoint_url=localstack_url, region_name="us-east-1", **KEYS)


@pytest.fixture
def name(raw: Any) -> str:
    """A new bucket's name."""
    name = f"test-{uuid.uuid4()}"
    raw.create_bucket(Bucket=name)
    return name


@pytest.fixture
def bucket(localstack_url: str, name: str) -> Iterator[S3Bucket]:
    bucket = S3Bucket(name, "pre fix/ü", settings(localstack_url))
    yield bucket
    bucket.close()


class TestS3Bucket(BucketContract):
    pass


def test_a_save_and_a_restore(bucket: S3Bucket, tmp_path: Path) -> None:
    """The probe, packs, a file in parts, the commit, and all of it back."""
    output = write_output(tmp_path / "out", {**tiles(16), "large.tif": random_bytes(17 * MIB)})
    stage = state_on(bucket).job("j").stage("s:1")
    assert stage.save(output).commit.revision == 1
    stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)


def test_folders_of_a_web_console_hold_nothing(bucket: S3Bucket, raw: Any, name: str, tmp_path: Path) -> None:
    """Empty objects whose keys end with a slash are no stages, and are left. Jobs are names and no more."""
    for key in ("", "j/", "j/s:1/", "j/t:1/", "old/"):
        raw.put_object(Bucket=name, Key=f"pre fix/ü/{key}", Body=b"")
    state = state_on(bucket)
    state.job("j").stage("s:1").save(write_output(tmp_path / "out", tiles(2)))
    assert [job.key for job in state.jobs()] == ["j", "old"]
    assert [usage.objects > 0 for usage in usages(state.store, ["j", "old"])] == [True, False]
    with pytest.raises(StageNotFoundError, match=r"it has s:1$"):
        state.job("j").stage("u:1").latest()
    state.job("j").delete()
    with pytest.raises(JobNotFoundError, match="of no save that was finished"):
        state.job("old").commits()


def test_a_length_that_the_object_has_not(bucket: S3Bucket) -> None:
    """A read from the beginning of fewer or more bytes than there are gives what a range gives."""
    data = random_bytes(MIB)
    bucket.put("a", data)
    assert bucket.get("a", 0, 1000) == data[:1000]
    assert bucket.get("a", 0, 2 * MIB) == data


@pytest.mark.parametrize(
    "endpoint",
    [
        None,
        "https://s3.eu-west-1.amazonaws.com",
        "http://127.0.0.1:9000",
        "https://127.0.0.1:9/s3",
        "https://hier.müller.example",
    ],
)
def test_every_endpoint_is_served_by_one_client(endpoint: str | None) -> None:
    """Amazon's own and all others are reached in the same way."""
    assert type(open_bucket("s3://b", settings(endpoint))) is S3Bucket


def test_missing_bucket(localstack_url: str) -> None:
    """A bucket that does not exist is an error that names it, whatever is asked of it."""
    bucket = open_bucket("s3://no-such-bucket-here/p", settings(localstack_url))
    for call in (
        lambda: bucket.get("a"),
        lambda: bucket.head("a"),
        lambda: bucket.put("a", b""),
        lambda: bucket.create("a", b""),
        lambda: list(bucket.list("")),
        lambda: list(bucket.prefixes("")),
        lambda: list(bucket.uploads("")),
        lambda: bucket.start_upload("a", 1, 1),
        lambda: bucket.delete(["a"]),
        lambda: bucket.copy("a", "b"),
        lambda: bucket.clock(),
    ):
        with pytest.raises(BucketNotFoundError, match=r"no-such-bucket-here.*; there are [a-z]"):
            call()


def test_prefix_is_a_whole_part(bucket: S3Bucket, localstack_url: str, name: str, raw: Any) -> None:
    """A bucket below a prefix sees neither a sibling whose name goes on nor a console's folder marker."""
    raw.put_object(Bucket=name, Key="pre fix/ü/", Body=b"")
    raw.put_object(Bucket=name, Key="pre fix/üc/d", Body=b"")
    bucket.put("d", b"")
    assert [found.key for found in bucket.list("")] == ["d"]
    assert list(S3Bucket(name, "pre fix", settings(localstack_url)).prefixes("")) == ["ü", "üc"]


def test_many_objects(bucket: S3Bucket) -> None:
    """More objects than a page or a batch holds are listed in order and deleted."""
    keys = [f"many:1/{number:04}" for number in range(1105)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: bucket.put(key, b""), keys))
    assert [found.key for found in bucket.list("many:1/")] == keys
    assert [found.key for found in bucket.list("", after="many:1/1000")] == keys[1001:]
    bucket.delete(keys)
    assert list(bucket.list("")) == []


def test_large_copy(bucket: S3Bucket) -> None:
    """What CopyObject does not take is copied in parts."""
    data = random_bytes(12 * MIB + 5)
    bucket.put("a", data)
    bucket.max_copy, bucket.copy_part = 10 * MIB, 5 * MIB
    bucket.copy("a", "b")
    assert bucket.get("b") == data


def test_encryption(localstack_url: str, name: str, raw: Any) -> None:
    """The encryption that was asked for is that of put, created, uploaded and copied objects."""
    bucket = S3Bucket(name, "", settings(localstack_url, kms_key="arn:aws:kms:us-east-1:000000000000:key/k"))
    bucket.put("put", b"")
    bucket.create("create", b"")
    upload = bucket.start_upload("upload", 1, 5 * MIB)
    upload.put_part(1, b"x")
    upload.complete()
    bucket.copy("put", "copy")
    for key in ("put", "create", "upload", "copy"):
        found = raw.head_object(Bucket=name, Key=key)
        assert found["ServerSideEncryption"] == "aws:kms"
        assert found["SSEKMSKeyId"].endswith("/k")


def test_unreachable() -> None:
    """A host that nothing listens on is an error that says so, after bounded retries."""
    bucket = S3Bucket("b", "", settings("http://127.0.0.1:9"))
    with pytest.raises(StoreUnreachableError, match=r"127\.0\.0\.1:9"):
        bucket.get("a")


def test_no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, localstack_url: str) -> None:
    """Without credentials nothing is sent, and the error says which variables to set."""
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bucket = S3Bucket("b", "", Settings(aws_endpoint_url=localstack_url))
    with pytest.raises(AccessDeniedError, match="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        bucket.get("a")


def test_empty_variables(monkeypatch: pytest.MonkeyPatch, localstack_url: str, name: str) -> None:
    """Variables that an image sets to nothing are as if they were not set, for boto3 too."""
    for variable in (
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
    ):
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", localstack_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    bucket = open_bucket(f"s3://{name}")
    bucket.put("a", b"x")
    assert bucket.get("a") == b"x"


def test_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, localstack_url: str, name: str) -> None:
    """A profile is used when no keys are given, and its region too."""
    config = tmp_path / "config"
    config.write_text("[profile p]\naws_access_key_id=test\naws_secret_access_key=test\nregion=us-east-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    bucket = S3Bucket(name, "", Settings(aws_endpoint_url=localstack_url, aws_profile="p"))
    bucket.put("a", b"x")
    assert bucket.get("a") == b"x"


def test_endpoint_of_the_configuration_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, localstack_url: str, name: str
) -> None:
    """An endpoint that boto3 finds for itself is not taken for Amazon, but probed, and addressed by path."""
    config = tmp_path / "config"
    config.write_text(
        f"[profile p]\nservices = ours\n[services ours]\ns3 =\n  endpoint_url = {localstack_url}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    bucket = S3Bucket(name, "", settings(None, aws_profile="p"))
    assert bucket.atomic_create is None
    assert bucket.identity == f"s3:{localstack_url}/{name}"
    assert bucket.gdal_options()["AWS_VIRTUAL_HOSTING"] == "FALSE"
    bucket.put("a", b"x")
    assert bucket.get("a") == b"x"


def test_missing_profile(localstack_url: str) -> None:
    """A profile that does not exist is a wrong setting, which is named, not quoted: it may be a key."""
    bucket = S3Bucket("b", "", Settings(aws_endpoint_url=localstack_url, aws_profile="nobody"))
    with pytest.raises(SettingsError, match="aws_profile: there is no profile of this name") as caught:
        bucket.get("a")
    assert "nobody" not in "".join(traceback.format_exception(caught.value))


def test_gdal(localstack_url: str) -> None:
    """GDAL gets the path, the credentials and the endpoint in its own terms."""
    bucket = S3Bucket("b", "p", settings(localstack_url, aws_session_token="token"))
    assert bucket.gdal_path("a/b.tif") == "/vsis3/b/p/a/b.tif"
    assert bucket.gdal_options() == {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_SESSION_TOKEN": "token",
        "AWS_REGION": "us-east-1",
        "AWS_S3_ENDPOINT": localstack_url.removeprefix("http://"),
        "AWS_HTTPS": "NO",
        "AWS_VIRTUAL_HOSTING": "FALSE",
    }


@pytest.mark.parametrize(
    ("endpoint", "atomic"),
    [
        (None, True),
        ("https://s3.eu-central-1.amazonaws.com", True),
        ("https://bucket.vpce-1a2b.s3.us-east-1.vpce.amazonaws.com", True),
        ("http://localhost:9000", None),
        ("https://account.r2.cloudflarestorage.com", None),
        ("https://notamazonaws.com", None),
    ],
)
def test_atomic_create_is_known_of_aws_only(endpoint: str | None, atomic: bool | None) -> None:
    """Only of Amazon's own endpoints is it known that they create atomically; others are probed."""
    assert S3Bucket("b", "", settings(endpoint)).atomic_create is atomic
