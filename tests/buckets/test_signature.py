"""Signatures: the same as botocore's for whatever is signed, and taken by a server that checks them."""

from __future__ import annotations

import calendar
import string
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from buckets.contract import ODD_KEYS
from buckets.uploads import random_bytes
from hypothesis import example, given
from hypothesis import strategies as st
from servers import rclone

from up42_state.buckets import open_bucket
from up42_state.buckets._signature import EMPTY, UNSIGNED, Signer, encode_path, encode_query
from up42_state.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.buckets import Bucket

SECRET = "planted" + "-secret"
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
VALUES = st.text(string.printable.strip() + " ", min_size=1, max_size=20)
HEADERS = st.dictionaries(st.sampled_from(["if-none-match", "range", "x-amz-acl"]), VALUES)


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE"]),
    key=st.lists(TEXT, min_size=1, max_size=4).map("/".join),
    parameters=st.dictionaries(TEXT, st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)),
    headers=HEADERS,
    payload=st.sampled_from([EMPTY, UNSIGNED, "ab" * 32]),
    token=st.sampled_from(["", "a-token=="]),
)
@example(
    method="PUT", key="k", parameters={}, headers={"range": " a   b "}, payload=EMPTY, token=""
)  # Trimall: runs of spaces are signed as one
def test_the_same_as_botocore(
    method: str, key: str, parameters: dict[str, str], headers: dict[str, str], payload: str, token: str
) -> None:
    """Whatever key, query, headers, body and credentials: botocore signs a request alike."""
    path, query = encode_path(f"/bucket/{key}"), encode_query(parameters)
    sent = {"host": "store.example:9000", **headers}
    theirs = AWSRequest(method, f"http://store.example:9000{path}?{query}", dict(sent))
    theirs.context["payload_signing_enabled"] = payload != UNSIGNED
    theirs.headers["X-Amz-Content-SHA256"] = payload
    auth = S3SigV4Auth(Credentials("an-id", SECRET, token or None), "s3", "eu-west-1")
    auth.payload = lambda _request: payload
    auth.add_auth(theirs)
    moment = time.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ")

    signer = Signer("an-id", SECRET, token, "eu-west-1")
    ours = signer.sign(method, path, query, sent, payload, calendar.timegm(moment))
    assert ours == {name.lower(): value for name, value in theirs.headers.items()} | {
        "host": "store.example:9000"
    }


@given(TEXT)
def test_a_path_is_escaped_as_amazon_wants_it(key: str) -> None:
    """Every byte but letters, digits, ``-._~`` and the slash is escaped, in capitals."""
    assert encode_path(key) == quote(key.encode(), safe="/-._~")


def test_secrets_are_not_shown() -> None:
    """A signer does not show what it signs with."""
    assert SECRET not in repr(Signer("an-id", SECRET, SECRET, "r"))


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A bucket of a server that checks every signature."""
    folder = tmp_path_factory.mktemp("rclone")
    (folder / "buckets" / "bucket").mkdir(parents=True)
    for url in rclone.serve(folder / "buckets", folder / "log"):
        bucket = open_bucket("s3://bucket/a prefix+é", Settings(aws_endpoint_url=url, **rclone.KEYS))
        yield bucket
        bucket.close()


@pytest.mark.parametrize("key", [key for key in ODD_KEYS if "\\" not in key])  # rclone's own escape
def test_a_server_that_checks(bucket: Bucket, key: str) -> None:
    """Objects of odd names are written, read, listed and deleted; boto3 is never asked."""
    data = random_bytes(1000)
    bucket.put(f"{key}/object", data)
    assert bucket.get(f"{key}/object") == data
    assert bucket.get(f"{key}/object", 10, 20) == data[10:30]
    assert f"{key}/object" in [found.key for found in bucket.list("")]
    bucket.delete([f"{key}/object"])
    assert bucket._made is None


def test_parts_and_a_server_that_checks(bucket: Bucket) -> None:
    """An upload in parts is signed part by part, whether or not its digest is known."""
    data = random_bytes(9 * 2**20)
    upload = bucket.start_upload("large", len(data), 8 * 2**20)
    upload.put_part(1, memoryview(data)[: 8 * 2**20])
    upload.put_part(2, data[8 * 2**20 :])
    upload.complete()
    assert bucket.get("large") == data
    assert bucket._made is None
