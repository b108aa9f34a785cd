"""The parameters that a command gets: the text that came, in a variable, a file, or both."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from block.cases import Folders, collection

from up42_state.block.block import Block
from up42_state.block.task import run_task
from up42_state.errors import SettingsError
from up42_state.settings.model import Settings

MakeSettings = Callable[..., Settings]
Told = dict[str, str | None]

CYRILLIC = json.dumps({"place": "Москва" * 4000}, ensure_ascii=False)  # 48 kB, and thrice that in escapes
LONG = json.dumps({"grid": list(range(40_000))})  # more than one variable takes


@pytest.fixture
def told(folders: Folders, settings: MakeSettings) -> Callable[..., Told]:
    """What a command finds: the variable, the variable that names a file, and what lies in that file."""

    def run(**options: Any) -> Told:
        into = folders.root / "told"
        into.mkdir(parents=True)
        script = (
            f'cd {into}; test "${{UP42_TASK_PARAMETERS+x}}" && printenv UP42_TASK_PARAMETERS > variable;'
            'test "$UP42_TASK_PARAMETERS_FILE" && echo "$UP42_TASK_PARAMETERS_FILE" > name'
            ' && cat "$UP42_TASK_PARAMETERS_FILE" > file;'
            f"echo '{json.dumps(collection())}' > {folders.output}/data.json"
        )
        assert run_task(["sh", "-c", script], settings=settings(**options), **folders.arguments) == 0
        paths = {name: into / name for name in ("variable", "name", "file")}
        return {name: path.read_text().rstrip("\n") for name, path in paths.items() if path.exists()}

    return run


@pytest.mark.parametrize(
    "text", ['{"a": "\\u00e9é", "b":  1.50, "a": 2e0}', CYRILLIC, '{"big": 1e2, "x": 0.10}']
)
def test_the_text_of_the_variable_is_handed_on_as_it_came(
    told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """Letters, spaces, numbers and repeated names are those of the text."""
    monkeypatch.setenv("UP42_TASK_PARAMETERS", text)
    assert told() == {"variable": text}


def test_values_are_written_without_escapes(told: Callable[..., Told]) -> None:
    """Parameters that came as values make the shortest text that says the same."""
    assert told(parameters={"name": "Москва"}) == {"variable": '{"name": "Москва"}'}


def test_no_parameters_are_an_empty_object(told: Callable[..., Told]) -> None:
    """A program need not ask whether there are any."""
    assert told() == {"variable": "{}"}


def test_a_file_is_read_and_handed_on(
    told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command gets both; what reads either finds the same."""
    path = tmp_path / "parameters.json"
    path.write_text('{"a":  "é"}\n')
    monkeypatch.setenv("UP42_TASK_PARAMETERS_FILE", str(path))
    assert Block.from_env().parameters == {"a": "é"}
    assert told() == {"variable": '{"a":  "é"}', "name": str(path), "file": '{"a":  "é"}'}


def test_the_variable_counts_before_the_file(
    told: Callable[..., Told], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And the command is not told of a file that says something else."""
    (tmp_path / "parameters.json").write_text('{"a": 1}')
    monkeypatch.setenv("UP42_TASK_PARAMETERS_FILE", str(tmp_path / "parameters.json"))
    monkeypatch.setenv("UP42_TASK_PARAMETERS", '{"a": 2}')
    assert told() == {"variable": '{"a": 2}'}


def test_a_text_too_long_for_a_variable_goes_by_its_file_alone(
    told: Callable[..., Told],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command runs, and stderr says where it finds them."""
    (tmp_path / "parameters.json").write_text(LONG)
    monkeypatch.setenv("UP42_TASK_PARAMETERS_FILE", str(tmp_path / "parameters.json"))
    assert told() == {"name": str(tmp_path / "parameters.json"), "file": LONG}
    assert (
        "the command gets UP42_TASK_PARAMETERS_FILE, and no UP42_TASK_PARAMETERS" in capsys.readouterr().err
    )


def test_values_too_long_for_a_variable_go_by_a_file_of_ours(told: Callable[..., Told]) -> None:
    """Nobody else may read it, and it is gone when the command has ended."""
    found = told(parameters=json.loads(LONG))
    assert "variable" not in found
    assert json.loads(found["file"] or "") == json.loads(LONG)
    assert not Path(found["name"] or "").exists()


@pytest.mark.parametrize("length", [131_050, 131_051])
def test_the_longest_text_that_fits_goes_by_the_variable(told: Callable[..., Told], length: int) -> None:
    """execve takes 131,072 bytes of "UP42_TASK_PARAMETERS=…" with the NUL at its end."""
    text = json.dumps({"a": "x" * (length - len('{"a": ""}'))})
    found = told(parameters=json.loads(text))
    assert ("variable" in found, "file" in found) == ((True, False) if length == 131_050 else (False, True))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            None,
            r"the file .*parameters\.json \(from UP42_TASK_PARAMETERS_FILE\) cannot be read: No such file",
        ),
        (b"\xff{}", r"the file .*parameters\.json \(from UP42_TASK_PARAMETERS_FILE\) is not UTF-8"),
        (b"[1]", r"file .*parameters\.json \(from UP42_TASK_PARAMETERS_FILE\): is not a JSON object"),
    ],
)
def test_a_file_that_holds_none_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, message: str
) -> None:
    """The error says which file, and which variable named it."""
    if content is not None:
        (tmp_path / "parameters.json").write_bytes(content)
    monkeypatch.setenv("UP42_TASK_PARAMETERS_FILE", str(tmp_path / "parameters.json"))
    with pytest.raises(SettingsError, match=message):
        Settings()


def test_only_parameters_come_from_such_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A variable of that form means nothing for other settings."""
    (tmp_path / "job").write_text("3f0c")
    monkeypatch.setenv("UP42_STATE_JOB_FILE", str(tmp_path / "job"))
    assert Settings().job is None
    assert "UP42_TASK_PARAMETERS" not in os.environ
