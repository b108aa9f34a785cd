"""Servers as they are: which of them create atomically, and that those which do not are refused.

``docs/stores.md`` refers to these tests.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import boto3
import pytest
from gcp_storage_emulator.server import create_server
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from servers.process import free_port

from up42_state.buckets.fsspec import FsspecBucket
from up42_state.buckets.gcs.bucket import GCSBucket
from up42_state.buckets.probe import creates_atomically, ensure_atomic_create
from up42_state.buckets.s3.bucket import S3Bucket
from up42_state.errors import UnsupportedStoreError
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


@pytest.fixture
def name() -> str:
    return f"test-{uuid.uuid4()}"


def gcs_bucket(host: str, name: str) -> GCSBucket:
    client = storage.Client("test", AnonymousCredentials(), client_options={"api_endpoint": host})
    client.create_bucket(name)
    client.close()
    return GCSBucket(name, "", Settings(storage_emulator_host=host))


@pytest.fixture
def bare_gcs_emulator() -> Iterator[str]:
    """gcp-storage-emulator as it comes, which ignores preconditions."""
    port = free_port()
    server = create_server("127.0.0.1", port, in_memory=True)
    server.start()
    yield f"http://127.0.0.1:{port}"
    server.stop()


def test_localstack(localstack_url: str, name: str) -> None:
    """LocalStack creates atomically."""
    raw = boto3.client("s3", endpoint_url=localstack_url, region_name="us-east-1", **KEYS)
    raw.create_bucket(Bucket=name)
    bucket = S3Bucket(name, "", Settings(aws_endpoint_url=localstack_url, **KEYS))
    ensure_atomic_create(bucket)
    bucket.close()


def test_gcs_with_preconditions(gcs_emulator_url: str, name: str) -> None:
    """An emulator that enforces preconditions creates atomically."""
    bucket = gcs_bucket(gcs_emulator_url, name)
    ensure_atomic_create(bucket)
    bucket.close()


def test_gcs_without_preconditions(bare_gcs_emulator: str, name: str) -> None:
    """One that ignores them is found out, and refused with what to do."""
    bucket = gcs_bucket(bare_gcs_emulator, name)
    with pytest.raises(UnsupportedStoreError, match="UP42_STATE_SINGLE_WRITER=true"):
        ensure_atomic_create(bucket)
    assert list(bucket.list("")) == []
    bucket.close()


def test_gcs_without_preconditions_for_a_single_writer(bare_gcs_emulator: str, name: str) -> None:
    """A single writer may use it."""
    bucket = gcs_bucket(bare_gcs_emulator, name)
    ensure_atomic_create(bucket, single_writer=True)
    bucket.create("a", b"x")
    assert bucket.get("a") == b"x"
    bucket.close()


def test_fsspec_local(tmp_path: Path) -> None:
    """fsspec's local file system creates atomically, as it opens exclusively."""
    assert creates_atomically(FsspecBucket(f"local://{tmp_path}"))
