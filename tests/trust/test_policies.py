"""The policies of ``docs/security.md`` allow what each role asks of S3, and no more."""

from __future__ import annotations

import json
import re
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import state_on
from doubles.roles import read_all, save_all

from up42_state.buckets.s3.bucket import S3Bucket
from up42_state.buckets.uploads import LeftUpload
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.state import Job

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_region": "us-east-1"}

# The actions that each request needs: service authorization reference, "API operations defined by Amazon S3".
NEEDED = {
    "ListObjectsV2": {"s3:ListBucket"},
    "HeadBucket": {"s3:ListBucket"},
    "ListMultipartUploads": {"s3:ListBucketMultipartUploads"},
    "GetObject": {"s3:GetObject"},
    "HeadObject": {"s3:GetObject"},
    "PutObject": {"s3:PutObject"},
    "CreateMultipartUpload": {"s3:PutObject"},
    "UploadPart": {"s3:PutObject"},
    "CompleteMultipartUpload": {"s3:PutObject"},
    "ListParts": {"s3:ListMultipartUploadParts"},
    "AbortMultipartUpload": {"s3:AbortMultipartUpload"},
    "CopyObject": {"s3:GetObject", "s3:PutObject"},
    "DeleteObjects": {"s3:DeleteObject"},
}


def allowed(role: str) -> set[str]:
    """The actions of a role's policy on the prefix or the bucket, without those for our own folder."""
    policy = json.loads(re.findall(rf"### {role}\n.*?```json\n(.*?)```", PAGE, re.DOTALL)[0])
    found: set[str] = set()
    for statement in policy["Statement"]:
        actions = statement["Action"]
        if not statement["Resource"].endswith("/.up42_state/*"):
            found |= {actions} if isinstance(actions, str) else set(actions)
    return found


@pytest.fixture
def bucket(localstack_url: str) -> Iterator[S3Bucket]:
    made = S3Bucket(
        "up42-state", f"policies-{uuid.uuid4()}", Settings(aws_endpoint_url=localstack_url, **KEYS)
    )
    made.atomic_create = True  # as Amazon's: not probed
    yield made
    made.close()


@pytest.fixture
def sent(bucket: S3Bucket) -> set[str]:
    """The requests that the bucket's client has sent."""
    names: set[str] = set()

    def note(model: Any, **_: object) -> None:
        names.add(model.name)

    bucket.client.meta.events.register("before-call.s3", note)
    return names


@pytest.fixture
def job(bucket: S3Bucket) -> Job:
    return state_on(bucket).job("3f0c")


def needed(sent: set[str]) -> set[str]:
    return {action for name in sent for action in NEEDED[name]}


def test_savers(job: Job, sent: set[str], tmp_path: Path, bucket: S3Bucket) -> None:
    """A saver sends nothing that its policy does not allow, and needs all of it."""
    save_all(job, tmp_path)
    upload = bucket.start_upload("3f0c/given-up", 1, 5 * 2**20)
    left = LeftUpload(key="3f0c/given-up", token=upload.token, size=1, part_size=1, parts={1: ""})
    assert bucket.continue_upload(left, "3f0c/new") is None
    upload.abort()
    job.stage("a").restore(tmp_path / "in")
    assert needed(sent) == allowed("Savers")


def test_readers(job: Job, sent: set[str], tmp_path: Path) -> None:
    """Nor does a reader."""
    save_all(job, tmp_path)
    sent.clear()
    read_all(job, tmp_path)
    assert needed(sent) == allowed("Readers")


def test_pruners(job: Job, sent: set[str], tmp_path: Path, bucket: S3Bucket) -> None:
    """Nor does who removes and prunes, unfinished uploads included."""
    save_all(job, tmp_path)
    bucket.start_upload("3f0c/left/attempts/01a1fea6-75cb-78bd-a8b3-45bab4b8b7d0/files/behind", 1, 5 * 2**20)
    sent.clear()
    job.stage("a").delete()
    pruned = job.prune(keep=1, grace=timedelta(0), no_writers=True)
    assert (bool(pruned.attempts), pruned.uploads) == (True, 1)
    job.delete()
    assert needed(sent) == allowed("Pruners")
