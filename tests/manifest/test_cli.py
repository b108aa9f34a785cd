"""``up42-state manifest``: exit codes, stdout and stderr of every verb."""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from manifest.examples import data_block, processing_block, text_of

from up42_state.cli.root import root
from up42_state.machine.extras import install_command

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result


def run(*arguments: object, stdin: str | bytes | None = None) -> Result:
    """Run a verb of the group."""
    return CliRunner().invoke(root, ["manifest", *map(str, arguments)], input=stdin)


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
    assert result.stdout.splitlines() == [
        "#/name: expected type: String, found: Integer",
        "#/machine/type: huge is not a valid enum value",
        f"{bad}: not valid",
    ]
    assert (result.exit_code, result.stderr) == (5, f"error: the manifest {bad} is not valid\n")


def test_validate_as_json(good: Path, bad: Path) -> None:
    """The documented envelope, whatever the verdict."""
    assert json.loads(run("validate", good, "--json").stdout) == {
        "error": None,
        "data": {"valid": True, "errors": []},
    }
    result = run("validate", "--json", bad)
    assert (result.exit_code, len(json.loads(result.stdout)["data"]["errors"])) == (5, 2)


def test_validate_several(good: Path, bad: Path, tmp_path: Path) -> None:
    """All defects of all files, each behind its file's name; a file that cannot be read hides no other."""
    missing = tmp_path / "missing.json"
    result = run("validate", bad, missing, good, "-", stdin="[]")
    assert result.stdout.splitlines() == [
        f"{bad}: #/name: expected type: String, found: Integer",
        f"{bad}: #/machine/type: huge is not a valid enum value",
        f"{bad}: not valid",
        f"{missing}: not read: there is no file {missing}",
        f"{good}: valid",
        "-: #: expected type: JSONObject, found: JSONArray",
        "-: not valid",
    ]
    assert (result.exit_code, result.stderr) == (5, "error: 2 of 4 manifests are not valid\n")


def test_validate_several_as_json(good: Path, bad: Path, tmp_path: Path) -> None:
    """A list with the documented envelope of each file, and its name."""
    missing = tmp_path / "missing.json"
    result = run("validate", good, bad, missing, "--json")
    one, two, three = json.loads(result.stdout)
    assert one == {"file": str(good), "error": None, "data": {"valid": True, "errors": []}}
    assert (two["file"], len(two["data"]["errors"])) == (str(bad), 2)
    assert three == {"file": str(missing), "error": f"there is no file {missing}", "data": None}


def test_several_of_which_one_cannot_be_read(good: Path, tmp_path: Path) -> None:
    """The exit code says what was in the way, where all that could be read are valid."""
    result = run("validate", good, tmp_path / "missing.json", good)
    assert (result.exit_code, result.stdout.count(": valid")) == (3, 2)


def test_validate_standard_input(bad: Path) -> None:
    """``-`` reads the manifest from stdin."""
    assert run("validate", "-", stdin=text_of(processing_block())).exit_code == 0
    assert run("validate", "-", stdin=b"\xff").exit_code == 5


def test_warnings_go_to_stderr() -> None:
    """Warnings change neither the verdict nor, unless asked for, the JSON."""
    text = text_of(processing_block(homepage="x"))
    result = run("validate", "-", stdin=text)
    assert (result.exit_code, result.stderr) == (
        0,
        "warning: #/homepage: not documented, so it has no effect\n",
    )
    assert "warnings" not in json.loads(run("validate", "-", "--json", stdin=text).stdout)["data"]
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
    "arguments",
    [["validate"], ["validate", "-", "-"], ["validate", "x.json", "--image", "y"], ["validate", "--bad"]],
)
def test_wrong_usage(arguments: list[str]) -> None:
    """Exit 2."""
    assert run(*arguments).exit_code == 2


def test_a_missing_file() -> None:
    """Exit 3."""
    result = run("validate", "missing.json")
    assert (result.exit_code, result.stderr) == (3, "error: there is no file missing.json\n")


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
    result = run("label", bad)
    assert (result.exit_code, result.stdout) == (5, "")
    assert "#/machine/type: huge is not a valid enum value" in result.stderr


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
    """One row for each key."""
    result = run("check", workflow, "--manifest", good)
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["AFTER", "TASK", "KEY", "OFFERED", "NEEDED", "VERDICT"],
        ["-", "scenes:1", "-", "-", "-", "certain"],
        ["scenes:1", "example:1", "raster.up42_standard.format", '"GTiff"', '"GTiff"', "certain"],
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
    assert (result.exit_code, result.stderr.splitlines()[1:]) == (
        5,
        ["  #/scenes:1/limit: 0 is not greater or equal to 1"],
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


@pytest.mark.parametrize("beside", [False, True], ids=["both given", "one beside the workflow"])
def test_check_of_two_manifests_of_one_name(tmp_path: Path, workflow: Path, good: Path, beside: bool) -> None:
    """Two different manifests with the name of one block end the check with exit code 5, naming the block."""
    other = tmp_path / "other.json"
    other.write_text(text_of(processing_block(description="Another.")), encoding="utf-8")
    files = ["--manifest", good, "--manifest", other]
    if beside:
        folder = tmp_path / "example"
        folder.mkdir()
        other.rename(folder / "UP42Manifest.json")
        workflow.write_text(json.dumps([TASKS[0], TASKS[1] | {"block": "example"}]))
        files = files[:2]
    result = run("check", workflow, *files)
    assert (result.exit_code, "example: two manifests of this name differ" in result.stderr) == (5, True)


def test_check_of_a_manifest_that_is_given_twice(workflow: Path, good: Path) -> None:
    """Equal ones are one."""
    assert run("check", workflow, "--manifest", good, "--manifest", good).exit_code == 0


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
    ("name", "text", "status"),
    [
        ("w.json", "{", 5),
        ("w.json", "[" * 100_000, 5),
        ("w.yaml", "a: [", 5),
        ("w.yaml", "\x00", 5),
        ("w.json", '[{"name": "a:1", "block": "a"}]', 3),
    ],
    ids=["json", "deep json", "yaml", "no text", "no manifest"],
)
def test_check_of_files_that_cannot_be_read(tmp_path: Path, name: str, text: str, status: int) -> None:
    """Invalid data, or a block's manifest that is not there."""
    (tmp_path / name).write_text(text)
    assert run("check", tmp_path / name).exit_code == status


def test_check_of_a_missing_workflow() -> None:
    """Exit 3."""
    assert run("check", "missing.yaml").exit_code == 3


def test_check_of_parameters_that_are_no_json(workflow: Path, good: Path) -> None:
    """Wrong usage: exit 2."""
    result = run("check", workflow, "--manifest", good, "--parameters", "{x}")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: --parameters is no JSON: expecting ")


def test_serve_on_a_port_that_is_taken() -> None:
    """The error names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "--port", port)
    assert (result.exit_code, f"cannot listen on 127.0.0.1:{port}" in result.stderr) == (2, True)


def test_serve_on_an_address_of_ipv6() -> None:
    """An IPv6 address is understood: only that no machine has it (RFC 3849) is an error."""
    result = run("serve", "--host", "2001:db8::1", "--port", 0)
    assert result.exit_code == 2
    assert f"cannot listen on [2001:db8::1]:0: {os.strerror(errno.EADDRNOTAVAIL)}" in result.stderr


def test_serve_on_no_address() -> None:
    """An empty variable does not open the port to everybody, as it would with the system's calls."""
    result = run("serve", "--host", "")
    assert (result.exit_code, "--host is empty" in result.stderr) == (2, True)


def test_serve_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(
        sys.modules, "up42_state.manifest.server.serving", raising=False
    )  # as in a new process
    result = run("serve")
    assert (result.exit_code, install_command("server") in result.stderr) == (2, True)
