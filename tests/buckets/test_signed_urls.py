"""Signed URLs: whoever has one gets the object until it expires, and no log gives one away."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import re
import urllib.request
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, urlsplit

import boto3
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from doubles.outputs import state_on, write_output

from up42_state.buckets.gcs.bucket import GCSBucket
from up42_state.buckets.s3.bucket import S3Bucket
from up42_state.errors import TargetConflictError, UnsupportedStoreError
from up42_state.publish import stac
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
ODD = "a b/ä#c?d%20e+f.tif"


@pytest.fixture
def bucket(localstack_url: str) -> Iterator[S3Bucket]:
    """A bucket on LocalStack."""
    name = f"test-{uuid.uuid4()}"
    region = {"region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=localstack_url, **region, **KEYS).create_bucket(Bucket=name)
    made = S3Bucket(
        name, "pre fix", Settings(aws_endpoint_url=localstack_url, aws_region="us-east-1", **KEYS)
    )
    yield made
    made.close()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body


@pytest.mark.parametrize("key", ["a.tif", ODD])
def test_s3_gives_the_object_to_whoever_has_the_url(bucket: S3Bucket, key: str) -> None:
    """A URL that was signed opens the object without credentials, by version 4 of the signature."""
    bucket.put(key, b"some bytes")
    url = bucket.signed_url(key, timedelta(hours=12))
    assert fetch(url) == b"some bytes"
    query = parse_qs(urlsplit(url).query)
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert query["X-Amz-Expires"] == ["43200"]


def test_a_document_with_signed_urls(bucket: S3Bucket, tmp_path: Path) -> None:
    """Plain addresses name the objects; signed ones open them; the file is its owner's alone."""
    stage = state_on(bucket).job("j").stage("scenes:1")
    stage.save(write_output(tmp_path / "output", {"ä b.tif": b"some bytes"}))
    (plain,) = stac.item_collection([stage]).value["features"]
    key = plain["assets"]["data"]["href"].removeprefix(f"{bucket.url}/")
    assert bucket.get(key) == b"some bytes"
    document = stac.item_collection([stage], sign=timedelta(hours=1))
    asset = document.value["features"][0]["assets"]["data"]
    assert "1220" + hashlib.sha256(fetch(asset["href"])).hexdigest() == asset["file:checksum"]
    expires = datetime.fromisoformat(document.value["up42:expires"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < expires <= timedelta(hours=1)
    catalog = stac.catalog([stage], sign=timedelta(hours=1))
    written = [stac.write(document, tmp_path / "items.json"), stac.write(catalog, tmp_path / "catalog")]
    found = [*written, *written[1].rglob("*.json")]
    assert {path.stat().st_mode & 0o077 for path in found} == {0}
    assert "X-Amz-Signature" in written[0].read_text()
    with pytest.raises(TargetConflictError, match="secrets"):
        stac.write(document, "/dev/null")


@pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
def test_s3_signs_by_version_4(region: str) -> None:
    """The signature is that of "Authenticating Requests: Using Query Parameters", made without a request."""
    bucket = S3Bucket("bucket", "pre fix", Settings(aws_region=region, **KEYS))
    url = urlsplit(bucket.signed_url(ODD, timedelta(hours=12)))
    bucket.close()
    assert url.path == quote(f"/pre fix/{ODD}", safe="/~")
    query, _, signature = url.query.partition("&X-Amz-Signature=")
    given = parse_qs(query)
    # the host of the region: that of all regions redirects to one that the signature is not for
    host = "bucket.s3.amazonaws.com" if region == "us-east-1" else f"bucket.s3.{region}.amazonaws.com"
    assert url.netloc == host
    canonical = "\n".join(
        (
            "GET",
            url.path,
            "&".join(sorted(query.split("&"))),
            f"host:{url.netloc}\n",
            "host",
            "UNSIGNED-PAYLOAD",
        )
    )
    (date,) = given["X-Amz-Date"]
    scope = f"{date[:8]}/{region}/s3/aws4_request"
    assert given["X-Amz-Credential"] == [f"test/{scope}"]
    signed = "\n".join(("AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = b"AWS4test"
    for part in (*scope.split("/"), signed):
        key = hmac.digest(key, part.encode(), "sha256")
    assert signature == key.hex()


def test_no_log_holds_a_signature(bucket: S3Bucket, caplog: pytest.LogCaptureFixture) -> None:
    """botocore logs at debug level what it signs with, but for the signature, which is good for days."""
    caplog.set_level(logging.DEBUG)
    bucket.put("a.tif", b"1")
    caplog.clear()
    url = bucket.signed_url("a.tif", timedelta(days=7))
    (signature,) = parse_qs(urlsplit(url).query)["X-Amz-Signature"]
    assert re.fullmatch("[0-9a-f]{64}", signature)
    assert "Signature:" in caplog.text  # that it is logged at all
    assert signature not in caplog.text


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def service_account(key: rsa.RSAPrivateKey) -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "block@project.iam.gserviceaccount.com",
            "private_key": key.private_bytes(*form).decode(),
            "token_uri": "https://oauth2.googleapis.com/token",
        }
    )


@pytest.mark.parametrize("key", ["a.tif", ODD])
def test_google_signs_by_the_key(private_key: rsa.RSAPrivateKey, key: str) -> None:
    """A URL is signed on this machine, as "V4 signing process" says, so that Google's service takes it."""
    bucket = GCSBucket("bucket", "pre fix", Settings(google_key=service_account(private_key)))
    url = urlsplit(bucket.signed_url(key, timedelta(hours=12)))
    bucket.close()
    assert (url.scheme, url.netloc) == ("https", "storage.googleapis.com")
    assert url.path == quote(f"/bucket/pre fix/{key}", safe="/~")
    query, _, signature = url.query.partition("&X-Goog-Signature=")
    given: dict[str, Any] = parse_qs(query)
    assert given["X-Goog-Expires"] == ["43200"]
    canonical = "\n".join(("GET", url.path, query, f"host:{url.netloc}\n", "host", "UNSIGNED-PAYLOAD"))
    scope = given["X-Goog-Credential"][0].partition("/")[2]
    signed = "\n".join(
        (
            *("GOOG4-RSA-SHA256", given["X-Goog-Date"][0], scope),
            hashlib.sha256(canonical.encode()).hexdigest(),
        )
    )
    # verify raises where the signature is another
    private_key.public_key().verify(
        bytes.fromhex(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
    )


def test_google_without_a_private_key(gcs_emulator_url: str) -> None:
    """Credentials that only hold a token, or none, cannot sign, and the error says what can."""
    bucket = GCSBucket("bucket", "", Settings(storage_emulator_host=gcs_emulator_url))
    with pytest.raises(UnsupportedStoreError, match="no private key") as caught:
        bucket.signed_url("a", timedelta(hours=1))
    assert "GOOGLE_KEY_STRING" in caught.value.advice
    bucket.close()
