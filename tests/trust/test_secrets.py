"""Secrets of every kind are planted, and looked for in everything that leaves the process."""

from __future__ import annotations

import base64
import gc
import json
import logging
import os
import pickle
import sys
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from doubles.outputs import write_output
from servers import rclone

from up42_state import State
from up42_state.buckets import open_bucket
from up42_state.buckets.gcs import errors
from up42_state.buckets.s3.bucket import S3Bucket
from up42_state.cli.root import root
from up42_state.errors import Defect, InvalidDataError, SettingsError, StateError, StorageError
from up42_state.secrets.redaction import clean, without_credentials
from up42_state.settings.model import Settings
from up42_state.stages.format.parameters import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLANTED = "Planted"  # in every secret below, so that a part of one is found too
ID, SECRET, TOKEN = f"AKIA{PLANTED}ID", f"{PLANTED}Secret/+key", f"{PLANTED}Token+session/="
PASSWORD = f"{PLANTED}Password"


@pytest.fixture(scope="module")
def google_key() -> dict[str, str]:
    """A service account's key that opens nothing, as the file that Google gives out."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "project",
        "private_key_id": f"{PLANTED}KeyId",
        "private_key": pem.decode(),
        "client_email": "block@project.iam.gserviceaccount.com",
        "token_uri": "https://127.0.0.1:9/token",
    }


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch, google_key: dict[str, str], tmp_path: Path) -> None:
    """An environment full of secrets."""
    for name in list(os.environ):
        if name.startswith(("UP42_", "AWS_", "GOOGLE_", "STORAGE_EMULATOR_HOST")):
            monkeypatch.delenv(name)
    (tmp_path / "secret").write_text(SECRET)
    parameters = {"api_key": f"{PLANTED}ApiKey", "deep": [{"password": PASSWORD}], "zoom": 3}
    variables = {
        "AWS_ACCESS_KEY_ID": ID,
        "AWS_SECRET_ACCESS_KEY_FILE": str(tmp_path / "secret"),
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_REGION": "us-east-1",
        "GOOGLE_KEY_STRING": base64.b64encode(json.dumps(google_key).encode()).decode(),
        "UP42_TASK_PARAMETERS": json.dumps(parameters),
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


class Found:
    """Everything that left the process in a test, to be looked through in the end."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def call(self, *arguments: object) -> int:
        """Run the command line, keeping what it printed, with the traceback of an error."""
        result = CliRunner().invoke(root, [*map(str, arguments), "--debug"], prog_name="up42-state")
        self.texts[f"{arguments}"] = result.output
        return result.exit_code

    def keep(self, name: str, value: object) -> None:
        self.texts[name] = value.decode("latin-1") if isinstance(value, bytes) else str(value)

    def keep_files(self, folder: Path) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                self.keep(str(path), path.read_bytes())


@pytest.fixture
def found(caplog: pytest.LogCaptureFixture, google_key: dict[str, str]) -> Iterator[Found]:
    """Collects; in the end no secret is in what was collected, nor in any log at debug level."""
    caplog.set_level(logging.NOTSET)
    for name in ("botocore", "boto3", "urllib3", "google", "fsspec", "s3transfer"):
        caplog.set_level(logging.DEBUG, logger=name)
    kept = Found()
    yield kept
    for record in caplog.get_records("call"):
        kept.keep(f"log of {record.name}: {record.msg[:60]}", f"{record.getMessage()} {vars(record)}")
    secrets = [*google_key["private_key"].splitlines()[1:-1], SECRET, TOKEN, PASSWORD, PLANTED]
    for name, text in kept.texts.items():
        clean = text.replace(ID, "")  # an access key's id is no secret: it stands in every request
        assert not [secret for secret in secrets if secret in clean], name


@pytest.fixture
def job(tmp_path: Path) -> list[str]:
    """A block's output, and the options that every verb below takes."""
    write_output(
        tmp_path / "out", {f"{number}.tif": b"x" * 100 for number in range(20)} | {"big.tif": b"y" * 2**21}
    )
    write_output(tmp_path / "other", {"z.tif": b"z"})
    return ["--job", "3f0c"]


def run_all(found: Found, url: str, tmp_path: Path, job: list[str]) -> None:
    """Every verb that talks to a store, and some that fail."""
    shared = [*job, "--url", url]
    state = State(url)
    assert found.call("save", tmp_path / "out", "--stage", "a:1", *shared) == 0
    assert found.call("save", tmp_path / "other", "--stage", "b:1", "--propagate", "a:1", *shared) == 0
    assert found.call("restore", "a:1", tmp_path / "in", *shared) == 0
    assert found.call("propagate", "a:1", "--into", tmp_path / "other", *shared) == 0
    assert found.call("verify", *shared) == 0
    assert found.call("show", "--stage", "a:1", *shared, "--json") == 0
    for listed in (["jobs", "--url", url], ["stages", *shared], ["history", "--stage", "a:1", *shared]):
        assert found.call(*listed) == 0
    assert found.call("doctor", "--url", url) == 0
    assert found.call("doctor", "--url", url, "--json") == 0
    assert found.call("restore", "none:1", tmp_path / "none", *shared) == 3
    assert found.call("prune", *shared, "--dry-run") == 0
    for info in state.store.bucket.list(""):
        found.keep(info.key, state.store.bucket.get(info.key))
    found.keep_files(tmp_path / "in")
    found.keep(
        "repr", [state, state.settings, state.store, state.store.bucket, state.job("3f0c").stage("a:1")]
    )
    state.store.bucket.close()
    assert found.call("rm", "--stage", "b:1", *shared) == 0
    assert found.call("rm", *shared) == 0


def test_s3(
    found: Found, localstack_url: str, tmp_path: Path, job: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keys and session tokens stay in the process, whatever is done with S3."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", localstack_url)
    run_all(found, f"s3://up42-state/{tmp_path.name}", tmp_path, job)


def test_botocore_logs(found: Found, localstack_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """botocore logs requests with their headers at debug level: not the session token."""
    bucket = S3Bucket("up42-state", "logs", Settings(aws_endpoint_url=localstack_url))
    bucket.put("a", b"x")
    bucket.get("a")
    bucket.delete(["a"])
    bucket.close()
    assert "x-amz-security-token" in caplog.text.lower()


def test_a_directory(found: Found, tmp_path: Path, job: list[str]) -> None:
    """Commits mask secret parameters, and settings of other stores leak nowhere."""
    run_all(found, (tmp_path / "store").as_uri(), tmp_path, job)
    assert '"parameters":{' in found.texts["3f0c/a:1/commits/00000001.json"]


def test_gcs(
    found: Found, token_server: str, google_key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service account's key, and the access token that it is changed for, stay in the process."""
    uri = f"{token_server}/token"
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # no request leaves this machine
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(errors.time, "sleep", lambda _seconds: None)
    settings = Settings(google_key=json.dumps(google_key | {"token_uri": uri}))
    bucket = open_bucket("gs://bucket/prefix", settings)
    with pytest.raises(StorageError) as caught:
        bucket.get("a")
    found.keep("error", "".join(traceback.format_exception(caught.value)))
    found.keep("repr", [settings, bucket])
    assert _TokenServer.asked
    bucket.close()


@pytest.fixture
def token_server() -> Iterator[str]:
    """A server for access tokens, at this URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _TokenServer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class _TokenServer(BaseHTTPRequestHandler):
    """Changes any assertion for an access token."""

    asked = False

    def do_POST(self) -> None:
        type(self).asked = True
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_wrong_credentials(
    found: Found, tmp_path: Path, job: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that refuses a key makes an error without it."""
    (tmp_path / "buckets" / "bucket").mkdir(parents=True)
    for url in rclone.serve(tmp_path / "buckets", tmp_path / "rclone.log"):
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        for verb in (["save", tmp_path / "out", "--stage", "a:1"], ["restore", "a:1", tmp_path / "in"]):
            assert found.call(*verb, *job, "--url", "s3://bucket/p") == 7
        assert found.call("doctor", "--url", "s3://bucket/p") == 7


def test_unreachable(found: Found, tmp_path: Path, job: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one that cannot be reached."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    assert found.call("jobs", "--url", "s3://bucket/p") == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_ENDPOINT_URL_S3", f"http://user:{PASSWORD}@localhost:1"),
        ("AWS_ENDPOINT_URL_S3", f"http://user:{PASSWORD}/x@localhost:1"),
        ("AWS_ENDPOINT_URL_S3", f"http://user:{PASSWORD}\u2100@localhost"),
        ("AWS_ENDPOINT_URL_S3", f"http://[user:{PASSWORD}"),
        ("STORAGE_EMULATOR_HOST", f"user:{PASSWORD}@localhost:1"),
        ("GOOGLE_KEY_STRING", PASSWORD),
        ("GOOGLE_KEY_STRING", f'{{"private_key": "{PASSWORD}"}}'),
        ("UP42_TASK_PARAMETERS", f'{{"password": "{PASSWORD}"'),
        ("UP42_STATE_MEMORY", PASSWORD),
        ("UP42_STATE_URL", f"s3://{ID}:{PASSWORD}@bucket/p"),
        ("UP42_STATE_URL", f"gs://{PASSWORD}@bucket/p"),
        ("UP42_STATE_URL", f"s3:/{ID}://{PASSWORD}@bucket/../p"),
        ("UP42_STATE_URL", f"ftp://user:{PASSWORD}@127.0.0.1:9/p"),
        ("UP42_STATE_URL", f"ftp://user:p@{PASSWORD}@127.0.0.1:9/p"),
        ("UP42_STATE_URL", f"nonsense://user:{PASSWORD}@host/p?sig={PASSWORD}"),
        ("UP42_STATE_URL", f"//user:{PASSWORD}@host/p"),
        ("UP42_STATE_URL", f"ftp://user:{PASSWORD}/x@127.0.0.1:9/p"),
        ("UP42_STATE_URL", f"ftp://user:x/{PASSWORD}@127.0.0.1:9/p"),
        ("UP42_STATE_URL", f"ftp://user:x#{PASSWORD}?x@127.0.0.1:9/p"),
        ("UP42_STATE_URL", f"ftp://user:x'{PASSWORD}'@127.0.0.1:9/p"),
        ("UP42_STATE_URL", f'ftp://user:x"{PASSWORD}"@127.0.0.1:9/p'),
        ("UP42_STATE_URL", f"ftp://user:x {PASSWORD} y@127.0.0.1:9/p"),
        ("UP42_STATE_URL", f"ftp://user:12/{PASSWORD}@127.0.0.1:9/p"),
        ("UP42_STATE_URL", f"ftp://user:%2F{PASSWORD}@127.0.0.1:9/p"),
        ("UP42_STATE_URL", f"simplecache::ftp://user:{PASSWORD}@127.0.0.1:9/p"),
        ("UP42_STATE_URL", f"simplecache::ftp://user:x/{PASSWORD}@127.0.0.1:9/p"),
        ("UP42_STATE_URL", f"zip://x::ftp://user:{PASSWORD}@127.0.0.1:9/p.zip"),
        ("UP42_STATE_URL", f"s3//{ID}:{PASSWORD}@bucket"),
        ("UP42_STATE_URL", f"s3:/{ID}:{PASSWORD}@bucket"),
        ("UP42_STATE_URL", f"S3 ://{ID}:{PASSWORD}@bucket"),
        ("UP42_STATE_URL", f"s3://{ID}:{PASSWORD}/x@bucket/p"),
        ("UP42_STATE_URL", f"sss://{ID}:{PASSWORD}@bucket/p"),
        ("UP42_STATE_URL", PASSWORD),
    ],
)
def test_malformed_settings(found: Found, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A setting that is wrong, or a URL that holds credentials, is named and not quoted."""
    monkeypatch.setenv(name, value)
    url = ["--url", "memory://m"] if name != "UP42_STATE_URL" else []
    assert found.call("jobs", *url) in (2, 3, 7)
    assert found.call("doctor", *url) in (0, 2, 3, 7)
    try:
        settings = Settings()
        found.keep("repr", [settings, State(value), open_bucket(value, settings)])
    except StateError as error:
        found.keep("error", "".join(traceback.format_exception(error)))


def test_pickles(found: Found, tmp_path: Path) -> None:
    """A pickled state goes without secrets; the process that gets it reads its own."""
    settings = Settings(
        url="s3://bucket/p", aws_secret_access_key=SECRET, aws_access_key_id=ID, parameters={}
    )
    state = State("s3://bucket/p", parameters={}, aws_session_token=TOKEN)
    for value in (settings, state, state.job("3f0c"), state.job("3f0c").stage("a:1")):
        found.keep(type(value).__name__, pickle.dumps(value))
    again = pickle.loads(pickle.dumps(settings))
    assert (again.url, again.concurrency) == (settings.url, settings.concurrency)
    assert again.aws_secret_access_key.get_secret_value() == SECRET  # from the secret file
    assert pickle.loads(pickle.dumps(state)).url == "s3://bucket/p"


def test_a_pickled_state_keeps_the_url_that_was_given_beside_settings() -> None:
    """Who unpickles it reads no other store; a URL with credentials stays here, whatever settings name."""
    settings = Settings(url="s3://other/p")
    assert pickle.loads(pickle.dumps(State("s3://bucket/p", settings=settings))).url == "s3://bucket/p"
    sent = pickle.dumps(State("s3://key:s3cr3t-w0rd@bucket/p", settings=settings))
    assert b"s3cr3t" not in sent
    with pytest.raises(SettingsError, match="no store is given"):
        _ = pickle.loads(sent).url


SHOW = "import json, os, sys; open(sys.argv[1], 'w').write(json.dumps(dict(os.environ)))"


@pytest.mark.parametrize("passed", [False, True])
def test_a_child_block(
    found: Found,
    localstack_url: str,
    tmp_path: Path,
    job: list[str],
    monkeypatch: pytest.MonkeyPatch,
    *,
    passed: bool,
) -> None:
    """A command sees no credentials of ours in its environment, unless it was asked for."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", localstack_url)
    shown = tmp_path / "environment.json"
    folders = [f"--{name}={tmp_path / name}" for name in ("input", "output", "quicklooks")]
    asked = ["--pass-credentials"] if passed else []
    url = ["--url", f"s3://up42-state/{tmp_path.name}"]
    arguments = ["exec", *job, "--stage", "c:1", *url, *folders, *asked, "--debug", "--"]
    child = [sys.executable, "-c", SHOW, shown]
    result = CliRunner().invoke(root, [*map(str, [*arguments, *child])], prog_name="up42-state")
    found.keep("exec", result.output)
    environment: dict[str, Any] = json.loads(shown.read_text())
    parameters = json.loads(environment.pop("UP42_TASK_PARAMETERS"))
    assert parameters["deep"] == [{"password": PASSWORD}]  # the block's own
    leading = [name for name in environment if name.startswith(("AWS_", "GOOGLE_", "UP42_STATE_"))]
    if passed:
        assert environment["AWS_SESSION_TOKEN"] == TOKEN
    else:
        assert leading == [
            "AWS_REGION",
            "GOOGLE_KEY_STRING",
            "AWS_ENDPOINT_URL_S3",
        ]  # a Google key opens no S3
        del environment["GOOGLE_KEY_STRING"]
        found.keep("environment", environment)


def test_a_profile_is_no_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a set of credentials is an error: nothing is sent with less than was meant."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(SettingsError, match="AWS_ACCESS_KEY_ID is not"):
        Settings()


def test_texts_of_sdks_pass_the_sieve(
    found: Found, tmp_path: Path, google_key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is known to be secret is taken out of any text, in whatever spelling, and nothing else is."""
    key = Settings(google_key=json.dumps(google_key)), os.environ["GOOGLE_KEY_STRING"]
    monkeypatch.setenv("MY_TOKEN", f"{PLANTED}%Token'\n")
    texts = [
        f"{SECRET!r} {json.dumps(SECRET)} {quote(SECRET)} {quote_plus(SECRET)}",
        base64.b64encode(TOKEN.encode()).decode(),
        f"{key[1]} {google_key}",
        json.dumps(google_key, indent=2),
        f"{os.environ['MY_TOKEN']!r}",
        f"Authorization: Bearer {PLANTED}.0123456789",
        f"GET /a?X-Amz-Signature={PLANTED}&x=1 and https://h/a?name={PLANTED}",
        f"{{'password': '{PLANTED}', \"client_secret\": \"{PLANTED}\"}}",
        f"no feature has the id 'ghp_{PLANTED.replace('-', '0')}0123456789abcdef'",
        f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={PLANTED}==;EndpointSuffix=core",
    ]
    for number, text in enumerate(texts):
        error = StorageError(text, advice=text)
        found.keep(f"error {number}", f"{error} {error!r} {error.args}")
        found.keep(f"defects {number}", InvalidDataError("", defects=[Defect("#", text)]))
    innocent = f"{tmp_path}/a?b=c&d=e.tif: {{'name': 'x'}} s3://bucket/prefix a@b.org AKIA and Basic analysis"
    assert str(StorageError(innocent)) == innocent
    assert key[0].google_key is not None


def test_causes_that_hold_secrets_are_replaced() -> None:
    """An SDK's error is chained as it is, or, where it quotes a secret, by a stand-in with the same words."""
    quoting = ValueError(f"cannot parse https://user:{PASSWORD}@host")
    wrapped = OSError("it failed")
    wrapped.__cause__ = quoting
    harmless = ValueError("cannot parse this")
    assert clean(harmless) is harmless
    assert [str(clean(error)) for error in (quoting, wrapped)] == [
        "ValueError: cannot parse https://host",
        "OSError: it failed",
    ]


def test_secrets_are_known_for_as_long_as_settings_live() -> None:
    """A notebook that has dropped its settings is not told stars in place of words."""
    settings = Settings(aws_access_key_id="identity", aws_secret_access_key="correct-horse")
    assert str(StorageError("a correct-horse battery")) == "a … battery"
    del settings
    gc.collect()
    assert str(StorageError("a correct-horse battery")) == "a correct-horse battery"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AUTH_TYPE", "service-account"),
        ("PASSWORD_STORE_DIR", "/home/somebody/.password-store"),
        ("SSH_AUTH_SOCK", "/tmp/ssh-agent.sock"),
        ("TOKENIZERS_PARALLELISM", "whatever-it-is"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", "eu-central-1"),
        ("GIT_AUTHOR_EMAIL", "somebody@example.org"),
    ],
)
def test_other_variables_take_nothing_away(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A variable that only names something, or a test server's short key, does not make words vanish."""
    monkeypatch.setenv(name, value)
    assert str(StorageError(f"see {value}er")) == f"see {value}er"


@pytest.mark.parametrize(
    "piece",
    [
        *("y", "//a", "eyJ-", "https://", "a://b@", "?a", "&a=", '"a": ', "basic  ", "-----BEGIN ", "'a':'"),
        *("AccountKey=", "Pwd=;", "ghp_", "glpat-", "xoxb-a ", "-", "--a", "://a:", "://a:a ", "cookie:"),
    ],
)
def test_the_sieve_takes_a_time_that_grows_with_the_text(piece: str) -> None:
    """botocore logs bodies of megabytes at debug level; half a minute for 100 kB was seen."""
    text = piece * (200_000 // len(piece))
    begun = time.process_time()
    without_credentials(text)
    mask_secrets({"parameter": text})
    assert time.process_time() - begun < 3


@pytest.mark.parametrize(
    "token",
    [
        *(f"{start}IOSFODNN7EXAMPLE" for start in ("AKIA", "ASIA")),
        *(f"gh{kind}_{'a1' * 12}" for kind in "pousr"),
        *(f"{start}{'a1' * 18}" for start in ("github_pat_", "glpat-", "ya29.", "GOCSPX-", "hf_")),
        *(f"xox{kind}-{'a1' * 6}" for kind in "abprs"),
        *(f"{kind}k_live_{'a1' * 9}" for kind in "rs"),
        f"AIza{'a' * 35}",
    ],
)
def test_every_kind_of_token_is_found_in_a_log(token: str) -> None:
    """Tokens are found on any line of a long text, in any case, and the other lines stay as they are."""
    for text in (token, token.upper(), token.lower()):
        lines = [f"tile {number} of Asia: done\r\n" for number in range(1000)]
        lines[700] = f"using {text}\n"
        found = without_credentials("".join(lines))
        lines[700] = "using …\n"
        assert found == "".join(lines)


@pytest.mark.parametrize(
    "name", ["AccountKey", "SharedAccessKey", "SharedAccessSignature", "Password", "Pwd"]
)
def test_every_connection_string_is_found_in_a_log(name: str) -> None:
    """Of a connection string only the secret part goes."""
    assert without_credentials(f"a\nHost=x;{name}={PLANTED};Port=1\nb") == f"a\nHost=x;{name}=…;Port=1\nb"
