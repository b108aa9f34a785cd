"""What the S3 bucket makes of answers that no well-behaved server gives on demand."""

from __future__ import annotations

import base64
import hashlib
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from buckets.scripted import Answer, Script, answering, serving
from buckets.uploads import MIB, random_bytes
from doubles.planted import PLANTED

from up42_state.buckets.s3.bucket import S3Bucket
from up42_state.buckets.uploads import LeftUpload
from up42_state.errors import (
    AccessDeniedError,
    BucketNotFoundError,
    ObjectExistsError,
    StorageError,
    StoreUnreachableError,
    UnsupportedStoreError,
)
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = {"ETag": '"e"', "Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT"}
OK = Answer(headers={"ETag": '"e"'})


def refusal(status: int, code: str) -> Answer:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>said so</Message></Error>"
    return Answer(status=status, body=body.encode(), headers={"Content-Type": "application/xml"})


@contextmanager
def bucket_at(*answers: Any, **others: Any) -> Iterator[tuple[S3Bucket, Script]]:
    with answering(*answers) as script:
        keys = {"aws_access_key_id": "id", "aws_secret_access_key": PLANTED}
        bucket = S3Bucket("b", "", Settings(aws_endpoint_url=script.url, **keys, **others))
        try:
            yield bucket, script
        finally:
            bucket.close()


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
        (400, "ExpiredToken"),
        (401, "Unauthorized"),
    ],
)
def test_wrong_credentials(status: int, code: str) -> None:
    """Refused credentials are an access error that says where they came from, and never what they are."""
    with (
        bucket_at(refusal(status, code)) as (bucket, _),
        pytest.raises(AccessDeniedError, match=rf"{code}.*the credentials come from argument") as caught,
    ):
        bucket.get("a")
    assert PLANTED not in "".join(traceback.format_exception(caught.value))


def test_a_clock_that_is_wrong() -> None:
    """A refusal that this machine's clock is to blame for says so, and does not send people to their keys."""
    refused = refusal(403, "RequestTimeTooSkewed")
    with (
        bucket_at(refused) as (bucket, _),
        pytest.raises(StorageError, match="set this machine's clock") as caught,
    ):
        bucket.get("a")
    assert not isinstance(caught.value, AccessDeniedError)


@pytest.mark.parametrize("answer", [refusal(404, "NoSuchKey"), Answer(status=404, body=b"<html>")])
def test_listing_that_is_not_found(answer: Answer) -> None:
    """An endpoint that ends with the bucket, or is no S3, has no such bucket, not no such object."""
    with bucket_at(answer, OK) as (bucket, _), pytest.raises(BucketNotFoundError, match="aws_endpoint_url"):
        list(bucket.list(""))


def test_create_sends_the_condition() -> None:
    """A create is one PUT that carries If-None-Match: *."""
    with bucket_at(OK) as (bucket, script):
        bucket.create("a", b"x")
    assert [(request.method, request.headers["if-none-match"]) for request in script.requests] == [
        ("PUT", "*")
    ]


def test_create_that_lost() -> None:
    """A 412 says that the object exists."""
    with bucket_at(refusal(412, "PreconditionFailed")) as (bucket, _), pytest.raises(ObjectExistsError):
        bucket.create("a", b"x")


def test_create_that_met_another_request() -> None:
    """A 409 is tried again."""
    conflict = refusal(409, "ConditionalRequestConflict")
    with bucket_at(conflict, conflict, OK) as (bucket, script):
        bucket.create("a", b"x")
    assert len(script.requests) == 3


def test_create_that_always_meets_another_request() -> None:
    """A 409 is tried again five times at most, and is then no proof that the object exists."""
    with (
        bucket_at(refusal(409, "ConditionalRequestConflict")) as (bucket, script),
        pytest.raises(StorageError, match="ConditionalRequestConflict"),
    ):
        bucket.create("a", b"x")
    assert len(script.requests) == 5


def test_create_not_implemented() -> None:
    """A store that does not know the condition is refused."""
    with (
        bucket_at(refusal(501, "NotImplemented")) as (bucket, _),
        pytest.raises(UnsupportedStoreError, match=r"does not know If-None-Match.*UP42_STATE_SINGLE_WRITER"),
    ):
        bucket.create("a", b"x")


def test_create_not_implemented_for_a_single_writer() -> None:
    """A single writer looks first, then writes."""
    answers = [refusal(501, "NotImplemented"), Answer(status=404), OK, OK]
    with bucket_at(*answers, single_writer=True) as (bucket, script):
        bucket.create("a", b"x")
    assert [request.method for request in script.requests] == ["PUT", "HEAD", "HEAD", "PUT"]
    assert "if-none-match" not in script.requests[-1].headers


def test_create_not_implemented_for_a_single_writer_that_is_late() -> None:
    """And does not write over what it finds."""
    found = Answer(headers=HEAD)
    with (
        bucket_at(refusal(501, "NotImplemented"), found, single_writer=True) as (bucket, _),
        pytest.raises(ObjectExistsError),
    ):
        bucket.create("a", b"x")


def test_broken_stream_is_resumed() -> None:
    """A connection that breaks in the body is resumed at the byte where it broke, for the same object."""
    data = random_bytes(3 * MIB)
    with bucket_at(serving(data, cut=MIB + 100), serving(data)) as (bucket, script):
        assert b"".join(bucket.stream("a")) == data
    assert script.requests[0].headers["range"] == "bytes=0-"
    assert script.requests[1].headers["range"] in {f"bytes={MIB}-", f"bytes={MIB + 100}-"}
    assert script.requests[1].headers["if-match"] == '"e"'


def test_broken_body_is_read_to_its_end() -> None:
    """A get whose connection breaks again and again gives all bytes, too."""
    data = random_bytes(MIB)
    with bucket_at(serving(data, cut=MIB // 8)) as (bucket, _):
        assert bucket.get("a", 5) == data[5:]


def test_body_in_chunks() -> None:
    """An answer without Content-Length is as long as its Content-Range says, also where it breaks off."""
    data = random_bytes(3 * MIB)
    answers = [serving(data, cut=MIB + 100, chunked=True), serving(data, chunked=True)]
    with bucket_at(*answers) as (bucket, script):
        assert b"".join(bucket.stream("a")) == data
        assert bucket.get("a", 5, 10) == data[5:15]
    assert len(script.requests) == 3


def test_body_whose_length_is_nowhere_told() -> None:
    """Where a short body could not be told from a whole one, nothing of it is given out."""
    unknown = Answer(headers={"ETag": '"e"'}, body=b"abc", chunked=True)
    with (
        bucket_at(unknown) as (bucket, _),
        pytest.raises(UnsupportedStoreError, match="neither Content-Range nor Content-Length"),
    ):
        bucket.get("a")


def test_head_without_a_size() -> None:
    """An answer to HEAD that does not say how large the object is is an error that says so."""
    bare = Answer(headers={"ETag": '"e"'}, chunked=True)
    with bucket_at(bare) as (bucket, _), pytest.raises(StoreUnreachableError, match="no S3 answer: 200"):
        bucket.head("a")


def test_body_that_always_breaks() -> None:
    """A body that hardly gets on is given up after five attempts."""
    data = random_bytes(MIB)
    with bucket_at(serving(data, cut=10)) as (bucket, script), pytest.raises(StoreUnreachableError):
        bucket.get("a")
    assert len(script.requests) == 5


def test_short_body_that_claims_to_be_whole() -> None:
    """A body that is shorter than the range, with a Content-Length to match, is refused."""
    short = Answer(status=206, headers={"ETag": '"e"', "Content-Range": "bytes 0-99/100"}, body=b"x" * 50)
    with bucket_at(short) as (bucket, _), pytest.raises(StorageError, match="sent 50 bytes"):
        bucket.get("a")


def test_range_that_was_not_asked_for() -> None:
    """Another range than the one asked for is refused, also where it has the right length."""
    other = Answer(status=206, headers={"ETag": '"e"', "Content-Range": "bytes 0-49/100"}, body=b"x" * 50)
    with (
        bucket_at(other) as (bucket, _),
        pytest.raises(StorageError, match="bytes 50 to 99 were asked for"),
    ):
        bucket.get("a", 50, 50)


def test_range_ignored() -> None:
    """A store that sends the whole object instead of a range is found out."""
    whole = Answer(headers={"ETag": '"e"'}, body=random_bytes(100))
    with bucket_at(whole) as (bucket, _):
        assert len(bucket.get("a")) == 100
        with pytest.raises(StorageError, match="were asked for"):
            bucket.get("a", 50, 10)


def test_object_replaced_while_it_is_read() -> None:
    """Bytes of two objects are never put together."""
    answers = [serving(random_bytes(3 * MIB), cut=MIB + 5), refusal(412, "PreconditionFailed")]
    with bucket_at(*answers) as (bucket, _), pytest.raises(StorageError, match="was replaced"):
        list(bucket.stream("a"))


@pytest.mark.long  # the pauses between the attempts are the SDK's own
def test_busy_store() -> None:
    """A store that says SlowDown is asked five times, with pauses, and is then unreachable."""
    with (
        bucket_at(refusal(503, "SlowDown")) as (bucket, script),
        pytest.raises(StoreUnreachableError, match="SlowDown"),
    ):
        bucket.put("a", b"x")
    assert len(script.requests) == 5


def test_delete_with_errors() -> None:
    """What could not be deleted is named, also where the answer as a whole is 200; clones get their MD5."""
    body = (
        b"<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code><Message>no</Message></Error>"
        b"<Error><Key>b</Key><Code>NoSuchKey</Code></Error></DeleteResult>"
    )
    with (
        bucket_at(Answer(body=body)) as (bucket, script),
        pytest.raises(StorageError, match=r"1 objects were not deleted, first: a: no \(AccessDenied\)"),
    ):
        bucket.delete(["a", "b", "c"])
    digest = base64.b64encode(hashlib.md5(script.requests[0].body).digest()).decode()
    assert script.requests[0].headers["content-md5"] == digest


def test_completed_upload_whose_answer_was_lost() -> None:
    """An upload that is gone, with the object there, was completed: its tag is made of the parts' tags."""
    begun = Answer(body=b"<R><UploadId>u</UploadId></R>")
    tag = hashlib.md5(b"x")
    found = Answer(
        headers={"Content-Length": "1", **HEAD, "ETag": f'"{hashlib.md5(tag.digest()).hexdigest()}-1"'},
        body=b"x",
    )
    part = Answer(headers={"ETag": f'"{tag.hexdigest()}"'})
    with bucket_at(begun, part, refusal(404, "NoSuchUpload"), found) as (bucket, _):
        upload = bucket.start_upload("a", 1, 5 * MIB)
        upload.put_part(1, b"x")
        upload.complete()


@pytest.mark.parametrize(
    "found",
    [
        Answer(status=404),
        Answer(headers={"Content-Length": "2", **HEAD}, body=b"xx"),
        Answer(headers={"Content-Length": "1", **HEAD}, body=b"x"),
    ],
    ids=["nothing", "another object", "another save's object of the same size"],
)
def test_upload_that_is_gone(found: Answer) -> None:
    """An upload that is gone, without its object, was not."""
    begun = Answer(body=b"<R><UploadId>u</UploadId></R>")
    with bucket_at(begun, OK, refusal(404, "NoSuchUpload"), found) as (bucket, _):
        upload = bucket.start_upload("a", 1, 5 * MIB)
        upload.put_part(1, b"x")
        with pytest.raises(FileNotFoundError):
            upload.complete()


def test_upload_with_a_part_of_another_save() -> None:
    """A part that another save has sent again belongs to that save, and so does the upload."""
    begun = Answer(body=b"<R><UploadId>u</UploadId></R>")
    with bucket_at(begun, OK, refusal(400, "InvalidPart")) as (bucket, _):
        upload = bucket.start_upload("a", 1, 5 * MIB)
        upload.put_part(1, b"x")
        with pytest.raises(FileNotFoundError):
            upload.complete()


LEFT = LeftUpload(key="a", token="u", size=1, part_size=5 * MIB, parts={1: "t"})


@pytest.mark.parametrize(("tag", "held"), [('"t"', {1}), ("t", {1}), ('"other"', None)])
def test_a_part_is_known_by_its_tag(tag: str, held: set[int] | None) -> None:
    """A part that was sent again since the record is not held. The listing need not say that it is whole."""
    part = f"<Part><PartNumber>1</PartNumber><ETag>{tag}</ETag><Size>1</Size></Part>"
    listed = f"<ListPartsResult><UploadId>u</UploadId>{part}</ListPartsResult>"
    with bucket_at(Answer(body=listed.encode())) as (bucket, _):
        upload = bucket.continue_upload(LEFT, "b")
    assert (set(upload.held) if upload else None) == held


def test_unfinished_uploads_listed_in_short() -> None:
    """rclone's server does not say of a complete listing of uploads that it is."""
    upload = "<Upload><Key>a</Key><UploadId>u</UploadId><Initiated>2026-01-01T00:00:00Z</Initiated></Upload>"
    listed = f"<ListMultipartUploadsResult><Bucket>b</Bucket>{upload}</ListMultipartUploadsResult>"
    with bucket_at(Answer(body=listed.encode())) as (bucket, _):
        assert [found.upload_id for found in bucket.uploads("")] == ["u"]


@pytest.mark.parametrize("code", [(403, "AccessDenied"), (501, "NotImplemented")])
def test_an_object_that_cannot_be_moved(code: tuple[int, str]) -> None:
    """Where a continued upload's object may not be copied, the upload counts as gone: a save starts again."""
    part = "<Part><PartNumber>1</PartNumber><ETag>t</ETag><Size>1</Size></Part>"
    listed = f"<ListPartsResult><UploadId>u</UploadId>{part}</ListPartsResult>"
    completed = b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
    found = Answer(headers={"Content-Length": "1", **HEAD}, body=b"x")
    answers = [Answer(body=listed.encode()), Answer(body=completed), found, refusal(*code)]
    with bucket_at(*answers) as (bucket, _):
        upload = bucket.continue_upload(LEFT, "b")
        assert upload is not None
        with pytest.raises(FileNotFoundError, match="cannot be moved"):
            upload.complete()


def test_no_checksums_for_other_stores() -> None:
    """A custom endpoint gets no checksum headers, which many do not know."""
    with bucket_at(OK) as (bucket, script):
        bucket.put("a", b"x")
    assert not [name for name in script.requests[0].headers if "checksum" in name or "trailer" in name]


def test_checksums_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the variable of the SDKs says otherwise."""
    monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
    with bucket_at(OK) as (bucket, script):
        bucket.put("a", b"x")
    assert script.requests[0].headers["x-amz-checksum-crc32"]


def test_bytes_are_asked_for_as_they_are() -> None:
    """Nothing on the way may compress them; that is not signed, since whoever is there may change it."""
    with bucket_at(serving(b"0123456789")) as (bucket, script):
        bucket.get("a")
    headers = script.requests[0].headers
    assert headers["accept-encoding"] == "identity"
    assert "accept-encoding" not in headers["authorization"]


def test_a_range_that_is_answered_with_200() -> None:
    """The range counts, not the status: ``rclone serve s3`` answers so."""
    answer = Answer(body=b"3456", headers={"Content-Range": "bytes 3-6/10", "ETag": '"e"'})
    with bucket_at(answer) as (bucket, script):
        assert bucket.get("a", 3, 4) == b"3456"
    assert script.requests[0].headers["range"] == "bytes=3-6"


def test_pieces_that_break_off() -> None:
    """A range by way of a buffer goes on after the last byte that came."""
    data = random_bytes(100)
    with bucket_at(serving(data, cut=50), serving(data)) as (bucket, script):
        pieces = [bytes(piece) for piece in bucket.pieces("a", memoryview(bytearray(20)), 10, 80)]
    assert pieces == [data[at : at + 20] for at in range(10, 90, 20)]
    assert script.requests[0].headers["range"] == "bytes=10-89"
    assert len(script.requests) == 2


def shown(data: bytes) -> memoryview:
    """A view of a whole byte array, which S3's client gets instead."""
    return memoryview(bytearray(data))


def shown_in_part(data: bytes) -> memoryview:
    """A view of some bytes of a longer array."""
    return memoryview(bytearray(b"<" + data + b">"))[1:-1]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, shown, shown_in_part])
@pytest.mark.parametrize("size", [0, 1, 200_000])
def test_bodies_of_every_kind_are_sent_again(kind: Callable[[bytes], Any], size: int) -> None:
    """Whatever buffer bytes lie in, they arrive, with their length; also where the first answer is 500."""
    data = random_bytes(size)
    with bucket_at(refusal(500, "InternalError"), OK) as (bucket, script):
        bucket.put("a", kind(data))
    assert [request.body for request in script.requests] == [data, data]
    assert script.requests[1].headers["content-length"] == str(size)


def test_no_upload_was_ever_begun() -> None:
    """A server that answers 404 where it knows of no upload, as rclone's does, has none."""
    with bucket_at(refusal(404, "NoSuchUpload")) as (bucket, _):
        assert list(bucket.uploads("job/")) == []
