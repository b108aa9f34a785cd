"""Processes of several jobs change one running stage at once: no change is lost, and none counts twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("updates.py")
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


@pytest.fixture(params=["directory", "localstack"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, str]]:
    """A store's URL, and the environment that names its server and credentials."""
    if request.param == "directory":
        return (tmp_path / "store").as_uri(), {}
    endpoint = request.getfixturevalue("localstack_url")
    return "s3://up42-state/updates", {"AWS_ENDPOINT_URL_S3": endpoint, **KEYS}


def test_six_processes_of_four_jobs(store: tuple[str, dict[str, str]]) -> None:
    """Each job makes one revision, on top of another's; a job that runs twice at once makes one as well."""
    url, environment = store
    done = subprocess.run(
        [sys.executable, SCRIPT, url],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    jobs = [f"job-{number}" for number in range(4)]
    assert Counter(seen["outcomes"]) == {"saved": 4, "kept": 2}
    assert seen["revisions"] == 4
    assert sorted(seen["seen"]) == jobs
    assert sorted(seen["seen"].values()) == [1, 2, 3, 4]
    assert seen["files"] == [f"{job}.txt" for job in jobs]
    assert seen["ok"]
