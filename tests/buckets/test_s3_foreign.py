"""Answers that are none of S3's, and redirects: never taken for a listing, an object, or a write."""

from __future__ import annotations

import gzip
from contextlib import contextmanager, nullcontext
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from buckets.scripted import Answer, Request, Script, answering
from doubles.planted import PLANTED
from doubles.sweep import sampled
from doubles.tally import tally

from up42_state.buckets.s3 import listing
from up42_state.buckets.s3.bucket import S3Bucket
from up42_state.buckets.uploads import LeftUpload, UploadInfo
from up42_state.errors import NotFoundError, StorageError, StoreUnreachableError
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = (
    b"<!DOCTYPE html><html><head><br><title>Log in</title></head><body>token=%s</body></html>"
    % PLANTED.encode()
)
HTML = {"Content-Type": "text/html; charset=utf-8"}
STATIC = {
    "ETag": '"5f-6"',
    "Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT",
    "Accept-Ranges": "bytes",
    **HTML,
}
FOUND = Answer(
    headers={"ETag": '"e"', "Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT", "Content-Length": "3"},
    body=b"abc",
)
BEGUN = Answer(body=b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>")
OK = Answer(headers={"ETag": '"e"'})

ANSWERS = {
    "a page": Answer(body=PAGE, headers=HTML),
    "a page that is XML": Answer(body=b"<html><body>Login</body></html>\n", headers=HTML),
    "a page with a tag and a time": Answer(body=PAGE, headers=STATIC),
    "a page that is compressed": Answer(
        body=gzip.compress(PAGE), headers={**HTML, "Content-Encoding": "gzip"}
    ),
    "JSON": Answer(body=b'{"status":"ok"}', headers={"Content-Type": "application/json"}),
    "another document": Answer(body=b"<?xml version='1.0'?><feed><entry/></feed>"),
    "nothing": Answer(),
    "a page that denies access": Answer(status=403, body=PAGE, headers=HTML),
    "a page that is not found": Answer(status=404, body=PAGE, headers=HTML),
}


def part(bucket: S3Bucket) -> None:
    bucket.start_upload("a", 3, 5).put_part(1, b"abc")


def complete(bucket: S3Bucket) -> None:
    upload = bucket.start_upload("a", 3, 5)
    upload.put_part(1, b"abc")
    upload.complete()


def copy_in_parts(bucket: S3Bucket) -> None:
    bucket.max_copy = 1
    bucket.copy("a", "b")


# A request of each kind, and what comes before it.
REQUESTS: dict[str, tuple[Callable[[S3Bucket], Any], list[Answer]]] = {
    "list": (lambda bucket: list(bucket.list("")), []),
    "prefixes": (lambda bucket: list(bucket.prefixes("")), []),
    "uploads": (lambda bucket: list(bucket.uploads("")), []),
    "head": (lambda bucket: bucket.head("a"), []),
    "get": (lambda bucket: bucket.get("a"), []),
    "stream": (lambda bucket: list(bucket.stream("a", 1, 2)), []),
    "put": (lambda bucket: bucket.put("a", b"x"), []),
    "create": (lambda bucket: bucket.create("a", b"x"), []),
    "delete": (lambda bucket: bucket.delete(["a", "b"]), []),
    "copy": (lambda bucket: bucket.copy("a", "b"), [FOUND]),
    "copy in parts, begun": (copy_in_parts, [FOUND]),
    "copy in parts": (copy_in_parts, [FOUND, BEGUN]),
    "upload": (lambda bucket: bucket.start_upload("a", 3, 5), []),
    "part": (part, [BEGUN]),
    "complete": (complete, [BEGUN, OK]),
    "parts": (lambda bucket: bucket.continue_upload(LEFT, "b"), []),
    "abort": (lambda bucket: bucket.start_upload("a", 3, 5).abort(), [BEGUN]),
    "abort another's": (lambda bucket: bucket.abort_upload(UPLOAD), []),
    "clock": (lambda bucket: bucket.clock(), []),
}
LEFT = LeftUpload(key="a", token="u", size=3, part_size=5, parts={1: ""})
UPLOAD = UploadInfo(key="a", upload_id="u", started=None)  # type: ignore[arg-type]  # not asked for
# What S3 may have sent: nothing, where nothing is sent but headers that not all stores send.
LIKE_S3 = {
    ("abort", "nothing"),
    ("abort another's", "nothing"),
    ("clock", "nothing"),
    ("clock", "another document"),  # of which HEAD shows nothing
    (
        "list",
        "a page that is not found",
    ),  # the bucket is not there, or the address is wrong: the error says both
    ("prefixes", "a page that is not found"),
}
PAIRS = [(asked, came) for asked in REQUESTS for came in ANSWERS if (asked, came) not in LIKE_S3]


@contextmanager
def bucket_at(*answers: Any) -> Iterator[tuple[S3Bucket, Script]]:
    with answering(*answers) as script:
        keys = {"aws_access_key_id": "id", "aws_secret_access_key": PLANTED}
        bucket = S3Bucket("b", "", Settings(aws_endpoint_url=script.url, **keys))
        try:
            yield bucket, script
        finally:
            bucket.close()


@pytest.mark.parametrize(("asked", "came"), sampled(PAIRS))
def test_every_request_with_every_foreign_answer(asked: str, came: str) -> None:
    """It is an error that says what came, of which nothing is quoted; the request is not sent again, and
    nothing follows it but what takes an upload back.
    """
    call, before = REQUESTS[asked]
    with (
        bucket_at(*before, ANSWERS[came]) as (bucket, script),
        pytest.raises(StoreUnreachableError, match="no S3 answer") as caught,
    ):
        call(bucket)
    assert PLANTED not in str(caught.value)
    assert {request.method for request in script.requests[len(before) + 1 :]} <= {"DELETE"}
    tally("foreign answers to S3", type(caught.value).__name__)


def page(*keys: str, truncated: str = "false", token: str = "", counted: int | None = None) -> Answer:
    """A page of a listing."""
    time = "<LastModified>2026-01-05T10:00:00.000Z</LastModified>"
    found = "".join(f"<Contents><Key>{key}</Key><Size>1</Size>{time}</Contents>" for key in keys)
    token = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    number = f"<KeyCount>{len(keys) if counted is None else counted}</KeyCount>"
    inner = f"<IsTruncated>{truncated}</IsTruncated>{number}{token}{found}"
    return Answer(body=f"<?xml version='1.0'?>\n<ListBucketResult>{inner}</ListBucketResult>".encode())


@pytest.mark.parametrize(
    ("pages", "problem"),
    [
        ([page("a", truncated="true")], "not where they are"),
        ([page(key, truncated="true", token="t") for key in "ab"], "not where they are"),
        ([page(key, truncated="true", token=key) for key in "abacd"], "not where they are|round in circles"),
        ([page("a", truncated="true", token=text) for text in "tuv"], "round in circles"),
        ([page(counted=3)], "without the 3 keys"),
        ([page("other/a")], "do not begin as was asked for"),
        ([Answer(body=page("a").body.replace(b"IsTruncated", b"Elsewhere"))], "without IsTruncated"),
        ([Answer(body=page("a").body.replace(b"Size", b"Elsewhere"))], "without key, size or time"),
    ],
)
def test_listings_that_are_not_whole(pages: list[Answer], problem: str) -> None:
    """A listing that ends or turns in the middle, or is another one, is no listing."""
    prefix = "job/" if b"other" in pages[0].body else ""
    with bucket_at(*pages) as (bucket, _), pytest.raises(StoreUnreachableError, match=problem):
        list(bucket.list(prefix))


def test_pages_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A listing that always goes on, and never says a key, is given up."""
    monkeypatch.setattr(listing, "_EMPTY", 10)
    tokens = count()

    def another(_request: Request) -> Answer:
        return page(truncated="true", token=f"t{next(tokens)}")

    with bucket_at(another) as (bucket, script), pytest.raises(StoreUnreachableError, match="circles"):
        list(bucket.list(""))
    assert len(script.requests) == 11


def test_uploads_that_are_not_whole() -> None:
    """Nor is a listing of uploads that says there are more and not where."""
    said = "<Bucket>b</Bucket><IsTruncated>true</IsTruncated>"
    document = f"<ListMultipartUploadsResult>{said}</ListMultipartUploadsResult>"
    with (
        bucket_at(Answer(body=document.encode())) as (bucket, _),
        pytest.raises(StoreUnreachableError, match="not where they are"),
    ):
        list(bucket.uploads(""))


def test_a_listing_that_breaks_off_is_asked_for_again() -> None:
    """A document without its end is what a broken connection leaves: it is asked for again."""
    whole = page("a", "b")
    with bucket_at(Answer(body=whole.body[:-30]), whole) as (bucket, script):
        assert [found.key for found in bucket.list("")] == ["a", "b"]
    assert len(script.requests) == 2


def test_an_error_in_an_answer_of_200() -> None:
    """An error may come after the status ("CompleteMultipartUpload", "CopyObject"): it is sent again."""
    failed = Answer(body=b"<?xml version='1.0'?><Error><Code>InternalError</Code></Error>")
    copied = Answer(body=b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")
    with bucket_at(FOUND, failed, copied) as (bucket, script):
        bucket.copy("a", "b")
    assert len(script.requests) == 3
    done = Answer(body=b"<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")
    with bucket_at(BEGUN, OK, failed, done) as (bucket, script):
        complete(bucket)
    assert len(script.requests) == 4


def test_a_page_that_was_saved() -> None:
    """An object that is a page may be called one: rclone's server takes the type from the key."""
    answer = Answer(body=PAGE, headers={**STATIC, "Content-Range": f"bytes 0-{len(PAGE) - 1}/{len(PAGE)}"})
    with bucket_at(answer) as (bucket, _):
        assert bucket.get("job/report.html") == PAGE


# As moto's server (5.2) answers: empty, of a type that its web framework puts on whatever has none.
EMPTY = {
    "put": (Answer(headers={"ETag": '"e"', **HTML}), None),
    "create": (Answer(headers={"ETag": '"e"', **HTML}), None),
    "part": (Answer(headers={"ETag": '"e"', **HTML}), None),
    "abort another's": (Answer(status=204, headers=HTML), None),
    "head": (Answer(status=404, headers=HTML), NotFoundError),
}


@pytest.mark.parametrize("asked", EMPTY)
def test_empty_answers_that_are_called_pages(asked: str) -> None:
    """An answer that has what S3 sends and no body is S3's, whatever type the server gives to nothing."""
    call, before = REQUESTS[asked]
    answer, error = EMPTY[asked]
    with bucket_at(*before, answer) as (bucket, _), pytest.raises(error) if error else nullcontext():
        call(bucket)


REDIRECTS = [(asked, 307) for asked in REQUESTS]
REDIRECTS += [(asked, status) for asked in ("list", "head", "put") for status in (301, 302, 303, 308)]


@pytest.mark.parametrize(("asked", "status"), REDIRECTS)
def test_every_request_that_is_redirected(asked: str, status: int) -> None:
    """No request goes where a redirect leads, nor is it sent again: the error says where that is."""
    call, before = REQUESTS[asked]
    with answering(OK) as elsewhere:
        secret = elsewhere.url.replace("//", f"//user:{PLANTED}@")
        moved = Answer(status=status, headers={"Location": f"{secret}/b/a?X-Amz-Signature={PLANTED}"})
        with (
            bucket_at(*before, moved) as (bucket, script),
            pytest.raises(
                StoreUnreachableError, match=f"set the argument aws_endpoint_url to {elsewhere.url}"
            ) as caught,
        ):
            call(bucket)
    assert elsewhere.requests == []
    assert f"{script.url} redirects to {elsewhere.url} ({status})" in str(caught.value)
    assert PLANTED not in str(caught.value)
    assert len(script.requests) <= len(before) + 2  # with what takes an upload back


def test_a_redirect_to_itself() -> None:
    """An endpoint that redirects for ever is asked once."""
    moved = Answer(status=301, headers={"Location": "/b/a"})
    with (
        bucket_at(moved) as (bucket, script),
        pytest.raises(StoreUnreachableError, match="redirects without saying where"),
    ):
        bucket.head("a")
    assert len(script.requests) == 1


def test_a_redirect_to_the_region_of_a_bucket() -> None:
    """Amazon's own redirect names a region: the request is signed for that, and goes to the same endpoint."""
    body = b"<?xml version='1.0'?><Error><Code>PermanentRedirect</Code><Message>moved</Message></Error>"
    moved = Answer(
        status=301,
        body=body,
        headers={"x-amz-bucket-region": "eu-west-1", "Content-Type": "application/xml"},
    )
    with bucket_at(moved, OK) as (bucket, script):
        bucket.put("a", b"x")
    assert "/eu-west-1/s3/" in script.requests[1].headers["authorization"]
    with bucket_at(moved) as (bucket, script), pytest.raises(StorageError, match="AWS_REGION"):
        bucket.put("a", b"x")
    assert len(script.requests) == 2
