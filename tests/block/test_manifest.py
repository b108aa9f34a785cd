"""The block's manifest, found or named: defaults, checks, and what becomes of old ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from block.cases import Folders, collection
from manifest.examples import processing_block

from up42_state.block.block import Block
from up42_state.block.result import TaskResult
from up42_state.block.task import run_task
from up42_state.errors import InvalidManifestError, InvalidWorkflowError, PathNotFoundError
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job

MakeSettings = Callable[..., Settings]
PARAMETERS = {
    "width": {"type": "number", "default": 768, "minimum": 1},
    "mode": {"type": "string", "required": True},
    "note": {"type": "string"},
    "api_key": {"type": "number"},
}
GIVEN = {"mode": "fast"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A block's folder with a manifest, in which the test works."""
    folder = tmp_path / "block"
    folder.mkdir()
    write(folder)
    monkeypatch.chdir(folder)
    return folder


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "UP42Manifest.json"
    path.write_text(json.dumps(processing_block(parameters=PARAMETERS, **changes)))
    return path


def printing(folders: Folders) -> list[str]:
    """A command that keeps the parameters it was given, and makes an output."""
    text, output = json.dumps(collection()), folders.output
    variables = {"p": "UP42_TASK_PARAMETERS", "f": "UP42_TASK_PARAMETERS_FILE"}
    prints = [f'printf %s "${name}" > {output}/{file}' for file, name in variables.items()]
    return ["sh", "-c", "; ".join([*prints, f"echo '{text}' > {output}/data.json"])]


def run(folders: Folders, given: Settings, **options: Any) -> TaskResult:
    result = TaskResult()
    assert run_task(printing(folders), settings=given, result=result, **folders.arguments, **options) == 0
    return result


def test_defaults_reach_the_command_and_the_commit(
    folders: Folders, settings: MakeSettings, place: Path, job: Job
) -> None:
    """What is not given and has a default is given; what has none stays away."""
    run(folders, settings(parameters=GIVEN))
    expected = {"width": 768, "mode": "fast"}
    assert json.loads((folders.output / "p").read_text()) == expected
    assert job.stage("report:1").latest().parameters == expected


def test_a_text_to_which_nothing_is_added_is_handed_on_as_it_came(
    folders: Folders, settings: MakeSettings, place: Path
) -> None:
    """Blanks, order and numbers as they were written."""
    text = '{ "width":  1.50,\n "mode": "fast" }'
    run(folders, settings(parameters=text))
    assert (folders.output / "p").read_text() == text


def test_a_file_without_the_defaults_is_not_handed_on(
    folders: Folders, settings: MakeSettings, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that reads the file would miss what the variable has."""
    (tmp_path / "p.json").write_text('{"mode": "fast"}')
    monkeypatch.setenv("UP42_TASK_PARAMETERS_FILE", str(tmp_path / "p.json"))
    run(folders, settings())
    assert json.loads((folders.output / "p").read_text()) == {"mode": "fast", "width": 768}
    assert (folders.output / "f").read_text() == ""


def test_all_defects_at_once_and_nothing_runs(
    folders: Folders, settings: MakeSettings, place: Path, job: Job
) -> None:
    """Required, type and range, each with its place, before any directory is touched."""
    with pytest.raises(
        InvalidWorkflowError, match=r"do not fit the block's manifest .*UP42Manifest.json"
    ) as told:
        run(folders, settings(parameters={"width": 0, "note": 3}))
    assert sorted(defect.place for defect in told.value.defects) == [
        "#/report:1",
        "#/report:1/note",
        "#/report:1/width",
    ]
    assert not folders.output.exists() or not os.listdir(folders.output)


def test_the_value_of_a_secret_is_not_told(folders: Folders, settings: MakeSettings, place: Path) -> None:
    """A validator quotes what it refuses; a key is not repeated."""
    with pytest.raises(InvalidWorkflowError) as told:
        run(folders, settings(parameters={"mode": "fast", "api_key": "planted"}))
    assert "planted" not in str(told.value)


def test_unknown_parameters_are_warned_of(folders: Folders, settings: MakeSettings, place: Path) -> None:
    """The platform let them pass, and so do we."""
    result = run(folders, settings(parameters={"mode": "fast", "widht": 3}))
    assert any("no such parameter" in warning and "widht" in warning for warning in result.warnings)


def test_an_invalid_manifest_that_was_found_is_warned_of(
    folders: Folders, settings: MakeSettings, place: Path, job: Job
) -> None:
    """An old block with an old manifest runs as it did, and people are told what is not checked."""
    (place / "UP42Manifest.json").write_text('{"name": "old"}')
    result = run(folders, settings(parameters={"width": -1}))
    assert "the parameters are not checked" in result.warnings[0]
    commit = job.stage("report:1").latest()
    assert (commit.block and commit.block.name, commit.parameters) == ("old", {"width": -1})


def test_an_invalid_manifest_that_was_named_is_an_error(
    folders: Folders, settings: MakeSettings, tmp_path: Path
) -> None:
    """Who names a manifest wants it applied."""
    (tmp_path / "m.json").write_text('{"name": "old"}')
    with pytest.raises(InvalidManifestError, match=r"m\.json is not valid"):
        run(folders, settings(), manifest=tmp_path / "m.json")
    with pytest.raises(PathNotFoundError, match="there is no file"):
        run(folders, settings(), manifest=tmp_path / "none.json")


def test_a_manifest_that_is_named_comes_first(
    folders: Folders, settings: MakeSettings, place: Path, tmp_path: Path, job: Job
) -> None:
    """Its folder is the block's, too."""
    other = tmp_path / "other"
    other.mkdir()
    path = write(other, name="other")
    run(folders, settings(parameters=GIVEN), manifest=path)
    commit = job.stage("report:1").latest()
    assert commit.block is not None
    assert commit.block.name == "other"
    (other / "model.bin").write_bytes(b"new")
    result = TaskResult()
    run_task(
        printing(folders), settings=settings(parameters=GIVEN), manifest=path, explain=True, result=result
    )
    assert [reason[:9] for reason in result.reasons[:1]] == ["the block"]


def test_a_manifest_beside_the_script_is_found(
    folders: Folders, settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: Job
) -> None:
    """Whatever directory the task is started in."""
    folder = tmp_path / "block"
    folder.mkdir()
    write(folder, name="beside")
    (folder / "run.sh").write_text(f"echo '{json.dumps(collection())}' > {folders.output}/data.json")
    monkeypatch.chdir(tmp_path)
    given = settings(parameters=GIVEN)
    assert run_task(["sh", str(folder / "run.sh")], settings=given, **folders.arguments) == 0
    commit = job.stage("report:1").latest()
    assert (commit.block and commit.block.name, commit.parameters["width"]) == ("beside", 768)


class TestBlock:
    """The same for code that uses ``Block``."""

    def test_defaults_are_there_at_once(self, place: Path) -> None:
        """The block's code finds whole parameters, with or without a stage to save."""
        assert Block(parameters=GIVEN).parameters == {"mode": "fast", "width": 768}

    def test_defects_are_told_at_once(self, place: Path) -> None:
        """Before the body runs."""
        with pytest.raises(InvalidWorkflowError, match="mode"):
            Block(parameters={})

    def test_a_manifest_can_be_named(self, tmp_path: Path) -> None:
        """As on the command line."""
        path = write(tmp_path)
        assert Block(parameters=GIVEN, manifest=path).parameters["width"] == 768
