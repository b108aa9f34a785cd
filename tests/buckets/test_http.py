"""HTTP as our own requests speak it: connections are kept, and what is not by the book is refused."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from up42_state.buckets import _http
from up42_state.buckets._http import BadAnswerError, Connections, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = Request(method="GET", target="/", headers={"host": "h"})
MIB = 1024 * 1024
SOON = 60.0  # seconds: only a test that fails waits for so long


class Server:
    """Answers what a test gives it: for each connection in turn, an answer to each of its requests.

    After the last answer, the connection is closed. ``requests`` are those that came, by connection.
    """

    def __init__(self, connections: Sequence[Sequence[bytes]], context: ssl.SSLContext | None = None) -> None:
        self._connections, self._context = connections, context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self.requests: list[list[bytes]] = []
        scheme = "https" if context else "http"
        self.url = f"{scheme}://127.0.0.1:{self._listening.getsockname()[1]}"

    def run(self) -> None:
        for answers in self._connections:
            try:
                connection = self._listening.accept()[0]
            except OSError:
                return
            seen: list[bytes] = []
            self.requests.append(seen)
            thread = threading.Thread(target=self._serve, args=(connection, answers, seen))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, answers: Sequence[bytes], seen: list[bytes]) -> None:
        with self._context.wrap_socket(connection, server_side=True) if self._context else connection as own:
            for answer in answers:
                request = self._request(own)
                if not request:
                    return
                seen.append(request)
                own.sendall(answer)

    @staticmethod
    def _request(connection: socket.socket) -> bytes:
        """One request, whole; nothing where the client has gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            received = connection.recv(65536)
            if not received:
                return b""
            data += received
        head, _, body = data.partition(b"\r\n\r\n")
        length = int(dict(line.split(b": ") for line in head.split(b"\r\n")[1:]).get(b"content-length", 0))
        while len(body) < length:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def settle(self) -> None:
        """Wait until it has closed the first connection: on the loopback, the end has then arrived."""
        self._threads[0].join()

    def stop(self) -> None:
        """Take no more connections."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def join(self) -> None:
        """Wait until all connections are closed; once none is taken any more."""
        for thread in self._threads:
            thread.join()


@contextmanager
def serving(*connections: Sequence[bytes], context: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(connections, context)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
        server.join()


@contextmanager
def connected(*connections: Sequence[bytes]) -> Iterator[tuple[Connections, Server]]:
    with serving(*connections) as server:
        client = Connections(server.url, connect_timeout=SOON, read_timeout=SOON)
        try:
            yield client, server
        finally:
            client.close()


def test_connections_are_kept() -> None:
    """One request after the other goes over the same connection."""
    with connected([OK, OK]) as (client, server):
        assert [client.ask(GET).body for _ in range(2)] == [b"ok", b"ok"]
    assert [len(seen) for seen in server.requests] == [2]


def test_closed_while_idle() -> None:
    """A connection that the server has closed meanwhile is not used again, whatever the request."""
    with connected([OK], [OK]) as (client, server):
        client.ask(GET)
        server.settle()
        put = Request(method="PUT", target="/", headers={}, body=b"x", repeatable=False)
        assert client.ask(put).status == 200


def test_a_connection_that_was_long_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that nobody used for long is not used again: who forgot it on the way does not say so."""
    monkeypatch.setattr(_http, "_IDLE", 0.0)
    with connected([OK, OK], [OK]) as (client, server):
        assert [client.ask(GET).status for _ in range(2)] == [200, 200]
    assert [len(seen) for seen in server.requests] == [1, 1]


def test_closed_on_request() -> None:
    """A kept connection that ends without an answer is replaced once, and the request sent again."""
    with connected([OK, b""], [OK]) as (client, server):
        client.ask(GET)
        assert client.ask(GET).status == 200
    assert [len(seen) for seen in server.requests] == [2, 1]


def test_closed_on_a_request_that_is_not_to_be_repeated() -> None:
    """Unless the request must not be carried out twice."""
    with connected([OK, b""], [OK]) as (client, server):
        client.ask(GET)
        with pytest.raises(ConnectionError, match="ended"):
            client.ask(Request(method="PUT", target="/", headers={}, repeatable=False))
        assert len(server.requests) == 1


def test_closed_at_once() -> None:
    """A new connection that ends without an answer is an error."""
    with connected([b""], [OK]) as (client, server):
        with pytest.raises(ConnectionError, match="ended"):
            client.ask(GET)
        assert len(server.requests) == 1


def test_closed_within_an_answer() -> None:
    """An answer that breaks off is an error, and is never asked for again on the quiet."""
    with connected([OK, OK[:20]], [OK]) as (client, server):
        client.ask(GET)
        with pytest.raises(BadAnswerError, match="ended"):
            client.ask(GET)
        assert len(server.requests) == 1


def test_the_server_wants_no_more() -> None:
    """An answer that says so ends its connection."""
    with connected([OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), OK], [OK]) as (client, server):
        client.ask(GET)
        client.ask(GET)
    assert [len(seen) for seen in server.requests] == [1, 1]


def test_a_large_body_into_a_buffer() -> None:
    """A body goes into the buffers that it is given, whatever of it came with the head."""
    data = os.urandom(3 * MIB)
    buffer = memoryview(bytearray(len(data)))
    answer = b"HTTP/1.1 206 \r\ncontent-length: %d\r\nX-Odd: \xe9\r\n\r\n" % len(data) + data
    with connected([answer, OK]) as (client, _):
        with client.open(GET) as incoming:
            incoming.fill(buffer[:10])
            incoming.fill(buffer[10:])
        assert client.ask(GET).status == 200
    assert (incoming.status, incoming.headers["x-odd"], bytes(buffer)) == (206, "é", data)


def test_a_body_that_is_not_read() -> None:
    """A connection with bytes left in it is not used again."""
    with connected([OK, OK], [OK]) as (client, server):
        with client.open(GET) as incoming:
            assert incoming.left == 2
        assert client.ask(GET).body == b"ok"
    assert [len(seen) for seen in server.requests] == [1, 1]


def test_a_large_body_out_of_a_buffer() -> None:
    """A body is sent whole, with its length."""
    data = os.urandom(3 * MIB)
    with connected([OK]) as (client, server):
        client.ask(Request(method="PUT", target="/a", headers={"host": "h"}, body=memoryview(data)))
    head, _, body = server.requests[0][0].partition(b"\r\n\r\n")
    assert head == b"PUT /a HTTP/1.1\r\nhost: h\r\ncontent-length: %d" % len(data)
    assert body == data


def test_an_empty_body_has_a_length() -> None:
    """A PUT of no bytes says so (RFC 9110 §8.6)."""
    with connected([OK]) as (client, server):
        client.ask(Request(method="PUT", target="/", headers={}))
    assert b"content-length: 0" in server.requests[0][0]


def test_chunks() -> None:
    """A body in chunks is put together; their extensions and the trailers are left out."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with connected([head + b"3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: x\r\n\r\n", OK]) as (client, _):
        assert client.ask(GET).body == b"abc0123456789"
        assert client.ask(GET).body == b"ok"


def test_interim_answers() -> None:
    """An answer of 100 or 103 is followed by the one that counts (RFC 9110 §15.2)."""
    early = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    with connected([early + OK]) as (client, _):
        assert client.ask(GET).status == 200


def test_no_body_where_none_can_be() -> None:
    """HEAD, and 204, have no body, whatever length is told."""
    with connected([OK[:-2], b"HTTP/1.1 204 No Content\r\n\r\n", OK]) as (client, _):
        assert client.ask(Request(method="HEAD", target="/", headers={})).body == b""
        assert client.ask(GET).status == 204
        assert client.ask(GET).status == 200


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "begins with"),
        (b"220 smtp\r\n\r\n", "begins with"),
        (b"HTTP/1.1 200 OK\r\n\r\nok", "where it ends"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", "where it ends"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", "malformed header"),
        (b"HTTP/1.1 200 OK\r\nno header\r\n\r\n", "malformed header"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n folded\r\n\r\nok", "malformed header"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", "does not end"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "where it ends"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "chunk of b'xyz'"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay", "chunk"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n", "chunk of"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "99999999999 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "after 2 bytes of 3"),
    ],
)
def test_answers_that_are_refused(answer: bytes, problem: str) -> None:
    """What is not by the book, or would take too much memory, is an error, and its connection is left."""
    with connected([answer], [OK]) as (client, _):
        with pytest.raises(BadAnswerError, match=problem):
            client.ask(GET)
        assert client.ask(GET).status == 200


@pytest.mark.parametrize("headers", [{"x": "a\r\nb: c"}, {"x\n": "a"}, {"x": "é"}])
def test_requests_that_are_refused(headers: dict[str, str]) -> None:
    """A header that would end its line, or is not ASCII, is not sent."""
    with connected([OK]) as (client, _), pytest.raises(ValueError, match=r"end of line|ascii"):
        client.ask(Request(method="GET", target="/", headers=headers))


def test_silence() -> None:
    """A server that does not answer is given up by the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        client = Connections(url, connect_timeout=1, read_timeout=0.2)
        with pytest.raises(TimeoutError):
            client.ask(GET)


def test_nobody_there() -> None:
    """An address that nobody listens at is an error."""
    with pytest.raises(ConnectionRefusedError):
        Connections("http://127.0.0.1:9", connect_timeout=1, read_timeout=1).ask(GET)


def test_a_forked_child_has_connections_of_its_own() -> None:
    """A child does not write into the connection of its parent."""
    with connected([OK, OK], [OK]) as (client, server):
        client.ask(GET)
        child = os.fork()
        if not child:
            status = 1  # also of an error, or the child would go on with the tests
            try:
                status = 0 if client.ask(GET).status == 200 else 1
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert client.ask(GET).status == 200
    assert [len(seen) for seen in server.requests] == [2, 1]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for ``localhost`` that signs itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_tls(
    context: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Over TLS, bodies and kept connections are the same; the variables of boto3 say whom to trust."""
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, str(certificate))
    data = os.urandom(3 * MIB)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data
    with serving([answer, OK], context=context) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        client = Connections(url, connect_timeout=SOON, read_timeout=SOON)
        put = Request(method="PUT", target="/", headers={}, body=data)
        assert client.ask(put).body == data
        assert client.ask(GET).status == 200
        client.close()
    assert server.requests[0][0].endswith(data)


@pytest.mark.parametrize("trusted", [True, False])
def test_tls_with_the_wrong_certificate(
    context: ssl.SSLContext, certificate: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    """A server that nobody vouches for, or another one than it says, is not spoken to."""
    if trusted:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    refused = socket.create_server(("127.0.0.1", 0))

    def handshake() -> None:
        with refused, pytest.raises(ssl.SSLError):
            context.wrap_socket(refused.accept()[0], server_side=True)

    thread = threading.Thread(target=handshake)
    thread.start()
    host = "127.0.0.1" if trusted else "localhost"
    client = Connections(
        f"https://{host}:{refused.getsockname()[1]}", connect_timeout=SOON, read_timeout=SOON
    )
    with pytest.raises(ssl.SSLCertVerificationError):
        client.ask(GET)
    thread.join()
