"""The command line against S3: where it fails, and what it says then."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

    Call = Callable[..., Result]

REFUSAL = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>InvalidAccessKeyId</Code><Message>The AWS Access Key Id you provided does not exist in our
records.</Message><RequestId>0</RequestId></Error>"""
KEY, SECRET, TOKEN = "AKIAPLANTEDKEY", "planted-secret-key", "planted-session-token"


class Refusing(BaseHTTPRequestHandler):
    """Answers every request as S3 answers an access key that it does not know."""

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(REFUSAL)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(REFUSAL)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _refuse  # noqa: N815 - the names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
        """Keep quiet."""


@pytest.fixture
def refusing_url() -> Iterator[str]:
    """The endpoint of a store that refuses all credentials."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that must not be seen anywhere."""
    monkeypatch.setenv("UP42_STATE_URL", "s3://up42-state/cli")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)


@pytest.fixture
def localstack(localstack_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a LocalStack."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", localstack_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("options", [[], ["--debug"], ["--json"]])
def test_wrong_credentials(call: Call, refusing_url: str, options: list[str]) -> None:
    """Refused credentials end with 7; where they came from is named, what they are is not."""
    result = call("jobs", *options, AWS_ENDPOINT_URL_S3=refusing_url)
    assert result.exit_code == 7
    assert "AWS_ACCESS_KEY_ID" in result.stderr
    assert not [secret for secret in (KEY, SECRET, TOKEN) if secret in result.output]


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("options", [[], ["--debug"]])
def test_unreachable_store(call: Call, options: list[str]) -> None:
    """A store that does not answer ends with 7 and names what to check."""
    result = call("jobs", *options, AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{free_port()}")
    assert result.exit_code == 7
    assert "check the network, AWS_ENDPOINT_URL" in result.stderr
    assert not [secret for secret in (KEY, SECRET, TOKEN) if secret in result.output]


@pytest.mark.usefixtures("localstack")
def test_no_such_bucket(call: Call) -> None:
    """A bucket that does not exist ends with 3, is named, and so is the setting that names it."""
    result = call("jobs", "--url", "s3://no-such-bucket/prefix")
    assert result.exit_code == 3
    assert "no-such-bucket" in result.stderr
    assert "check the store's URL" in result.stderr


@pytest.mark.usefixtures("localstack")
def test_whole_way_on_localstack(call: Call, corpus: Path, tmp_path: Path) -> None:
    """A real output is saved, shown, verified, restored and removed on S3."""
    here = ("--job", tmp_path.name)
    source = corpus / "stages" / "sentinel2_rgb"
    url = {"UP42_STATE_URL": "s3://up42-state/cli"}
    assert call("save", source, *here, "--stage", "scenes:1", **url).exit_code == 0
    shown = json.loads(call("show", *here, "--stage", "scenes:1", "--json", **url).stdout)
    assert shown["totals"]["files"] == len(shown["files"]) == 1
    assert call("verify", *here, **url).exit_code == 0
    assert call("restore", "scenes:1", tmp_path / "in", *here, **url).exit_code == 0
    for name in ("data.json", shown["files"][0]["path"]):
        assert (tmp_path / "in" / name).read_bytes() == (source / name).read_bytes()
    assert call("rm", *here, **url).exit_code == 0
    assert tmp_path.name not in call("jobs", **url).stdout.split()
