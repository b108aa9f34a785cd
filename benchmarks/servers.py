"""The servers that are measured on, each behind a counting proxy; on the loopback, stopped at the end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.environment import ROOT, peer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

KEY, SECRET, BUCKET = "bench", "bench-secret", "bench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What passed through a proxy: requests, bytes to the server, bytes from it."""

    requests: int
    sent: int
    received: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server.

    :param direct: its own endpoint.
    :param proxied: the endpoint of the proxy before it.
    :param pid: of the server's process.
    :param objects: the directory whose files are its objects, where it has one.
    """

    direct: str
    proxied: str
    pid: int
    objects: Path | None = None

    def counts(self) -> Counts:
        """What passed through the proxy since the last call."""
        with urllib.request.urlopen(f"{self.proxied}/--counts", timeout=10) as answer:
            return Counts(**json.load(answer))

    def cpu(self) -> float:
        """Seconds of processor time that the server has taken so far."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def rclone(folder: Path, delay: float = 0.0) -> Iterator[Server]:
    """``rclone serve s3`` over a directory: fast, and without create-only writes (hence the single writer).

    Without its own checks of checksums: it would read every object once more to list it, and hash all that
    it takes and gives several times, which no store of objects does.
    """
    (folder / BUCKET).mkdir(parents=True)
    port = free_port()
    command = [peer("rclone"), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
    command += ["--config", "", "--no-modtime", "--etag-hash", "", "--ignore-checksum", "--no-checksum"]
    command += [str(folder)]
    with _running(command, port) as pid, _proxy(port, delay) as proxied:
        yield Server(direct=f"http://127.0.0.1:{port}", proxied=proxied, pid=pid, objects=folder / BUCKET)


@contextmanager
def gcs(delay: float = 0.0) -> Iterator[Server]:
    """The emulator that the tests use, which enforces preconditions; objects are in memory."""
    port = free_port()
    command = [sys.executable, str(ROOT / "tests" / "servers" / "gcs.py"), str(port)]
    with _running(command, port) as pid, _proxy(port, delay) as proxied:
        yield Server(direct=f"http://127.0.0.1:{port}", proxied=proxied, pid=pid)


@contextmanager
def localstack(folder: Path, delay: float = 0.0) -> Iterator[Server]:
    """LocalStack: slow, but with create-only writes, so that the probe and racing saves are real."""
    start = [sys.executable, str(ROOT / "localstack" / "start.py")]
    subprocess.run([*start, "--install-only"], check=True)
    port = free_port()
    command = [*start, "--port", str(port), "--bucket", BUCKET, "--data", str(folder)]
    ready = f"http://127.0.0.1:{port}/_localstack/init/ready"
    with _running(command, port, ready) as pid, _proxy(port, delay) as proxied:
        yield Server(direct=f"http://127.0.0.1:{port}", proxied=proxied, pid=pid)


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
def _running(command: Sequence[str], port: int, ready: str = "") -> Iterator[int]:
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(process, port, ready)
        yield process.pid
    finally:
        process.terminate()
        process.wait(20)


def _wait(process: subprocess.Popen[bytes], port: int, ready: str) -> None:
    deadline = time.monotonic() + 120
    while not _answers(port, ready):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{process.args!r} does not come up")
        time.sleep(0.05)


def _answers(port: int, ready: str) -> bool:
    try:
        if not ready:
            socket.create_connection(("127.0.0.1", port), 2).close()
            return True
        with urllib.request.urlopen(ready, timeout=2) as answer:
            return b'"SUCCESSFUL"' in answer.read()
    except OSError:
        return False


def make_gcs_bucket(server: Server) -> None:
    """Make the bucket in the emulator."""
    request = urllib.request.Request(
        f"{server.direct}/storage/v1/b?project=bench",
        data=json.dumps({"name": BUCKET}).encode(),
        headers={"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).close()
