"""Sixteen processes on one stage: as many revisions as successful saves, each whole."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("races.py")
ROUNDS = int(os.environ.get("UP42_STATE_SOAK", "1"))


def race(url: str, if_exists: str, environment: dict[str, str]) -> dict[str, Any]:
    """Run the script; what each writer got, and who wrote which revision."""
    seed = str(random.randrange(1 << 32))
    done = subprocess.run(
        [sys.executable, SCRIPT, url, if_exists, seed],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return seen


STORES = ("directory", "localstack", "gcs")
CHOICES = ("replace", "skip", "error")
# make test runs two with nothing in common; make test-long runs the others.
IN_EVERY_RUN = {("directory", "replace"), ("localstack", "skip")}
RACES = [
    pytest.param(store, choice, marks=[] if (store, choice) in IN_EVERY_RUN else pytest.mark.long)
    for store in STORES
    for choice in CHOICES
]


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, str]]:
    """A store's URL, and the environment that names its server and credentials."""
    if request.param == "directory":
        return (tmp_path / "store").as_uri(), {}
    if request.param == "localstack":
        endpoint = request.getfixturevalue("localstack_url")
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
        return "s3://up42-state/races", {"AWS_ENDPOINT_URL_S3": endpoint, **keys}
    endpoint = request.getfixturevalue("gcs_emulator_url")
    return f"gs://{gcs_bucket(endpoint)}/races", {"STORAGE_EMULATOR_HOST": endpoint}


def gcs_bucket(endpoint: str) -> str:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    client = storage.Client("test", AnonymousCredentials(), client_options={"api_endpoint": endpoint})
    name = f"races-{uuid.uuid4()}"
    client.create_bucket(name)
    client.close()
    return name


@pytest.mark.parametrize(("store", "if_exists"), RACES, indirect=["store"])
def test_sixteen_processes(store: tuple[str, dict[str, str]], if_exists: str) -> None:
    """No save that succeeded is lost, no revision is mixed, and readers always see a whole one."""
    for _ in range(ROUNDS):
        seen = race(store[0], if_exists, store[1])
        numbers = [revision for attempt, revision in seen["saved"] if attempt != "conflict"]
        if if_exists == "replace":
            assert sorted(numbers) == list(range(1, 17))
            assert sorted(seen["revisions"].values()) == list(range(16))
        elif if_exists == "skip":
            assert numbers == [1] * 16
            assert len(seen["revisions"]) == 1
        else:
            assert numbers == [1]
            assert len(seen["revisions"]) == 1
