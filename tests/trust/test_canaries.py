"""A credential is put into every variable by mistake, and looked for in all that leaves the process."""

from __future__ import annotations

import base64
import json
import logging
import os
import pickle
import traceback
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from doubles.outputs import write_output
from doubles.sweep import Part, in_two_parts

from up42_state import State
from up42_state.buckets.gcs import errors
from up42_state.buckets.s3 import client
from up42_state.cli.root import root
from up42_state.errors import StateError
from up42_state.settings.model import variables

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLOSED = "http://127.0.0.1:9"
OURS = sorted({name for item in variables().values() for name in item.names})
FILES = sorted(
    {f"{name}_FILE" for item in variables().values() if item.secret or item.long for name in item.names}
)
SDKS = [
    *("AWS_SECURITY_TOKEN", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"),
    *("AWS_CA_BUNDLE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", "AWS_CREDENTIAL_FILE", "BOTO_CONFIG"),
    *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_MAX_ATTEMPTS"),
    *("AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_RETRY_MODE", "AWS_REQUEST_CHECKSUM_CALCULATION"),
    *(
        "AWS_STS_REGIONAL_ENDPOINTS",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT",
        "AWS_SDK_UA_APP_ID",
        "AWS_DATA_PATH",
    ),
    *("CLOUDSDK_CONFIG", "CLOUDSDK_AUTH_ACCESS_TOKEN", "GOOGLE_CLOUD_QUOTA_PROJECT", "GOOGLE_CREDENTIALS"),
    *("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "GOOGLE_API_USE_MTLS_ENDPOINT", "GOOGLE_OAUTH_ACCESS_TOKEN"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "FSSPEC_SFTP_PASSWORD"),
    *("DATABASE_URL", "MY_OWN"),
]
PLANTED = "Kanari7"  # in every canary, so that a part of one is found too
PEM = f"-----BEGIN PRIVATE KEY-----\n{PLANTED}MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n"
KEY = json.dumps({"type": "service_account", "private_key_id": f"{PLANTED}id", "private_key": PEM})
CANARIES = {
    "aws": f"{PLANTED}EXAMPLEKEYbPxRfiCY/zHx+UKmNqGH4w0",
    "google": KEY,
    "base64": base64.b64encode(KEY.encode()).decode(),
    "pem": PEM,
    "url": f"https://user:{PLANTED}pa'ss@127.0.0.1:9/x?sig={PLANTED}",
}
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI",
    "AWS_ENDPOINT_URL_S3": CLOSED,
    "AWS_EC2_METADATA_DISABLED": "true",
    "NO_GCE_CHECK": "true",
    "STORAGE_EMULATOR_HOST": CLOSED,
}
URLS = ["s3://bucket/p", "gs://bucket/p", "sftp://127.0.0.1:9/p", "memory://canaries"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is set, nothing is sent but to a closed port, and that is tried once."""
    for name in list(os.environ):
        if name.startswith(("UP42_", "AWS_", "GOOGLE_", "STORAGE_EMULATOR_HOST")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(client, "_ATTEMPTS", 1)
    monkeypatch.setattr(errors, "_ATTEMPTS", 1)
    write_output(tmp_path / "out", {"a.tif": b"x"})


@pytest.fixture
def seen(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Everything that left the process; in the end no canary is in it, nor in a log at debug level."""
    caplog.set_level(logging.DEBUG)
    for name in ("botocore", "boto3", "urllib3", "google", "fsspec", "paramiko", "s3transfer"):
        caplog.set_level(logging.DEBUG, logger=name)
    kept: list[str] = []
    yield kept
    kept.extend(record.getMessage() for record in caplog.get_records("call"))
    encoded = base64.b64encode(f"{PLANTED}MIIEv".encode()).decode()[:8]
    found = [text for text in kept if PLANTED in text or encoded in text]
    assert found == []


def run(seen: list[str], *arguments: object) -> None:
    """Run a verb, with the traceback of its error, and keep what it prints."""
    result = CliRunner().invoke(root, [*map(str, arguments), "--debug"], prog_name="up42-state")
    seen.append(result.output)


def run_verb(seen: list[str], tmp_path: Path, number: int, url: str) -> None:
    """One of several verbs."""
    folders = [f"--{name}={tmp_path / 'exec' / name}" for name in ("input", "output", "quicklooks")]
    verbs: list[list[object]] = [
        ["jobs"],
        ["save", tmp_path / "out", "--job", "j", "--stage", "s:1"],
        ["restore", "s:1", tmp_path / "in", "--job", "j"],
        ["exec", "--stage", "x:1", *folders, "--", "false"],
        ["doctor", "--json"],
    ]
    verb, *rest = verbs[number % len(verbs)]
    run(seen, verb, *(["--url", url] if url else []), *rest)


def use_from_python(seen: list[str], url: str, *, pickled: bool) -> None:
    """What a notebook and a worker see."""
    try:
        state = State(url or None)
        seen.append(f"{state!r} {state.settings!r} {pickle.dumps(state) if pickled else b''!r}")
        state.store.bucket.get("a")
    except StateError as error:
        seen.append("".join(traceback.format_exception(error)))


def test_lists_are_whole() -> None:
    """A variable that is added is swept as well."""
    assert len(OURS) >= 30
    assert len(FILES) >= 9


@in_two_parts
@pytest.mark.parametrize("variable", [*OURS, *FILES, *SDKS])
def test_a_credential_in_any_variable(
    seen: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, part: Part
) -> None:
    """It is printed, logged, pickled and committed nowhere, whatever it looks like and whatever is done."""
    first = [*OURS, *FILES, *SDKS].index(variable)  # the sample of each variable is another canary
    for number, canary in enumerate(CANARIES.values()):
        if not part.takes(first + number):
            continue
        monkeypatch.setenv(variable, canary)
        url = "" if variable == "UP42_STATE_URL" else URLS[number % len(URLS)]
        run_verb(seen, tmp_path, number, url)
        use_from_python(seen, url, pickled=variable != "UP42_TASK_PARAMETERS")  # parameters do travel


TOKENS = [
    *CANARIES.values(),
    f"Bearer {PLANTED}abcdef0123456",
    f"ghp_{PLANTED}abcdefghij0123456789ABCDEF",
    f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={PLANTED}abc==;EndpointSuffix=c",
]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(
    "line",
    [
        *("?", "--url ?", "--?", "jobs ?", "jobs --?", "doctor ? ?", "manifest validate ?"),
        *("restore ? in --url memory://m --job j", "show --stage ? --url memory://m --job j"),
        *("restore s:1 in --where ? --url memory://m --job j", "restore s:1 in --bbox=? --url memory://m"),
        *("prune --grace ? --url memory://m --job j", "save out --form ?", "save out --match=?"),
        *("verify --revision ? --stage s:1", "manifest validate --image ?", "propagate ? --into out --job j"),
        *("stac ? --url memory://m --job j", "stac --sign ? --job j", "stac ?/ --url memory://m"),
        "save --from-stac ? --url memory://m --job j --stage s",
    ],
)
def test_a_credential_anywhere_on_the_command_line(
    seen: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str, token: str
) -> None:
    """What refuses an argument, and quotes it, does not quote a credential."""
    monkeypatch.chdir(tmp_path)
    for option in ("--json", "--debug"):
        arguments = [part.replace("?", token) for part in line.split()]
        result = CliRunner().invoke(root, [*arguments, option], prog_name="up42-state")
        seen.append(result.output)
        assert result.exit_code


@pytest.mark.parametrize("token", TOKENS)
def test_a_credential_on_the_command_line_of_exec(
    seen: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, token: str
) -> None:
    """Nor does the result that is written to a file."""
    monkeypatch.chdir(tmp_path)
    folders = [f"--{name}={name}" for name in ("input", "output", "quicklooks")]
    place = ["--url", "memory://m", "--job", "j", "--stage", "s:1"]
    arguments = ["exec", *place, *folders, "--result", "r.json", f"--where={token}", "--json", "--", "true"]
    result = CliRunner().invoke(root, arguments, prog_name="up42-state")
    seen += [result.output, (tmp_path / "r.json").read_text()]
    assert result.exit_code == 125
