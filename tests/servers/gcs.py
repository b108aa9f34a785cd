"""gcp-storage-emulator, with what the stage format needs of the real service and the emulator leaves out.

    python tests/servers/gcs.py PORT

Added here: preconditions on the generation (``ifGenerationMatch``, ``ifGenerationNotMatch``), checked and
carried out under one lock; pages, ``startOffset`` and ``endOffset`` of listings; 416 for a range past the
end; error bodies that name the missing bucket or object. Requests are read and answered in parallel, on
connections that stay open; objects are in memory.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects and …/docs/request-preconditions
"""

from __future__ import annotations

import io
import json
import re
import sys
import threading
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gcp_storage_emulator.server import RequestHandler, Router
from gcp_storage_emulator.storage import Storage

PAGE = 1000
LIST = re.compile(r"(?:/storage/v1)?/b/([-.\w]+)/o")
OBJECT = re.compile(r"(?:/download)?(?:/storage/v1)?/b/([-.\w]+)/o/(.+)")


class RefusedError(Exception):
    """A request that is answered with an error of the JSON API."""

    def __init__(self, status: HTTPStatus, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    def body(self) -> bytes:
        details = [{"domain": "global", "reason": self.reason, "message": str(self)}]
        error = {"code": self.status.value, "message": str(self), "errors": details}
        return json.dumps({"error": error}).encode()


class ConditionalStorage(Storage):
    """Objects in memory. ``conditions`` is the query of the request under way, set by who holds ``lock``."""

    def __init__(self) -> None:
        super().__init__(use_memory_fs=True)
        self.lock = threading.Lock()
        self.conditions: dict[str, str] = {}

    def _write_config_to_file(self) -> None:
        """Nothing: the emulator would render all metadata anew with every write."""

    def _bucket_soft_delete_retention_seconds(self, bucket_name: str) -> int:
        return 0

    def create_file(self, bucket_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        self._check(bucket_name, file_name)
        super().create_file(bucket_name, file_name, *args, **kwargs)

    def create_resumable_upload(self, bucket_name: str, file_name: str, file_obj: dict[str, Any]) -> str:
        self._check(bucket_name, file_name)
        return str(super().create_resumable_upload(bucket_name, file_name, file_obj))

    def delete_file(self, bucket_name: str, file_name: str) -> None:
        if file_name in self.objects.get(bucket_name, {}):
            self._check(bucket_name, file_name)
        super().delete_file(bucket_name, file_name)

    def _check(self, bucket: str, name: str) -> None:
        current = self.objects.get(bucket, {}).get(name, {}).get("generation", "0")  # 0: no live object
        wanted = self.conditions.get("ifGenerationMatch", current)
        unwanted = self.conditions.get("ifGenerationNotMatch")
        if current != wanted or current == unwanted:
            message = "At least one of the pre-conditions you specified did not hold."
            raise RefusedError(HTTPStatus.PRECONDITION_FAILED, "conditionNotMet", message)


class Handler(RequestHandler):
    """One connection. The body is read before the lock is taken, the answer sent after it is released."""

    protocol_version = "HTTP/1.1"
    server: Server

    def __init__(self, request: Any, address: Any, server: Server) -> None:
        super().__init__(server.storage, request, address, server)

    def log_message(self, *args: Any) -> None:
        """Keep quiet."""

    def _answer(self) -> None:
        connection = self.rfile, self.wfile
        self.rfile, self.wfile = io.BytesIO(_read_body(self)), io.BytesIO()
        try:
            with self.storage.lock:
                self._route(self.command)
        except RefusedError as refusal:
            self._send(refusal.status, refusal.body())
        finally:
            answer = self.wfile.getvalue()
            self.rfile, self.wfile = connection
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - the names that http.server calls

    def _route(self, method: str) -> None:
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.storage.conditions = query
        if method == "GET" and (match := LIST.fullmatch(url.path)):
            self._send(HTTPStatus.OK, json.dumps(_page(self.storage, match[1], query)).encode())
            return
        if method == "GET" and (match := OBJECT.fullmatch(url.path)):
            self._check_range(match[1], unquote(match[2]))
        Router(self).handle(method)
        if self.wfile.getvalue().startswith(b"HTTP/1.1 404"):
            self.wfile = io.BytesIO()
            raise self._missing(url.path)

    def _check_range(self, bucket: str, name: str) -> None:
        first = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        found = self.storage.objects.get(bucket, {}).get(name)
        if first and found and int(first[1]) >= int(found["size"]):
            status = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
            raise RefusedError(status, "requestedRangeNotSatisfiable", "Request range not satisfiable")

    def _missing(self, path: str) -> RefusedError:
        bucket, name = (re.findall(r"/b/([^/]+)(?:/o/?(.*))?", path) or [("", "")])[0]
        message = f"No such object: {bucket}/{unquote(name)}"
        if bucket not in self.storage.buckets:
            message = "The specified bucket does not exist."
        return RefusedError(HTTPStatus.NOT_FOUND, "notFound", message)

    def _send(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Serves one storage; every connection has a thread."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        self.storage = ConditionalStorage()
        super().__init__(("127.0.0.1", port), Handler)


def _read_body(handler: RequestHandler) -> bytes:
    """The request's body as it came; a chunked one is joined and given the length the emulator looks for."""
    if handler.headers.get("Transfer-Encoding", "").lower() != "chunked":
        return bytes(handler.rfile.read(int(handler.headers.get("Content-Length") or 0)))
    chunks = []
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        chunks.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    body = b"".join(chunks)
    del handler.headers["Transfer-Encoding"]
    handler.headers["Content-Length"] = str(len(body))
    return body


def _page(storage: Storage, bucket: str, query: dict[str, str]) -> dict[str, Any]:
    """One page of a listing; prefixes count like objects, as they do in the real service."""
    if bucket not in storage.buckets:
        raise RefusedError(HTTPStatus.NOT_FOUND, "notFound", "The specified bucket does not exist.")
    entries = _entries(storage, bucket, query)
    names = [name for name in sorted(entries, key=str.encode) if name > query.get("pageToken", "")]
    size = min(int(query.get("maxResults", PAGE)), PAGE)
    page = names[:size]
    answer: dict[str, Any] = {"kind": "storage#objects"}
    answer["items"] = [entries[name] for name in page if entries[name] is not None]
    answer["prefixes"] = [name for name in page if entries[name] is None]
    if len(names) > size:
        answer["nextPageToken"] = page[-1]
    return answer


def _entries(storage: Storage, bucket: str, query: dict[str, str]) -> dict[str, dict[str, Any] | None]:
    """Objects by their name, and ``None`` by every prefix that the delimiter cuts off."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    first, end = query.get("startOffset", ""), query.get("endOffset")
    entries: dict[str, dict[str, Any] | None] = {}
    for name, found in storage.objects.get(bucket, {}).items():
        if not name.startswith(prefix) or name < first or (end is not None and name >= end):
            continue
        cut = name.find(delimiter, len(prefix)) if delimiter else -1
        if cut < 0:
            entries[name] = found
        else:
            entries[name[: cut + len(delimiter)]] = None
    return entries


if __name__ == "__main__":
    Server(int(sys.argv[1])).serve_forever()
