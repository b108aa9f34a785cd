"""What ``load`` makes of a document, and how hostile ones end."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifest.examples import data_block, processing_block
from workflow.documents import SCENES, TILING, WIDTH, make_block, make_blocks, problems, write

from up42_state.errors import InvalidWorkflowError, PathNotFoundError, SettingsError
from up42_state.manifest.syntax import Document
from up42_state.workflow.document import load
from up42_state.workflow.document.yaml_text import parse_yaml
from up42_state.workflow.model import PropagatedStages, Resources

if TYPE_CHECKING:
    from pathlib import Path

DETECTION: dict[str, Any] = {"name": "detection:1", "after": ["tiling:1"], "python": "detection:detect"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the blocks of SCENES, TILING and DETECTION."""
    make_blocks(tmp_path)
    return tmp_path


def test_a_workflow_of_commands_and_functions(folder: Path) -> None:
    """Blocks are found, defaults applied, and the tasks are in an order in which they can run."""
    path = write(folder, {"name": "ships", "tasks": [DETECTION, TILING, SCENES]})
    found = load(path)
    assert (found.name, [task.name for task in found.tasks]) == (
        "ships",
        ["scenes:1", "tiling:1", "detection:1"],
    )
    _, tiling, detection = found.tasks
    assert (tiling.block.kind, tiling.block.folder, tiling.block.command) == (
        "command",
        folder / "tiling",
        ("./run",),
    )
    assert (tiling.after, tiling.parameters) == (("scenes:1",), {"tile_width": 768})
    assert tiling.manifest is not None
    assert (tiling.manifest.name, tiling.resources) == (
        "tiling",
        Resources(cpus=2, memory=10 * 1024**3, gpus=0),
    )
    assert (detection.block.kind, detection.block.function, detection.block.folder, detection.manifest) == (
        "python",
        "detection:detect",
        folder,
        None,
    )
    assert detection.resources == Resources()


def test_a_document_without_a_name(folder: Path) -> None:
    """Its workflow is called as the file is."""
    assert load(write(folder, [SCENES], "ships.json")).name == "ships"


def test_every_member_of_a_task(folder: Path) -> None:
    """Each member has its place in the task, read as people write it."""
    document = f"""
- {json.dumps(SCENES)}
- name: tiling:1
  after: [scenes:1, 3f0c/roads:1]
  block: tiling
  command: ./run --name "a b"
  environment: [PROJ_LIB, GDAL_CACHEMAX, PROJ_LIB]
  resources: {{cpus: 0.5, memory: 512MiB, gpus: 1}}
  retries: 2
  timeout: 30m
  foreach: feature
  chunk: 10
  propagate:
  - scenes:1
  - {{stage: 3f0c/roads:1, form: inherit, properties: [sensor]}}
  - {{stages: [scenes:1], match: [properties.scene_id=id, [id, properties.id]], where: [cloud<20], ids: [1]}}
"""
    task = load(write(folder, document, "workflow.yaml")).tasks[1]
    assert task.after == ("scenes:1", "3f0c/roads:1")
    assert task.block.command == ("./run", "--name", "a b")
    assert task.block.environment == ("PROJ_LIB", "GDAL_CACHEMAX")
    assert task.resources == Resources(cpus=0.5, memory=512 * 1024**2, gpus=1)
    assert (task.retries, task.timeout, task.chunk) == (2, 1800.0, 10)
    matched = [("properties.scene_id", "id"), ("id", "properties.id")]
    assert task.propagate == (
        PropagatedStages(stages=("scenes:1",)),
        PropagatedStages(stages=("3f0c/roads:1",), options={"form": "inherit", "properties": ["sensor"]}),
        PropagatedStages(stages=("scenes:1",), options={"match": matched, "where": ["cloud<20"], "ids": [1]}),
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (90, 90.0),
        (0.5, 0.5),
        ("90s", 90.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
    ],
)
def test_timeouts(folder: Path, given: object, expected: float) -> None:
    """Seconds as a number, or a text with a unit."""
    assert load(write(folder, [{**SCENES, "timeout": given}])).tasks[0].timeout == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [(1000, 1000), ("4GiB", 4 * 1024**3), ("2 GB", 2_000_000_000), ("100kB", 100_000), ("7B", 7)],
)
def test_sizes_of_memory(folder: Path, given: object, expected: int) -> None:
    """Bytes as a number, or a text with a unit of 1000 or 1024."""
    task = load(write(folder, [{**SCENES, "resources": {"memory": given}}])).tasks[0]
    assert task.resources == Resources(cpus=0.5, memory=expected, gpus=0)


def test_a_single_stage_of_foreach(folder: Path) -> None:
    """``foreach`` alone makes parts of one feature."""
    tiling = load(write(folder, [SCENES, {**TILING, "foreach": "feature"}])).tasks[1]
    assert tiling.chunk == 1


def test_parameters_that_are_given_come_first(folder: Path) -> None:
    """The document's parameters come before the manifest's defaults, the caller's before both."""
    more = {"zoom": {"type": "integer", "default": 3}, "mode": {"type": "string"}}
    make_block(folder / "more", processing_block(name="more", parameters={**WIDTH, **more}))
    task = {**TILING, "block": "more"}
    document = {"tasks": [SCENES, task], "parameters": {"tiling:1": {"tile_width": 1, "zoom": 4}}}
    path = write(folder, document)
    assert load(path).tasks[1].parameters == {"tile_width": 1, "zoom": 4}
    given = {"tiling:1": {"tile_width": 2}, "scenes:1": None}
    assert load(path, parameters=given).tasks[1].parameters == {"tile_width": 2, "zoom": 4}
    assert load(write(folder, [SCENES, task])).tasks[1].parameters == {"tile_width": 768, "zoom": 3}


def test_unknown_parameters_and_tasks_are_warnings(folder: Path) -> None:
    """The workflow runs; both are named."""
    found = load(write(folder, [SCENES]), parameters={"scenes:1": {"zoom": 9}, "other:1": {}})
    assert found.tasks[0].parameters == {"zoom": 9}
    assert found.warnings == (
        "#/other:1: no task has this name",
        "#/scenes:1/zoom: the block scenes has no such parameter",
    )


def test_a_function_is_no_warning(folder: Path) -> None:
    """That a function has no manifest is known, and not said at each run."""
    assert load(write(folder, [SCENES, TILING, DETECTION])).warnings == ()


PLATFORM = [
    {"name": "First data block", "parentName": None, "blockId": "0e5b-11"},
    {"name": "tiling:1", "parentName": "First data block", "blockId": "77aa-22", "blockVersionTag": "2.2.2"},
    {"name": "detection:1", "parentName": ["tiling:1"], "blockName": "ship detection"},
    {"name": "count:1", "parentName": "detection:1"},
]
BLOCKS = """
0e5b-11: {block: scenes, command: ./run}
77aa-22: {block: tiling, command: ./run, timeout: 30m, resources: {cpus: 3}}
ship detection: {python: "detection:detect", retries: 1}
count: {python: "detection:detect"}
"""


def test_the_platforms_task_list_runs_as_it_is(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With a blocks file, whose folders are relative to it; parameters by the tasks' names."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    path = write(elsewhere, PLATFORM, "tasks.json")
    blocks = write(folder, BLOCKS, "blocks.yaml")
    parameters = {"tiling:1": {"tile_width": 512}, "First data block": {"limit": 3}}
    tasks = load(path, parameters=parameters, blocks=blocks).tasks
    assert [(task.name, task.after) for task in tasks] == [
        ("First-data-block", ()),
        ("tiling:1", ("First-data-block",)),
        ("detection:1", ("tiling:1",)),
        ("count:1", ("detection:1",)),
    ]
    assert [task.block.folder for task in tasks] == [folder / "scenes", folder / "tiling", folder, folder]
    assert [dict(task.parameters) for task in tasks] == [{"limit": 3}, {"tile_width": 512}, {}, {}]
    assert (tasks[1].timeout, tasks[1].resources.cpus, tasks[2].retries) == (1800.0, 3, 1)


def test_a_tasks_own_block_comes_before_the_blocks_file(folder: Path) -> None:
    """The document says what runs; the blocks file fills in what the document leaves open."""
    blocks = write(folder, {"scenes": {"python": "detection:detect"}}, "blocks.json")
    assert load(write(folder, [SCENES]), blocks=blocks).tasks[0].block.kind == "command"


@pytest.mark.parametrize("number", range(40))
def test_manifests_of_the_corpus_as_blocks(tmp_path: Path, corpus: Path, number: int) -> None:
    """A real block can be a task, with the manifest's machine and defaults."""
    files = sorted((corpus / "manifests").iterdir())
    manifest = json.loads(files[number * len(files) // 40].read_text(encoding="utf-8"))
    make_block(tmp_path / "block", manifest)
    required = {
        name: value
        for name, value in manifest["parameters"].items()
        if value.get("required") and value.get("default") is None
    }
    tasks = [{"name": "block:1", "after": "3f0c/x", "block": "block", "command": "./run"}]
    if manifest["type"] == "data" or not manifest["input_capabilities"]:
        del tasks[0]["after"]
    path = write(tmp_path, tasks)
    if required:
        assert any(f"required key [{next(iter(required))}] not found" in text for text in problems(path))
        return
    [task] = load(path).tasks
    assert task.manifest is not None
    assert task.manifest.name == manifest["name"]
    given = {name: part["default"] for name, part in manifest["parameters"].items() if "default" in part}
    assert task.parameters == given


BAD_YAML = {
    "an empty file": ("", "the document is empty"),
    "comments alone": ("# tasks:\n", "the document is empty"),
    "no YAML": ("a: [", "not YAML"),
    "a tab": ("a:\n\t- b", "not YAML"),
    "NUL": ("a: \x00", "not YAML"),
    "two documents": ("--- []\n--- []\n", "more than one document at line 2, column 1"),
    "an object of Python": ("!!python/object/apply:os.system [ls]", "python/object/apply:os.system is not"),
    "a date": ("!!timestamp 2018-02-12", "timestamp is not permitted"),
    "not a number": ("a: .nan", ".nan is no number"),
    "infinity": ("a: -.inf", "-.inf is no number"),
    "a huge number": ("a: " + "9" * 500, "more than 400 digits"),
    "a number without end": ("a: 1e999", "beyond the range"),
    "deep lists": ("[" * 100, "nested deeper than 64 levels"),
    "very deep lists": ("[" * 100_000, "nest"),
    "deep objects": ("".join(f"{'  ' * n}a:\n" for n in range(100)), "nested deeper than 64 levels"),
    "an alias to nothing": ("a: *b", "nothing complete has the anchor &b"),
    "an alias in itself": ("&a [*a]", "nothing complete has the anchor &a"),
    "half a character": ('"\\ud800"', "at line 1"),
    "too long": ("a" * 4_200_000, "larger than 4194304 bytes"),
    "UTF-16": ("tasks: []".encode("utf-16"), "not UTF-8"),
    "Latin-1": ("name: Grün".encode("latin-1"), "not UTF-8 at line 1, column 9"),
}
BAD_JSON = {
    "an empty file": ("", "not JSON: empty"),
    "white space": (" \n", "not JSON: empty"),
    "no JSON": ("{", "not JSON"),
    "not a number": ("[NaN]", "NaN is no number"),
    "infinity": ("[-Infinity]", "-Infinity is no number"),
    "a huge number": ("[" + "9" * 5000 + "]", "more than 400 digits"),
    "deep": ("[" * 100_000, "nested deeper than 64 levels"),
    "too many values": (f"[{'1,' * 200_001}1]", "more than 200000 values"),
    "half a character": ('["\\ud800"]', "surrogate"),
}
HOSTILE = [("w.yaml", *BAD_YAML[name]) for name in BAD_YAML] + [
    ("w.json", *BAD_JSON[name]) for name in BAD_JSON
]


@pytest.mark.parametrize(
    ("name", "text", "problem"), HOSTILE, ids=[*BAD_YAML, *(f"JSON, {x}" for x in BAD_JSON)]
)
def test_a_document_that_cannot_be_read(tmp_path: Path, name: str, text: str | bytes, problem: str) -> None:
    """It is refused with one defect, in a moment, and no error but ours."""
    before = time.monotonic()
    [found] = problems(write(tmp_path, text, name))
    assert problem in found
    assert time.monotonic() - before < 20


def test_aliases_that_multiply(tmp_path: Path) -> None:
    """A few lines that stand for a billion values are refused: an alias counts as what it repeats."""
    lines = ["a0: &a0 [1,1,1,1,1,1,1,1,1]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    [found] = problems(write(tmp_path, "\n".join(lines), "w.yaml"))
    assert "more than 200000 values" in found


def test_aliases_that_nest(tmp_path: Path) -> None:
    """What aliases put into one another counts as levels."""
    lines = ["a0: &a0 [1]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 100))]
    [found] = problems(write(tmp_path, "\n".join(lines), "w.yaml"))
    assert "nested deeper than 64 levels" in found


@given(text=st.text(alphabet="ab 1.-:,?[]{}&*!|>'\"%#~\n\t\\<=", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever the text, the reader gives a JSON value or says what is wrong."""
    found = parse_yaml(text, 100)
    if found.readable:
        assert json.loads(json.dumps(found.value, allow_nan=False)) == found.value
    else:
        assert found.defects


# JSON escapes a character beyond U+FFFF as two halves, which YAML does not know. Keys of YAML have at most
# 1,024 characters, escapes counted (YAML 1.2, section 7.4.2).
TEXTS = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=100)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(value=JSON_VALUES)
def test_json_is_yaml(value: Any) -> None:
    """What JSON says, YAML says, too."""
    text = json.dumps(value)
    assert parse_yaml(text, 1000) == Document(value=value)


def test_an_alias_repeats_a_value(folder: Path) -> None:
    """What two tasks share is written once."""
    document = """
- {name: "scenes:1", block: scenes, command: ./run, resources: &small {memory: 1GiB}}
- {name: "tiling:1", after: "scenes:1", block: tiling, command: ./run, resources: *small}
"""
    tasks = load(write(folder, document, "w.yaml")).tasks
    assert [task.resources.memory for task in tasks] == [1024**3, 1024**3]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("name", ["w.json", "w.yaml"])
def test_a_byte_order_mark(folder: Path, name: str, mark: bytes) -> None:
    """Editors that write one are no reason to fail."""
    assert len(load(write(folder, mark + json.dumps([SCENES]).encode(), name)).tasks) == 1


def test_text_in_yaml_stays_text(folder: Path) -> None:
    """``no``, dates and times of day are text, as YAML 1.2 has it."""
    parameters = {name: {"type": "string"} for name in ("a", "b", "c", "d")}
    make_block(folder / "texts", data_block(parameters=parameters))
    document = """
tasks: [{name: "texts:1", block: texts, command: ./run}]
parameters: {"texts:1": {a: no, b: 2018-02-12, c: 12:30:00, d: !!str 7}}
"""
    [task] = load(write(folder, document, "w.yaml")).tasks
    assert task.parameters == {"a": "no", "b": "2018-02-12", "c": "12:30:00", "d": "7"}


@pytest.mark.parametrize("name", ["w.json", "w.yaml"])
def test_equal_keys(folder: Path, name: str) -> None:
    """Of two equal keys neither is kept silently; the rest of the document is checked all the same."""
    text = (
        '[{"name": "scenes:1",\n "name": "b:1", "block": "gone", "command": "./run", "x": {"a": 1, "a": 2}}]'
    )
    assert problems(write(folder, text, name)) == [
        "#/0: duplicated key [name] at line 2, column 2",
        "#/0/x: duplicated key [a] at line 2, column 68",
        "#/0: extraneous key [x] is not permitted",
        f"#/0/block: there is no folder {folder / 'gone'}",
    ]


def test_parameters_in_a_task(folder: Path) -> None:
    """The defect says where parameters stand, as no member of a task is near to the name."""
    text = "tasks:\n- {name: scenes:1, block: scenes, command: ./run, parameters: {limit: 1}}\n"
    (found,) = problems(write(folder, text, "w.yaml"))
    assert found.startswith(
        "#/tasks/0: extraneous key [parameters] is not permitted; parameters stand at the top"
    )


def test_keys_that_are_no_text(folder: Path) -> None:
    """JSON has none, and a task or a parameter has a name."""
    text = "tasks:\n- {name: a:1, 1: x, [b]: y, true: z}\n"
    found = problems(write(folder, text, "w.yaml"))
    assert "#/tasks/0: the key 1 is no text at line 2, column 15" in found
    assert "#/tasks/0: a list or an object is no key at line 2, column 21" in found
    assert "#/tasks/0: the key true is no text at line 2, column 29" in found


def test_a_document_that_is_not_there(tmp_path: Path) -> None:
    """Exit code 3."""
    with pytest.raises(PathNotFoundError, match="there is no file"):
        load(tmp_path / "missing.yaml")


def test_a_blocks_file_that_is_not_there(folder: Path) -> None:
    """Exit code 3."""
    with pytest.raises(PathNotFoundError, match=r"there is no file .*blocks\.yaml"):
        load(write(folder, [SCENES]), blocks=folder / "blocks.yaml")


def test_a_folder_is_no_document(tmp_path: Path) -> None:
    """Exit code 2, with the system's reason."""
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_document_with_a_trailing_comma(folder: Path) -> None:
    """JSON that is nearly right says where it is not, and is checked."""
    assert problems(write(folder, '[{"name": "scenes:1", "block": "scenes", "command": "./run"},]')) == [
        "#: trailing comma at line 1, column 61"
    ]


def test_the_error_has_exit_code_5(folder: Path) -> None:
    """Whatever is wrong with a document is invalid data."""
    with pytest.raises(InvalidWorkflowError, match=r"w\.yaml cannot be read") as caught:
        load(write(folder, "", "w.yaml"))
    assert caught.value.exit_status == 5
