"""What the Google Cloud Storage bucket makes of answers that no well-behaved server gives on demand."""

from __future__ import annotations

import base64
import gc
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest
from buckets.scripted import Answer, google_at, serving
from buckets.uploads import MIB, random_bytes
from google_crc32c import Checksum

from up42_state.errors import (
    AccessDeniedError,
    ObjectExistsError,
    StorageError,
    StoreUnreachableError,
    UnsupportedStoreError,
)

JSON = {"Content-Type": "application/json"}


def answer(**members: Any) -> Answer:
    return Answer(body=json.dumps(members).encode(), headers=JSON)


def refusal(status: int, message: str) -> Answer:
    body = json.dumps({"error": {"code": status, "message": message}})
    return Answer(status=status, body=body.encode(), headers=JSON)


def written(data: bytes) -> Answer:
    """The answer to an upload, with the checksum that the store computed."""
    checksum = base64.b64encode(Checksum(data).digest()).decode()
    return answer(kind="storage#object", name="a", generation="7", crc32c=checksum)


def test_wrong_credentials() -> None:
    """Refused credentials are an access error that says where they came from."""
    with (
        google_at(refusal(403, "no storage.objects.get access")) as (bucket, _),
        pytest.raises(AccessDeniedError, match=r"no storage\.objects\.get access.*STORAGE_EMULATOR_HOST"),
    ):
        bucket.get("a")


def test_no_credentials_where_they_are_needed() -> None:
    """Credentials that cannot be renewed are an access error too."""
    with (
        google_at(refusal(401, "login required")) as (bucket, _),
        pytest.raises(AccessDeniedError, match="STORAGE_EMULATOR_HOST"),
    ):
        bucket.get("a")


def test_what_is_refused_leaves_no_connection() -> None:
    """An answer after which credentials cannot be renewed is closed, though the error still holds it."""
    with (
        google_at(refusal(401, "login required")) as (bucket, script),
        pytest.raises(AccessDeniedError) as caught,
    ):
        bucket.get("a")
    assert caught.value.__cause__ is not None
    assert connections(script.url) == []


def connections(url: str) -> list[socket.socket]:
    """This process's open connections to a server."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    sockets = [
        thing for thing in gc.get_objects() if isinstance(thing, socket.socket) and thing.fileno() != -1
    ]
    return [found for found in sockets if _peer(found) == (host, port)]


def _peer(connection: socket.socket) -> tuple[str, int] | None:
    try:
        return connection.getpeername()
    except OSError:  # one that listens
        return None


def test_create_sends_the_condition() -> None:
    """A create is one request that carries ifGenerationMatch=0."""
    with google_at(written(b"x")) as (bucket, script):
        bucket.create("a", b"x")
    (request,) = script.requests
    assert "ifGenerationMatch=0" in request.path


def test_create_that_lost() -> None:
    """A 412 says that the object exists."""
    with google_at(refusal(412, "conditionNotMet")) as (bucket, _), pytest.raises(ObjectExistsError):
        bucket.create("a", b"x")


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_passing_trouble(status: int) -> None:
    """A store that was busy is asked again."""
    with google_at(refusal(status, "later"), written(b"x")) as (bucket, script):
        bucket.put("a", b"x")
    assert len(script.requests) == 2


def test_lasting_trouble() -> None:
    """A store that stays busy is asked five times, and is then unreachable."""
    with google_at(refusal(503, "later")) as (bucket, script), pytest.raises(StoreUnreachableError):
        bucket.put("a", b"x")
    assert len(script.requests) == 5


def test_unknown_request() -> None:
    """A request that the store does not know is not sent again: waiting would not teach it."""
    with google_at(refusal(501, "not implemented")) as (bucket, script), pytest.raises(UnsupportedStoreError):
        bucket.put("a", b"x")
    assert len(script.requests) == 1


def test_delete_without_batches() -> None:
    """Where the store knows no batch requests, as Google's own testbench, objects are deleted one by one."""
    with google_at(refusal(501, "not implemented"), Answer(status=204)) as (bucket, script):
        bucket.delete(["a", "b"])
    assert [request.method for request in script.requests] == ["POST", "DELETE", "DELETE"]


def test_upload_carries_its_checksum() -> None:
    """The store is told what the bytes' CRC32C is, and refuses others."""
    with google_at(written(b"x")) as (bucket, script):
        bucket.put("a", b"x")
    (request,) = script.requests
    assert base64.b64encode(Checksum(b"x").digest()) in request.body


def test_broken_stream_is_resumed() -> None:
    """A connection that breaks in the body is resumed where it broke, for the same generation."""
    data = random_bytes(3 * MIB)
    with google_at(serving(data, cut=MIB + 100), serving(data)) as (bucket, script):
        assert b"".join(bucket.stream("a")) == data
    assert "ifGenerationMatch=7" in script.requests[1].path
    assert script.requests[1].headers["range"] != "bytes=0-"


def test_object_replaced_while_it_is_read() -> None:
    """Bytes of two generations are never put together."""
    answers = [serving(random_bytes(3 * MIB), cut=MIB + 5), refusal(412, "conditionNotMet")]
    with google_at(*answers) as (bucket, _), pytest.raises(StorageError, match="was replaced"):
        list(bucket.stream("a"))


def test_body_in_chunks() -> None:
    """An answer without Content-Length is as long as its Content-Range says, also where it breaks off."""
    data = random_bytes(3 * MIB)
    answers = [serving(data, cut=MIB + 100, chunked=True), serving(data, chunked=True)]
    with google_at(*answers) as (bucket, script):
        assert b"".join(bucket.stream("a")) == data
        assert bucket.get("a", 5, 10) == data[5:15]
    assert len(script.requests) == 3


def test_body_whose_length_is_nowhere_told() -> None:
    """Where a short body could not be told from a whole one, nothing of it is given out."""
    unknown = Answer(headers={"x-goog-generation": "7"}, body=b"abc", chunked=True)
    with (
        google_at(unknown) as (bucket, _),
        pytest.raises(UnsupportedStoreError, match="neither Content-Range nor Content-Length"),
    ):
        bucket.get("a")


def test_body_that_always_breaks() -> None:
    """A body that hardly gets on is given up after five attempts."""
    with google_at(serving(random_bytes(MIB), cut=10)) as (bucket, script), pytest.raises(StorageError):
        bucket.get("a")
    assert len(script.requests) == 5


def test_copy_in_several_requests() -> None:
    """A copy that the store does bit by bit is carried on to its end."""
    kind = "storage#rewriteResponse"
    answers = [
        answer(kind=kind, done=False, rewriteToken="t", totalBytesRewritten="1", objectSize="2"),
        answer(kind=kind, done=True, totalBytesRewritten="2", objectSize="2", resource={"name": "c"}),
    ]
    with google_at(*answers) as (bucket, script):
        bucket.copy("a", "c")
    assert "rewriteToken=t" in script.requests[1].path


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({}, ""),
        ({"softDeletePolicy": {"retentionDurationSeconds": "0"}}, ""),
        ({"softDeletePolicy": {"retentionDurationSeconds": "604800"}}, "what is deleted for 7 days"),
        ({"versioning": {"enabled": True}}, "keeps versions"),
        ({"retentionPolicy": {"retentionPeriod": "86400"}}, "in its first 1 days"),
    ],
)
def test_what_a_bucket_keeps(members: dict[str, Any], said: str) -> None:
    """Soft delete, versions and a retention are told from a bucket that keeps nothing of what is deleted."""
    with google_at(answer(kind="storage#bucket", name="b", **members)) as (bucket, _):
        kept = bucket.retention()
    assert said in (kept or "") if said else kept == ""


def test_what_a_bucket_keeps_may_not_be_asked() -> None:
    """Who may not ask is not told that nothing is kept."""
    with google_at(refusal(403, "no storage.buckets.get access")) as (bucket, _):
        assert bucket.retention() is None
