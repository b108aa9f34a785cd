"""What a block prints: bounded, cut at lines, without secrets, whatever bytes it is."""

from __future__ import annotations

import os
import subprocess
import time

import pytest
from doubles.planted import PLANTED

from up42_state.workflow.blocks.logs import HEAD, TAIL, Log


def test_a_short_log_is_whole() -> None:
    """What fits is kept byte for byte."""
    log = Log()
    log.write(b"one\n")
    log.write("zwei ü\n".encode())
    assert log.bytes() == "one\nzwei ü\n".encode()
    assert log.last_lines(1) == ["zwei ü"]


def test_a_long_log_keeps_beginning_and_end() -> None:
    """Of a long log the beginning and the end are kept, whole lines, with a line between that says so."""
    log = Log()
    for number in range(200_000):
        log.write(b"line %06d\n" % number)
    lines = log.text().splitlines()
    assert lines[0] == "line 000000"
    assert lines[-1] == "line 199999"
    (gap,) = [line for line in lines if not line.startswith("line ")]
    assert gap == "[... about 1.8 MiB left out ...]"
    assert all(len(line) == len("line 000000") for line in lines if line != gap)
    assert HEAD < len(log.bytes()) <= 512 * 1024


@pytest.mark.parametrize("size", [1, HEAD, 3 * TAIL])
def test_one_line_without_end(size: int) -> None:
    """A log without any line end is bounded as well."""
    log = Log()
    for _ in range(3 * HEAD // size + 3 if size > 1 else 10):
        log.write(b"x" * size)
    assert len(log.bytes()) <= HEAD + TAIL


def test_bytes_that_are_no_text() -> None:
    """Binary output, and a character whose second half never came, are shown as far as they can be."""
    log = Log()
    log.write(b"\x00\xff\xfe\n" + "ü".encode()[:1])
    assert log.text() == "\x00??\n?"
    log.write(b"\xff" * 4 * HEAD)
    assert len(log.bytes()) <= HEAD + TAIL + 100


@pytest.mark.parametrize("place", [0, HEAD - 5, HEAD + 10 * TAIL - 5])
def test_secrets_are_taken_out(place: int) -> None:
    """A secret is in no reading of the log, nor half of it where the log is cut."""
    log = Log((PLANTED,))
    data = bytearray(b"." * (HEAD + 11 * TAIL))
    data[place : place + len(PLANTED)] = PLANTED.encode()
    log.write(bytes(data))
    assert PLANTED[:5] not in log.text()
    assert PLANTED[-5:] not in log.text()


def test_secrets_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret of this process's environment is taken out, too."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PLANTED)
    log = Log()
    log.write(f"key={PLANTED}\n".encode())
    assert PLANTED not in log.text()
    assert PLANTED not in "".join(log.last_lines(5))


def test_a_pipe() -> None:
    """What a child prints to the pipe is in the log when the pipe is closed."""
    log = Log()
    with log.pipe() as descriptor:
        subprocess.run(
            ["sh", "-c", "echo out; echo err >&2"], stdout=descriptor, stderr=descriptor, check=True
        )
    assert log.text() == "out\nerr\n"


def test_a_pipe_that_is_held_open() -> None:
    """A process that lives on with the pipe in its hands does not keep the attempt from ending."""
    log = Log()
    begun = time.monotonic()
    with log.pipe() as descriptor:
        child = subprocess.Popen(["sh", "-c", "echo said; exec sleep 60"], stdout=descriptor)
        while not log.size:
            time.sleep(0.01)
    assert time.monotonic() - begun < 3
    assert log.text() == "said\n"
    child.kill()
    child.wait()


def test_a_chatterer_that_is_left_behind() -> None:
    """A process that prints for ever does not keep the attempt from ending."""
    log = Log()
    begun = time.monotonic()
    with log.pipe() as descriptor:
        child = subprocess.Popen(["yes"], stdout=descriptor)
    assert time.monotonic() - begun < 5
    child.kill()
    child.wait()


def test_descriptors_are_given_back() -> None:
    """A log's pipe leaves no open file behind."""
    before = os.listdir("/proc/self/fd")
    with Log().pipe():
        pass
    assert os.listdir("/proc/self/fd") == before
