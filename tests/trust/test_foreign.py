"""Prune and rm behind a proxy that answers with pages of its own: nothing that is needed is deleted."""

from __future__ import annotations

import uuid
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import contents, state_on, write_output
from doubles.sweep import Part, in_two_parts
from doubles.tally import tally
from doubles.wire import Rule, Wire, wired
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from up42_state.buckets.gcs.bucket import GCSBucket
from up42_state.buckets.s3.bucket import S3Bucket
from up42_state.errors import StateError, StorageError
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from doubles.wire import Kind

    from up42_state.buckets.base import Bucket
    from up42_state.state import Job

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_region": "us-east-1"}
NONE = timedelta(0)


@pytest.fixture(params=["s3", "google"])
def store(request: pytest.FixtureRequest) -> Iterator[tuple[Wire, Bucket]]:
    """A proxy, and the bucket that is reached through it."""
    bucket: Bucket
    if request.param == "s3":
        with wired(request.getfixturevalue("localstack_url")) as wire:
            bucket = S3Bucket("up42-state", "foreign", Settings(aws_endpoint_url=wire.url, **KEYS))
            with closing(bucket):
                yield wire, bucket
        return
    emulator = request.getfixturevalue("gcs_emulator_url")
    client = storage.Client("test", AnonymousCredentials(), client_options={"api_endpoint": emulator})
    name = f"foreign-{uuid.uuid4()}"
    client.create_bucket(name)
    client.close()
    with (
        wired(emulator) as wire,
        closing(GCSBucket(name, "", Settings(storage_emulator_host=wire.url))) as bucket,
    ):
        yield wire, bucket


def job(bucket: Bucket, folder: Path) -> Job:
    """A job in which a stage stands on files of an earlier revision of another."""
    made = state_on(bucket).job(f"job-{uuid.uuid4()}")
    first = made.stage("a:1")
    first.save(write_output(folder / f"{made.key}-old", {"old.tif": b"old" * 100}))
    made.stage("z:1").save(write_output(folder / f"{made.key}-z", {"z.tif": b"z"}), propagate=[first])
    for text in ("new", "newer"):
        first.save(write_output(folder / f"{made.key}-{text}", {"new.tif": text.encode() * 100}))
    return made


def prune(made: Job) -> None:
    made.prune(keep=1, grace=NONE, no_writers=True)


def remove(made: Job) -> None:
    made.stage("a:1").delete()
    made.prune(keep=1, grace=NONE, no_writers=True)


@in_two_parts
@pytest.mark.parametrize(("work", "kind"), [(prune, "page"), (remove, "no document")])
def test_every_request_of_prune_and_rm(
    store: tuple[Wire, Bucket], work: Callable[[Job], None], kind: Kind, part: Part, tmp_path: Path
) -> None:
    """Whichever request is answered with a page, the work ends with an error that says so; nothing is missing
    that a current revision stands on; and the same work then succeeds.
    """
    wire, bucket = store
    nth, hit = 0, True
    while hit:
        nth += 1
        if not part.takes(nth):
            continue
        made = job(bucket, tmp_path)
        rule = wire.add(Rule(kind=kind, nth=nth, match=lambda request, key=made.key: request.names(key)))
        error: StateError | None = None
        try:
            work(made)
        except StateError as caught:
            error = caught
        hit, rule.nth = rule.hits > 0, 0
        outcome = type(error).__name__ if error else "got over"
        if hit:
            tally(f"prune and rm: {kind}", outcome)
            assert error is None or isinstance(error, StorageError), error
        made.stage("z:1").restore(tmp_path / f"{made.key}-in")
        assert {"z.tif", "old.tif"} <= contents(tmp_path / f"{made.key}-in").keys()
        if error:
            prune(made)
            made.stage("z:1").verify()
    assert nth > 5
