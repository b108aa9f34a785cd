"""Ending on a signal while a store does not answer."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING

import pytest

from up42_state.cli.signals import SECONDS_TO_CLEAN_UP, stopped_by_signals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., subprocess.Popen[str]]

PATIENCE = 1.5  # seconds to clean up, instead of five: each of these tests waits until they are over
LISTING = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>false</IsTruncated><Contents>
<Key>j/s/commits/00000001.json</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><Size>9</Size>
</Contents></ListBucketResult>"""


class Stalling:
    """An S3 endpoint that lists one commit, and never answers any other request.

    :param lists: whether it answers listings.
    """

    def __init__(self, *, lists: bool) -> None:
        self._lists = lists
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.stalled = threading.Event()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for connection in [self._socket, *self._open]:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError):  # the process that asks is ended
            self._list(connection)
        self.stalled.set()

    def _list(self, connection: socket.socket) -> None:
        while self._lists and b"list-type" in (request := connection.recv(65536)) and request:
            head = (
                f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(LISTING)}\r\n\r\n"
            )
            connection.sendall((head + LISTING).encode())


@pytest.fixture
def stalling(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Stalling]]:
    """Makes ``UP42_STATE_URL`` name a store that stalls."""
    with ExitStack() as stack:

        def make(*, lists: bool) -> Stalling:
            server = stack.enter_context(closing(Stalling(lists=lists)))
            monkeypatch.setenv("UP42_STATE_URL", "s3://bucket")
            monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
            return server

        yield make


@pytest.mark.parametrize("lists", [False, True], ids=["in the main thread", "in a thread of the pool"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_ends_quickly(
    start: Start, stalling: Callable[..., Stalling], number: signal.Signals, status: int, *, lists: bool
) -> None:
    """The process ends with 128 + the signal's number, one line on stderr, and no traceback."""
    store = stalling(lists=lists)
    process = start("history", "--job", "j", "--stage", "s", patience=PATIENCE)
    assert store.stalled.wait(200)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=SECONDS_TO_CLEAN_UP + 10)
    assert (process.returncode, stdout) == (status, "")
    assert stderr == f"error: ended by {number.name}\n"


def end_of(program: str) -> int:
    """The exit code of a program that ends on signals as the command line does."""
    lines = ["import signal, threading, time", "from up42_state.cli.signals import end_on_signals", program]
    command = [sys.executable, "-c", "\n".join(lines)]
    return subprocess.run(command, timeout=SECONDS_TO_CLEAN_UP + 10, check=False).returncode


def test_signal_while_the_main_thread_waits_on() -> None:
    """A wait that the signal does not interrupt, as another thread is given it, ends all the same."""
    program = """
def take_signal():
    time.sleep(0.2)  # until the main thread waits
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

end_on_signals()
threading.Thread(target=take_signal, daemon=True).start()
threading.Event().wait()
"""
    assert end_of(program) == 130


def test_an_end_that_takes_its_time() -> None:
    """What wakes the main thread does not end a process whose interpreter is being taken down."""
    program = """
class Slow:
    def __del__(self, sleep=time.sleep):
        sleep(1.5)

end_on_signals()
slow = Slow()
"""
    assert end_of(program) == 0


def test_second_signal_ends_at_once(start: Start, stalling: Callable[..., Stalling]) -> None:
    """Whoever does not want to wait for open requests sends the signal again."""
    store = stalling(lists=True)
    process = start("history", "--job", "j", "--stage", "s")
    assert store.stalled.wait(200)
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
    process.communicate()
    assert process.returncode == -signal.SIGTERM  # and not 143, by which it ends when it has waited


@pytest.mark.parametrize("lists", [False, True], ids=["in the main thread", "in a thread of the pool"])
def test_signal_as_json(start: Start, stalling: Callable[..., Stalling], *, lists: bool) -> None:
    """With ``--json`` the line is an object like every other error, also where the store never answers."""
    store = stalling(lists=lists)
    process = start("history", "--job", "j", "--stage", "s", "--json", patience=PATIENCE)
    assert store.stalled.wait(200)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=SECONDS_TO_CLEAN_UP + 10)
    members = {"code": "ended", "message": "ended by SIGTERM", "advice": "", "defects": []}
    assert json.loads(stderr) == {"error": members}


def test_a_signal_in_the_middle_of_a_line() -> None:
    """It asks for an end also where Python refuses to print, since its main thread prints just then."""
    stop = threading.Event()

    def note(_text: str) -> None:
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stderr>'>")

    with stopped_by_signals(stop, note) as got:
        signal.raise_signal(signal.SIGTERM)
    assert stop.is_set()
    assert got == [signal.SIGTERM]
