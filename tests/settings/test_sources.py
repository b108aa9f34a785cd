"""Where settings come from, and which source counts."""

from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path
from typing import Any

import pytest

from up42_state.errors import SettingsError
from up42_state.settings.model import Settings
from up42_state.settings.sources import SECRET_DIRECTORIES

SERVICE_ACCOUNT = (
    '{"type": "service_account", "client_email": "a@b", "private_key": "k", "token_uri": "https://t"}'
)
VARIABLES = [
    ("UP42_STATE_URL", "url", "s3://b/p", "s3://b/p"),
    ("UP42_STATE_JOB", "job", "3f0c", "3f0c"),
    ("UP42_STATE_STAGE", "stage", "tiling:1", "tiling:1"),
    ("UP42_STATE_AFTER", "after", "a:1, other/b:2,", ("a:1", "other/b:2")),
    ("UP42_STATE_PROPAGATE", "propagate", "a:1", ("a:1",)),
    ("UP42_TASK_PARAMETERS", "parameters", '{"n": 1, "x": [null]}', {"n": 1, "x": [None]}),
    ("UP42_JOB_MODE", "job_mode", "DRY_RUN", "DRY_RUN"),
    ("AWS_PROFILE", "aws_profile", "p", "p"),
    ("AWS_REGION", "aws_region", "eu-central-1", "eu-central-1"),
    ("AWS_DEFAULT_REGION", "aws_region", "eu-central-1", "eu-central-1"),
    ("AWS_ENDPOINT_URL_S3", "aws_endpoint_url", "http://localhost:4566/", "http://localhost:4566"),
    ("AWS_ENDPOINT_URL", "aws_endpoint_url", "https://store", "https://store"),
    ("GOOGLE_APPLICATION_CREDENTIALS", "google_application_credentials", "/k.json", "/k.json"),
    ("GOOGLE_CLOUD_PROJECT", "google_cloud_project", "p", "p"),
    ("STORAGE_EMULATOR_HOST", "storage_emulator_host", "localhost:9023", "http://localhost:9023"),
    ("UP42_STATE_SSE", "sse", "aws:kms", "aws:kms"),
    ("UP42_STATE_KMS_KEY", "kms_key", "arn:aws:kms:k", "arn:aws:kms:k"),
    ("UP42_STATE_CONCURRENCY", "concurrency", "32", 32),
    ("UP42_STATE_MEMORY", "memory", "512MiB", 512 * 2**20),
    ("UP42_STATE_PACK_BELOW", "pack_below", "0", 0),
    ("UP42_STATE_SINGLE_WRITER", "single_writer", "true", True),
]


@pytest.mark.parametrize(("variable", "name", "text", "value"), VARIABLES)
def test_variable(monkeypatch: pytest.MonkeyPatch, variable: str, name: str, text: str, value: Any) -> None:
    """Every documented variable is read, and named as the source."""
    monkeypatch.setenv(variable, text)
    found = Settings()
    assert getattr(found, name) == value
    assert found.source(name) == f"environment variable {variable}"


@pytest.mark.parametrize("key_id", ["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"])
def test_aws_keys(monkeypatch: pytest.MonkeyPatch, key_id: str) -> None:
    """The three parts of AWS credentials are read, the first also under its old name."""
    for name, value in [(key_id, "id"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_SESSION_TOKEN", "token")]:
        monkeypatch.setenv(name, value)
    found = Settings()
    parts = (found.aws_access_key_id, found.aws_secret_access_key, found.aws_session_token)
    assert [part and part.get_secret_value() for part in parts] == ["id", "secret", "token"]
    assert found.source("aws_access_key_id") == f"environment variable {key_id}"


def test_google_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service account's key is read and decoded."""
    monkeypatch.setenv("GOOGLE_KEY_STRING", SERVICE_ACCOUNT)
    found = Settings()
    assert found.google_key is not None
    assert found.google_key.get_secret_value()["client_email"] == "a@b"


@pytest.mark.parametrize(
    ("first", "second", "name", "value"),
    [
        ("AWS_REGION", "AWS_DEFAULT_REGION", "aws_region", "first"),
        ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "aws_endpoint_url", "http://first"),
    ],
)
def test_first_name_counts(
    monkeypatch: pytest.MonkeyPatch, first: str, second: str, name: str, value: str
) -> None:
    """Of two names that are both set, the more particular one counts."""
    monkeypatch.setenv(second, value.replace("first", "second"))
    monkeypatch.setenv(first, value)
    assert getattr(Settings(), name) == value


def test_access_key_id_before_its_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for the key's identity."""
    monkeypatch.setenv("AWS_ACCESS_KEY", "old")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "new")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    found = Settings().aws_access_key_id
    assert found is not None
    assert found.get_secret_value() == "new"


def test_defaults() -> None:
    """What is not set has its default, and says so."""
    found = Settings()
    assert (found.url, found.job_mode, found.parameters, found.after) == (None, "DEFAULT", {}, ())
    assert (found.concurrency, found.memory, found.pack_below) == (16, 256 * 2**20, 2**20)
    assert found.single_writer is False
    assert found.source("concurrency") == "default"


def test_argument_before_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument counts before the environment, and says so."""
    monkeypatch.setenv("UP42_STATE_JOB", "environment")
    found = Settings(job="argument")
    assert (found.job, found.source("job")) == ("argument", "argument")


def test_argument_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """An argument that is None counts as not given."""
    monkeypatch.setenv("UP42_STATE_JOB", "environment")
    assert Settings(job=None).job == "environment"


def test_parameters_are_not_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters given as an argument replace those of the environment as a whole."""
    monkeypatch.setenv("UP42_TASK_PARAMETERS", '{"a": 1}')
    assert Settings(parameters={"b": 2}).parameters == {"b": 2}


@pytest.mark.parametrize("text", ["", "  \n"])
def test_empty_is_not_set(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """An empty variable, as an unused build arg leaves it, counts as not set."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "UP42_STATE_CONCURRENCY"):
        monkeypatch.setenv(name, text)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    found = Settings()
    assert (found.aws_access_key_id, found.aws_region, found.concurrency) == (None, "eu-central-1", 16)


def test_surrounding_space_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line end that a secret got when it was encoded is no part of it."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id\n")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", " secret\r\n")
    found = Settings().aws_secret_access_key
    assert found is not None
    assert found.get_secret_value() == "secret"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory of secret files, with an AWS key."""
    (tmp_path / "aws_access_key_id").write_text("id-of-file\n")
    (tmp_path / "AWS_SECRET_ACCESS_KEY").write_text("secret-of-file")
    return tmp_path


def test_secret_directory(directory: Path) -> None:
    """Secrets lie in files of their name, in lower or upper case, and the file is named as the source."""
    found = Settings(_secrets_dir=[directory])
    assert found.aws_access_key_id is not None
    assert found.aws_secret_access_key is not None
    assert found.aws_access_key_id.get_secret_value() == "id-of-file"
    assert found.aws_secret_access_key.get_secret_value() == "secret-of-file"
    assert found.source("aws_access_key_id") == f"secret file {directory}/aws_access_key_id"


def test_default_secret_directories() -> None:
    """Docker's directory comes before the platform's."""
    assert SECRET_DIRECTORIES == ("/run/secrets", "/secret/environment")


def test_first_secret_directory_counts(directory: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A secret of an earlier directory counts; one that is only in a later directory is found there."""
    other = tmp_path_factory.mktemp("first")
    (other / "AWS_ACCESS_KEY_ID").write_text("first")
    found = Settings(_secrets_dir=[other, directory, other / "none"])
    assert found.aws_access_key_id is not None
    assert found.aws_access_key_id.get_secret_value() == "first"
    assert found.source("aws_secret_access_key") == f"secret file {directory}/AWS_SECRET_ACCESS_KEY"


def test_a_named_directory_before_the_others(
    monkeypatch: pytest.MonkeyPatch, directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The directory that UP42_STATE_SECRETS_DIR names counts before the known ones; empty, it is not set."""
    other = tmp_path_factory.mktemp("named")
    (other / "aws_access_key_id").write_text("named")
    monkeypatch.setenv("UP42_STATE_SECRETS_DIR", str(other))
    found = Settings(_secrets_dir=[directory])
    assert found.aws_access_key_id is not None
    assert found.aws_access_key_id.get_secret_value() == "named"
    assert found.source("aws_secret_access_key") == f"secret file {directory}/AWS_SECRET_ACCESS_KEY"
    monkeypatch.setenv("UP42_STATE_SECRETS_DIR", "")
    assert (
        Settings(_secrets_dir=[directory]).source("aws_access_key_id").startswith(f"secret file {directory}")
    )


def test_named_file_before_directory(
    monkeypatch: pytest.MonkeyPatch, directory: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The file that <NAME>_FILE names counts before the directories."""
    path = tmp_path_factory.mktemp("named") / "key"
    path.write_text("named")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID_FILE", str(path))
    found = Settings(_secrets_dir=[directory])
    assert found.aws_access_key_id is not None
    assert found.aws_access_key_id.get_secret_value() == "named"
    assert found.source("aws_access_key_id") == f"secret file {path} (from AWS_ACCESS_KEY_ID_FILE)"


def test_environment_before_secret_file(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """The environment counts before every secret file."""
    monkeypatch.setenv("AWS_ACCESS_KEY", "environment")
    found = Settings(_secrets_dir=[directory])
    assert found.aws_access_key_id is not None
    assert found.aws_access_key_id.get_secret_value() == "environment"


def test_only_secrets_are_read_from_files(tmp_path: Path) -> None:
    """A file of another setting's name is left alone: a secret called google_application_credentials is the
    key, not the path to it.
    """
    (tmp_path / "google_application_credentials").write_text(SERVICE_ACCOUNT)
    assert Settings(_secrets_dir=[tmp_path]).google_application_credentials is None


def test_secret_that_is_a_directory(tmp_path: Path) -> None:
    """A directory of a secret's name is no secret."""
    (tmp_path / "aws_session_token").mkdir()
    assert Settings(_secrets_dir=[tmp_path]).aws_session_token is None


def test_missing_named_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that <NAME>_FILE names has to be there; the error names both."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match=r"none \(from AWS_SECRET_ACCESS_KEY_FILE\) cannot be read"):
        Settings()


def test_unreadable_secret_file(directory: Path) -> None:
    """A secret file that may not be read is an error, not an absent secret."""
    (directory / "aws_access_key_id").chmod(0)
    for folder in (directory, *directory.parents):
        if folder != (shared := Path(tempfile.gettempdir())) and folder.is_relative_to(shared):
            folder.chmod(0o711)  # pytest lets nobody else in
    user = os.geteuid()
    if user == 0:  # root may read everything
        os.seteuid(65534)
    try:
        with pytest.raises(SettingsError, match="aws_access_key_id cannot be read: Permission denied"):
            Settings(_secrets_dir=[directory])
    finally:
        os.seteuid(user)


def test_a_byte_order_mark_is_no_part_of_a_value(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Some editors begin a file with one: of a secret, and of parameters."""
    (tmp_path / "secret").write_bytes(b"\xef\xbb\xbfkey\r\n")
    (tmp_path / "parameters").write_bytes(b'\xef\xbb\xbf{"a": 1}')
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("UP42_TASK_PARAMETERS_FILE", str(tmp_path / "parameters"))
    found = Settings()
    assert found.aws_secret_access_key is not None
    assert found.aws_secret_access_key.get_secret_value() == "key"
    assert found.parameters == {"a": 1}


def test_binary_secret_file(directory: Path) -> None:
    """A secret file that is no text is named, and not quoted."""
    (directory / "aws_access_key_id").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="aws_access_key_id is not UTF-8 text"):
        Settings(_secrets_dir=[directory])


def test_a_pickle_leaves_credentials_of_this_machine_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who unpickles goes by a profile and a key file of its own, unless one was given as an argument."""
    monkeypatch.setenv("AWS_PROFILE", "here")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/here.json")
    sent = [pickle.dumps(Settings()), pickle.dumps(Settings(aws_profile="given"))]
    monkeypatch.setenv("AWS_PROFILE", "there")
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS")
    received = [pickle.loads(text) for text in sent]
    assert [found.aws_profile for found in received] == ["there", "given"]
    assert received[0].google_application_credentials is None


OWN = [
    ("AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"),
    ("AWS_SESSION_TOKEN", "aws_session_token"),
    ("AWS_REGION", "aws_region"),
    ("AWS_ENDPOINT_URL", "aws_endpoint_url"),
    ("GOOGLE_CLOUD_PROJECT", "google_cloud_project"),
]


@pytest.mark.parametrize(("general", "name"), OWN)
def test_the_stores_own_name_counts(monkeypatch: pytest.MonkeyPatch, general: str, name: str) -> None:
    """UP42_STATE_AWS_… and UP42_STATE_GOOGLE_… come before the names that every program reads."""
    for prefix, value in (("", "general"), ("UP42_STATE_", "own")):
        monkeypatch.setenv(f"{prefix}AWS_ACCESS_KEY_ID", value)
        monkeypatch.setenv(f"{prefix}AWS_SECRET_ACCESS_KEY", value)
        monkeypatch.setenv(f"{prefix}{general}", f"http://{value}" if "URL" in general else value)
    found = Settings()
    value = getattr(found, name)
    text = value.get_secret_value() if hasattr(value, "get_secret_value") else value
    assert text.removeprefix("http://") == "own"
    assert found.source(name) == f"environment variable UP42_STATE_{general}"
    assert found.is_own(name)


def test_a_file_of_the_stores_own_name_counts_before_the_general_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whose a credential is counts before where it lies."""
    (tmp_path / "up42_state_aws_access_key_id").write_text("own")
    (tmp_path / "secret").write_text("own-secret")
    monkeypatch.setenv("UP42_STATE_AWS_SECRET_ACCESS_KEY_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "general")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "general")
    found = Settings(_secrets_dir=[tmp_path])
    parts = (found.aws_access_key_id, found.aws_secret_access_key)
    assert [part and part.get_secret_value() for part in parts] == ["own", "own-secret"]


def test_the_stores_own_keys_stand_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token or a profile under a general name is the block's, and no part of the store's identity."""
    monkeypatch.setenv("UP42_STATE_AWS_ACCESS_KEY_ID", "own")
    monkeypatch.setenv("UP42_STATE_AWS_SECRET_ACCESS_KEY", "own")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the block's")
    monkeypatch.setenv("AWS_PROFILE", "blocks")
    found = Settings()
    assert (found.aws_session_token, found.aws_profile) == (None, None)


def test_the_stores_own_profile_stands_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do the block's keys count where the store has a profile."""
    monkeypatch.setenv("UP42_STATE_AWS_PROFILE", "store")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the block's")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the block's")
    found = Settings()
    assert (found.aws_profile, found.aws_access_key_id, found.aws_secret_access_key) == ("store", None, None)


def test_half_of_the_stores_own_key_is_not_completed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named as it is to be set."""
    monkeypatch.setenv("UP42_STATE_AWS_ACCESS_KEY_ID", "own")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the block's")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the block's")
    with pytest.raises(SettingsError, match="but UP42_STATE_AWS_SECRET_ACCESS_KEY is not"):
        Settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("UP42_STATE_GOOGLE_KEY_STRING", SERVICE_ACCOUNT),
        ("UP42_STATE_GOOGLE_APPLICATION_CREDENTIALS", "/tmp/own.json"),
    ],
)
def test_one_google_identity(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """A key for the store alone counts before a general path, and a path before a general key."""
    monkeypatch.setenv("GOOGLE_KEY_STRING", SERVICE_ACCOUNT)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/tmp/general.json")
    monkeypatch.setenv(variable, value)
    found = Settings()
    names = {"google_key", "google_application_credentials"}
    assert [name for name in names if getattr(found, name)] == [name for name in names if found.is_own(name)]
    assert sum(map(found.is_own, names)) == 1


def test_variable_to_name_in_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Advice names what a value was set by; of a default, what sets it."""
    assert Settings().variable("aws_region") == "AWS_REGION"
    assert Settings(aws_region="eu").variable("aws_region") == "the argument aws_region"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://host")
    assert Settings().variable("aws_endpoint_url") == "AWS_ENDPOINT_URL_S3"
