"""What is said where S3 cannot be reached as it was set up: what is wrong, what to do, and never a secret."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest
from buckets.scripted import Answer, answering
from buckets.tls import over_tls, self_signed
from doubles.planted import PLANTED

from up42_state.buckets import open_bucket
from up42_state.buckets.s3.bucket import S3Bucket
from up42_state.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    SettingsError,
    StateError,
    StoreUnreachableError,
)
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"aws_access_key_id": "id", "aws_secret_access_key": PLANTED, "aws_region": "us-east-1"}
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials of this machine, and no proxy."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_CA_BUNDLE",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


def refusal(**settings: str) -> StateError:
    """The error of a request with these settings."""
    with pytest.raises(StateError) as caught:
        S3Bucket("b", "", Settings(**{"aws_endpoint_url": NOWHERE, **settings})).get("a")  # type: ignore[arg-type]  # by name
    assert PLANTED not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("content", [None, "", " \n"], ids=["missing", "empty", "blank"])
def test_the_file_of_a_web_identity(
    content: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A token's file that is not there, or empty, is named by its variable, before anything is sent."""
    file = tmp_path / PLANTED  # as if the token itself had been put there
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    error = refusal()
    assert isinstance(error, SettingsError)
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in str(error)
    assert "look whether it is mounted" in str(error)


def test_a_web_identity_that_is_no_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A token that is too short to be one is a matter of credentials, not of the store's URL."""
    (tmp_path / "token").write_text("x")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", NOWHERE)
    error = refusal()
    assert isinstance(error, AccessDeniedError)
    assert "AWS_WEB_IDENTITY_TOKEN_FILE" in str(error)


def test_a_web_identity_that_is_a_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What cannot be read is told apart from what is not there."""
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    error = refusal()
    assert isinstance(error, SettingsError)
    assert "no file that can be read: Is a directory" in str(error)
    assert "look whether it is mounted" in str(error)


def test_a_role_that_is_not_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A token without a role to take says which variable is missing."""
    (tmp_path / "token").write_text("token")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    assert "set AWS_ROLE_ARN to the role" in refusal().advice


@pytest.mark.parametrize("address", [NOWHERE, "http://host.invalid/x"])
def test_a_container_whose_credentials_are_away(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """The variable that leads there is named."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)
    monkeypatch.setattr("botocore.utils.ContainerMetadataFetcher.SLEEP_TIME", 0)
    assert "look at AWS_CONTAINER_CREDENTIALS_FULL_URI" in refusal().advice


def test_empty_keys_in_a_profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys that a profile leaves empty are found out, and not sent."""
    (tmp_path / "keys").write_text("[default]\naws_access_key_id =\naws_secret_access_key =\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    error = refusal()
    assert isinstance(error, AccessDeniedError)
    assert "empty" in str(error)


def test_a_file_of_profiles_that_is_not_there() -> None:
    """Where there are no credentials, the variables that name no file are named."""
    assert "AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE names no file" in str(refusal())


def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A profile's credential_process that cannot be run is an error of the settings."""
    (tmp_path / "config").write_text("[profile p]\ncredential_process = /nonexistent/program\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    error = refusal(aws_profile="p")
    assert isinstance(error, SettingsError)
    assert "credential_process" in str(error)


def test_certificates_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that names no file of certificates is named."""
    monkeypatch.setenv("AWS_CA_BUNDLE", f"/nonexistent/{PLANTED}")
    error = refusal(**KEYS)
    assert isinstance(error, SettingsError)
    assert "AWS_CA_BUNDLE names no file" in str(error)


def test_a_proxy_that_is_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be an address is a matter of the proxy, too."""
    monkeypatch.setenv("NO_PROXY", "")
    for value in (f"http://not an:{PLANTED}", f"\n{PLANTED}/x", f"http://{PLANTED}:9"):
        monkeypatch.setenv("HTTP_PROXY", value)
        error = refusal(**{**KEYS, "aws_endpoint_url": "http://store.invalid"})
        assert "look at HTTP_PROXY" in error.advice
        assert "the proxy cannot be used" in error.message
        assert PLANTED not in "".join(traceback.format_exception(error))


def test_a_proxy_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is the proxy that cannot be reached, its variables are named."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    assert "NO_PROXY" in str(refusal(**{**KEYS, "aws_endpoint_url": "http://store.invalid"}))


def test_an_expired_token() -> None:
    """Credentials that were valid for a time only are to be renewed."""
    body = b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code><Message>expired</Message></Error>"
    with answering(Answer(status=400, body=body)) as script:
        error = refusal(**KEYS, aws_endpoint_url=script.url)
    assert isinstance(error, AccessDeniedError)
    assert "get new ones" in str(error)


def test_a_missing_bucket_where_every_answer_says_so() -> None:
    """The list of other buckets, which is for the message, is asked for once, whatever comes."""
    body = b"<?xml version='1.0'?><Error><Code>NoSuchBucket</Code><Message>away</Message></Error>"
    with answering(Answer(status=404, body=body)) as script:
        error = refusal(**KEYS, aws_endpoint_url=script.url)
    assert isinstance(error, BucketNotFoundError)
    assert error.advice == "check the store's URL and the argument aws_endpoint_url, or make the bucket"
    assert len(script.requests) == 2


def test_no_tls_where_tls_is_spoken() -> None:
    """A server that says it speaks TLS only is to be asked with https."""
    said = b"Client sent an HTTP request to an HTTPS server.\n"
    with answering(Answer(status=400, body=said, headers={"Content-Type": "text/plain"})) as script:
        error = refusal(**KEYS, aws_endpoint_url=script.url)
    assert isinstance(error, StoreUnreachableError)
    assert "write https:// in the argument aws_endpoint_url" in str(error)


def test_tls_where_none_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that speaks no TLS is to be asked with http."""
    with answering(Answer()) as script:
        error = refusal(**KEYS, aws_endpoint_url=script.url.replace("http", "https"))
    assert "write http:// in the argument aws_endpoint_url" in str(error)


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/mine/p", r"access point's alias.*s3alias"),
        ("s3://arn:aws:s3:eu-west-1:123456789012:accesspoint:mine", r"access point's alias"),
        ("s3://arn:aws:s3-outposts:eu-west-1:123456789012:outpost/op/accesspoint/ap", r"access point"),
        ("https://mine-123456789012.s3-accesspoint.eu-west-1.amazonaws.com/p", r"access point's alias"),
        ("s3://arn:aws:s3:::images/p/q/", r"write s3://images/p/q$"),
        (
            "https://images.s3.eu-west-1.amazonaws.com/p",
            r"write s3://images/p and set AWS_REGION to eu-west-1$",
        ),
        ("https://s3.eu-west-1.amazonaws.com/images/p", r"write s3://images/p and set AWS_REGION"),
        ("https://s3-eu-west-1.amazonaws.com/images", r"write s3://images and set AWS_REGION"),
        ("https://images.s3.amazonaws.com", r"write s3://images$"),
        ("s3://images.s3.eu-west-1.amazonaws.com/p", r"write s3://images/p and set AWS_REGION"),
        ("https://storage.googleapis.com/images/p", r"write gs://images/p$"),
        ("https://storage.cloud.google.com/images/p", r"write gs://images/p$"),
        (f"https://images.s3.amazonaws.com/p?X-Amz-Signature={PLANTED}", r"write s3://images/p$"),
    ],
)
def test_addresses_that_are_no_url_of_a_store(url: str, advice: str) -> None:
    """An ARN, or the address of a service's host, is told from a bucket, with what to write instead."""
    with pytest.raises(SettingsError, match=advice) as caught:
        open_bucket(url, Settings(**KEYS))  # type: ignore[arg-type]  # by name
    assert PLANTED not in str(caught.value)


def test_an_alias_of_an_access_point() -> None:
    """An alias is a bucket's name like another."""
    bucket = open_bucket("s3://mine-abcdef1234567890abcdef1234567890abcd-s3alias/p", Settings(**KEYS))  # type: ignore[arg-type]  # by name
    assert isinstance(bucket, S3Bucket)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for ``localhost`` that signs itself, with its key."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_certificate_that_is_trusted(
    certificate: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of boto3 say whom to trust."""
    monkeypatch.setenv(variable, str(certificate))
    with over_tls(certificate, b"0123456789") as url:
        bucket = S3Bucket("b", "", Settings(**KEYS, aws_endpoint_url=url))  # type: ignore[arg-type]  # by name
        assert bucket.get("a", 3, 4) == b"3456"
        bucket.close()


def test_a_certificate_that_signs_itself(certificate: Path) -> None:
    """A server that nobody vouches for is not spoken to; the variable that would trust it is named."""
    with over_tls(certificate, b"") as url:
        error = refusal(**KEYS, aws_endpoint_url=url)
    assert isinstance(error, StoreUnreachableError)
    assert "set AWS_CA_BUNDLE to a file with the certificate" in str(error)


def test_a_certificate_of_another_host(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one that shows the certificate of another."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    with over_tls(certificate, b"") as url:
        error = refusal(**KEYS, aws_endpoint_url=url.replace("localhost", "127.0.0.1"))
    assert "the certificate is another host's" in str(error)


def test_certificates_that_are_none(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file without certificates, and a directory, are told by the variable that names them."""
    (tmp_path / "file").write_text("nothing")
    with over_tls(certificate, b"") as url:
        for path in (tmp_path / "file", tmp_path):
            monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
            error = refusal(**KEYS, aws_endpoint_url=url)
            assert "AWS_CA_BUNDLE names no certificates in PEM format" in error.advice
