"""Answers that are none of Google's, and redirects: never taken for a listing, an object, or a write."""

from __future__ import annotations

import gzip
import json
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from buckets.scripted import Answer, answering, google_at
from doubles.planted import PLANTED
from doubles.sweep import sampled
from doubles.tally import tally
from google.oauth2.credentials import Credentials

from up42_state.buckets.gcs import client
from up42_state.buckets.uploads import UploadInfo
from up42_state.errors import BucketNotFoundError, StoreUnreachableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from up42_state.buckets.gcs.bucket import GCSBucket

PAGE = f"<!DOCTYPE html><html><head><br></head><body>token={PLANTED}</body></html>".encode()
HTML = {"Content-Type": "text/html; charset=utf-8"}
JSON = {"Content-Type": "application/json"}
MIB = 1024 * 1024


def document(**members: Any) -> Answer:
    return Answer(body=json.dumps(members).encode(), headers=JSON)


ANSWERS = {
    "a page": Answer(body=PAGE, headers=HTML),
    "a page with a tag and a time": Answer(
        body=PAGE, headers={**HTML, "ETag": '"5f-6"', "Last-Modified": "Mon, 05 Jan 2026 10:00:00 GMT"}
    ),
    "a page that is compressed": Answer(
        body=gzip.compress(PAGE), headers={**HTML, "Content-Encoding": "gzip"}
    ),
    "JSON": document(status="ok"),
    "JSON of another kind": document(kind="compute#instance", generation="1", updated="now", done=True),
    "a list": Answer(body=b"[]", headers=JSON),
    "half of a document": Answer(body=b'{"kind": "storage#objects", "items": [', headers=JSON),
    "nothing": Answer(),
    "a page that is not found": Answer(status=404, body=PAGE, headers=HTML),
    "a line of a router": Answer(status=404, body=b"404 page not found\n"),
    "a page that denies access": Answer(status=403, body=PAGE, headers=HTML),
    "a page that asks who it is": Answer(status=401, body=PAGE, headers=HTML),
}
# A request of each kind.
REQUESTS: dict[str, Callable[[GCSBucket], Any]] = {
    "list": lambda bucket: list(bucket.list("")),
    "prefixes": lambda bucket: list(bucket.prefixes("")),
    "uploads": lambda bucket: list(bucket.uploads("")),
    "head": lambda bucket: bucket.head("a"),
    "get": lambda bucket: bucket.get("a"),
    "stream": lambda bucket: list(bucket.stream("a", 1, 2)),
    "put": lambda bucket: bucket.put("a", b"x"),
    "put what is large": lambda bucket: bucket.put("a", bytes(9 * MIB)),
    "create": lambda bucket: bucket.create("a", b"x"),
    "delete": lambda bucket: bucket.delete(["a", "b"]),
    "copy": lambda bucket: bucket.copy("a", "b"),
    "compose": lambda bucket: bucket.compose(["a", "b"], "c"),
    "part": lambda bucket: bucket.start_upload("a", 3, 5).put_part(1, b"abc"),
    "abort another's": lambda bucket: bucket.abort_upload(UPLOAD),
}
UPLOAD = UploadInfo(key="a", upload_id="u", started=None)  # type: ignore[arg-type]  # not asked for


@pytest.mark.parametrize(("asked", "came"), sampled(product(REQUESTS, ANSWERS)))
def test_every_request_with_every_foreign_answer(asked: str, came: str) -> None:
    """It is an error that says what came, of which nothing is quoted; nothing else is sent."""
    with (
        google_at(ANSWERS[came]) as (bucket, script),
        pytest.raises(StoreUnreachableError, match="no answer of Google Cloud Storage") as caught,
    ):
        REQUESTS[asked](bucket)
    assert PLANTED not in str(caught.value)
    assert len(script.requests) == 1
    tally("foreign answers to Google Cloud Storage", type(caught.value).__name__)


@pytest.mark.parametrize("asked", ["list", "prefixes", "uploads"])
def test_a_listing_that_is_not_found(asked: str) -> None:
    """Nothing but the bucket can be missing, whatever the words."""
    with (
        google_at(Answer(status=404, body=b"not here")) as (bucket, _),
        pytest.raises(BucketNotFoundError, match="the bucket does not exist"),
    ):
        REQUESTS[asked](bucket)


def listed(*names: str, **others: Any) -> Answer:
    items = [{"name": name, "size": "1", "updated": "2026-01-05T10:00:00.000Z"} for name in names]
    return document(kind="storage#objects", items=items, **others)


@pytest.mark.parametrize(
    "pages",
    [
        [listed("a", nextPageToken="t")],
        [listed("a", nextPageToken="t"), listed("b", nextPageToken="u"), listed("c", nextPageToken="t")],
        [listed("elsewhere/a")],
        [document(kind="storage#objects", items=[{"name": "job/a"}])],
    ],
)
def test_listings_that_are_not_whole(pages: list[Answer]) -> None:
    """A listing that turns in the middle, or is another one, is no listing."""
    prefix = "" if len(pages[0].body) > 130 else "job/"
    with google_at(*pages) as (bucket, _), pytest.raises(StoreUnreachableError, match="listing"):
        list(bucket.list(prefix))


def test_a_batch_that_answers_half() -> None:
    """A batch in which an answer is missing is no answer, and its requests may not have been carried out."""
    body = b"--x\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\r\n--x--\r\n"
    answer = Answer(body=body, headers={"Content-Type": "multipart/mixed; boundary=x"})
    with google_at(answer) as (bucket, _), pytest.raises(StoreUnreachableError, match="each request"):
        bucket.delete(["a", "b"])


REDIRECTS = [(asked, 307) for asked in REQUESTS]
REDIRECTS += [(asked, status) for asked in ("list", "get", "put") for status in (301, 302, 303, 308)]


@pytest.mark.parametrize(("asked", "status"), REDIRECTS)
def test_every_request_that_is_redirected(asked: str, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request, and no token, goes where a redirect leads, nor is it sent again: the error says where."""
    monkeypatch.setattr(client, "AnonymousCredentials", lambda: Credentials(token=PLANTED))
    with answering(Answer()) as elsewhere:
        secret = elsewhere.url.replace("//", f"//user:{PLANTED}@")
        moved = Answer(status=status, headers={"Location": f"{secret}/b/a?token={PLANTED}"})
        with (
            google_at(moved) as (bucket, script),
            pytest.raises(
                StoreUnreachableError, match=f"set STORAGE_EMULATOR_HOST to {elsewhere.url}"
            ) as caught,
        ):
            REQUESTS[asked](bucket)
    assert elsewhere.requests == []
    assert f"{script.url} redirects ({status}) to {elsewhere.url}" in str(caught.value)
    assert PLANTED not in str(caught.value)
    assert [request.headers["authorization"] for request in script.requests] == [f"Bearer {PLANTED}"]


def test_an_upload_that_is_sent_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that a large upload is to go to is the store's own, or nothing goes there."""
    monkeypatch.setattr(client, "AnonymousCredentials", lambda: Credentials(token=PLANTED))
    with answering(Answer()) as elsewhere:
        begun = Answer(headers={"Location": f"{elsewhere.url}/upload/storage/v1/b/b/o?upload_id=u"})
        with (
            google_at(begun) as (bucket, _),
            pytest.raises(StoreUnreachableError, match=f"leads to {elsewhere.url}"),
        ):
            bucket.put("a", bytes(9 * MIB))
    assert elsewhere.requests == []


def test_a_redirect_to_itself() -> None:
    """An endpoint that redirects for ever is asked once."""
    with (
        google_at(Answer(status=308, headers={"Location": "/storage/v1/b/b/o"})) as (bucket, script),
        pytest.raises(StoreUnreachableError, match="without saying where"),
    ):
        list(bucket.list(""))
    assert len(script.requests) == 1
