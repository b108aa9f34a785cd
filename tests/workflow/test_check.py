"""What is wrong with a workflow document: everything at once, each defect with its place."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from manifest.examples import data_block, processing_block
from workflow.documents import SCENES, TILING, make_block, make_blocks, problems, write

from up42_state.cli.root import root
from up42_state.errors import EngineError, NotFoundError
from up42_state.workflow.document import load

if TYPE_CHECKING:
    from pathlib import Path

DETECTION: dict[str, Any] = {"name": "detection:1", "after": ["tiling:1"], "python": "detection:detect"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the blocks of SCENES, TILING and DETECTION."""
    make_blocks(tmp_path)
    return tmp_path


EVERYTHING = """
name: first
name: second
tasks:
- {name: scenes+1, block: gone, command: ./run}
- name: tiling:1
  affter: scenes:1
  block: tiling
  command: ./rum
  timeout: 0m
- name: tiling:1
  after: [detection:1, nobody:1]
  block: broken
  command: run 'a
  propagate: [nothing:1, {stage: tiling:1, where: [a~b]}, {stage: x+y}]
- {name: detection:1, after: nobody:2, python: "detection:detekt", command: x}
- {name: count:1, blockId: 77aa-22, foreach: line}
- 5
parameters:
  tiling:1: {tile_width: wide}
  count:1: 7
"""


def test_every_defect_at_once(folder: Path) -> None:
    """Syntax, form, names, folders, manifests, programs, functions, propagations and parameters, in order."""
    make_block(folder / "broken", processing_block(machine={"type": "huge"}))
    found = problems(write(folder, EVERYTHING, "w.yaml"))
    assert found == [
        "#: duplicated key [name] at line 3, column 1",
        "#/parameters/count:1: expected type: JSONObject or Null, found: Integer",
        f"{folder}/broken/UP42Manifest.json#/machine/type: huge is not a valid enum value",
        "#/tiling:1/tile_width: expected type: Integer, found: String",
        (
            "#/tasks/0/name: scenes+1 is no name of a task: use 1 to 128 letters, digits and `. _ - : = @`, "
            "beginning with a letter or digit, for example tiling:1"
        ),
        f"#/tasks/0/block: there is no folder {folder}/gone",
        "#/tasks/1/timeout: 0m is no time such as 90s, 30m or 2h",
        "#/tasks/1: extraneous key [affter] is not permitted; did you mean after?",
        f"#/tasks/1/command: there is no program {folder}/tiling/rum",
        "tiling:1: two tasks have this name",
        "tiling:1: its parent nobody:1 is no task of this workflow",
        "tiling:1: it propagates nothing:1, which is no task of this workflow",
        "tiling:1: it propagates x+y, which is no task of this workflow",
        'tiling:1: block tiling: raster.up42_standard.format: nothing is offered, "GTiff" is needed (fails)',
        "#/tasks/2/propagate/2/stage: x+y is neither a task's name nor JOB/STAGE",
        "#/tasks/2/command: run 'a cannot be split into words: no closing quotation",
        (
            "#/tasks/2/propagate/1: the condition 'a~b' is malformed: it is no comparison of a property "
            'with a value; write NAME OPERATOR VALUE with one of = != < <= > >=, such as "cloud<20" or '
            '"sensor=SPOT"; give several conditions separately (repeat --where)'
        ),
        "#/tasks/3: [command] is given without [block] or [image]",
        "detection:1: its parent nobody:2 is no task of this workflow",
        "#/tasks/4/foreach: line cannot be split by: use feature",
        "#/tasks/4: [foreach] splits the input, but the task has none: give [after]",
        (
            "#/tasks/4/blockId: what to run for its block 77aa-22 is not said; give [block], [image] or "
            "[python], or a blocks file (--blocks FILE)"
        ),
        "#/tasks/5: not an object",
    ]


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        ([SCENES, {**TILING, "after": "b:1"}], ["tiling:1: its parent b:1 is no task of this workflow"]),
        (
            [SCENES, {**TILING, "propagate": [{"stages": ["b:1"]}]}],
            ["tiling:1: it propagates b:1, which is no task of this workflow"],
        ),
        ([SCENES, {**TILING, "after": ["tiling:1"]}], ["tiling:1: a cycle: tiling:1 → tiling:1"]),
        (
            [SCENES, TILING, {**TILING, "name": "tiling 1", "after": None}, {**TILING, "name": "tiling-1"}],
            ["tiling-1: two tasks have this name"],
        ),
        (
            [SCENES, {**TILING, "parentName": "scenes:1"}],
            ["#/1: both [after] and [parentName] are given; give one of them"],
        ),
        (
            [{**SCENES, "after": "3f0c/roads:1"}],
            ["scenes:1: block scenes is a data block, which can only be first"],
        ),
        (
            [{**TILING, "after": None}],
            [
                (
                    "tiling:1: block tiling: raster.up42_standard.format: nothing is offered, "
                    '"GTiff" is needed (fails)'
                )
            ],
        ),
    ],
    ids=["parent", "stage", "cycle", "names that become one", "two parents", "data block", "no input"],
)
def test_how_tasks_stand_together(folder: Path, tasks: list[Any], expected: list[str]) -> None:
    """Names, order and capabilities, in the words of ``manifest check``."""
    found = problems(write(folder, tasks))
    assert found[: len(expected)] == expected


def test_stages_of_other_jobs(folder: Path) -> None:
    """They are no tasks, and what they hold is not known: nothing is wrong, and a warning says so."""
    tasks = [{**TILING, "after": "3f0c/roads:1", "propagate": [{"stage": "3f0c/scenes:1"}]}]
    found = load(write(folder, tasks))
    assert found.tasks[0].after == ("3f0c/roads:1",)
    assert found.warnings == (
        (
            'tiling:1: block tiling: raster.up42_standard.format: nothing is offered, "GTiff" is needed '
            "(not comparable)"
        ),
    )


def test_two_versions_of_a_block(folder: Path) -> None:
    """Two folders may hold manifests of one name: each task says which it runs."""
    make_block(folder / "newer", processing_block(name="tiling", description="Another."))
    tasks = [SCENES, TILING, {**TILING, "name": "tiling:2", "block": "newer"}]
    assert len(load(write(folder, tasks)).tasks) == 3


# What a task says of its block, and the defect; FOLDER stands for the document's folder.
BLOCKS: dict[str, tuple[dict[str, Any], str]] = {
    "no folder": ({"block": "gone", "command": "./run"}, "#/0/block: there is no folder FOLDER/gone"),
    "a file": ({"block": "file", "command": "./run"}, "#/0/block: there is no folder FOLDER/file"),
    "no manifest": (
        {"block": "empty", "command": "true"},
        (
            "#/0/block: there is no file FOLDER/empty/UP42Manifest.json; write the block's manifest, "
            "or begin with a copy of one that `up42-state demo` leaves"
        ),
    ),
    "a folder with a very long name": (
        {"block": "a" * 5000, "command": "true"},
        f"#/0/block: there is no folder FOLDER/{'a' * 5000}",
    ),
    "a program with a very long name": (
        {"block": "scenes", "command": f"./{'a' * 5000}"},
        f"#/0/command: there is no program FOLDER/scenes/{'a' * 5000}",
    ),
    "a manifest that is no file": (
        {"block": "odd", "command": "true"},
        "#/0/block: FOLDER/odd/UP42Manifest.json cannot be read: Is a directory",
    ),
    "a manifest that is no JSON": (
        {"block": "text", "command": "true"},
        "FOLDER/text/UP42Manifest.json#: not JSON: expecting value at line 1, column 1",
    ),
    "no program": (
        {"block": "scenes", "command": "./walk"},
        "#/0/command: there is no program FOLDER/scenes/walk",
    ),
    "no program on the PATH": (
        {"block": "scenes", "command": "up42-no-such-program"},
        "#/0/command: there is no program up42-no-such-program on the PATH; install it",
    ),
    "a program without its folder": (
        {"block": "scenes", "command": "run"},
        "#/0/command: there is no program run on the PATH; write ./run for the file in the block's folder",
    ),
    "a program that is a folder": (
        {"block": ".", "command": "./scenes"},
        "#/0/command: there is no program FOLDER/scenes",
    ),
    "a program that is not executable": (
        {"block": "scenes", "command": "./UP42Manifest.json"},
        (
            "#/0/command: FOLDER/scenes/UP42Manifest.json is not executable; "
            "chmod +x FOLDER/scenes/UP42Manifest.json"
        ),
    ),
    "an open quote": (
        {"block": "scenes", "command": "./run 'a"},
        "#/0/command: ./run 'a cannot be split into words: no closing quotation",
    ),
    "no module": (
        {"python": "up42_no_such_module:detect"},
        "#/0/python: there is no module up42_no_such_module; put it into FOLDER, or install its package",
    ),
    "no module in a package": (
        {"python": "package.inner:detect"},
        "#/0/python: there is no module package.inner; put it into FOLDER, or install its package",
    ),
    "no package": (
        {"python": "detection.inner:detect"},
        "#/0/python: there is no module detection.inner; put it into FOLDER, or install its package",
    ),
    "no function": (
        {"python": "detection:detekt"},
        "#/0/python: FOLDER/detection.py has no function detekt; it has detect",
    ),
    "a module that is no Python": (
        {"python": "broken:detect"},
        "#/0/python: the module FOLDER/broken.py cannot be read: invalid syntax (<unknown>, line 1)",
    ),
    "nothing": (
        {},
        (
            "#/0: what to run for its block scenes is not said; give [block], [image] or [python], "
            "or a blocks file (--blocks FILE)"
        ),
    ),
}


@pytest.mark.parametrize("case", BLOCKS)
def test_a_block_that_cannot_run(folder: Path, case: str) -> None:
    """It is found before anything runs, and the defect says what to do."""
    for name in ("empty", "odd", "text", "package"):
        (folder / name).mkdir()
    (folder / "odd" / "UP42Manifest.json").mkdir()
    (folder / "text" / "UP42Manifest.json").write_text("manifest")
    (folder / "UP42Manifest.json").write_text(json.dumps(data_block(name="whole")))
    (folder / "package" / "__init__.py").touch()
    (folder / "file").touch()
    (folder / "broken.py").write_text("def")
    members, expected = BLOCKS[case]
    assert problems(write(folder, [{"name": "scenes:1", **members}])) == [
        expected.replace("FOLDER", str(folder))
    ]


FUNCTIONS = {
    "defined": "def detect(c): pass",
    "assigned": "detect = len",
    "one of several": "(a, [detect, *b]) = 1, [2]",
    "imported": "from json import loads as detect",
    "imported with all others": "from json import *",
    "made when it is asked for": "def __getattr__(name): return len",
    "defined under a condition": "if True:\n  try:\n    x = 1\n  except ValueError:\n    def detect(c): pass",
    "a class": "class detect: pass",
    "annotated": "detect: object = len",
    "beside an escape that Python warns of": "def detect(c): return '\\d'",
}


@pytest.mark.parametrize("source", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions_are_found_wherever_they_come_from(folder: Path, source: str) -> None:
    """Whatever binds the name at the module's top level counts."""
    (folder / "other.py").write_text(source)
    [task] = load(write(folder, [{"name": "a:1", "python": "other:detect"}])).tasks
    assert task.block.function == "other:detect"


def test_no_code_of_a_block_is_run(folder: Path) -> None:
    """Neither the module nor the packages around it are imported: a check is safe, and quick."""
    package = folder / "up42_blocks" / "inner"
    package.mkdir(parents=True)
    poison = "raise SystemExit('imported')\n"
    (package.parent / "__init__.py").write_text(poison)
    (package / "__init__.py").write_text(poison)
    (package / "detection.py").write_text(f"{poison}def detect(c): pass\n")
    load(write(folder, [{"name": "a:1", "python": "up42_blocks.inner.detection:detect"}]))
    assert not [name for name in sys.modules if name.startswith("up42_blocks")]


def test_a_module_of_the_documents_folder_comes_first(folder: Path) -> None:
    """A block called ``json`` is the one beside the document."""
    (folder / "json.py").write_text("def detect(c): pass\n")
    assert load(write(folder, [{"name": "a:1", "python": "json:detect"}])).tasks
    assert problems(write(folder, [{"name": "a:1", "python": "json:loads"}])) == [
        f"#/0/python: {folder}/json.py has no function loads; it has detect"
    ]


@pytest.mark.parametrize("function", ["json:loads", "sys:intern", "xml.dom.minidom:parse", "math:sqrt"])
def test_functions_of_installed_modules(folder: Path, function: str) -> None:
    """Modules of Python itself, of packages, and such as are compiled."""
    assert load(write(folder, [{"name": "a:1", "python": function}])).tasks


def test_a_variable_that_is_not_set_is_a_warning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The block may do without it; its value stands nowhere."""
    monkeypatch.setenv("MODEL_KEY", "K7")
    monkeypatch.delenv("MODEL_PATH", raising=False)
    found = load(write(folder, [{**SCENES, "environment": ["MODEL_KEY", "MODEL_PATH"]}]))
    assert found.warnings == (
        "#/0/environment: the variable MODEL_PATH is not set, so the block does not get it",
    )
    assert "K7" not in repr(found)


def test_a_program_on_the_path(folder: Path) -> None:
    """A program without a slash is looked for as a shell does."""
    assert load(write(folder, [{**SCENES, "command": "sh run"}])).tasks[0].block.command == ("sh", "run")


def test_the_folder_of_the_document_counts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are relative to the document, wherever the process is, and stay where they are."""
    write(folder, [SCENES])
    monkeypatch.chdir(folder)
    block = load("workflow.json").tasks[0].block
    monkeypatch.chdir("/")
    assert block.folder == folder / "scenes"
    assert load(os.path.relpath(folder / "workflow.json")).tasks[0].block == block


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ({}, ["#/0/blockId: {} has no block scenes-1"]),
        (
            {"scenes-2": {"python": "detection:detect"}},
            ["#/0/blockId: {} has no block scenes-1; did you mean scenes-2?"],
        ),
        ([], ["{}#: no object with at most 1000 blocks, each under its name"]),
        ("- a\n- b: [", ["{}#: not YAML: "]),
        ("a: 1\na: 1\n", ["{}#: duplicated key [a] at line 2, column 1", "{}#/a: not an object"]),
        ({"scenes-1": {}}, ["{}#/scenes-1: none of [block], [image] and [python] is given"]),
        (
            {"scenes-1": {"block": "scenes"}},
            ["{}#/scenes-1: required key [command] not found"],
        ),
        (
            {"scenes-1": {"block": "gone", "command": "./run"}},
            ["{}#/scenes-1/block: there is no folder FOLDER/gone"],
        ),
        (
            {"scenes-1": {"block": "scenes", "command": "./walk", "retries": -1, "after": "x"}},
            [
                "{}#/scenes-1/retries: -1 is not greater or equal to 0",
                "{}#/scenes-1: extraneous key [after] is not permitted",
                "{}#/scenes-1/command: there is no program FOLDER/scenes/walk",
            ],
        ),
    ],
    ids=[
        "empty",
        "near",
        "list",
        "no YAML",
        "equal keys",
        "nothing",
        "no command",
        "no folder",
        "several",
    ],
)
def test_what_is_wrong_with_a_blocks_file(folder: Path, blocks: object, expected: list[str]) -> None:
    """Its defects stand beside the document's, with the file in their places."""
    file = write(folder, blocks, "blocks.yaml")
    found = problems(write(folder, [{"name": "scenes:1", "blockId": "scenes-1"}]), blocks=file)
    wanted = [text.replace("{}", str(file)).replace("FOLDER", str(folder)) for text in expected]
    assert [text for text in wanted if not any(one.startswith(text) for one in found)] == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tiling:1": {"tile_width": 0}}, "#/tiling:1/tile_width: 0 is not greater or equal to 1"),
        ({"tiling:1": {"tile_width": None}}, "#/tiling:1/tile_width: a required parameter cannot be null"),
        ({"tiling:1": 5}, "#/tiling:1: expected type: JSONObject, found: Integer"),
        ([], "#: expected type: JSONObject, found: JSONArray"),
        ({"tiling:1": {"x": float("nan")}}, "#/tiling:1/x: no JSON value: "),
        ({"tiling:1": {"x": [{1, 2}]}}, "#/tiling:1/x: no JSON value: "),
        ({"tiling:1": {"x": "\ud800"}}, "#/tiling:1/x: no JSON value: "),
        ({"tiling:1": {5: "a"}}, "#/tiling:1/5: no text, and names are text"),
        ({7: {"x": 1}}, "#/7: no text, and names are text"),
    ],
    ids=repr,
)
def test_parameters_that_are_wrong(folder: Path, given: Any, expected: str) -> None:
    """Those that are given are checked with the document, before anything runs."""
    [found] = problems(write(folder, [SCENES, TILING]), parameters=given)
    assert found.startswith(expected)


def test_an_image_without_an_engine_is_a_warning(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether an image is there, the engine is asked by what runs images; a file of its name is not read."""
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.chdir(folder)
    found = load(write(folder, [{"name": "a:1", "image": "scenes", "user": "image", "command": "run --all"}]))
    block = found.tasks[0].block
    assert (block.kind, block.image, block.user, block.command, block.folder) == (
        "image",
        "scenes",
        "image",
        ("run", "--all"),
        None,
    )
    [warning] = found.warnings
    assert warning.startswith("#/0/image: there is no file and no image scenes")


def test_the_label_of_an_image_is_its_manifest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Defaults, machine and defects come from the label that the engine tells."""
    manifest = data_block(parameters={"limit": {"type": "integer", "default": 3}}, machine={"type": "xlarge"})
    answer = json.dumps([{"Config": {"Labels": {"up42_manifest": json.dumps(manifest)}}}])
    engine = folder / "podman"
    engine.write_text(f"#!/bin/sh\ncat <<'EOF'\n{answer}\nEOF\n")
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    path = write(folder, [{"name": "a:1", "image": "example.org/scenes:1"}])
    [task] = load(path).tasks
    assert (dict(task.parameters), task.resources.cpus) == ({"limit": 3}, 4)
    engine.write_text(engine.read_text().replace("xlarge", "huge"))
    assert problems(path) == ["example.org/scenes:1 #/machine/type: huge is not a valid enum value"]


def test_images_are_asked_of_the_engine_that_runs_them(folder: Path) -> None:
    """Each image once; one that is not there is a defect, one without a label is said."""
    asked: list[str] = []
    known = {"a:1": {"up42_manifest": json.dumps(data_block(machine={"type": "xlarge"}))}, "b:1": {}}

    def labels(image: str) -> dict[str, str]:
        asked.append(image)
        if image not in known:
            raise NotFoundError(f"the image {image} is not there", advice="build it")
        return known[image]

    tasks: list[dict[str, Any]] = [{"name": "x:1", "image": "a:1"}, {"name": "x:2", "image": "a:1"}]
    tasks += [{"name": f"y:{number}", "after": "x:1", "image": "b:1"} for number in (1, 2)]
    found = load(write(folder, tasks), labels=labels)
    assert [task.resources.cpus for task in found.tasks] == [4, 4, 1, 1]
    assert found.warnings == (
        "#/2/image: b:1 has no label up42_manifest, so nothing of the block is checked",
    )
    assert asked == ["a:1", "b:1"]
    path = write(
        folder,
        [*tasks, {"name": "z:1", "image": "c:1"}, {"name": "z:2", "block": "gone", "command": "./run"}],
    )
    assert problems(path, labels=labels) == [
        "#/4/image: the image c:1 is not there; build it",
        f"#/5/block: there is no folder {folder}/gone",
    ]


def test_an_engine_that_does_not_answer_is_no_defect(folder: Path) -> None:
    """The document may be right: the engine's error is the result."""

    def labels(image: str) -> dict[str, str]:
        raise EngineError("podman does not answer")

    with pytest.raises(EngineError, match="podman does not answer"):
        load(write(folder, [{"name": "a:1", "image": "a:1"}]), labels=labels)


def run(*arguments: object) -> Any:
    """Run the verb ``workflow``."""
    return CliRunner().invoke(root, ["workflow", *map(str, arguments)])


def test_the_verb_prints_the_tasks(folder: Path) -> None:
    """One row a task, in the order in which they run."""
    tiling = {**TILING, "timeout": "30m", "retries": 2, "foreach": "feature", "chunk": 5}
    result = run("check", write(folder, [tiling, SCENES]))
    assert (result.exit_code, result.stderr) == (0, "")
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["TASK", "AFTER", "RUNS", "CPUS", "MEMORY", "TIMEOUT", "RETRIES", "FOREACH"],
        ["scenes:1", "-", "command", "./run", "0.5", "2.0", "GiB"],
        ["tiling:1", "scenes:1", "command", "./run", "2", "10.0", "GiB", "1800", "s", "2", "5", "features"],
    ]


def test_the_verb_as_json(folder: Path) -> None:
    """The workflow with its defaults applied, and the warnings."""
    result = run("check", write(folder, [SCENES]), "--parameters", '{"scenes:1": {"zoom": 1}}', "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["name"], found["tasks"][0]["parameters"], found["warnings"]) == (
        "workflow",
        {"zoom": 1},
        ["#/scenes:1/zoom: the block scenes has no such parameter"],
    )


def test_the_verb_shows_no_secret(folder: Path) -> None:
    """A parameter whose name says that it is one is shown as its digest."""
    result = run(
        "check", write(folder, [SCENES]), "--parameters", '{"scenes:1": {"api_key": "K7"}}', "--json"
    )
    assert "K7" not in result.stdout
    assert list(json.loads(result.stdout)["tasks"][0]["parameters"]["api_key"]) == ["sha256"]


def test_the_verb_lists_defects(folder: Path) -> None:
    """Exit code 5, and each defect on a line; with ``--json`` each as an object."""
    path = write(folder, [{**SCENES, "timout": 5}, 7])
    result = run("check", path)
    assert (result.exit_code, result.stderr.splitlines()) == (
        5,
        [
            f"error: the workflow {path} is not valid",
            "  #/0: extraneous key [timout] is not permitted; did you mean timeout?",
            "  #/1: not an object",
        ],
    )
    defects = json.loads(run("check", path, "--json").stderr)["error"]["defects"]
    assert [defect["place"] for defect in defects] == ["#/0", "#/1"]


def test_manifest_check_takes_the_same_documents(folder: Path) -> None:
    """``after`` and objects below ``propagate`` are known to it as well."""
    document = {"tasks": [SCENES, {**TILING, "propagate": [{"stages": ["scenes:1"], "form": "inherit"}]}]}
    path = write(folder, document)
    result = CliRunner().invoke(root, ["manifest", "check", str(path), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["edges"][1]["parents"] == ["scenes:1"]
    document["tasks"][1]["propagate"] = [{"stage": "gone:1"}]
    refused = CliRunner().invoke(root, ["manifest", "check", str(write(folder, document))])
    assert "tiling:1: it propagates gone:1, which is no task" in refused.stderr


def test_manifest_check_takes_no_folder_for_an_image(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block's folder that is called as its image is no OCI layout, and no reason to refuse the workflow."""
    monkeypatch.chdir(folder)
    path = write(folder, [{"name": "scenes:1", "image": "scenes"}])
    result = CliRunner().invoke(root, ["manifest", "check", str(path)])
    assert (result.exit_code, result.stderr) == (0, "warning: scenes:1: block scenes: not comparable\n")


def test_manifest_check_refuses_equal_keys(folder: Path) -> None:
    """Both verbs read documents in one and the same way."""
    path = write(folder, '[{"name": "a:1", "name": "b:1", "python": "x:y"}]')
    result = CliRunner().invoke(root, ["manifest", "check", str(path)])
    assert (result.exit_code, "#/0: duplicated key [name]" in result.stderr) == (5, True)


def test_credentials_on_a_command(folder: Path) -> None:
    """What has the form of a credential, or stands after an option of such a name, is not shown."""
    words = ["./run", "--token", "pl4nted", "--api-key=pl4nted", "https://u:pl4nted@h/x", "--tile", "512"]
    path = write(folder, [{**SCENES, "command": words}])
    for options in ([], ["--json"]):
        result = CliRunner().invoke(root, ["workflow", "check", str(path), *options])
        assert result.exit_code == 0
        assert "pl4nted" not in result.output
        assert "512" in result.output


def test_an_image_with_a_registrys_password(folder: Path) -> None:
    """It is refused, without being quoted: it would stand on the engine's command line."""
    image = "user:pl4nted-s3cret@example.org/scenes:1"
    (problem,) = problems(write(folder, [{"name": "a:1", "image": image}]))
    assert "docker login" in problem
    assert "pl4nted" not in problem
