"""A server of the test session: its own process, ready before it is used, stopped afterwards."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SECONDS_TO_START = 200.0
SECONDS_TO_STOP = 20.0


def free_port() -> int:
    """A port of the loopback that nothing listens on now.

    It lies below those that the system gives to whoever asks for any: a server takes seconds until it
    listens, and another test's server or client could be given its port meanwhile.
    """
    first = _first_given_port()
    while True:
        # Not the generator that tests seed, or side by side they would pick the same.
        port = random.SystemRandom().randrange(first // 2, first)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _first_given_port() -> int:
    """The beginning of the range for ports that nobody chose (ip(7), ip_local_port_range)."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        return 49_152  # RFC 6335 §6


@contextmanager
def running(command: Sequence[str | Path], *, ready: tuple[str, bytes], log: Path) -> Iterator[None]:
    """Run a server for the length of the block.

    :param ready: a URL and what its body contains once the server can be used.
    :param log: where its output goes; a server that does not come up fails the tests with the end of it.
    """
    with log.open("wb") as output:
        # A session of its own, so that what the server starts is stopped with it.
        server = subprocess.Popen(
            command, env=_environment(), stdout=output, stderr=output, start_new_session=True
        )
    try:
        _wait(server, ready, log)
        yield
    finally:
        _stop(server)


def _environment() -> dict[str, str]:
    """Ours, without what makes coverage measure a child: a server is not under test, and must be quick."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def _wait(server: subprocess.Popen[bytes], ready: tuple[str, bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while not _is_ready(*ready):
        if server.poll() is not None:
            _fail(f"ended with exit code {server.returncode}", log)
        if time.monotonic() > deadline:
            _fail(f"was not ready within {SECONDS_TO_START:.0f} s", log)
        time.sleep(0.05)


def _is_ready(url: str, token: bytes) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return token in answer.read()
    except urllib.error.HTTPError as refusal:  # a server that asks for credentials is ready too
        return token in refusal.read()
    except (OSError, http.client.HTTPException):  # URLError is an OSError; an answer may break off
        return False


def _fail(problem: str, log: Path) -> None:
    end = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
    pytest.fail(f"A server that the tests need {problem}; its log {log} ends:\n{end}", pytrace=False)


def _stop(server: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
            server.wait(SECONDS_TO_STOP)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
