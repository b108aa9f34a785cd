"""The permissions of ``docs/security.md`` allow what each role asks of Google Cloud Storage, and no more."""

from __future__ import annotations

import re
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from doubles.outputs import state_on
from doubles.roles import read_all, save_all
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from up42_state.buckets.gcs.bucket import GCSBucket
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from requests import Response

    from up42_state.state import Job

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text(encoding="utf-8")

# The permissions that each request needs: Cloud Storage, "IAM permissions for JSON methods". Replacing an
# object needs ``delete`` as well, which no request here does.
NEEDED = {
    r"GET (/download)?/storage/v1/b/[^/]+/o/[^/]+": {"get"},
    r"GET /storage/v1/b/[^/]+/o": {"list"},
    r"(POST|PUT) /upload/storage/v1/b/[^/]+/o": {"create"},
    r"POST /storage/v1/b/[^/]+/o/[^/]+/compose": {"create", "get"},
    r"POST /storage/v1/b/[^/]+/o/[^/]+/rewriteTo/b/[^/]+/o/[^/]+": {"create", "get"},
    r"DELETE /storage/v1/b/[^/]+/o/[^/]+": {"delete"},
}


def granted(role: str) -> set[str]:
    """What the table gives a role; its rows build on those above."""
    rows = dict(re.findall(r"^\| (readers|savers|pruners) \| [^|]+ \| ([^|]+) \|$", PAGE, re.MULTILINE))
    found = set(re.findall(r"`storage\.objects\.(\w+)`", rows[role]))
    if "those" in rows[role]:
        found |= granted("readers")
    return found | granted("savers") if "same as savers" in rows[role] else found


@pytest.fixture
def bucket(gcs_emulator_url: str) -> Iterator[GCSBucket]:
    name = f"policies-{uuid.uuid4()}"
    client = storage.Client("test", AnonymousCredentials(), client_options={"api_endpoint": gcs_emulator_url})
    client.create_bucket(name)
    client.close()
    made = GCSBucket(name, "prefix", Settings(storage_emulator_host=gcs_emulator_url))
    made.atomic_create = True  # as Google's own: not probed
    yield made
    made.close()


@pytest.fixture
def sent(bucket: GCSBucket) -> set[str]:
    """Method and path of each request; those of a batch one by one."""
    lines: set[str] = set()

    def note(answer: Response, **_: Any) -> None:
        path = urlsplit(answer.request.url).path
        if path.startswith("/batch"):
            text = answer.request.body
            text = text if isinstance(text, str) else text.decode()
            for method, url in re.findall(r"^(DELETE|GET|POST) (\S+) HTTP", text, re.MULTILINE):
                lines.add(f"{method} {urlsplit(url).path}")
        else:
            lines.add(f"{answer.request.method} {path}")

    bucket._open()[1].hooks["response"].append(note)
    return lines


@pytest.fixture
def job(bucket: GCSBucket) -> Job:
    return state_on(bucket).job("3f0c")


def needed(sent: set[str]) -> set[str]:
    found: set[str] = set()
    for line in sent:
        (permissions,) = [wanted for pattern, wanted in NEEDED.items() if re.fullmatch(pattern, line)]
        found |= permissions
    return found


def test_savers(job: Job, sent: set[str], tmp_path: Path) -> None:
    """A saver sends nothing that it is not granted, and needs all of it."""
    save_all(job, tmp_path)
    job.stage("a").restore(tmp_path / "in")
    assert needed(sent) == granted("savers")


def test_readers(job: Job, sent: set[str], tmp_path: Path) -> None:
    """Nor does a reader."""
    save_all(job, tmp_path)
    sent.clear()
    read_all(job, tmp_path)
    assert needed(sent) == granted("readers")


def test_pruners(job: Job, sent: set[str], tmp_path: Path, bucket: GCSBucket) -> None:
    """Nor does who removes and prunes, unfinished uploads included."""
    save_all(job, tmp_path)
    bucket.start_upload(
        "3f0c/left/attempts/01a1fea6-75cb-78bd-a8b3-45bab4b8b7d0/files/behind", 1, 5 * 2**20
    ).put_part(1, b"x")
    sent.clear()
    job.stage("a").delete()
    time.sleep(1.1)  # the store's clock goes by the second
    pruned = job.prune(keep=1, grace=timedelta(0), no_writers=True)
    assert (bool(pruned.attempts), pruned.uploads) == (True, 1)
    job.delete()
    assert needed(sent) == granted("pruners")
