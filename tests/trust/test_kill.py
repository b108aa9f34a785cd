"""SIGKILL, SIGTERM or a full disk at random moments: old or new, never anything else."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from doubles.sweep import Part, in_two_parts
from doubles.tally import tally
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

pytestmark = pytest.mark.timeout(7200)

SCRIPT = Path(__file__).with_name("kills.py")
ROUNDS = 15 * int(os.environ.get("UP42_STATE_SOAK", "1"))


def kill(kind: str, url: str, rounds: int, **environment: str) -> dict[str, int]:
    """Run the script; what was seen after each kill."""
    seed = random.randrange(1 << 32)
    done = subprocess.run(
        [sys.executable, SCRIPT, kind, url, str(rounds), str(seed)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=220 + 20 * rounds,  # a child that hangs is found, with its stacks, by the script itself
        check=False,
    )
    assert done.returncode == 0, f"seed {seed}: {done.stderr}"
    seen: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    for outcome, count in seen.items():
        tally(f"{kind}s ended at random", outcome, count)
    return seen


@in_two_parts
@pytest.mark.parametrize("kind", ["save", "restore"])
def test_a_kill_on_a_directory(kind: str, part: Part, tmp_path: Path) -> None:
    """Whenever the process dies, nothing is half there, and the next call works."""
    rounds = part.share(ROUNDS)
    seen = kill(kind, (tmp_path / "store").as_uri(), rounds)
    assert sum(seen.values()) == rounds


@in_two_parts
@pytest.mark.parametrize("kind", ["save", "restore"])
def test_a_kill_on_s3(kind: str, part: Part, localstack_url: str) -> None:
    """The same on LocalStack."""
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
    rounds = part.share(ROUNDS // 3)
    seen = kill(kind, "s3://up42-state/kills", rounds, AWS_ENDPOINT_URL_S3=localstack_url, **keys)
    assert sum(seen.values()) == rounds


@pytest.mark.long
def test_a_kill_on_google(gcs_emulator_url: str) -> None:
    """The same where parts are objects of their own: prune finds those that a killed save has left."""
    name = f"kills-{uuid.uuid4()}"
    client = storage.Client("test", AnonymousCredentials(), client_options={"api_endpoint": gcs_emulator_url})
    client.create_bucket(name)
    client.close()
    rounds = ROUNDS // 5
    seen = kill("save", f"gs://{name}/p", rounds, STORAGE_EMULATOR_HOST=gcs_emulator_url)
    assert sum(seen.values()) == rounds
