"""``manifest serve``: the documented requests, against a real server on the loopback interface."""

from __future__ import annotations

import json
import re
import resource
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from manifest.examples import processing_block

from up42_state.manifest.server import serving

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

JSON = {"Content-Type": "application/json"}
ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024
START = "from up42_state.cli import main; main()"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The endpoint of a server of this module, as the command prints it."""
    with subprocess.Popen(
        [sys.executable, "-c", START, "manifest", "serve", "--port", "0"], stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        try:
            yield server.stderr.readline().strip()
        finally:
            server.terminate()


def post(
    url: str, body: bytes | Iterable[bytes], headers: dict[str, str] = JSON, method: str = "POST"
) -> tuple[int, Any]:
    """Status and body of an answer. An iterable is sent in chunks, without a length."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=30)
    try:
        path = f"{parts.path}?{parts.query}"
        connection.request(method, path, body, headers, encode_chunked=not isinstance(body, bytes))
        answer = connection.getresponse()
        assert answer.headers["content-type"] == "application/json"
        return answer.status, json.load(answer)
    finally:
        connection.close()


def test_a_valid_manifest(url: str) -> None:
    """200, and the documented body."""
    answer = post(url, json.dumps(processing_block()).encode())
    assert answer == (200, {"error": None, "data": {"valid": True, "errors": []}})


def test_an_invalid_manifest(url: str) -> None:
    """400, and the documented body."""
    document = processing_block()
    del document["name"]
    errors = ["#: required key [name] not found"]
    assert post(url, json.dumps(document).encode()) == (
        400,
        {"error": None, "data": {"valid": False, "errors": errors}},
    )


def test_warnings_on_request(url: str) -> None:
    """The documented body has none, so they are given only where they are asked for."""
    _, answer = post(f"{url}?warnings=true", json.dumps(processing_block(x=1)).encode())
    assert answer["data"]["warnings"] == ["#/x: not documented, so it has no effect"]


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_content_types_that_are_json(url: str, kind: str) -> None:
    """Parameters and capitals do not matter."""
    assert post(url, json.dumps(processing_block()).encode(), {"Content-Type": kind})[0] == 200


def refused(answer: tuple[int, Any]) -> tuple[int, str]:
    """Status and message of a refusal in the documented envelope."""
    status, body = answer
    assert set(body) == {"error", "data"}
    assert (body["error"]["code"], body["data"]["valid"]) == (status, False)
    assert body["data"]["errors"] == [f"#: {body['error']['message']}"]
    return status, body["error"]["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
def test_another_content_type(url: str, kind: str) -> None:
    """415, and what was sent."""
    status, message = refused(post(url, b"{}", {"Content-Type": kind} if kind else {}))
    assert (status, message) == (415, f"the content type is {kind or 'missing'}, not application/json")


def test_a_compressed_body(url: str) -> None:
    """415: it is not unpacked."""
    assert refused(post(url, b"{}", {**JSON, "Content-Encoding": "gzip"})) == (415, "the body is compressed")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"hello", "not JSON: expecting value at line 1, column 1"),
        (b"", "not JSON: empty at line 1, column 1"),
        (b'{"name": NaN}', "not JSON: NaN is no number at line 1, column 10"),
        (b'{"a":\n"\xff"}', "not UTF-8 at line 2, column 2"),
    ],
)
def test_a_body_that_is_no_json(url: str, body: bytes, message: str) -> None:
    """400, with line and column."""
    assert refused(post(url, body)) == (400, message)


def test_json_that_is_no_manifest(url: str) -> None:
    """JSON that is no manifest is answered in the documented form."""
    assert post(url, b"[]")[1]["data"]["errors"] == ["#: expected type: JSONObject, found: JSONArray"]


TOO_LARGE = (413, f"the body is larger than {MIB} bytes")


def test_a_body_of_one_mebibyte_is_read(url: str) -> None:
    """The limit itself is allowed."""
    text = json.dumps(processing_block())
    assert post(url, text.ljust(MIB).encode())[0] == 200


def test_a_body_of_more_than_one_mebibyte(url: str) -> None:
    """413, though the manifest in it is valid."""
    text = json.dumps(processing_block())
    assert refused(post(url, text.ljust(MIB + 1).encode())) == TOO_LARGE


def test_a_chunked_body_of_more_than_one_mebibyte(url: str) -> None:
    """413, though no header says how long the body is."""
    assert refused(post(url, iter([b" " * 65536] * 17))) == TOO_LARGE


def send_chunks(connection: socket.socket, size: int) -> None:
    """Send the beginning of a chunked body, of about this many bytes."""
    for _ in range(size // 65536):
        connection.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")


def test_a_body_without_end_is_cut_off(url: str) -> None:
    """The server stops reading in the end."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=30) as connection:
        head = f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        with pytest.raises(ConnectionError):
            send_chunks(connection, 1024 * MIB)


def test_a_client_that_goes_away_does_no_harm(url: str) -> None:
    """The next request is answered."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=30) as connection:
        connection.sendall(f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n".encode())
        connection.sendall(b"Content-Type: application/json\r\n\r\n{")
    assert post(url, b"{}")[0] == 400


def test_a_signal_ends_the_service_though_a_client_sends_no_more() -> None:
    """A request that never ends is given up; stderr ends as every verb's, and has no traceback."""
    command = [sys.executable, "-c", START, "manifest", "serve", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        parts = urlsplit(server.stderr.readline().strip())
        with socket.create_connection((parts.hostname, parts.port or 80), timeout=30) as connection:
            head = f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n".encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100")  # now the service waits for the body
            server.terminate()
            _, shown = server.communicate(timeout=60)
    assert (server.returncode, shown.splitlines()[-1]) == (143, "error: ended by SIGTERM")
    assert "Traceback" not in shown


@contextmanager
def crowded(log: Path, descriptors: int = 128) -> Iterator[str]:
    """The endpoint of a server of its own that may have this many descriptors, and writes into this log."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    command = [sys.executable, "-c", START, "manifest", "serve", "--port", "0"]
    with log.open("wb") as file, subprocess.Popen(command, stderr=file, preexec_fn=limit) as server:
        try:
            while not log.read_text():
                assert server.poll() is None
                time.sleep(0.05)
            yield log.read_text().split()[0]
        finally:
            server.terminate()


def connected(url: str, text: bytes) -> socket.socket:
    """A connection that has sent this, and sends no more."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port or 80), timeout=10)
    with suppress(ConnectionError):  # the server may have ended it already
        connection.sendall(text)
    return connection


HALF = b"POST /validate-schema/block HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
IDLE = [
    b"",
    b"POST / HTTP/1.1\r\nX: ",
    HALF + b"Content-Length: 9\r\n\r\n{",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
]


def test_idle_and_half_sent_connections_keep_nobody_out(tmp_path: Path) -> None:
    """With more of them than descriptors, who sends a request is answered, and the log stays small."""
    with crowded(tmp_path / "log") as url:
        idle = [connected(url, text) for text in IDLE * 50]
        try:
            for _ in range(3):
                assert post(url, json.dumps(processing_block()).encode())[0] == 200
        finally:
            for connection in idle:
                connection.close()
    assert (tmp_path / "log").stat().st_size < 100 * len(idle)


def test_bad_requests_do_not_fill_the_log(tmp_path: Path) -> None:
    """Of the lines that bad requests make only the first of a minute are written."""
    with crowded(tmp_path / "log") as url:
        for _ in range(300):
            with connected(url, b"\x00nonsense\r\n\r\n") as connection:
                assert connection.recv(100).startswith(b"HTTP/1.1 400")
        assert post(url, b"{}")[0] == 400
    assert (tmp_path / "log").read_text().count("\n") < 30


@pytest.mark.parametrize("text", IDLE)
def test_a_connection_that_waits_too_long_is_ended(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether nothing, half a head, half a body or no second request comes."""
    monkeypatch.setattr(serving, "SECONDS_FOR_A_REQUEST", 0.2)
    monkeypatch.setattr(serving, "SECONDS_BETWEEN_REQUESTS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = serving.server()
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        begun = time.monotonic()
        with (
            connected(f"http://127.0.0.1:{listener.getsockname()[1]}", text) as connection,
            suppress(ConnectionError),
        ):
            while connection.recv(65536):
                assert time.monotonic() - begun < 5
        server.should_exit = True
        thread.join()
    assert 0.1 < time.monotonic() - begun < 5


def test_a_head_without_end_is_refused(url: str) -> None:
    """16 KiB are enough for any head."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=30) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nX: " + b"a" * 40_000)
        assert connection.recv(100).startswith(b"HTTP/1.1 400")


def test_another_method(url: str) -> None:
    """405 in the same envelope."""
    assert refused(post(url, b"", method="GET")) == (405, "Method Not Allowed")


def test_another_path(url: str) -> None:
    """404 in the same envelope."""
    assert refused(post(f"{url}s", b"{}")) == (404, "Not Found")


def curl_lines() -> list[str]:
    """Every line with curl in the README and on the manifest page that posts a manifest."""
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("docs/manifest.md", "README.md"))
    return [
        line
        for line in re.findall(r"^(?:\$ )?(curl .*)$", text, flags=re.MULTILINE)
        if "validate-schema" in line
    ]


@pytest.mark.docker
def test_the_documented_curl_lines(url: str, tmp_path: Path) -> None:
    """The lines of the documentation, with this server's port, answer as it says."""
    (tmp_path / "UP42Manifest.json").write_text(json.dumps(processing_block()), encoding="utf-8")
    assert curl_lines()
    for line in curl_lines():
        command = re.sub(r"http://\S+", url, line)
        done = subprocess.run(["sh", "-c", f"{command} -s"], cwd=tmp_path, capture_output=True, check=True)
        assert json.loads(done.stdout) == {"error": None, "data": {"valid": True, "errors": []}}
