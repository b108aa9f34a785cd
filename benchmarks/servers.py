"""The servers that are measured on, on the loopback; each is stopped at the end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from benchmarks import certificate
from benchmarks.environment import ROOT, peer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

KEY, SECRET, BUCKET = "bench", "bench-secret", "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What passed through a proxy: requests, bytes to the server, bytes from it."""

    requests: int
    sent: int
    received: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to a server.

    :param endpoint: where the timed rounds go.
    :param proxy: endpoint of a counting proxy for the round that is not timed; empty where none can count
        (over TLS a proxy sees no requests).
    :param trust: variables that tell the clients which certificate authority to trust.
    """

    endpoint: str
    proxy: str = ""
    trust: Mapping[str, str] = field(default_factory=dict)

    def counts(self) -> Counts | None:
        """What passed through the proxy since the last call."""
        if not self.proxy:
            return None
        with urllib.request.urlopen(f"{self.proxy}/--counts", timeout=10) as answer:
            return Counts(**json.load(answer))


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server.

    :param plain: the way to it over HTTP.
    :param near: the way over HTTP on which each request is delayed; without one as ``plain``.
    :param tls: the way over TLS; without one as ``plain``.
    :param pid: of the server's process.
    :param objects: the directory whose files are its objects.
    """

    plain: Way
    near: Way
    tls: Way
    pid: int
    objects: Path

    def cpu(self) -> float:
        """Seconds of processor time that the server has taken so far."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def s3(folder: Path, delay: float) -> Iterator[Server]:
    """``rclone serve s3`` over a directory, over HTTP and TLS at once.

    It knows no create-only writes, hence the setting for a single writer. Without its own checks of
    checksums: with them it reads every object once more to list it, and hashes all that it takes and gives
    several times, which no store of objects does. Without HTTP/2, which Amazon's S3 does not speak either.
    """
    (folder / BUCKET).mkdir(parents=True)
    made = certificate.make(folder.with_name("certificates"))
    http, tls = free_port(), free_port()
    command = [peer("rclone"), "serve", "s3", "--auth-key", f"{KEY},{SECRET}", "--config", ""]
    command += ["--addr", f"http://127.0.0.1:{http}", "--addr", f"tls://127.0.0.1:{tls}"]
    command += ["--cert", str(made.server), "--key", str(made.key)]
    command += ["--no-modtime", "--etag-hash", "", "--ignore-checksum", "--no-checksum", str(folder)]
    authority = str(made.authority)
    trust = {"AWS_CA_BUNDLE": authority, "RCLONE_CA_CERT": authority}
    with ExitStack() as stack:
        pid = stack.enter_context(_running(command, http, GODEBUG="http2server=0"))
        counting, delaying = (stack.enter_context(_proxy(http, seconds)) for seconds in (0, delay))
        yield Server(
            plain=Way(endpoint=f"http://127.0.0.1:{http}", proxy=counting),
            near=Way(endpoint=delaying, proxy=delaying),
            tls=Way(endpoint=f"https://127.0.0.1:{tls}", trust=trust),
            pid=pid,
            objects=folder / BUCKET,
        )


@contextmanager
def gcs() -> Iterator[Way]:
    """The emulator of Google Cloud Storage that the tests use, with the bucket made; objects in memory."""
    port = free_port()
    command = [sys.executable, str(ROOT / "tests" / "servers" / "gcs.py"), str(port)]
    with _running(command, port), _proxy(port, 0) as proxy:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/storage/v1/b?project=bench",
            data=json.dumps({"name": BUCKET}).encode(),
            headers={"Content-Type": "application/json"},
        )
        urllib.request.urlopen(request, timeout=10).close()
        yield Way(endpoint=proxy, proxy=proxy)


def free_port() -> int:
    """A port of the loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _proxy(port: int, delay: float) -> Iterator[str]:
    own = free_port()
    command = [sys.executable, "-m", "benchmarks.proxy", str(own), str(port), "--rtt", str(delay)]
    with _running(command, own):
        yield f"http://127.0.0.1:{own}"


@contextmanager
def _running(command: Sequence[str], port: int, **environment: str) -> Iterator[int]:
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(process, port)
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


def _wait(process: subprocess.Popen[bytes], port: int) -> None:
    """Wait until something listens on the port.

    :raises SystemExit: the process ended, or nothing did in two minutes.
    """
    deadline = time.monotonic() + 120
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 2).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{process.args!r} does not come up") from None
        time.sleep(0.05)
