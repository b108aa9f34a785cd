"""``doctor``: stores that are fine, stores that lie, and stores that cannot be used at all."""

from __future__ import annotations

import json
import os
import re
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from doubles.lying import LyingBucket
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage
from servers import rclone

from up42_state.buckets import open_bucket
from up42_state.buckets.memory import MemoryBucket
from up42_state.buckets.s3 import client
from up42_state.cli.root import root
from up42_state.doctor import check_store, origins
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from up42_state.buckets import Bucket
    from up42_state.doctor import Check

ALL = {
    *("reach", "clock", "write", "read back", "range read"),
    *("list", "create-only", "multipart", "copy", "delete", "versions"),
}
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "aws_region": "us-east-1"}
FOR_EVER = 1e9


def outcomes(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.outcome for check in checks}


def failed(checks: list[Check]) -> Check:
    """The first check that failed: its status is the exit code."""
    return next(check for check in checks if check.outcome == "fail")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave nothing of ours in the environment but what a test puts there."""
    for name in list(os.environ):
        if name.startswith(("UP42_", "AWS_", "GOOGLE_", "STORAGE_EMULATOR_HOST")):
            monkeypatch.delenv(name)


@pytest.fixture(scope="module")
def rclone_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("rclone")
    (folder / "buckets" / "bucket").mkdir(parents=True)
    yield from rclone.serve(folder / "buckets", folder / "log")


def directory(tmp_path: Path) -> Bucket:
    return open_bucket((tmp_path / "store").as_uri())


@pytest.fixture(params=["directory", "memory", "localstack", "gcs"])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bucket]:
    """A good store of each kind, below a prefix."""
    name = f"doctor-{uuid.uuid4()}"
    if request.param == "directory":
        made = directory(tmp_path)
    elif request.param == "memory":
        made = MemoryBucket()
    elif request.param == "localstack":
        endpoint = request.getfixturevalue("localstack_url")
        made = open_bucket(f"s3://up42-state/{name}", Settings(aws_endpoint_url=endpoint, **KEYS))
    else:
        host = request.getfixturevalue("gcs_emulator_url")
        client = storage.Client("test", AnonymousCredentials(), client_options={"api_endpoint": host})
        client.create_bucket(name)
        client.close()
        made = open_bucket(f"gs://{name}/prefix", Settings(storage_emulator_host=host))
    yield made
    made.close()


def test_a_good_store_passes(bucket: Bucket) -> None:
    """Everything passes, and nothing is left behind, unfinished uploads included."""
    bucket.put("not/ours", b"stays")
    assert outcomes(check_store(bucket)) == dict.fromkeys(ALL, "pass")
    assert [info.key for info in bucket.list("")] == ["not/ours"]
    assert list(bucket.uploads("")) == []


def test_rclone_does_not_create_atomically(rclone_url: str) -> None:
    """``rclone serve s3`` overwrites where it should refuse: found, and said what to do about."""
    bucket = open_bucket("s3://bucket/p", Settings(aws_endpoint_url=rclone_url, **rclone.KEYS))
    checks = check_store(bucket)
    assert outcomes(checks) == dict.fromkeys(ALL, "pass") | {"create-only": "fail"}
    assert failed(checks).status == 7
    assert "UP42_STATE_SINGLE_WRITER=true" in failed(checks).advice
    assert list(bucket.list("")) == []
    bucket.close()


def test_a_single_writer_needs_no_create_only() -> None:
    """Who says that saves never race is not told that they could."""
    checks = check_store(LyingBucket(MemoryBucket(), ignores_create=True), single_writer=True)
    assert outcomes(checks) == dict.fromkeys(ALL, "pass") | {"create-only": "skip"}


@pytest.mark.parametrize(
    ("lie", "name", "says"),
    [
        ({"ignores_create": True}, "create-only", "does not enforce create-only"),
        ({"checks_before_create": True}, "create-only", "does not enforce create-only"),
        ({"refuses_create": True}, "create-only", "does not know this request"),
        ({"lag": FOR_EVER}, "list", "does not show what was just written within"),
        ({"lag": 3}, "list", "at once, but only"),
        ({"keeps_deleted": True}, "delete", "still there"),
        ({"lists_deleted": 3}, "delete", "does not leave out what was just deleted at once, but only"),
        ({"clock_apart": 3600.0}, "clock", "3600 s"),
    ],
)
def test_a_lie_is_found(lie: dict[str, Any], name: str, says: str) -> None:
    """What a store does otherwise than it says fails the line that it belongs to, with what to do."""
    patience = 0.6 if lie.get("lag") == FOR_EVER else 60.0
    check = failed(check_store(LyingBucket(MemoryBucket(), **lie), lag=patience))
    assert (check.name, check.status) == (name, 7)
    assert says in check.detail
    assert check.advice


def test_a_store_that_ignores_ranges() -> None:
    """A whole object where a part was asked for fails the range read."""
    check = failed(check_store(LyingBucket(MemoryBucket(), ignores_ranges=True)))
    assert (check.name, check.status) == ("range read", 6)
    assert "10 bytes came back that are not the 4 bytes written" in check.detail


def test_a_store_that_changes_bytes() -> None:
    """Bytes that come back changed are an integrity failure, and nothing is built on them."""
    checks = check_store(LyingBucket(MemoryBucket(), flips=True))
    assert failed(checks).name == "read back"
    assert failed(checks).status == 6
    assert outcomes(checks)["range read"] == "skip"


def test_read_only_credentials(tmp_path: Path) -> None:
    """Where writing is refused, what needs it is skipped, and why is said."""
    bucket = LyingBucket(MemoryBucket(), read_only=True)
    checks = check_store(bucket)
    assert failed(checks).name == "write"
    assert "to restore, reading and listing are enough" in failed(checks).advice
    skipped = [check for check in checks if check.outcome == "skip"]
    assert {check.name for check in skipped} == ALL - {"reach", "clock", "write", "versions"}
    assert "'write', which did not pass" in skipped[0].detail


def call(*arguments: str, **variables: str) -> tuple[int, Any]:
    """Runs ``doctor --json``; its exit code and what it printed."""
    result = CliRunner(env=variables).invoke(root, ["doctor", "--json", *arguments], prog_name="up42-state")
    return result.exit_code, json.loads(result.stdout)


def variables(endpoint: str, **keys: str) -> dict[str, str]:
    named = {"AWS_ENDPOINT_URL_S3": endpoint, "AWS_REGION": "us-east-1"}
    return named | {name.upper(): value for name, value in (rclone.KEYS | keys).items()}


def first_failure(report: Any) -> Any:
    return next(check for check in report["checks"] if check["outcome"] == "fail")


def test_wrong_credentials(rclone_url: str) -> None:
    """A wrong key is refused by the store: exit code 7, naming where the credentials came from."""
    wrong = variables(rclone_url, aws_secret_access_key="planted-wrong-secret")
    status, report = call("--url", "s3://bucket/p", **wrong)
    assert (status, first_failure(report)["name"]) == (7, "reach")
    assert "environment variable AWS_SECRET_ACCESS_KEY" in first_failure(report)["advice"]
    assert "planted-wrong-secret" not in json.dumps(report)


def test_unreachable() -> None:
    """A host that nothing listens on: exit code 7, and everything else is skipped."""
    status, report = call("--url", "s3://bucket/p", **variables("http://127.0.0.1:9"))
    assert (status, report["ok"]) == (7, False)
    assert [check["outcome"] for check in report["checks"]] == ["fail"] + ["skip"] * (len(ALL) - 1)


def test_missing_bucket(localstack_url: str) -> None:
    """A bucket that does not exist has the exit code of what is not found."""
    status, report = call("--url", "s3://no-such-bucket-here/p", **variables(localstack_url))
    assert (status, first_failure(report)["name"]) == (3, "reach")
    assert "make the bucket" in first_failure(report)["advice"]


def test_malformed_settings() -> None:
    """Settings that make no sense are wrong usage, before any store is asked."""
    result = CliRunner(env={"UP42_STATE_MEMORY": "lots"}).invoke(root, ["doctor", "--url", "memory://d"])
    assert result.exit_code == 2
    assert "UP42_STATE_MEMORY" in result.stderr


def test_where_settings_came_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every setting is told with its source, and a secret's value is not."""
    (tmp_path / "key").write_text("planted-secret")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "planted-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("UP42_TASK_PARAMETERS", '{"password": "planted-password"}')
    found = {origin.name: origin for origin in origins(Settings(url="s3://bucket/p"))}
    assert found["url"].source == "argument"
    assert found["aws_access_key_id"].source == "environment variable AWS_ACCESS_KEY_ID"
    assert found["aws_secret_access_key"].source.startswith("secret file ")
    assert found["concurrency"].source == "default"
    assert "planted" not in str(found)


def test_for_people(tmp_path: Path) -> None:
    """Without ``--json`` it is a table, and the exit code of a good store is 0."""
    result = CliRunner().invoke(root, ["doctor", "--url", (tmp_path / "store").as_uri()])
    assert result.exit_code == 0
    assert "create-only  pass    of eight creators at once, exactly one won" in result.stdout


def test_sizes_are_in_the_units_of_the_rest() -> None:
    """Nobody counts the digits of 268435456."""
    rows = {origin.name: origin.value for origin in origins(Settings(memory="256MiB", pack_below="1MiB"))}
    assert (rows["memory"], rows["pack_below"]) == ("256.0 MiB", "1.0 MiB")
    check = next(check for check in check_store(MemoryBucket()) if check.name == "multipart")
    assert re.fullmatch(r"[0-9.]+ (B|KiB|MiB) in 2 parts", check.detail)


@pytest.mark.parametrize(
    "variable", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "UP42_STATE_AWS_ENDPOINT_URL"]
)
def test_the_variable_that_was_set_is_blamed(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """Of several names of the endpoint, advice has the one that its value came from."""
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setattr(client, "_ATTEMPTS", 1)
    settings = Settings(**{name: value for name, value in KEYS.items() if name != "aws_region"})
    bucket = open_bucket("s3://bucket/p", settings)
    assert failed(check_store(bucket)).advice.endswith(
        f"check the network, {variable} and AWS_DEFAULT_REGION"
    )
    assert {origin.name: origin.source for origin in origins(settings)}["aws_endpoint_url"] == (
        f"environment variable {variable}"
    )
    bucket.close()


def test_what_may_lead_to_a_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile's name, and a path to nothing, may be a secret in the wrong place."""
    monkeypatch.setenv("AWS_PROFILE", "planted")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "planted")
    shown = {origin.name: origin.value for origin in origins(Settings())}
    assert shown["aws_profile"] == "set, not shown"
    assert shown["google_application_credentials"].startswith("set, not shown")
