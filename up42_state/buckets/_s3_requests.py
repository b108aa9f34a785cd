"""S3's requests, each sent once, by hand: what saving and restoring takes, and no more.

Source: Amazon S3 API reference, "Actions". Anything but the success that is hoped for is an error, and left
to boto3 to make out (:mod:`up42_state.buckets.s3_direct`).
"""

from __future__ import annotations

import hashlib
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from up42_state.buckets._http import Answer, BadAnswerError, Connections, Incoming, Request
from up42_state.buckets._resume import check_span
from up42_state.buckets._signature import EMPTY, UNSIGNED, Signer, encode_path, encode_query
from up42_state.buckets._xml import Element, parse
from up42_state.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from up42_state.buckets.base import Buffer
    from up42_state.settings import Settings

__all__ = ["RefusedError", "S3Requests"]

_CONNECT_TIMEOUT = 10.0  # seconds
_READ_TIMEOUT = 60.0  # seconds without a byte
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class RefusedError(Exception):
    """The store answered, with another status than success.

    :param code: S3's own, of a read; may be empty.
    """

    def __init__(self, status: int, code: str = "") -> None:
        super().__init__(f"the store answered {status} {code}".rstrip())
        self.status, self.code = status, code


class S3Requests:
    """Requests to one bucket at an endpoint of one's own, with the keys of the settings.

    Every method may raise :class:`RefusedError`; ``OSError`` where no whole answer came; ``ValueError`` where
    one cannot be read, or a key cannot be sent.
    """

    def __init__(self, bucket: str, settings: Settings) -> None:
        endpoint = settings.aws_endpoint_url or ""
        key_id, secret = settings.aws_access_key_id, settings.aws_secret_access_key
        assert key_id is not None  # see serves_directly()
        assert secret is not None
        token = settings.aws_session_token
        self._signer = Signer(
            key_id.get_secret_value(),
            secret.get_secret_value(),
            token.get_secret_value() if token else "",
            settings.aws_region or "us-east-1",
        )
        parts = urlsplit(endpoint)
        self._bucket, self._host = bucket, parts.netloc
        self._signs_bodies = parts.scheme != "https"
        self._connections = Connections(
            endpoint, connect_timeout=_CONNECT_TIMEOUT, read_timeout=_READ_TIMEOUT
        )

    def get(self, key: str, start: int, last: int | None) -> bytes:
        """The bytes from ``start`` to ``last`` (``None``: the object's end), as many of them as there are."""
        with self._opened(key, start, last) as incoming:
            return incoming.read(incoming.left or 0) if incoming else b""

    def pieces(self, key: str, buffer: memoryview, start: int, last: int) -> Iterator[memoryview]:
        """The same by way of a buffer, which each piece fills but for the last."""
        with self._opened(key, start, last) as incoming:
            while incoming and incoming.left:
                piece = buffer[: min(len(buffer), incoming.left)]
                incoming.fill(piece)
                yield piece

    @contextmanager
    def _opened(self, key: str, start: int, last: int | None) -> Iterator[Incoming | None]:
        """A range of an object, yet to be read; ``None`` where the object ends before."""
        headers = {"range": f"bytes={start}-{'' if last is None else last}"}
        with self._connections.open(self._request("GET", key, headers=headers)) as incoming:
            if incoming.status == 416:
                incoming.read()
                yield None
                return
            if incoming.status not in {200, 206}:
                raise RefusedError(incoming.status, _code(incoming.read()))
            if incoming.left is None:
                raise BadAnswerError("the object comes in chunks")
            try:
                check_span(incoming.headers.get("content-range"), start, last, incoming.left)
            except StorageError as error:
                raise BadAnswerError(str(error)) from error
            yield incoming

    def put(self, key: str, data: Buffer) -> None:
        """Write an object."""
        self._ask(self._request("PUT", key, data))

    def create(self, key: str, data: Buffer) -> bool:
        """Write an object if there is none; whether there was none."""
        try:
            self._ask(self._request("PUT", key, data, headers={"if-none-match": "*"}, repeatable=False))
        except RefusedError as error:
            if error.status != 412:
                raise
            return False
        return True

    def delete(self, key: str) -> None:
        """Delete an object, if there is one."""
        self._ask(self._request("DELETE", key))

    def pages(self, prefix: str, *, after: str = "", delimiter: str = "") -> Iterator[Element]:
        """The pages of a listing, each a ``ListBucketResult``."""
        query = {"list-type": "2", "prefix": prefix}
        query |= {"start-after": after} if after else {}
        query |= {"delimiter": delimiter} if delimiter else {}
        while True:
            page = _document("ListBucketResult", self._ask(self._request("GET", "", query=query)))
            yield page
            if page.value("IsTruncated") != "true":
                return
            token = page.value("NextContinuationToken")
            if not token or token == query.get("continuation-token"):
                raise ValueError("the listing does not go on where it says")
            query["continuation-token"] = token

    def begin_upload(self, key: str) -> str:
        """Begin an upload in parts; its id."""
        answer = self._ask(self._request("POST", key, query={"uploads": ""}, repeatable=False))
        upload = parse(answer.body).value("UploadId")  # rclone's server gives the root another name
        if not upload:
            raise ValueError("the upload has no id")
        return upload

    def put_part(self, key: str, upload: str, number: int, data: Buffer, sha256: str) -> str:
        """Send a part; its tag.

        :param sha256: of the part, if that is known.
        """
        query = {"partNumber": str(number), "uploadId": upload}
        tag = self._ask(self._request("PUT", key, data, query=query, sha256=sha256)).headers.get("etag")
        if not tag:
            raise ValueError("the part has no tag")
        return tag

    def complete_upload(self, key: str, upload: str, tags: Mapping[int, str]) -> None:
        """Make the object appear. An answer of 200 may still tell of an error ("CompleteMultipartUpload")."""
        parts = (
            f"<Part><PartNumber>{number}</PartNumber><ETag>{_escaped(tags[number])}</ETag></Part>"
            for number in sorted(tags)
        )
        body = f'<CompleteMultipartUpload xmlns="{_NAMESPACE}">{"".join(parts)}</CompleteMultipartUpload>'
        answer = self._ask(
            self._request("POST", key, body.encode(), query={"uploadId": upload}, repeatable=False)
        )
        _document("CompleteMultipartUploadResult", answer)

    def abort_upload(self, key: str, upload: str) -> None:
        """Discard what was sent."""
        self._ask(self._request("DELETE", key, query={"uploadId": upload}))

    def close(self) -> None:
        """Free the connections."""
        self._connections.close()

    def _ask(self, request: Request) -> Answer:
        answer = self._connections.ask(request)
        if answer.status not in {200, 204}:
            raise RefusedError(answer.status)
        return answer

    def _request(
        self,
        method: str,
        key: str,
        body: Buffer = b"",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        sha256: str = "",
        repeatable: bool = True,
    ) -> Request:
        """A request, signed; about the bucket where the key is empty."""
        path = encode_path(f"/{self._bucket}/{key}" if key else f"/{self._bucket}")
        text = encode_query(query or {})
        named = {"host": self._host, **(headers or {})}
        signed = self._signer.sign(method, path, text, named, self._payload(body, sha256), time.time())
        target = f"{path}?{text}" if text else path
        signed["accept-encoding"] = "identity"  # not signed, since proxies change it
        return Request(method=method, target=target, headers=signed, body=body, repeatable=repeatable)

    def _payload(self, body: Buffer, sha256: str) -> str:
        """What the signature says of the body. TLS protects it: there it is not hashed to be signed."""
        if not len(body):
            return EMPTY
        if not self._signs_bodies:
            return UNSIGNED
        return sha256 or hashlib.sha256(body).hexdigest()


def _document(name: str, answer: Answer) -> Element:
    """The XML of an answer, which must be the one that was asked for."""
    root = parse(answer.body)
    if root.name != name:
        raise BadAnswerError(f"the store answered {root.name} instead of {name}")
    return root


def _code(body: bytes) -> str:
    """S3's code of a refusal; empty where it has none."""
    try:
        return parse(body).value("Code")
    except ValueError:
        return ""


def _escaped(text: str) -> str:
    """Text in an XML element; tags are quoted strings, and quotes stand for themselves there."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
