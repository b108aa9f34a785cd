"""Ending in the middle: by a signal, or because the disk is full."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import contents, write_output
from doubles.tally import tally
from doubles.wire import Rule, wired
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from up42_state.buckets import open_bucket
from up42_state.cli.signals import SECONDS_TO_CLEAN_UP
from up42_state.settings.model import Settings
from up42_state.state import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from doubles.wire import Kind, Request

    Start = Callable[..., subprocess.Popen[str]]

MIB = 1024 * 1024
COMMAND = [sys.executable, "-c", "from up42_state.cli import main; main()"]
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that goes in three parts, and some small ones."""
    files = {"large.tif": os.urandom(34 * MIB), **{f"{n}.tif": bytes([n]) for n in range(20)}}
    return write_output(tmp_path_factory.mktemp("output") / "out", files)


def on_s3(url: str) -> dict[str, str]:
    """The environment of S3 behind an endpoint."""
    return {**KEYS, "AWS_ENDPOINT_URL_S3": url, "UP42_STATE_URL": "s3://up42-state/ending"}


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts the command line with the environment of a store; the process does not outlive the test."""
    with ExitStack() as stack:

        def popen(*arguments: object, store: dict[str, str], **options: Any) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [*COMMAND, *map(str, arguments)],
                env={**os.environ, **store},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                **options,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield popen


def end(process: subprocess.Popen[str], rule: Rule, number: signal.Signals) -> None:
    """Send a signal once a request has met the rule: the process ends soon, with one line, no traceback."""
    deadline = time.monotonic() + 200
    while not rule.hits and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    assert rule.hits, "the request did not come"
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=SECONDS_TO_CLEAN_UP + 20)  # less than a store is deaf for
    assert (process.returncode, stdout) == (STATUS[number], "")
    assert stderr == f"error: ended by {number.name}\n"


def part_of(job: str) -> Callable[[Request], bool]:
    return lambda request: request.names(job) and "partNumber" in request.path


def google_part_of(job: str) -> Callable[[Request], bool]:
    return lambda request: (
        "/upload/" in request.path and request.names(job) and request.names(".up42_uploads")
    )


def body_of(job: str) -> Callable[[Request], bool]:
    return lambda r: r.method == "GET" and r.names(job) and "large.tif" in r.path


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_save_that_is_ended(
    start: Start, localstack_url: str, output: Path, number: signal.Signals
) -> None:
    """A signal while parts are on their way: the upload is aborted, although the store does not answer."""
    job = f"job-{uuid.uuid4()}"
    with wired(localstack_url) as wire:
        rule = wire.add(Rule(kind="deaf", match=part_of(job), nth=2, always=True))
        process = start("save", output, "--job", job, "--stage", "s:1", store=on_s3(wire.url))
        end(process, rule, number)
    keys = {name.lower(): value for name, value in KEYS.items()}
    bucket = open_bucket("s3://up42-state/ending", Settings(aws_endpoint_url=localstack_url, **keys))
    assert list(bucket.uploads(f"{job}/")) == []
    assert [info.key for info in bucket.list(f"{job}/s:1/commits/")] == []
    bucket.close()
    tally(f"save ended by {number.name}", "nothing unfinished")


@pytest.mark.long  # the deaf store is waited for
def test_a_save_on_google_that_is_ended(start: Start, gcs_emulator_url: str, output: Path) -> None:
    """The same where parts are objects: those that came are deleted, and none is joined."""
    name, job = f"ending-{uuid.uuid4()}", f"job-{uuid.uuid4()}"
    client = storage.Client("test", AnonymousCredentials(), client_options={"api_endpoint": gcs_emulator_url})
    client.create_bucket(name)
    with wired(gcs_emulator_url) as wire:
        store = {"STORAGE_EMULATOR_HOST": wire.url, "UP42_STATE_URL": f"gs://{name}"}
        rule = wire.add(Rule(kind="deaf", match=google_part_of(job), nth=2, always=True))
        process = start("save", output, "--job", job, "--stage", "s:1", store=store)
        end(process, rule, signal.SIGTERM)
    left = [blob.name for blob in client.list_blobs(name, prefix=job)]
    assert not [key for key in left if ".up42_uploads" in key or "/commits/" in key]
    client.close()
    tally("save on Google ended by SIGTERM", "nothing unfinished")


@pytest.mark.long  # the rest of the body is waited for
@pytest.mark.parametrize(("number", "kind"), [(signal.SIGTERM, "stall")])
def test_a_restore_that_is_ended(
    start: Start, localstack_url: str, output: Path, tmp_path: Path, number: signal.Signals, kind: Kind
) -> None:
    """A signal while bytes are awaited: the target has no data.json, and the same call then finishes."""
    job = f"job-{uuid.uuid4()}"
    keys = {name.lower(): value for name, value in KEYS.items()}
    stage = State("s3://up42-state/ending", aws_endpoint_url=localstack_url, **keys).job(job).stage("s:1")
    stage.save(output)
    with wired(localstack_url) as wire:
        rule = wire.add(Rule(kind=kind, match=body_of(job), nth=1, always=True))
        process = start("restore", "s:1", tmp_path / "in", "--job", job, store=on_s3(wire.url))
        end(process, rule, number)
    assert not (tmp_path / "in/data.json").exists()
    stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)
    tally(f"restore ended by {number.name}", "finished by the next")


@pytest.mark.parametrize("limit", [10, 30 * MIB], ids=["at the first byte", "in a large file"])
def test_a_full_disk(start: Start, localstack_url: str, output: Path, tmp_path: Path, limit: int) -> None:
    """A write that fails is an error that says so, with what to do; the target is as it was.

    Files of a limited size stand for a disk without space: write(2) fails in the same way (setrlimit(2)).
    """
    job = f"job-{uuid.uuid4()}"
    keys = {name.lower(): value for name, value in KEYS.items()}
    stage = State("s3://up42-state/ending", aws_endpoint_url=localstack_url, **keys).job(job).stage("s:1")
    stage.save(output)
    target = tmp_path / "in"
    target.mkdir()

    def no_space() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    arguments = ("restore", "s:1", target, "--job", job, "--json")
    process = start(*arguments, store=on_s3(localstack_url), preexec_fn=no_space)
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 1
    first, *_ = stderr.splitlines()  # measuring coverage has no space to write to, either, and says so
    assert json.loads(first)["error"]["message"] == f"cannot write to {target}: File too large"
    assert list(target.iterdir()) == []
    stage.restore(target)
    assert contents(target) == contents(output)
    tally("restore with a full disk", "untouched")
