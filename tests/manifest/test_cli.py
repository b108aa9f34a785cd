"""``up42-state manifest``: exit codes, stdout and stderr of every verb."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from manifest.examples import data_block, processing_block, text_of

from up42_state.cli.manifest import manifest
from up42_state.errors import (
    InvalidManifestError,
    InvalidWorkflowError,
    NotFoundError,
    PathNotFoundError,
    SettingsError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


def run(*arguments: object, stdin: str | bytes | None = None) -> Result:
    """Run a verb; an error of ours is in ``exception``, since the root command reports it."""
    return CliRunner().invoke(manifest, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "UP42Manifest.json"
    path.write_text(text_of(processing_block()), encoding="utf-8")
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.json"
    path.write_text(text_of(processing_block(name=1, machine={"type": "huge"})), encoding="utf-8")
    return path


def test_validate_a_valid_manifest(good: Path) -> None:
    """Exit 0, and the verdict on stdout."""
    result = run("validate", good)
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{good}: valid\n", "")


def test_validate_an_invalid_manifest(bad: Path) -> None:
    """Exit 5, and every defect on a line of its own."""
    result = run("validate", bad)
    assert (result.exit_code, result.stdout.splitlines()) == (
        5,
        [
            "#/name: expected type: String, found: Integer",
            "#/machine/type: huge is not a valid enum value",
            f"{bad}: not valid",
        ],
    )


def test_validate_as_json(good: Path, bad: Path) -> None:
    """The documented envelope, whatever the verdict."""
    assert json.loads(run("validate", good, "--json").stdout) == {
        "error": None,
        "data": {"valid": True, "errors": []},
    }
    result = run("validate", "--json", bad)
    assert (result.exit_code, len(json.loads(result.stdout)["data"]["errors"])) == (5, 2)


def test_validate_standard_input(bad: Path) -> None:
    """``-`` reads the manifest from stdin."""
    assert run("validate", "-", stdin=text_of(processing_block())).exit_code == 0
    assert run("validate", "-", stdin=b"\xff").exit_code == 5


def test_warnings_go_to_stderr() -> None:
    """They do not change the verdict, and not the JSON unless asked for."""
    text = text_of(processing_block(homepage="x"))
    result = run("validate", "-", "--json", stdin=text)
    assert (result.exit_code, result.stderr) == (
        0,
        "warning: #/homepage: not documented, so it has no effect\n",
    )
    assert "warnings" not in json.loads(result.stdout)["data"]
    assert (
        len(json.loads(run("validate", "-", "--json", "--warnings", stdin=text).stdout)["data"]["warnings"])
        == 1
    )


def test_validate_an_image(tmp_path: Path) -> None:
    """The label is read back and validated."""
    path = tmp_path / "inspect.json"
    path.write_text(json.dumps([{"Config": {"Labels": {"up42_manifest": text_of(processing_block())}}}]))
    assert run("validate", "--image", path).stdout == f"{path}: valid\n"
    path.write_text(json.dumps([{"Config": {"Labels": {"up42_manifest": "{}"}}}]))
    assert run("validate", "--image", path).exit_code == 5


@pytest.mark.parametrize(
    "arguments", [["validate"], ["validate", "x.json", "--image", "y"], ["validate", "--bad"]]
)
def test_wrong_usage(arguments: list[str]) -> None:
    """Exit 2."""
    assert run(*arguments).exit_code == 2


def test_a_missing_file() -> None:
    """The root command makes exit 3 of it."""
    assert isinstance(run("validate", "missing.json").exception, PathNotFoundError)


def test_schema_prints_one_document() -> None:
    """The schema of the version that is asked for."""
    assert json.loads(run("schema").stdout)["$id"] == "urn:up42-state:manifest:2"
    assert json.loads(run("schema", "--version", "1", "--json").stdout)["$id"] == "urn:up42-state:manifest:1"


def test_label_prints_the_arguments(good: Path) -> None:
    """One line that can be pasted."""
    assert run("label", good).stdout == f'--build-arg manifest="$(cat {good})"\n'
    assert json.loads(run("label", good, "--json").stdout) == {
        "arguments": f'--build-arg manifest="$(cat {good})"'
    }


def test_label_refuses_an_invalid_manifest(bad: Path) -> None:
    """What would be attached would not be read by anyone."""
    assert isinstance(run("label", bad).exception, InvalidManifestError)


TASKS = [
    {"name": "scenes:1", "parentName": None, "block": "blocks/scenes"},
    {"name": "example:1", "parentName": "scenes:1", "blockId": "example"},
]


@pytest.fixture
def workflow(tmp_path: Path, good: Path) -> Path:
    """A workflow file with one block beside it, and one given by ``--manifest``."""
    folder = tmp_path / "blocks" / "scenes"
    folder.mkdir(parents=True)
    parameters = {"limit": {"type": "integer", "minimum": 1}}
    (folder / "UP42Manifest.json").write_text(text_of(data_block(parameters=parameters)), encoding="utf-8")
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps(TASKS), encoding="utf-8")
    return path


def test_check_prints_a_table(workflow: Path, good: Path) -> None:
    """One row for each key, then the verdict."""
    result = run("check", workflow, "--manifest", good)
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["after", "task", "key", "offered", "needed", "verdict"],
        ["-", "scenes:1", "-", "-", "-", "certain"],
        ["scenes:1", "example:1", "raster.up42_standard.format", '"GTiff"', '"GTiff"', "certain"],
        ["valid"],
    ]


def test_check_as_json(workflow: Path, good: Path) -> None:
    """The whole report."""
    report = json.loads(run("check", workflow, "--manifest", good, "--json").stdout)
    assert (report["valid"], [edge["task"] for edge in report["edges"]]) == (True, ["scenes:1", "example:1"])


def test_check_of_a_yaml_workflow(tmp_path: Path, workflow: Path, good: Path) -> None:
    """Under ``tasks`` or not, YAML or JSON."""
    path = tmp_path / "workflow.yaml"
    path.write_text(
        "tasks:\n- name: scenes:1\n  block: blocks/scenes\n- {name: example:1, parentName: scenes:1}\n"
    )
    assert run("check", path, "--manifest", good).exit_code == 0


@pytest.mark.parametrize("inline", [True, False])
def test_check_of_parameters(tmp_path: Path, workflow: Path, good: Path, inline: bool) -> None:
    """Given as JSON or as a file; a defect is exit 5, with the error on stderr."""
    text = json.dumps({"scenes:1": {"limit": 0}})
    (tmp_path / "parameters.json").write_text(text)
    result = run(
        "check",
        workflow,
        "--manifest",
        good,
        "--parameters",
        text if inline else tmp_path / "parameters.json",
    )
    assert (result.exit_code, result.stderr) == (
        5,
        "error: #/scenes:1/limit: 0 is not greater or equal to 1\n",
    )


def test_check_warns_of_blocks_without_manifest(tmp_path: Path, good: Path) -> None:
    """A Python block has none; a named one counts."""
    tasks: list[dict[str, Any]] = [{"name": "mine:1", "python": "module:function"}]
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps(tasks))
    result = run("check", path)
    assert (result.exit_code, result.stderr) == (
        0,
        "warning: mine:1: block module:function: not comparable\n",
    )
    path.write_text(json.dumps([{"name": "example:1", "python": "module:function"}]))
    assert "raster.up42_standard.format" in run("check", path, "--manifest", good).stdout


def test_check_reads_the_label_of_an_image(tmp_path: Path) -> None:
    """The manifest of an ``image`` is its label; an image that is not there is not comparable."""
    image = tmp_path / "inspect.json"
    image.write_text(json.dumps([{"Config": {"Labels": {"up42_manifest": text_of(data_block())}}}]))
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps([{"name": "scenes:1", "image": str(image)}]))
    assert run("check", path).stderr == ""
    image.write_text("[]")
    assert "not comparable" in run("check", path).stderr


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("w.json", "{", InvalidWorkflowError),
        ("w.yaml", "a: [", InvalidWorkflowError),
        ("w.yaml", "\x00", InvalidWorkflowError),
        ("w.json", '[{"name": "a:1", "block": "a"}]', PathNotFoundError),
    ],
)
def test_check_of_files_that_cannot_be_read(
    tmp_path: Path, name: str, text: str, error: type[Exception]
) -> None:
    """Each is an error of its own kind."""
    (tmp_path / name).write_text(text)
    assert type(run("check", tmp_path / name).exception) is error


def test_check_of_a_missing_workflow() -> None:
    """It is not found."""
    assert isinstance(run("check", "missing.yaml").exception, NotFoundError)


def test_serve_on_a_port_that_is_taken() -> None:
    """The error names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("serve", "--port", taken.getsockname()[1])
    assert isinstance(result.exception, SettingsError)
    assert "cannot listen on 127.0.0.1:" in str(result.exception)
