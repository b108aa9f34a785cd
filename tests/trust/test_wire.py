"""What goes wrong between an SDK and a server: retried within bounds, or a typed error; never other bytes."""

from __future__ import annotations

import os
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, get_args

import pytest
from doubles.outputs import contents, state_on, tiles, write_output
from doubles.sweep import Part, in_two_parts
from doubles.tally import tally
from doubles.wire import IN_BODY, Kind, Rule, Wire, wired
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from up42_state.buckets.gcs import bucket
from up42_state.buckets.gcs.bucket import GCSBucket
from up42_state.buckets.probe import ensure_atomic_create
from up42_state.buckets.s3 import client
from up42_state.buckets.s3.bucket import S3Bucket
from up42_state.errors import IntegrityError, StateError, StoreUnreachableError
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from doubles.wire import Request

    from up42_state.buckets.base import Bucket
    from up42_state.state import Stage

MIB = 1024 * 1024
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_region": "us-east-1"}
TIMEOUT = 2.0  # seconds without a byte, instead of 60, where silence is the fault
SILENT = ("stall", "deaf")
KINDS: tuple[Kind, ...] = get_args(Kind)
# What a client that tries again must get over, whichever request it happens to.
PASSING = {"reset", "cut", "chunked", "drip", "stall", "deaf", "lost", "late 500", "500", "503"}
TIMES = int(os.environ.get("UP42_STATE_SOAK", "1"))


@pytest.fixture(autouse=True)
def impatient(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether silence is the fault, which is to end soon then; else a busy server may take its time."""
    found = getattr(request.node, "callspec", None)
    if found is None or found.params.get("kind") not in SILENT:
        return False
    monkeypatch.setattr(client, "_READ_TIMEOUT", TIMEOUT)
    monkeypatch.setattr(bucket, "_TIMEOUT", (TIMEOUT, TIMEOUT))
    monkeypatch.setitem(bucket._ONCE, "timeout", (TIMEOUT, TIMEOUT))
    return True


@pytest.fixture(scope="module")
def s3(localstack_url: str) -> Iterator[tuple[Wire, Bucket]]:
    with wired(localstack_url) as wire:
        bucket = S3Bucket("up42-state", "wire", Settings(aws_endpoint_url=wire.url, **KEYS))
        ensure_atomic_create(bucket, single_writer=False)
        yield wire, bucket
        bucket.close()


@pytest.fixture(scope="module")
def google(gcs_emulator_url: str) -> Iterator[tuple[Wire, Bucket]]:
    name = f"wire-{uuid.uuid4()}"
    options = {"api_endpoint": gcs_emulator_url}
    client = storage.Client("test", AnonymousCredentials(), client_options=options)
    client.create_bucket(name)
    client.close()
    with wired(gcs_emulator_url) as wire:
        bucket = GCSBucket(name, "", Settings(storage_emulator_host=wire.url))
        ensure_atomic_create(bucket, single_writer=False)
        yield wire, bucket
        bucket.close()


@pytest.fixture(params=["s3", "google"])
def store(request: pytest.FixtureRequest, impatient: bool) -> Iterator[tuple[Wire, Bucket]]:
    """A proxy, and the bucket that is reached through it; the probe has been passed already."""
    wire, bucket = request.getfixturevalue(request.param)
    wire.rules.clear()
    if impatient and request.param == "s3":  # whose client reads its timeout when it is made
        with closing(S3Bucket("up42-state", "wire", Settings(aws_endpoint_url=wire.url, **KEYS))) as hasty:
            yield wire, hasty
    else:
        yield wire, bucket


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packed files and one by itself."""
    folder = tmp_path_factory.mktemp("wire") / "out"
    return write_output(folder, {**tiles(16), "single.tif": os.urandom(1 * MIB)})


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that is uploaded in two parts of 8 MiB, where parts are as small."""
    return write_output(tmp_path_factory.mktemp("wire") / "large", {"large.tif": os.urandom(9 * MIB)})


class Program:
    """Save, then restore, with one fault on the way: each is a success or a typed error, then a success.

    :param nth: the number of the request that fails.
    :param only: what its path or body must match.
    """

    def __init__(
        self, store: tuple[Wire, Bucket], output: Path, folder: Path, kind: Kind, nth: int, only: str
    ) -> None:
        wire, bucket = store
        key = f"job-{uuid.uuid4()}"
        self.output, self.target = output, folder / key
        self.stage: Stage = state_on(bucket, concurrency=4).job(key).stage("s:1")
        self.errors: list[StateError] = []
        self.requests = 0
        self.rule = wire.add(
            Rule(
                kind=kind,
                nth=nth,
                match=lambda request: applies(kind, request, key) and request.matches(only),
            )
        )

    def run(self) -> Program:
        """Carry it out."""
        started = time.monotonic()
        self._insist(lambda: self.stage.save(self.output))
        self._insist(lambda: self.stage.restore(self.target))
        self.requests = len(self.rule.seen)
        self.rule.nth = 0
        assert contents(self.target) == contents(self.output)
        assert [commit.revision for commit in self.stage.history()] == [1]
        assert time.monotonic() - started < 120  # a few seconds, unless the machine is busy
        return self

    def _insist(self, work: object) -> None:
        assert callable(work)
        try:
            work()
        except StateError as error:
            self.errors.append(error)
            work()


def applies(kind: Kind, request: Request, key: str) -> bool:
    """Whether a fault of this kind can happen to a request of a program."""
    if not request.names(key):
        return False
    if kind == "flip":  # digests guard objects; listings are TLS's to guard
        return request.method == "GET" and "prefix=" not in request.path
    return request.method == "GET" if kind in IN_BODY else True


def every(
    store: tuple[Wire, Bucket],
    output: Path,
    folder: Path,
    kind: Kind,
    part: Part = Part.ALL,
    *,
    only: str = "",
    at_once: int = 8,
) -> list[Program]:
    """Run a program for each request of a part of those that one makes; the programs whose request came.

    A busy server lets a request of the first program time out now and then, which so makes one more than
    the others, and the last of these then meets no fault.
    """

    def program(number: int) -> Program:
        return Program(store, output, folder, kind, number, only)

    count = program(0).run().requests
    first = KINDS.index(kind)  # the sample of each kind falls on other requests
    numbers = [number for number in range(1, count + 1) if part.takes(first + number)]
    programs = [program(number) for number in numbers for _ in range(TIMES)]
    with ThreadPoolExecutor(at_once) as pool:
        done = [ended for ended in pool.map(Program.run, programs) if ended.rule.hits]
    for ended in done:
        outcome = type(ended.errors[0]).__name__ if ended.errors else "got over"
        tally(f"wire: {kind}", outcome)
    return done


@in_two_parts
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "409"])
def test_every_request_with_every_fault(
    store: tuple[Wire, Bucket], kind: Kind, part: Part, output: Path, tmp_path: Path
) -> None:
    """One request of a save and a restore fails, each in turn: what passes is got over without an error, and
    after an error the same call succeeds; a commit whose answer was lost is found to be ours.
    """
    done = every(store, output, tmp_path, kind, part)
    assert len(done) >= (1 if part is Part.SAMPLE else 4)
    if kind in PASSING:
        assert not [program.errors for program in done if program.errors]


@pytest.mark.parametrize("kind", ["lost", "cut"])
def test_upload_in_parts(
    store: tuple[Wire, Bucket], kind: Kind, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same for each request of a file that goes in parts; nothing unfinished is left behind, but where
    the answer that would have named the upload was lost.
    """
    monkeypatch.setattr(store[1], "part_size", lambda _size: 8 * MIB)
    done = every(store, large, tmp_path, kind, only=r"large\.tif|\.part", at_once=3)
    assert len(done) >= (4 if kind == "lost" else 1)
    assert not [program.errors for program in done if program.errors]
    left = [len(list(store[1].uploads(f"{program.stage.job.key}/"))) for program in done]
    assert sum(left) <= max(TIMES if kind == "lost" else 0, sum(map(begun_in_vain, done)))


def begun_in_vain(program: Program) -> int:
    """How many uploads were begun anew because no answer came: a busy server lets some time out, too."""
    begun = [request for request in program.rule.seen if request.path.endswith("?uploads")]
    return max(0, len(begun) - 1)


def test_conflicting_write(s3: tuple[Wire, Bucket], output: Path, tmp_path: Path) -> None:
    """A 409 at the commit, which says that another request is under way, is got over."""
    stage = state_on(s3[1]).job(f"job-{uuid.uuid4()}").stage("s:1")
    key = stage.job.key
    rule = s3[0].add(Rule(kind="409", match=lambda r: r.names(key) and "If-None-Match" in r.headers))
    assert stage.save(output).commit.revision == 1
    assert (rule.hits, len(rule.seen)) == (1, 2)
    tally("wire: 409", "got over")


@pytest.mark.parametrize(
    ("store", "kind"),
    [pytest.param("s3", "deaf", marks=pytest.mark.long), ("google", "503")],
    indirect=["store"],
)
def test_store_that_stays_away(store: tuple[Wire, Bucket], kind: Kind) -> None:
    """A request is sent five times, with pauses; silence ends by a timeout. Then the store is unreachable."""
    wire, bucket = store
    key = f"away-{uuid.uuid4()}"
    rule = wire.add(Rule(kind=kind, always=True, match=lambda request: request.names(key)))
    started = time.monotonic()
    with pytest.raises(StoreUnreachableError):
        bucket.get(key)
    times = [request.at for request in rule.seen]
    assert len(times) == 5
    assert times[-1] - times[0] > (3 * TIMEOUT if kind == "deaf" else 0.5)  # the first may be taken late
    assert time.monotonic() - started < 5 * TIMEOUT + 60
    tally(f"wire: {kind} for ever", "StoreUnreachableError")


def test_bytes_that_are_always_wrong(store: tuple[Wire, Bucket], output: Path, tmp_path: Path) -> None:
    """Corrupted bytes are never delivered: the restore refuses, and the target is not even made."""
    wire, bucket = store
    stage = state_on(bucket).job(f"job-{uuid.uuid4()}").stage("s:1")
    stage.save(output)
    key = stage.job.key
    wire.add(Rule(kind="flip", always=True, match=lambda r: applies("flip", r, key) and "single" in r.path))
    with pytest.raises(IntegrityError, match=r"single\.tif"):
        stage.restore(tmp_path / "in")
    assert not (tmp_path / "in").exists()
