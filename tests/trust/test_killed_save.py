"""A save that is killed at 70 % of its way: the next one moves what is left, on each kind of store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import contents, write_output
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from up42_state import State
from up42_state.buckets.directory.bucket import DirectoryBucket, DirectoryUpload
from up42_state.buckets.gcs.bucket import GCSBucket
from up42_state.buckets.gcs.upload import GCSUpload
from up42_state.buckets.s3.bucket import S3Bucket
from up42_state.buckets.s3.upload import S3Upload
from up42_state.stages.write import partial, resume
from up42_state.stages.write.writers import Writer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MIB = 1024 * 1024
SHARE = 0.7
LARGE = 48 * MIB  # three parts
KILLED = f"""
import os, signal, sys
from up42_state import State
from up42_state.stages.write import partial

partial.WORTH = 1

def progress(done, total):
    if done >= {SHARE} * total:
        os.kill(os.getpid(), signal.SIGKILL)

State(sys.argv[1]).job("j").stage("s:1").save(sys.argv[2], progress=progress)
"""
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


@pytest.fixture(params=["directory", "s3", pytest.param("gcs", marks=pytest.mark.long)])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store for processes of their own."""
    if request.param == "directory":
        return (tmp_path / "store").as_uri()
    if request.param == "s3":
        return on_s3(request, monkeypatch)
    endpoint = request.getfixturevalue("gcs_emulator_url")
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", endpoint)
    name = f"killed-{uuid.uuid4()}"
    client = storage.Client(
        project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": endpoint}
    )
    client.create_bucket(name)
    return f"gs://{name}/store"


def on_s3(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", request.getfixturevalue("localstack_url"))
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    return f"s3://up42-state/{uuid.uuid4()}"


@pytest.fixture
def output(tmp_path: Path) -> Path:
    files = {f"small_{n}.tif": os.urandom(1000) for n in range(20)}
    files |= {f"medium_{n}.tif": os.urandom(2 * MIB) for n in range(4)}
    return write_output(tmp_path / "out", {**files, "large.tif": os.urandom(LARGE)})


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of what is handed to a store but records, the index and ``data.json``."""
    found: list[int] = []
    monkeypatch.setattr(partial, "WORTH", 1)

    def count(kind: type, name: str) -> None:
        original = getattr(kind, name)

        def counted(self: Any, key: Any, data: Any, **options: Any) -> None:
            if not str(key).endswith(".json"):
                found.append(len(data))
            original(self, key, data, **options)

        monkeypatch.setattr(kind, name, counted)

    for bucket in (DirectoryBucket, S3Bucket, GCSBucket):
        count(bucket, "put")
    for upload in (DirectoryUpload, S3Upload):  # parts on Google are put
        count(upload, "put_part")
    return found


def kill(url: str, output: Path) -> None:
    """Save in a process that is killed at 70 %."""
    done = subprocess.run([sys.executable, "-c", KILLED, url, str(output)], timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_killed_save_goes_on(url: str, output: Path, tmp_path: Path, sent: list[int]) -> None:
    """The next save moves the part that is missing, and all bytes come back."""
    kill(url, output)
    stage = State(url).job("j").stage("s:1")
    assert not stage.exists()
    saved = stage.save(output).commit
    assert sum(sent) <= 0.3 * saved.totals.bytes
    stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)


def test_a_large_file_that_has_changed(url: str, output: Path, tmp_path: Path, sent: list[int]) -> None:
    """Of the parts that are there, those are kept that are as they were: the file is what it is now."""
    kill(url, output)
    overwrite(output / "large.tif", 20 * MIB, b"changed")
    stage = State(url).job("j").stage("s:1")
    saved = stage.save(output).commit
    assert sum(sent) <= 0.6 * saved.totals.bytes  # the part that changed, and the one that was missing
    stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)


@pytest.mark.parametrize(
    "writer", ["runs", pytest.param("elsewhere", marks=pytest.mark.long), "elsewhere, long ago"]
)
def test_an_upload_that_may_be_another_saves(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    output: Path,
    sent: list[int],
    writer: str,
) -> None:
    """On S3 an upload is taken from a save that runs no more, or was long quiet where nobody can tell."""
    url = on_s3(request, monkeypatch)
    kill(url, output)
    monkeypatch.setattr(Writer, "runs", lambda _self, _attempt: True if writer == "runs" else None)
    if writer == "elsewhere, long ago":
        monkeypatch.setattr(resume, "QUIET", -resume.QUIET)
    saved = State(url).job("j").stage("s:1").save(output).commit
    assert (sum(sent) >= LARGE) == (writer != "elsewhere, long ago")
    assert State(url).job("j").stage("s:1").verify().ok
    assert saved.totals.files == 25


class Killed(BaseException):
    """The end of the process, as far as a save can tell."""


def test_a_part_that_another_save_has_replaced(
    url: str, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second save that goes on with other bytes, and is killed before it has told of them, does not let a
    third one take them for those of the first.
    """
    kill(url, output)
    second = write_output(tmp_path / "second", {"large.tif": (output / "large.tif").read_bytes()})
    overwrite(second / "large.tif", 0, b"another")
    with monkeypatch.context() as patch:
        for kind in (DirectoryUpload, S3Upload, GCSUpload):
            patch.setattr(kind, "put_part", killed_after(kind.put_part))
        with pytest.raises(Killed):
            State(url).job("j").stage("s:1").save(second)
    stage = State(url).job("j").stage("s:1")
    stage.save(output)
    assert stage.verify().ok
    stage.restore(tmp_path / "in")
    assert contents(tmp_path / "in") == contents(output)


def killed_after(put_part: Callable[..., None]) -> Callable[..., None]:
    def killed(*arguments: Any, **options: Any) -> None:
        put_part(*arguments, **options)
        raise Killed

    return killed


def overwrite(path: Path, offset: int, data: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)
