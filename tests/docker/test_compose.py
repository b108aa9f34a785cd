"""``docker/compose.yaml`` fits the rest: its image, its hook, its variables."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from up42_state.settings.model import Settings
from up42_state.settings.sources import Variable

COMPOSE = Path(__file__).resolve().parents[2] / "docker" / "compose.yaml"


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load(COMPOSE.read_text())["services"]


def test_localstack_is_pinned(services):
    """A newer image cannot change what the block is tried against."""
    assert services["localstack"]["image"] == "localstack/localstack:4.14.0"


def test_the_init_hook_is_mounted(services):
    """The directory that is mounted into LocalStack holds the hook that makes the block's bucket."""
    source, target, mode = services["localstack"]["volumes"][0].split(":")
    assert (target, mode) == ("/etc/localstack/init/ready.d", "ro")
    assert [path.name for path in (COMPOSE.parent / source).iterdir()] == ["10-bucket.py"]
    bucket = services["localstack"]["environment"]["UP42_STATE_BUCKET"]
    assert services["block"]["environment"]["UP42_STATE_URL"].startswith(f"s3://{bucket}/")


def test_the_block_is_given_settings_that_exist(services):
    """Every variable of the block is one that is read."""
    metadata = [item for field in Settings.model_fields.values() for item in field.metadata]
    known = {name for item in metadata if isinstance(item, Variable) for name in item.names}
    assert set(services["block"]["environment"]) <= known


def test_the_block_is_given_input(services):
    """The directory that is mounted as its input holds a data.json."""
    source = services["block"]["volumes"][0].split(":")[0]
    assert (COMPOSE.parent / source / "data.json").is_file()
