"""The commit record: what it renders it reads back, and damage never passes."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from up42_state.errors import IntegrityError, SettingsError, UnsupportedFormatError
from up42_state.stages.format.commit import Commit, Parent, StoredObject, Totals
from up42_state.stages.format.parameters import mask_secrets

ATTEMPT = "0192f0c1-0000-7000-8000-000000000000"
COMMIT = Commit(
    job="3f0c",
    stage="tiling:1",
    revision=7,
    attempt=ATTEMPT,
    time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    parents=(Parent(job="3f0c", stage="scenes:1", revision=1, attempt=ATTEMPT, content="c" * 64),),
    parameters={"tile_width": 768},
    content="a" * 64,
    refers=(f"tiling:1/{ATTEMPT}",),
    totals=Totals(features=2, files=3, bytes=4, referenced=0),
    index=StoredObject(key=f"3f0c/tiling:1/attempts/{ATTEMPT}/index.json", size=5, sha256="b" * 64),
    data=StoredObject(key=f"3f0c/tiling:1/attempts/{ATTEMPT}/data.json", size=6, sha256="d" * 64),
)


def test_reads_back_what_it_rendered() -> None:
    """A commit that was rendered and parsed is the same commit."""
    assert Commit.parse(COMMIT.render(), COMMIT.key) == COMMIT


def test_is_json_that_names_every_member() -> None:
    """Anyone can read a commit without this library."""
    members = json.loads(COMMIT.render())
    assert members["format"] == "1.2"
    assert list(members)[-1] == "digest"
    assert {"job", "stage", "revision", "attempt", "time", "refers", "totals", "content"} <= set(members)


@given(st.data())
def test_any_flipped_bit_is_found(data: st.DataObject) -> None:
    """No single changed bit of a commit gives another commit."""
    rendered = bytearray(COMMIT.render())
    at = data.draw(st.integers(0, len(rendered) - 1))
    rendered[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(IntegrityError):
        Commit.parse(bytes(rendered), COMMIT.key)


@given(st.integers(0, len(COMMIT.render()) - 1))
def test_any_truncation_is_found(length: int) -> None:
    """A commit that was cut off is an integrity error."""
    with pytest.raises(IntegrityError):
        Commit.parse(COMMIT.render()[:length], COMMIT.key)


@pytest.mark.parametrize(
    "key",
    [
        "3f0c/tiling:1/commits/00000008.json",
        "3f0c/tiling:2/commits/00000007.json",
        "x/y/commits/00000007.json",
    ],
)
def test_a_commit_under_another_key_is_refused(key: str) -> None:
    """A commit that was copied to another place is not taken for that place's."""
    with pytest.raises(IntegrityError, match="it says that it is 3f0c/tiling:1@7"):
        Commit.parse(COMMIT.render(), key)


def test_a_newer_major_version_is_refused_before_anything_else() -> None:
    """A format that this release cannot know is named as such, not as damage."""
    with pytest.raises(UnsupportedFormatError, match=r"format version 2\.0"):
        Commit.parse(b'{"format":"2.0","whatever":1}', COMMIT.key)


def test_members_of_a_newer_minor_version_are_passed_over() -> None:
    """A commit of version 1.9 with members that we do not know can be read."""
    import hashlib

    members = {**COMMIT.to_dict(), "format": "1.9", "colour": "green"}
    body = json.dumps(members, separators=(",", ":"), default=str).encode()[:-1]
    data = body + b',"digest":"' + hashlib.sha256(body).hexdigest().encode() + b'"}\n'
    assert Commit.parse(data, COMMIT.key).attempt == ATTEMPT


@pytest.mark.parametrize(
    "key", ["other/data.json", "3f0c/tiling:1/attempts/../../x", "3f0c/scenes:1/attempts/a/b"]
)
def test_a_commit_cannot_point_out_of_its_stage(key: str) -> None:
    """A hostile commit with a valid digest does not lead a reader elsewhere."""
    import msgspec

    hostile = msgspec.structs.replace(COMMIT, data=StoredObject(key=key, size=6, sha256="d" * 64))
    with pytest.raises(IntegrityError, match="outside its stage"):
        Commit.parse(hostile.render(), COMMIT.key)


def test_secrets_in_parameters_are_replaced_by_a_digest() -> None:
    """No value whose name looks like a secret's reaches the store, however deep it lies."""
    masked = mask_secrets(
        {"api_key": "hunter2", "nested": {"token": "hunter2"}, "width": 3, "password": None}
    )
    assert "hunter2" not in json.dumps(masked)
    assert masked["width"] == 3
    assert masked["password"] is None


SECRET_NAMES = [
    *("passphrase", "bearer", "cookie", "pwd", "pat", "jwt", "session", "signature", "sas", "dsn", "auth"),
    *("connection_string", "authorization", "x-api-key", "client_secret", "private_key", "access_key"),
    *("credentials", "clientSecret", "APIKey", "sessionToken", "DbPassword", "oauth2", "secretAccessKey"),
    *("token", "X-Amz-Security-Token", "account-key", "password2", "PGPASSWORD", "userpwd", "pw", "passcode"),
]
SECRET_VALUES = [
    "https://user:planted-secret@host/path",
    "postgresql+psycopg://user:planted@db/x",
    "https://bucket.s3.amazonaws.com/a.tif?X-Amz-Expires=60&X-Amz-Signature=planted",
    "https://x.blob.core.windows.net/c/a.tif?sv=2022&sig=planted",
    "Bearer planted.0123",
    "-----BEGIN RSA PRIVATE KEY-----\nplanted\n-----END RSA PRIVATE KEY-----",
    "AKIAIOSFODNN7EXAMPLE",
    "AKIAIOSFODNN7EXAMPLE:wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE1",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbGFudGVkIn0.c2ln",
    "DefaultEndpointsProtocol=https;AccountName=x;AccountKey=planted==",
    '{"type": "service_account", "private_key": "planted"}',
    "ghp_plantedplantedplantedplanted0123",
    "ftp://user:plan ted@host/a.tif",
    "Authorization: Token planted",
    "Cookie: session=planted",
    "fetch --verbose --password=planted",
    "fetch --api-key planted",
]
INNOCENT = {
    "tokenizer": "bert",
    "passband": [0.4, 0.7],
    "keyword": "harbour",
    "author": "A. Name",
    "compass": 90,
    "key": "id",
    "orbit_pass": "ascending",
    "pattern": "a?b=c",
    "command": "convert --tokenizer bert --token-file path --secret --verbose",
    "text": "see http://host:8080/a b and mail@example.org; the cookie is good: yes",
    "passwordless": True,
    "url": "https://host/a.tif?band=1",
    "store": "s3://bucket/prefix",
    "contact": "mail@example.org",
    "expression": "Basic analysis of B04-B03",
    "commit": "66a968c0e1d2b3a4958677665544332211ffeedd",
    "uuid": "3f0c2d1e-0000-4000-8000-0123456789ab",
    "path": "Sentinel2/L2A/T32UQD/2024/B04",
}


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_values_of_secret_names_are_masked(name: str) -> None:
    """Whatever way a name is written, and however deep it stands, its value becomes a digest."""
    masked = mask_secrets({name: "planted", "deep": [{"er": {name: 1234}}]})
    assert masked[name] == {"sha256": hashlib.sha256(b'"planted"').hexdigest()}
    assert masked["deep"] == [{"er": {name: {"sha256": hashlib.sha256(b"1234").hexdigest()}}}]


@pytest.mark.parametrize("value", SECRET_VALUES)
def test_values_that_look_secret_are_masked(value: str) -> None:
    """Under an innocent name as well, also in a list."""
    masked = mask_secrets({"input": value, "several": [1, value]})
    digest = hashlib.sha256(msgspec.json.encode(value)).hexdigest()
    assert masked == {"input": {"sha256": digest}, "several": [1, {"sha256": digest}]}


def test_names_and_values_that_only_look_alike_are_kept() -> None:
    """A commit says what a block ran with."""
    assert mask_secrets(INNOCENT) == INNOCENT


def test_what_is_masked_is_masked_once() -> None:
    """A commit's parameters, given again, keep their digests."""
    masked = mask_secrets({"innocent": SECRET_VALUES[0], "deep": [SECRET_VALUES[2]], "token": "planted"})
    assert mask_secrets(masked) == masked


@pytest.mark.parametrize(("depth", "fine"), [(200, True), (201, False)])
def test_parameters_are_as_deep_on_every_python(depth: int, fine: bool) -> None:
    """A commit that one Python wrote another can read: the limit is ours, not that of its recursion."""
    parameters = {"p": json.loads("[" * depth + "]" * depth)}
    if fine:
        assert mask_secrets(parameters) == parameters
    else:
        with pytest.raises(SettingsError, match="nested too deeply"):
            mask_secrets(parameters)


@pytest.mark.parametrize("text", ["x", "a://", "bearer ", "A1a/", '"a": '])
def test_long_parameters_are_looked_through_in_a_time_that_grows_with_their_length(text: str) -> None:
    """Sixty kilobytes of what could begin a credential are no work for a minute."""
    long = text * (60_000 // len(text))
    assert mask_secrets({"a": long}) == {"a": long}
