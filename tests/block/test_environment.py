"""The environment of a block's command: the documented variables, and nothing that opens the store."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from up42_state.block.environment import child_environment, hidden_names
from up42_state.settings.model import Settings, variables

if TYPE_CHECKING:
    from pathlib import Path

ID, SECRET, TOKEN = "AKIA-planted", "planted-secret", "planted-token"
OTHER = {
    "AWS_ACCESS_KEY_ID": "the-block's",
    "AWS_SECRET_ACCESS_KEY": "the-block's-secret",
    "AWS_SECURITY_TOKEN": "the-block's-token",
    "AWS_PROFILE": "the-block's",
    "AWS_ENDPOINT_URL": "http://store.internal:9000",
    "GOOGLE_APPLICATION_CREDENTIALS": "/the/block's.json",
    "CLOUDSDK_CONFIG": "/the/block's",
}
AWS_WAYS = [
    *("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SESSION_TOKEN"),
    *("AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"),
    *("AWS_CONFIG_FILE", "AWS_CREDENTIAL_FILE", "AWS_CREDENTIAL_EXPIRATION", "AWS_ROLE_ARN"),
    *("AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
    *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_SSO_ACCOUNT_ID"),
    *("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_BEARER_TOKEN_BEDROCK", "BOTO_CONFIG", "BOTO_PATH"),
    *("AWS_ACCESS_KEY_ID_FILE", "AWS_SECRET_ACCESS_KEY_FILE", "AWS_SESSION_TOKEN_FILE", "FSSPEC_S3_KEY"),
    *("FSSPEC_S3", "RCLONE_CONFIG", "RCLONE_S3_SECRET_ACCESS_KEY"),
]
GOOGLE_WAYS = [
    *("GOOGLE_KEY_STRING", "GOOGLE_KEY_STRING_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CREDENTIALS"),
    *("GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_API_KEY", "CLOUDSDK_AUTH_ACCESS_TOKEN", "CLOUDSDK_CONFIG"),
    *("CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "GS_SECRET_ACCESS_KEY", "GS_OAUTH2_PRIVATE_KEY"),
    *("FSSPEC_GCS_TOKEN", "FSSPEC_GS", "BOTO_CONFIG", "RCLONE_GCS_SERVICE_ACCOUNT_CREDENTIALS"),
]
AZURE_WAYS = [
    *("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_SECRET"),
    *("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH"),
    *("AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_USERNAME", "AZURE_PASSWORD", "AZURE_FEDERATED_TOKEN_FILE"),
    *("AZURE_CONFIG_DIR", "IDENTITY_HEADER", "MSI_SECRET", "FSSPEC_AZ_ACCOUNT_KEY", "FSSPEC_ABFS"),
    *("FSSPEC_abfss_sas_token", "FSSPEC_CONFIG_DIR"),
]
OTHER_WAYS = [
    *(
        ("sftp", name)
        for name in ("FSSPEC_SFTP_PASSWORD", "FSSPEC_SFTP", "FSSPEC_SSH_PASSWORD", "SSH_AUTH_SOCK")
    ),
    *(("ssh", name) for name in ("FSSPEC_SFTP_PASSWORD", "SSHPASS")),
    *(("hf", name) for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")),
    *(("oss", "OSS_ACCESS_KEY_SECRET"), ("webhdfs", "KRB5CCNAME"), ("https", "FSSPEC_HTTP_CLIENT_KWARGS")),
    *(("s3a", "AWS_SECRET_ACCESS_KEY"), ("s3", "FSSPEC_S3A_SECRET"), ("s3", "FSSPEC_CONFIG_DIR")),
]


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of this test alone."""
    for name in {name for item in variables().values() for name in item.names}:
        monkeypatch.delenv(name, raising=False)


def given(monkeypatch: pytest.MonkeyPatch, url: str, **environment: str) -> Settings:
    """Settings of a store, with these variables in the environment."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Settings(url=url)


def key(name: str) -> dict[str, str]:
    """A service account's key."""
    return {
        "type": "service_account",
        "client_email": "block@project.iam.gserviceaccount.com",
        "private_key": f"-----BEGIN PRIVATE KEY-----\n{name}\n-----END PRIVATE KEY-----\n",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def test_the_documented_variables_are_set() -> None:
    """Parameters as JSON, and the job mode."""
    found = child_environment(Settings(url="memory://m", parameters={"limit": 3, "name": "ü"}), {})
    assert json.loads(found["UP42_TASK_PARAMETERS"]) == {"limit": 3, "name": "ü"}
    assert found["UP42_JOB_MODE"] == "DEFAULT"


@pytest.mark.parametrize("url", ["memory://m", "s3://bucket/p", "gs://bucket/p"])
def test_other_variables_are_passed_on(url: str) -> None:
    """A program finds its PATH and its own settings, and may be told not to ask the machine for a role."""
    other = {"PATH": "/bin", "GDAL_CACHEMAX": "64", "AWS_REGION": "eu"}
    other |= {"AWS_EC2_METADATA_DISABLED": "true", "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE": "/etc/ssl/ca.crt"}
    other |= {"AWS_CA_BUNDLE": "/etc/ssl/ca.crt"}
    found = child_environment(Settings(url=url), other)
    assert other.items() <= found.items()


@pytest.mark.parametrize("url", ["file:///tmp/store", "memory://m"])
def test_a_store_without_credentials_hides_none(url: str) -> None:
    """A data block that reads a bucket of its own keeps its keys; only our own settings are hidden."""
    ours = {"UP42_STATE_URL": url, "UP42_STATE_AWS_SECRET_ACCESS_KEY": SECRET, "UP42_STATE_JOB": "j"}
    found = child_environment(Settings(url=url), OTHER | ours)
    assert found.keys() - {"UP42_TASK_PARAMETERS", "UP42_JOB_MODE"} == OTHER.keys()
    assert hidden_names(Settings(url=url), OTHER | ours) == []


@pytest.mark.parametrize(
    ("url", "name"),
    [
        *(("s3://bucket/p", name) for name in AWS_WAYS),
        *(("simplecache::s3://bucket/p", name) for name in AWS_WAYS[:3]),
        *(("gs://bucket/p", name) for name in GOOGLE_WAYS),
        ("gcs://bucket/p", GOOGLE_WAYS[0]),
        *(("abfs://container/p", name) for name in AZURE_WAYS),
        *((f"{scheme}://container/p", "AZURE_STORAGE_ACCOUNT_KEY") for scheme in ("az", "abfss", "adl")),
        *((f"{scheme}://host/p", name) for scheme, name in OTHER_WAYS),
    ],
)
def test_a_store_that_goes_by_the_general_names_hides_every_way_to_them(url: str, name: str) -> None:
    """Nothing that holds or leads to the store's credentials reaches the command, and it is named."""
    assert name not in child_environment(Settings(url=url), {name: "/planted"})
    assert hidden_names(Settings(url=url), {name: "/planted"}) == [name]


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("s3://bucket/p", ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"]),
        (
            "gs://bucket/p",
            ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SECURITY_TOKEN", "AWS_PROFILE"],
        ),
    ],
)
def test_the_other_provider_is_the_blocks(url: str, kept: list[str]) -> None:
    """A store on S3 takes no Google key away, and the other way round."""
    assert OTHER.keys() & child_environment(Settings(url=url), OTHER).keys() >= set(kept)


def test_keys_of_the_store_alone_leave_the_general_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """With UP42_STATE_AWS_… the names that every program finds are the block's."""
    settings = given(
        monkeypatch, "s3://b/p", UP42_STATE_AWS_ACCESS_KEY_ID=ID, UP42_STATE_AWS_SECRET_ACCESS_KEY=SECRET
    )
    assert hidden_names(settings, OTHER) == []
    assert OTHER.items() <= child_environment(settings, OTHER).items()


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_SECRET_ACCESS_KEY": SECRET},
        {"AWS_ACCESS_KEY_ID": ID},
        {"MINIO_ROOT_PASSWORD": f" {SECRET}\n"},
        {"MC_HOST_store": f"https://{ID}:{SECRET}@store.internal"},
        {"CONFIG": json.dumps({"key": SECRET})},
        {"ENCODED": base64.b64encode(SECRET.encode()).decode()},
    ],
)
def test_every_other_name_of_the_same_secret_is_hidden(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    """Whatever a variable is called: one that holds the store's secret does not reach the command."""
    settings = given(
        monkeypatch, "s3://b/p", UP42_STATE_AWS_ACCESS_KEY_ID=ID, UP42_STATE_AWS_SECRET_ACCESS_KEY=SECRET
    )
    assert hidden_names(settings, environment | OTHER | environment) == list(environment)


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("az://c/p", {"AZURE_STORAGE_ACCOUNT_KEY": SECRET, "MY_KEY": SECRET}),
        ("s3://b/p", {"AWS_SECURITY_TOKEN": TOKEN, "MY_TOKEN": f"token {TOKEN}"}),
        ("s3://b/p", {"AWS_SHARED_CREDENTIALS_FILE": "/planted/keys", "KEYS": "/planted/keys"}),
        ("sftp://user:pa%2Fssword1@host/p", {"MY_PASSWORD": "pa/ssword1", "MY_URL": "x:pa%2Fssword1@y"}),
    ],
)
def test_other_names_of_what_the_sdks_read(url: str, environment: dict[str, str]) -> None:
    """What the store's own library finds in the environment is hidden under other names, too."""
    assert hidden_names(Settings(url=url), environment) == sorted(environment)


def test_fsspec_knows_no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fsspec opens goes by the general names, also beside keys of the store alone."""
    settings = given(
        monkeypatch,
        "simplecache::s3://b/p",
        UP42_STATE_AWS_ACCESS_KEY_ID=ID,
        UP42_STATE_AWS_SECRET_ACCESS_KEY=SECRET,
    )
    assert "AWS_SECRET_ACCESS_KEY" in hidden_names(settings, OTHER)


def test_a_file_that_holds_the_secret_is_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable that names such a file leads to the secret; one that names another file does not."""
    (tmp_path / "ours").write_text(f"[default]\naws_secret_access_key = {SECRET}\n")
    (tmp_path / "theirs").write_text("[default]\naws_secret_access_key = another-one\n")
    settings = given(
        monkeypatch, "s3://b/p", UP42_STATE_AWS_ACCESS_KEY_ID=ID, UP42_STATE_AWS_SECRET_ACCESS_KEY=SECRET
    )
    environment = {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "ours"),
        "AWS_CONFIG_FILE": str(tmp_path / "theirs"),
    }
    assert hidden_names(settings, environment) == ["AWS_SHARED_CREDENTIALS_FILE"]


def test_a_profile_of_the_store_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The files that hold it are hidden; keys under general names are the block's."""
    monkeypatch.setenv("AWS_CONFIG_FILE", "/planted/config")
    settings = given(monkeypatch, "s3://b/p", UP42_STATE_AWS_PROFILE="store")
    environment = {"AWS_CONFIG_FILE": "/planted/config", "AWS_ACCESS_KEY_ID": "the-block's"}
    assert hidden_names(settings, environment) == ["AWS_CONFIG_FILE"]


def test_a_google_key_of_the_store_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same private key is hidden in whatever form; another account's is the block's."""
    ours, theirs = json.dumps(key("planted-key")), json.dumps(key("another-key"), indent=1)
    (tmp_path / "ours.json").write_text(json.dumps(key("planted-key"), indent=2))
    settings = given(monkeypatch, "gs://b/p", UP42_STATE_GOOGLE_KEY_STRING=ours)
    environment = {
        "GOOGLE_KEY_STRING": base64.b64encode(ours.encode()).decode(),
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "ours.json"),
        "GOOGLE_CREDENTIALS": theirs,
    }
    assert hidden_names(settings, environment) == ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_KEY_STRING"]


def test_a_google_key_file_of_the_store_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever names the same file, or holds what is in it, is hidden."""
    path = tmp_path / "ours.json"
    path.write_text(json.dumps(key("planted-key")))
    settings = given(monkeypatch, "gs://b/p", UP42_STATE_GOOGLE_APPLICATION_CREDENTIALS=str(path))
    environment = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(path),
        "GOOGLE_KEY_STRING": json.dumps(key("planted-key")),
        "CLOUDSDK_CONFIG": "/the/block's",
    }
    assert hidden_names(settings, environment) == ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_KEY_STRING"]


def test_a_short_secret_is_no_part_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test servers have keys called "test": only what is equal to such a key is hidden."""
    settings = given(
        monkeypatch, "s3://b/p", UP42_STATE_AWS_ACCESS_KEY_ID="test", UP42_STATE_AWS_SECRET_ACCESS_KEY="test"
    )
    environment = {"HOME": "/home/tester", "MODE": "test", "PYTEST_CURRENT_TEST": "tests/block"}
    assert hidden_names(settings, environment) == ["MODE"]


def test_credentials_are_passed_on_when_asked_for() -> None:
    """A command that works on the store itself gets everything."""
    environment = OTHER | {"UP42_STATE_URL": "s3://b/p"}
    found = child_environment(Settings(url="s3://b/p"), environment, pass_credentials=True)
    assert environment.items() <= found.items()


@pytest.mark.parametrize("scheme", ["s3", "gs"])
def test_every_secret_setting_is_hidden(scheme: str) -> None:
    """A secret that is added to the settings is not forgotten here."""
    prefix = {"s3": "aws_", "gs": "google_"}[scheme]
    secret = [item for name, item in variables().items() if item.secret and name.startswith(prefix)]
    given = {f"{name}{end}": "x" for item in secret for name in item.names for end in ("", "_FILE")}
    assert len(given) >= 4
    found = child_environment(Settings(url=f"{scheme}://b/p"), given)
    assert found.keys() == {"UP42_TASK_PARAMETERS", "UP42_JOB_MODE"}
