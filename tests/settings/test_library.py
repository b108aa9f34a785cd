"""What pydantic-settings would do by itself, and must not do here."""

from __future__ import annotations

import base64
import gc
import json
import logging
import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from doubles.planted import ACCOUNT, PLANTED

from up42_state.errors import SettingsError
from up42_state.secrets.redaction import without_secrets
from up42_state.settings.model import Settings, variables

if TYPE_CHECKING:
    from pathlib import Path

KEYS = {"aws_access_key_id": f"{PLANTED}-id", "aws_secret_access_key": PLANTED}


def test_no_env_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A ``.env`` file in the working directory, which belongs to another program, changes nothing."""
    (tmp_path / ".env").write_text("UP42_STATE_JOB=other\njob=other\n")
    monkeypatch.chdir(tmp_path)
    assert Settings().job is None


@pytest.mark.parametrize(
    ("option", "value"),
    [("_env_file", ".env"), ("_cli_parse_args", True), ("_env_prefix", "OTHER_"), ("_case_sensitive", False)],
)
def test_options_of_the_library_are_no_settings(option: str, value: Any) -> None:
    """An option of ``BaseSettings`` is refused like any argument that is no setting."""
    with pytest.raises(SettingsError, match=f"argument {option}: extra inputs are not permitted"):
        Settings(**{option: value})


def test_the_command_line_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arguments of the process are not settings."""
    monkeypatch.setattr(sys, "argv", ["block", "--job", "other", "--nonsense"])
    assert Settings().job is None


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_a_variable_of_an_attributes_name_is_another_programs(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Variables such as URL, MATCH and MEMORY are set by other programs, and are not read."""
    documented = {text for variable in variables().values() for text in variable.names}
    for text in {name, name.upper()} - documented:
        monkeypatch.setenv(text, "nonsense {")
    assert Settings().origins == {}


@pytest.mark.parametrize("variable", ["up42_state_job", "Up42_State_Job", "UP42_STATE_job"])
def test_names_of_variables_are_in_upper_case(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """A variable's name counts only as it is documented."""
    monkeypatch.setenv(variable, "other")
    assert Settings().job is None


def test_unknown_variables_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that a later release reads, or that only looks like one of ours, is left alone."""
    for variable in ("UP42_STATE_LATER", "UP42_TASK_PARAMETERS__A", "UP42_STATE_URL__SCHEME"):
        monkeypatch.setenv(variable, "x")
    found = Settings()
    assert (found.parameters, found.url, found.origins) == ({}, None, {})


def test_lists_are_not_taken_for_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list is separated by commas, and text that looks like JSON is one name as it stands."""
    monkeypatch.setenv("UP42_STATE_AFTER", "[1]")
    assert Settings().after == ("[1]",)


def test_objects_of_two_sources_are_not_merged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Parameters of a file are left out as a whole where a variable gives others."""
    (tmp_path / "parameters").write_text('{"a": {"b": 1}}')
    monkeypatch.setenv("UP42_TASK_PARAMETERS_FILE", str(tmp_path / "parameters"))
    monkeypatch.setenv("UP42_TASK_PARAMETERS", '{"a": {"c": 2}}')
    found = Settings()
    assert (found.parameters, found.parameters_file) == ({"a": {"c": 2}}, "")


@pytest.mark.parametrize(("name", "value"), [("aws_session_token", "token"), ("Aws_Session_Token", None)])
def test_names_of_secret_files(tmp_path: Path, name: str, value: str | None) -> None:
    """A secret file's name counts in lower case or in upper case, and not in a mixture."""
    (tmp_path / "aws_access_key_id").write_text("id")
    (tmp_path / "AWS_SECRET_ACCESS_KEY").write_text("secret")
    (tmp_path / name).write_text("token")
    found = Settings(_secrets_dir=[tmp_path]).aws_session_token
    assert (found and found.get_secret_value()) == value


def test_secrets_as_kubernetes_mounts_them(tmp_path: Path) -> None:
    """A secret file may be a link to a directory beside it, which may lie outside of the secret directory."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "aws_secret_access_key").write_text("secret")
    (data / "aws_access_key_id").write_text("id")
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "..data").symlink_to(data)
    for path in data.iterdir():
        (secrets / path.name).symlink_to(f"..data/{path.name}")
    found = Settings(_secrets_dir=[secrets]).aws_secret_access_key
    assert found is not None
    assert found.get_secret_value() == "secret"


def test_a_secret_directory_that_is_none(tmp_path: Path) -> None:
    """A directory that is not there, or is a file, holds no secret, and is no reason for a warning."""
    (tmp_path / "file").write_text("x")
    assert Settings(_secrets_dir=[tmp_path / "none", tmp_path / "file"]).origins == {}


def test_the_library_logs_no_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What pydantic-settings logs of its sources, where it is asked to, holds no value."""
    monkeypatch.setenv("PYDANTIC_SETTINGS_DEBUG", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"{PLANTED}-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", f"{PLANTED}-environment")
    monkeypatch.setenv("UP42_TASK_PARAMETERS", f'{{"token": "{PLANTED}"}}')
    (tmp_path / "aws_session_token").write_text(f"{PLANTED}-file")
    with caplog.at_level(logging.DEBUG):
        Settings(_secrets_dir=[tmp_path], url=f"s3://user:{PLANTED}@bucket", google_key=json.dumps(ACCOUNT))
    assert PLANTED not in caplog.text


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("url", [PLANTED]),
        ("url", {"key": PLANTED}),
        ("after", [[PLANTED]]),
        ("parameters", [PLANTED]),
        ("aws_secret_access_key", [PLANTED]),
        ("aws_secret_access_key", {"key": PLANTED}),
        ("google_key", [PLANTED]),
        ("google_key", {"key": PLANTED}),
        ("google_key", PLANTED.encode()),
    ],
)
def test_errors_show_no_input(name: str, wrong: Any) -> None:
    """An argument of a wrong type is named, and not shown, and the library's error is not chained."""
    with pytest.raises(SettingsError, match=f"argument {name}: ") as caught:
        Settings(**{name: wrong})
    assert PLANTED not in f"{caught.value} {caught.value!r}"
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_defect_is_named_once() -> None:
    """Several elements of one list with the same defect are one problem."""
    with pytest.raises(SettingsError, match=r"^argument after: input should be a valid string$"):
        Settings(after=[1, 2])


def test_representation() -> None:
    """Settings are shown by their values, without origins, the URL, parameters and secrets."""
    shown = repr(Settings(url=f"s3://{PLANTED}", parameters={"a": PLANTED}, job="3f0c", **KEYS))
    assert shown.startswith("Settings(job='3f0c', stage=None, after=(), ")
    assert not any(word in shown for word in (PLANTED, "Found(", "Origin(", "(url=", " url=", "parameters="))


def test_a_secret_of_a_file_is_known(tmp_path: Path) -> None:
    """A secret is taken out of texts as it stood in its file, for as long as the settings live."""
    text = base64.encodebytes(json.dumps(ACCOUNT | {"project_id": "of-this-test"}).encode()).decode().strip()
    (tmp_path / "google_key_string").write_text(text)
    found = Settings(_secrets_dir=[tmp_path])
    assert without_secrets(f"a {text} b") == "a … b"
    del found
    gc.collect()
    assert without_secrets(text) == text


def test_a_subclass_has_settings_of_its_own() -> None:
    """A field without a variable is an argument only; a pickle of its settings is of the same class."""
    found = pickle.loads(pickle.dumps(Wider(job="3f0c", depth=2)))
    assert (type(found), found.job, found.depth) == (Wider, "3f0c", 1)


class Wider(Settings):
    """Settings with one more."""

    depth: int = 1


def test_pydantic_settings_is_loaded_when_settings_are_read() -> None:
    """Neither the package nor its State loads pydantic-settings; the class of settings does."""
    code = """
import sys, up42_state
from up42_state import State
assert "pydantic_settings" not in sys.modules and "pydantic" not in sys.modules
up42_state.Settings
assert "pydantic_settings" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
