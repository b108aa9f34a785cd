"""Which values make sense, alone and together; and that none is ever shown."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from doubles.planted import ACCOUNT, PLANTED

from up42_state.errors import SettingsError
from up42_state.secrets.shapes import is_credential
from up42_state.settings.model import Settings
from up42_state.settings.sources import refuse_quotes

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("67108864", 64 * 2**20),
        ("64MiB", 64 * 2**20),
        ("64 MiB", 64 * 2**20),
        ("100MB", 100_000_000),
        ("100mb", 100_000_000),
        ("100000kB", 100_000_000),
        ("1GB", 10**9),
        ("1GiB", 2**30),
        ("67108864B", 64 * 2**20),
        (2**30, 2**30),
    ],
)
def test_sizes(text: str | int, size: int) -> None:
    """A size is a number of bytes, or a whole number with a unit of 1,000 or 1,024."""
    assert Settings(memory=text).memory == size


@pytest.mark.parametrize("text", ["", "1.5GiB", "-1", "1 TB", "MiB", "64M iB", PLANTED])
def test_malformed_sizes(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Anything else is refused, naming the variable."""
    if text:
        monkeypatch.setenv("UP42_STATE_MEMORY", text)
        with pytest.raises(SettingsError, match="environment variable UP42_STATE_MEMORY: is not a size"):
            Settings()
    else:
        with pytest.raises(SettingsError, match="argument memory: is not a size"):
            Settings(memory=text)


MALFORMED = [
    ("UP42_TASK_PARAMETERS", f'{{"a": "{PLANTED}"', "is not JSON: .* at line 1, column"),
    ("UP42_TASK_PARAMETERS", f'["{PLANTED}"]', "is not a JSON object"),
    ("UP42_TASK_PARAMETERS", '{"a": NaN}', "NaN is no JSON number"),
    ("UP42_TASK_PARAMETERS", "[" * 100_000, "nested too deeply|is not JSON"),
    ("UP42_JOB_MODE", PLANTED, "'DEFAULT' or 'DRY_RUN'"),
    ("UP42_STATE_CONCURRENCY", PLANTED, "valid integer"),
    ("UP42_STATE_CONCURRENCY", "0", "must be at least 1$"),
    ("UP42_STATE_CONCURRENCY", "1025", "must be at most 1024"),
    ("UP42_STATE_MEMORY", "1MiB", "must be at least 64MiB"),
    ("UP42_STATE_PACK_BELOW", "16777217", "must be at most 16MiB"),
    ("UP42_STATE_PACK_BELOW", "17MiB", "must be at most 16MiB"),
    ("UP42_STATE_SINGLE_WRITER", PLANTED, "valid boolean"),
    ("UP42_STATE_SSE", PLANTED, "'AES256'"),
    ("AWS_ENDPOINT_URL", PLANTED, "not an http:// or https:// URL"),
    ("AWS_ENDPOINT_URL_S3", f"http://user:{PLANTED}@host", "holds a user name"),
    ("AWS_ENDPOINT_URL", "http://host/\x1b[2J", "not an http:// or https:// URL"),
    ("AWS_ENDPOINT_URL", "ftp://host", "not an http:// or https:// URL"),
    ("AWS_SESSION_TOKEN", f"{PLANTED}\n{PLANTED}", "holds a line end"),
    ("AWS_SECRET_ACCESS_KEY", f"{PLANTED}\t{PLANTED}", "holds a line end or another control"),
    ("STORAGE_EMULATOR_HOST", "http://", "not an http:// or https:// URL"),
    ("GOOGLE_KEY_STRING", PLANTED, "neither JSON nor JSON in base64"),
    ("GOOGLE_KEY_STRING", f'{{"a": "{PLANTED}"', "is not JSON"),
    ("GOOGLE_KEY_STRING", base64.b64encode(PLANTED.encode()).decode(), "is not JSON"),
    ("GOOGLE_KEY_STRING", json.dumps(ACCOUNT | {"type": PLANTED}), "is not a service account's key"),
    ("GOOGLE_KEY_STRING", json.dumps({"type": "service_account"}), "lacks client_email, private_key, token"),
]


MALFORMED += [
    *(
        (name, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKE1", "looks like a credential")
        for name in (
            "UP42_STATE_JOB",
            "UP42_STATE_STAGE",
            "UP42_STATE_AFTER",
            "UP42_STATE_PROPAGATE",
            "AWS_PROFILE",
            "UP42_STATE_AWS_PROFILE",
            "GOOGLE_CLOUD_PROJECT",
            "UP42_STATE_KMS_KEY",
            "STORAGE_EMULATOR_HOST",
        )
    ),
    ("UP42_STATE_JOB", json.dumps(ACCOUNT), "looks like a credential"),
    ("UP42_STATE_JOB", f"https://user:{PLANTED}@host", "looks like a credential"),
    ("UP42_STATE_AFTER", "a:1,AKIAIOSFODNN7EXAMPLE", "looks like a credential"),
    ("AWS_REGION", f"{PLANTED}/with+others", "is not a region"),
    ("AWS_REGION", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY01", "is not a region"),
    ("AWS_ENDPOINT_URL", f"https://host/?token={PLANTED}", "holds a query"),
    (
        "GOOGLE_APPLICATION_CREDENTIALS",
        json.dumps(ACCOUNT),
        "holds a key itself.*give the key in GOOGLE_KEY_STRING",
    ),
    (
        "GOOGLE_APPLICATION_CREDENTIALS",
        base64.b64encode(json.dumps(ACCOUNT).encode()).decode(),
        "a key itself",
    ),
    ("UP42_STATE_GOOGLE_APPLICATION_CREDENTIALS", json.dumps(ACCOUNT, indent=1), "holds a key itself"),
    ("AWS_SECRET_ACCESS_KEY_FILE", PLANTED, "there is no such file"),
    ("AWS_SECRET_ACCESS_KEY_FILE", f"/{PLANTED}", "there is no such file"),
    ("GOOGLE_KEY_STRING_FILE", json.dumps(ACCOUNT), "there is no such file"),
]
NAMES = [
    "S2A_MSIL2A_20240511T101031_N0510_R022_T32UNE_20240511T140000_ndvi",
    "S1A_IW_GRDH_1SDV_20240511T052345_20240511T052410_053812_068A4F_C3D1-sigma0",
    "LC08_L1TP_193023_20240511_20240518_02_T1/ndvi_and_more_that_is_long",
    "MyProject-2024-05-11-sentinel-2-north-west-tiling-and-ndvi-run-42",
    "5f0c1a2b-9a3e-4bcc-8ccc-01e3456f89ab/NDVI-time-series-of-2024-05",
    "5f0c1a2b-9a3e-4bcc-8ccc-01e3456f89ab/5f0c1a2b-9a3e-4bcc-8ccc-01e3456f89ab-X",
]


@pytest.mark.parametrize("name", NAMES)
def test_long_names_are_no_credentials(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Jobs are called after scenes, projects and dates, and such a name in a variable takes nothing away."""
    monkeypatch.setenv("SCENE", name)
    assert Settings(job=name, after=f"{name},b:1").job == name
    assert str(SettingsError(f"no {name}")) == f"no {name}"


def test_random_text_is_a_credential() -> None:
    """Long base64, of either alphabet, is told from names by how often its letters change."""
    taken = [
        encode(hashlib.sha512(b"%d" % number).digest()).decode()
        for encode in (base64.b64encode, base64.urlsafe_b64encode)
        for number in range(200)
    ]
    assert sum(map(is_credential, taken)) >= 398


QUOTED = [
    *("UP42_STATE_URL", "UP42_STATE_JOB", "UP42_STATE_MEMORY", "UP42_TASK_PARAMETERS", "UP42_JOB_MODE"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY_FILE", "AWS_REGION"),
    *("AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "AWS_ROLE_ARN", "UP42_STATE_AWS_SESSION_TOKEN"),
    *("GOOGLE_KEY_STRING", "GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST", "CLOUDSDK_CONFIG"),
]


@pytest.mark.parametrize("quotes", ['""', "''", "\u201c\u201d"])
@pytest.mark.parametrize("variable", QUOTED)
def test_quotes_that_an_env_file_kept(monkeypatch: pytest.MonkeyPatch, variable: str, quotes: str) -> None:
    """The variable is named, with what to do; the value is not."""
    monkeypatch.setenv(variable, f"{quotes[0]}{PLANTED}{quotes[1]}")
    with pytest.raises(
        SettingsError, match=f"environment variable {variable}: .*remove the quotes"
    ) as caught:
        Settings()
    assert PLANTED not in "".join(traceback.format_exception(caught.value))


def test_quotes_in_a_secret_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that holds quotes around its value is named likewise."""
    (tmp_path / "key").write_text(f'"{PLANTED}"\n')
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(SettingsError, match=r"key \(from AWS_SECRET.*remove the quotes") as caught:
        Settings()
    assert PLANTED not in str(caught.value)


def test_all_quoted_variables_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An env file is written in one way from its first line to its last."""
    monkeypatch.setenv("UP42_STATE_URL", '"s3://b"')
    monkeypatch.setenv("AWS_REGION", "'eu'")
    with pytest.raises(SettingsError, match="variable AWS_REGION, environment variable UP42_STATE_URL: "):
        Settings()


@pytest.mark.parametrize("text", ['"', 'a"b', '"a', "it's"])
def test_a_quote_within_a_value_is_a_part_of_it(text: str) -> None:
    """Only what begins and ends with one is taken for quoted."""
    refuse_quotes({"AWS_SECRET_ACCESS_KEY": text, "OTHER": '"a"'})
    with pytest.raises(SettingsError, match="AWS_REGION: "):
        refuse_quotes({"AWS_SECRET_ACCESS_KEY": text, "AWS_REGION": '"a"'})


@pytest.mark.parametrize(("variable", "text", "message"), MALFORMED)
def test_malformed(monkeypatch: pytest.MonkeyPatch, variable: str, text: str, message: str) -> None:
    """A malformed value is refused with what is wrong, naming the variable, and shown nowhere."""
    monkeypatch.setenv(variable, text)
    with pytest.raises(SettingsError, match=f"environment variable {variable}: .*({message})") as caught:
        Settings()
    assert len(text) < 10 or text not in str(caught.value)
    assert PLANTED not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None


def test_all_problems_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every malformed value is reported, not only the first."""
    monkeypatch.setenv("UP42_JOB_MODE", "x")
    monkeypatch.setenv("UP42_STATE_CONCURRENCY", "y")
    with pytest.raises(SettingsError, match=r"UP42_JOB_MODE.*UP42_STATE_CONCURRENCY"):
        Settings()


def test_malformed_argument() -> None:
    """An argument is named as such."""
    with pytest.raises(SettingsError, match="argument job_mode: "):
        Settings(job_mode="sometimes")


def test_unknown_argument() -> None:
    """An argument that is no setting is refused."""
    with pytest.raises(SettingsError, match="there is no option urll – did you mean url"):
        Settings(urll="s3://b")


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"AWS_ACCESS_KEY_ID": "a"}, "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not"),
        ({"AWS_SECRET_ACCESS_KEY": "a"}, "AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not"),
        ({"AWS_SESSION_TOKEN": "a"}, "AWS_SESSION_TOKEN is set, but AWS_ACCESS_KEY_ID is not"),
        (
            {"UP42_STATE_KMS_KEY": "k", "UP42_STATE_SSE": "AES256"},
            "UP42_STATE_KMS_KEY is set, but environment variable UP42_STATE_SSE is AES256",
        ),
    ],
)
def test_contradictions(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str) -> None:
    """Settings that contradict each other are refused, naming both."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message):
        Settings()


@pytest.mark.parametrize(
    "encode",
    [
        lambda text: text,
        lambda text: f"\n {text} \n",
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.encodebytes(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    ],
    ids=["plain", "spaced", "base64", "wrapped", "urlsafe"],
)
def test_google_key(monkeypatch: pytest.MonkeyPatch, encode: Any) -> None:
    """A service account's key may be plain JSON or base64 in its usual variants."""
    monkeypatch.setenv("GOOGLE_KEY_STRING", encode(json.dumps(ACCOUNT)))
    found = Settings().google_key
    assert found is not None
    assert found.get_secret_value() == ACCOUNT


def test_keys_given_as_arguments_stand_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session token that lies in the environment does not belong to keys given as arguments."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another's")
    monkeypatch.setenv("AWS_PROFILE", "another")
    found = Settings(aws_access_key_id="id", aws_secret_access_key="secret")
    assert (found.aws_session_token, found.aws_profile) == (None, None)


def test_half_a_key_as_an_argument_is_not_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does a secret of the environment complete it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.raises(SettingsError, match="argument aws_access_key_id is set, but AWS_SECRET_ACCESS_KEY"):
        Settings(aws_access_key_id="other")


def test_profile_given_as_an_argument_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile given as an argument counts before keys of the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    found = Settings(aws_profile="mine")
    assert (found.aws_profile, found.aws_access_key_id) == ("mine", None)


def test_secrets_are_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    """Neither text, nor representation, nor dump, nor a log shows a secret or the block's parameters."""
    found = Settings(
        url=f"ftp://user:{PLANTED}@host",
        parameters={"token": PLANTED},
        aws_access_key_id=PLANTED,
        aws_secret_access_key=PLANTED,
        aws_session_token=PLANTED,
        google_key=json.dumps(ACCOUNT),
    )
    logging.getLogger().warning("%s %r", found, found)
    hidden = {"url", "parameters"}
    shown = f"{found} {found!r} {caplog.text} {found.model_dump(exclude=hidden)} {found.origins}"
    assert PLANTED not in shown
    assert "aws_secret_access_key=SecretStr('**********')" in shown


def test_settings_do_not_change() -> None:
    """Settings are values: they cannot be changed after they were read."""
    with pytest.raises(ValueError, match="frozen"):
        Settings().job = "other"
