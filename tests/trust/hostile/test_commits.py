"""Commits that somebody who can write to the store has made to do harm, rightly signed or not."""

from __future__ import annotations

import json
import tracemalloc
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import write_output
from doubles.stored import forge

from up42_state.errors import IntegrityError, UnsupportedFormatError
from up42_state.stages.format.commit import _digest_member
from up42_state.stages.format.index import Index

if TYPE_CHECKING:
    from pathlib import Path

    from doubles.faulty import FaultyBucket

    from up42_state.state import Job

pytestmark = pytest.mark.timeout(60)

ATTEMPT = "0192f0c1-0000-7000-8000-000000000000"
KEY = "3f0c/s/commits/00000001.json"
INSIDE = f"3f0c/s/attempts/{ATTEMPT}/"


def stored(key: str) -> dict[str, Any]:
    return {"key": key, "size": 5, "sha256": "a" * 64}


def signed(body: bytes) -> bytes:
    """A commit as somebody who knows the format would sign it; ``body`` lacks the last brace."""
    return body + _digest_member(body)


MEMBERS: dict[str, dict[str, Any]] = {
    "another job": {"job": "other"},
    "another stage": {"stage": "t"},
    "a job that leads out": {"job": "../x"},
    "another revision": {"revision": 2},
    "revision 0": {"revision": 0},
    "a huge revision": {"revision": 2**70},
    "index of another job": {"index": stored("other/s/attempts/x/index.json")},
    "index of another stage": {"index": stored(f"3f0c/t/attempts/{ATTEMPT}/index.json")},
    "absolute index": {"index": stored("/etc/passwd")},
    "index out": {"index": stored(f"{INSIDE}../../../../x")},
    "index NUL": {"index": stored(f"{INSIDE}a\0b")},
    "no index": {"index": None},
    "no data": {"data": None},
    "data out": {"data": stored("other/data.json")},
    "refers to nothing": {"refers": []},
    "refers to somewhere else": {"refers": ["../../x", f"t/{ATTEMPT}"]},
    "no time": {"time": "NaN"},
    "an unknown mode": {"job_mode": "REAL"},
    "wrong types": {"refers": 7},
}


def replaced(commit: bytes, **members: Any) -> bytes:
    found = {**json.loads(commit), **members}
    found.pop("digest", None)
    return signed(json.dumps(found).encode()[:-1])


def with_member(text: bytes) -> Any:
    return lambda body: signed(body + b"," + text)


TEXTS = {
    "deep": with_member(b'"x":' + b"[" * 100_000),
    "deep and whole": with_member(b'"x":' + b"[" * 100_000 + b"]" * 100_000),
    "NaN": with_member(b'"x":NaN'),
    "huge number": with_member(b'"parameters":{"a":1e400}'),
    "long number": with_member(b'"parameters":{"a":%s}' % (b"1" * 5000)),
    "half a pair": with_member(b'"parameters":{"a":"\\ud800"}'),
    "not UTF-8": with_member(b'"parameters":{"a":"\xff"}'),
    "job twice": with_member(b'"job":"../x"'),
    "revision twice": with_member(b'"revision":7'),
    "a list": lambda _body: signed(b"[1"),
    "unsigned": lambda body: body + b"}",
    "NUL": lambda _body: b"\0" * 100,
    "nothing": lambda _body: b"",
}


def refused(job: Job, root: Path, bucket: FaultyBucket) -> None:
    """Whoever reads the stage is told, and nothing is written or deleted."""
    output = write_output(root / "out", {"a.tif": b"a"})
    before = {info.key for info in bucket.list("")}
    for act in (
        lambda: job.stage("s").restore(root / "in"),
        lambda: job.stage("s").restore(root / "in", revision=1),
        lambda: job.stage("s").latest(),
        lambda: job.stage("s").save(output),
        lambda: job.stage("t").save(output, propagate=["s"]),
        lambda: job.prune(keep=1, grace=timedelta(0), no_writers=True),
    ):
        with pytest.raises(IntegrityError, match=r"00000001\.json"):
            act()
    assert not job.stage("s").verify().ok
    assert {info.key for info in bucket.list("3f0c/s/")} == {key for key in before if key.startswith("3f0c/")}
    assert not (root / "in").exists()


@pytest.mark.parametrize("name", MEMBERS)
def test_a_hostile_commit_is_refused(job: Job, root: Path, bucket: FaultyBucket, name: str) -> None:
    """A commit that is signed, and says what it must not, is damaged to everybody who reads it."""
    forge(bucket, "3f0c", "s", ATTEMPT, index=Index().render())
    bucket.put(KEY, replaced(bucket.get(KEY), **MEMBERS[name]))
    refused(job, root, bucket)


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_commit_document_is_refused(job: Job, root: Path, bucket: FaultyBucket, name: str) -> None:
    """So is one that is no JSON, or not all of whose readers would read the same."""
    forge(bucket, "3f0c", "s", ATTEMPT, index=Index().render())
    body = bucket.get(KEY).rpartition(b',"digest"')[0]
    assert signed(body) == bucket.get(KEY)
    bucket.put(KEY, TEXTS[name](body))
    refused(job, root, bucket)


@pytest.mark.parametrize("version", ["0.9", "2.0", "one", ""])
def test_an_unknown_format_is_refused(job: Job, root: Path, bucket: FaultyBucket, version: str) -> None:
    """Another major version, or none at all, is not guessed at."""
    forge(bucket, "3f0c", "s", ATTEMPT, index=Index().render(), format=version)
    with pytest.raises(UnsupportedFormatError):
        job.stage("s").restore(root / "in")


def test_a_large_object_in_a_commits_place(job: Job, root: Path, bucket: FaultyBucket) -> None:
    """An object of many megabytes is not read as a commit."""
    bucket.put(KEY, b" " * (64 * 2**20))
    tracemalloc.start()
    with pytest.raises(IntegrityError, match=r"00000001\.json"):
        job.stage("s").restore(root / "in")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 * 2**20
