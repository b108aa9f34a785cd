"""The bucket on Google Cloud Storage, against an emulator that enforces preconditions."""

from __future__ import annotations

import base64
import json
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from buckets.contract import BucketContract
from buckets.uploads import random_bytes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from up42_state.buckets import open_bucket
from up42_state.buckets.gcs.bucket import GCSBucket
from up42_state.buckets.gcs.client import make_client
from up42_state.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    SettingsError,
    StoreUnreachableError,
)
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def settings(host: str | None, **others: Any) -> Settings:
    return Settings(storage_emulator_host=host, **others)


@pytest.fixture
def name(gcs_emulator_url: str) -> str:
    """A new bucket's name."""
    options = {"api_endpoint": gcs_emulator_url}
    client = storage.Client("test", AnonymousCredentials(), client_options=options)
    name = f"test-{uuid.uuid4()}"
    client.create_bucket(name)
    client.close()
    return name


@pytest.fixture
def bucket(gcs_emulator_url: str, name: str) -> Iterator[GCSBucket]:
    bucket = GCSBucket(name, "pre fix/ü", settings(gcs_emulator_url))
    yield bucket
    bucket.close()


class TestGCSBucket(BucketContract):
    pass


def test_missing_bucket(gcs_emulator_url: str) -> None:
    """A bucket that does not exist is an error that names it, whatever is asked of it."""
    bucket = open_bucket("gs://no-such-bucket-here/p", settings(gcs_emulator_url))
    for call in (
        lambda: bucket.get("a"),
        lambda: bucket.head("a"),
        lambda: bucket.put("a", b""),
        lambda: bucket.create("a", b""),
        lambda: list(bucket.list("")),
        lambda: list(bucket.prefixes("")),
        lambda: list(bucket.uploads("")),
        lambda: bucket.start_upload("a", 1, 1).put_part(1, b"x"),
        lambda: bucket.delete(["a"]),
        lambda: bucket.copy("a", "b"),
        lambda: bucket.clock(),
    ):
        with pytest.raises(BucketNotFoundError, match="no-such-bucket-here"):
            call()
    bucket.close()


def test_many_objects(bucket: GCSBucket) -> None:
    """More objects than a page or a batch holds are listed in order and deleted."""
    keys = [f"many:1/{number:04}" for number in range(1105)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: bucket.put(key, b""), keys))
    assert [found.key for found in bucket.list("many:1/")] == keys
    assert [found.key for found in bucket.list("", after="many:1/1000")] == keys[1001:]
    bucket.delete(keys)
    assert list(bucket.list("")) == []


@pytest.mark.parametrize("count", [40, pytest.param(1101, marks=pytest.mark.long)])
def test_more_parts_than_compose_takes(bucket: GCSBucket, count: int) -> None:
    """More than 32 parts, and more than 32 × 32, are joined in their order, and none is left."""
    data = random_bytes(10 * (count - 1) + 3)
    upload = bucket.start_upload("big", len(data), 10)
    with ThreadPoolExecutor(8) as pool:
        for number in range(count, 0, -1):
            pool.submit(upload.put_part, number, data[(number - 1) * 10 : number * 10])
    upload.complete()
    assert bucket.get("big") == data
    assert [found.key for found in bucket.list("")] == ["big"]
    assert list(bucket.uploads("")) == []


def test_unreachable() -> None:
    """A host that nothing listens on is an error that says so, after bounded retries."""
    bucket = GCSBucket("b", "", settings("http://127.0.0.1:9"))
    with pytest.raises(StoreUnreachableError, match=r"127\.0\.0\.1"):
        bucket.get("a")
    bucket.close()


def test_no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without credentials nothing is sent, and the error says which variables to set."""
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(AccessDeniedError, match="set GOOGLE_KEY_STRING"):
        GCSBucket("b", "", Settings()).get("a")


def test_missing_key_file(tmp_path: Path) -> None:
    """A key file that is not there is named, with where its name came from."""
    bucket = GCSBucket("b", "", Settings(google_application_credentials=str(tmp_path / "none.json")))
    with pytest.raises(SettingsError, match=r"argument.*none\.json"):
        bucket.get("a")


def test_another_kind_of_key_file(tmp_path: Path) -> None:
    """Credentials that may name programs to run are not taken from an argument, but refused."""
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key_info(type="external_account")))
    with pytest.raises(SettingsError, match=r"key\.json is not a service account's key"):
        GCSBucket("b", "", Settings(google_application_credentials=str(path))).get("a")


def key_info(**others: Any) -> dict[str, Any]:
    return {
        "type": "service_account",
        "client_email": "block@project.iam.gserviceaccount.com",
        "private_key": "planted-secret",
        "token_uri": "https://oauth2.googleapis.com/token",
        **others,
    }


def test_malformed_private_key() -> None:
    """A private key that is none is named by its variable, and not quoted anywhere in the chain of errors."""
    bucket = GCSBucket("b", "", Settings(google_key=json.dumps(key_info())))
    with pytest.raises(SettingsError, match="private_key is not a PEM key") as caught:
        bucket.get("a")
    assert "planted-secret" not in "".join(traceback.format_exception(caught.value))


@pytest.fixture(scope="module")
def rsa_key() -> str:
    """A private key that nobody else has."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return text.decode()


def test_service_account(rsa_key: str) -> None:
    """A key given in base64 is what GDAL signs with too."""
    text = base64.b64encode(json.dumps(key_info(private_key=rsa_key)).encode()).decode()
    bucket = GCSBucket("b", "p", Settings(google_key=text))
    assert bucket.gdal_path("a.tif") == "/vsigs/b/p/a.tif"
    options = bucket.gdal_options()
    assert options["GS_OAUTH2_CLIENT_EMAIL"] == "block@project.iam.gserviceaccount.com"
    assert options["GS_OAUTH2_PRIVATE_KEY"] == rsa_key


def test_service_account_signs_requests(rsa_key: str) -> None:
    """The key of the settings is what the client's requests are signed with."""
    found = Settings(google_key=json.dumps(key_info(private_key=rsa_key)))
    client, session = make_client(found)
    assert session.credentials.service_account_email == "block@project.iam.gserviceaccount.com"
    client.close()


@pytest.mark.parametrize("domain", ["googleapis.com", "another.example"])
def test_a_service_account_says_which_cloud_it_is_of(rsa_key: str, domain: str) -> None:
    """A key of another cloud that speaks the same protocol is used there, and nowhere else."""
    info = key_info(private_key=rsa_key, universe_domain=domain)
    client, _ = make_client(Settings(google_key=json.dumps(info)))
    assert client.api_endpoint == f"https://storage.{domain}"
    client.close()


def test_gdal_with_an_emulator(gcs_emulator_url: str) -> None:
    """GDAL is sent to the emulator, and does not sign."""
    bucket = GCSBucket("b", "", settings(gcs_emulator_url))
    assert bucket.gdal_options() == {"CPL_GS_ENDPOINT": f"{gcs_emulator_url}/", "GS_NO_SIGN_REQUEST": "YES"}


def test_kms_without_a_key(gcs_emulator_url: str) -> None:
    """Encryption with a key of one's own needs that key."""
    with pytest.raises(SettingsError, match="UP42_STATE_KMS_KEY"):
        GCSBucket("b", "", settings(gcs_emulator_url, sse="aws:kms"))


@pytest.mark.parametrize(("host", "atomic"), [(None, True), ("http://localhost:1", None)])
def test_atomic_create_is_known_of_google_only(host: str | None, atomic: bool | None) -> None:
    """Of Google's own service it is known that it creates atomically; an emulator is probed."""
    assert GCSBucket("b", "", settings(host)).atomic_create is atomic


def test_a_missing_bucket_is_named_with_those_that_are_there(gcs_emulator_url: str, name: str) -> None:
    """Whoever misspelt a bucket's name sees the right one."""
    bucket = open_bucket("gs://no-such-bucket-here", settings(gcs_emulator_url))
    with pytest.raises(BucketNotFoundError, match=r"there are .*test-"):
        bucket.get("a")
    bucket.close()
