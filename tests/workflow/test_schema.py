"""The published schema accepts what ``load`` accepts and refuses what it refuses, for any validator."""

from __future__ import annotations

import copy
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from workflow.documents import SCENES, TILING, make_blocks, problems, write

from up42_state.cli.root import root
from up42_state.errors import InvalidWorkflowError
from up42_state.propagation import _CHOICES
from up42_state.workflow.document import load
from up42_state.workflow.document.schema import defects, published

if TYPE_CHECKING:
    from pathlib import Path

PUBLISHED = Draft202012Validator(published())
BLOCKS = Draft202012Validator(published("blocks"))


def scenes(**members: Any) -> list[dict[str, Any]]:
    """A document with one task."""
    return [{**SCENES, **members}]


def tiling(**members: Any) -> list[dict[str, Any]]:
    """A document with two tasks, the second with other members; those that are None are left out."""
    task = {name: value for name, value in {**TILING, **members}.items() if value is not ...}
    return [SCENES, task]


def propagating(**members: Any) -> list[dict[str, Any]]:
    """A document whose second task propagates the first."""
    return tiling(propagate=[{"stage": "scenes:1", **members}])


PYTHON = {"block": ..., "command": ..., "python": "detection:detect"}
GOOD: dict[str, Any] = {
    "one task": scenes(),
    "two tasks": tiling(),
    "an object": {"tasks": scenes()},
    "all of an object": {
        "$schema": "x",
        "name": "Ships",
        "tasks": tiling(),
        "parameters": {"tiling:1": {"tile_width": 3}, "scenes:1": None},
    },
    "a blank in the name": scenes(name="First data block"),
    "the longest name": scenes(name="a" * 128),
    "no parent": scenes(parentName=None),
    "after none": scenes(after=None),
    "an empty list of parents": scenes(parentName=[]),
    "a parent": tiling(after=..., parentName="scenes:1"),
    "parents": tiling(after=["scenes:1", "3f0c/a+b"]),
    "the platform's version": scenes(blockVersionTag="2.2.2", blockId="0e5b", blockName="scenes"),
    "a command with blanks": scenes(command="  ./run  a "),
    "an empty word": scenes(command=["./run", ""]),
    "an image": [{"name": "a:1", "image": "registry.example:5000/a/b:1.2"}],
    "an image by digest": [{"name": "a:1", "image": f"a/b@sha256:{'0' * 64}"}],
    "an image with a command": [{"name": "a:1", "image": "a", "command": "run", "user": "image"}],
    "a function": tiling(**PYTHON),
    "variables": scenes(environment=["PROJ_LIB", "_x1", "UP42_JOB_MODES"]),
    "no variables": scenes(environment=[]),
    "resources": scenes(resources={"cpus": 0.25, "memory": "4GiB", "gpus": 0}),
    "no resources": scenes(resources={}),
    "memory in bytes": scenes(resources={"memory": 1}),
    "memory with a blank": scenes(resources={"memory": "512 MiB"}),
    "no retries": scenes(retries=0),
    "retries": scenes(retries=100),
    "a whole number with a point": scenes(retries=2.0),
    "seconds": scenes(timeout=0.5),
    "a timeout": scenes(timeout="90s"),
    "foreach": tiling(foreach="feature"),
    "chunks": tiling(foreach="feature", chunk=1000),
    "foreach with a parent": tiling(after=..., parentName=["scenes:1"], foreach="feature"),
    "a name to propagate": tiling(propagate="scenes:1"),
    "names to propagate": tiling(propagate=["scenes:1", "3f0c/scenes:1"]),
    "nothing to propagate": tiling(propagate=None),
    "a stage to propagate": propagating(),
    "stages to propagate": tiling(propagate=[{"stages": ["scenes:1", "3f0c/scenes:1"]}]),
    "all options": propagating(
        form="inherit",
        match=["a=b", ["c", "d"]],
        on_conflict="both",
        where={"sensor": "SPOT"},
        bbox=[0, 0, 1, 1.5],
        ids=["a", 1],
        path="*.tif",
        missing="skip",
        properties=["sensor"],
    ),
    "clauses": propagating(where=["cloud<20", "sensor=SPOT"]),
    "a clause": propagating(where="cloud<20"),
    "a box as text": propagating(bbox="0,0,1,1"),
    "an id": propagating(ids="a"),
    "a match of a name with an equals sign": propagating(match=["a=b=c"]),
}  # fmt: skip
BAD: dict[str, Any] = {
    "null": None,
    "text": "tasks",
    "a number": 3,
    "an empty object": {},
    "no tasks": [],
    "no tasks in an object": {"tasks": []},
    "tasks that are no list": {"tasks": {"name": "a:1"}},
    "too many tasks": [{"name": f"a:{n}", "python": "json:loads"} for n in range(1001)],
    "an unknown member": {"tasks": scenes(), "task": []},
    "an empty name of the workflow": {"name": "", "tasks": scenes()},
    "a number as name of the workflow": {"name": 1, "tasks": scenes()},
    "parameters that are a list": {"tasks": scenes(), "parameters": []},
    "parameters of a task that are a list": {"tasks": scenes(), "parameters": {"scenes:1": []}},
    "a task that is a text": ["scenes:1"],
    "no name": [{"block": "scenes", "command": "./run"}],
    "an unknown member of a task": scenes(tiemout=3),
    **{f"the name {name!r}": scenes(name=name) for name in [
        "", " a", "a+b", "a/b", "ä", "a\n", ".a", "a" * 129, 1
    ]},
    "a parent that is a number": tiling(after=1),
    "a parent that is no name": tiling(after="a/b/c"),
    "a parent that is null in a list": tiling(after=[None]),
    "a parent with an object": tiling(after={}),
    "too many parents": tiling(after=["scenes:1"] * 1001),
    "both kinds of parents": tiling(parentName="scenes:1"),
    "an empty blockId": scenes(blockId=""),
    "a number as blockName": scenes(blockName=1),
    "no command": [{"name": "a:1", "block": "scenes"}],
    "a command alone": [{"name": "a:1", "command": "./run"}],
    "a function with a command": scenes(python="a:b"),
    "a block and an image": scenes(image="a"),
    "an image and a function": [{"name": "a:1", "image": "a", "python": "json:loads"}],
    "a user without an image": scenes(user="image"),
    "an unknown user": [{"name": "a:1", "image": "a", "user": "root"}],
    **{f"the block {block!r}": scenes(block=block) for block in ["", "a\0b", 1, None]},
    **{f"the image {image!r}": [{"name": "a:1", "image": image}] for image in [
        "", "-v", "a b", "a\n", 1, None
    ]},
    **{f"the function {name!r}": [{"name": "a:1", "python": name}] for name in [
        "", "a", "a:", ":b", "a.:b", "a:b.c", "1:b", "ä:b", 1
    ]},
    **{f"the command {command!r}": scenes(command=command) for command in [
        "", "  ", [], [""], [1], ["a\0"], "a\0", 1, None, {}
    ]},
    **{f"the variables {v!r}": scenes(environment=v) for v in [
        "A", ["a=b"], [""], [1], {"A": "b"}, ["A\n"], ["UP42_JOB_MODE"]
    ]},
    **{f"the resources {r!r}": scenes(resources=r) for r in [
        [], 4, {"cpu": 1}, {"cpus": 0}, {"cpus": "1"}, {"cpus": 5000}, {"gpus": -1}, {"gpus": 0.5},
        {"memory": 0}, {"memory": "4"}, {"memory": "4GiB\n"}, {"memory": "0MiB"}, {"memory": "4 Gigabytes"},
        {"memory": 1.5}, {"memory": 10**16}, {"memory": "1.5GiB"},
    ]},
    **{f"the retries {r!r}": scenes(retries=r) for r in [-1, 1.5, "1", True, None, 101]},
    **{f"the timeout {timeout!r}": scenes(timeout=timeout) for timeout in [
        0, -1, "0s", "5", "1w", "1h\n", True, None, 10**10, "99999d"
    ]},
    "foreach of something else": tiling(foreach="file"),
    "foreach of nothing": tiling(foreach=None),
    "foreach without a parent": scenes(foreach="feature"),
    "foreach with no parent in the list": tiling(after=[], foreach="feature"),
    "foreach with a parent that is null": tiling(after=None, foreach="feature"),
    "chunks of nothing": tiling(chunk=3),
    **{f"the chunk {c!r}": tiling(foreach="feature", chunk=c) for c in [0, -1, 1.5, "3", None, 10**7]},
    "a number to propagate": tiling(propagate=1),
    "an object to propagate": tiling(propagate={"stage": "scenes:1"}),
    "null to propagate": tiling(propagate=[None]),
    "no stage to propagate": tiling(propagate=[{}]),
    "stage and stages": propagating(stages=["scenes:1"]),
    "no stages": tiling(propagate=[{"stages": []}]),
    "a text as stages": tiling(propagate=[{"stages": "scenes:1"}]),
    "an unknown option": propagating(forms="inherit"),
    **{f"{name}, an unknown choice": propagating(**{name: "x"}) for name in [
        "form", "on_conflict", "missing"
    ]},
    **{f"match={match!r}": propagating(match=match) for match in [
        "a=b", ["a"], ["=b"], ["a="], [["a"]], [["a", "b", "c"]], [[1, 2]]
    ]},
    "where of a number": propagating(where=[1]),
    **{f"bbox={b!r}": propagating(bbox=b) for b in [[], [1, 2, 3], [1, 2, 3, "4"], 1, [1, 2, 3, 4, 5]]},
    "ids of null": propagating(ids=[None]),
    "ids of a number": propagating(ids=1),
    "an empty path": propagating(path=""),
    "properties that are text": propagating(properties="sensor"),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the blocks of the documents."""
    path = tmp_path_factory.mktemp("blocks")
    make_blocks(path)
    return path


def test_the_schema_is_one() -> None:
    """It is a valid schema of draft 2020-12, and needs no other file."""
    for part in ("", "blocks"):
        Draft202012Validator.check_schema(published(part))
    assert '"$ref": "urn' not in json.dumps(published())


@pytest.mark.parametrize("name", GOOD)
def test_good_documents(folder: Path, name: str) -> None:
    """Both accept them."""
    assert PUBLISHED.is_valid(GOOD[name])
    assert load(write(folder, GOOD[name])).tasks


@pytest.mark.parametrize("name", BAD)
def test_bad_documents(folder: Path, name: str) -> None:
    """Both refuse them, and the first message is short and quotes no schema."""
    assert not PUBLISHED.is_valid(BAD[name])
    [first, *_] = problems(write(folder, BAD[name]))
    assert len(first) < 400
    assert "is not valid under any of the given schemas" not in first


@st.composite
def changed_documents(draw: st.DrawFn) -> Any:
    """A good document in which one value is replaced, or one member added."""
    document = copy.deepcopy(GOOD[draw(st.sampled_from(sorted(GOOD)))])
    values = st.sampled_from(
        [None, True, 0, -1, 1.5, 10**30, "", "a", "scenes:1", "4GiB", [], ["a"], [[]], {}, {"stage": "a"}]
    )
    places = [(None, None), *_places(document)]
    holder, key = draw(st.sampled_from(places))
    if holder is None:
        return draw(values)
    if isinstance(holder, dict) and draw(st.booleans()):
        key = draw(
            st.sampled_from(["after", "parentName", "block", "image", "python", "command", "chunk", "x"])
        )
    holder[key] = draw(values)
    return document


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every member and item in a value, as its container and its key."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, inner in items for place in [(value, key), *_places(inner)]]


@given(document=changed_documents())
def test_our_validator_agrees_with_any_other(document: Any) -> None:
    """Better messages change no verdict."""
    assert (defects(document) == []) == PUBLISHED.is_valid(document)


@given(document=changed_documents())
def test_whatever_a_document_holds_the_error_is_ours(folder: Path, document: Any) -> None:
    """A document that the schema refuses is refused; one that it accepts loads, or has other defects."""
    path = write(folder, document)
    if PUBLISHED.is_valid(document):
        with suppress(InvalidWorkflowError):
            assert load(path).tasks
    else:
        assert problems(path)


def test_a_document_of_very_many_tasks(folder: Path) -> None:
    """It is refused at once: not each of its tasks is looked at."""
    before = time.monotonic()
    found = problems(write(folder, [{"name": 1}] * 20_000))
    assert found == ["#: no list of 1 to 1000 tasks"]
    file = write(folder, {f"b{number}": 1 for number in range(20_000)}, "blocks.json")
    assert problems(write(folder, scenes()), blocks=file) == [
        f"{file}#: no object with at most 1000 blocks, each under its name"
    ]
    members = {f"member{number}": 1 for number in range(20_000)}
    found = problems(write(folder, scenes(**members)))
    assert "#: more than 1000 defects, of which no more are looked for" in found
    assert time.monotonic() - before < 20


@pytest.mark.parametrize(
    ("blocks", "is_good"),
    [
        ({}, True),
        ({"any name, even ä": {"python": "a:b"}}, True),
        (
            {"a": {"block": "x", "command": "y", "retries": 1, "timeout": "1h", "resources": {"gpus": 1}}},
            True,
        ),
        ({"a": {"image": "x", "user": "image", "environment": ["A"]}}, True),
        ([], False),
        ({"a": "x"}, False),
        ({"a": {}}, False),
        ({"a": {"block": "x"}}, False),
        ({"a": {"image": "x", "after": "b"}}, False),
        ({"a": {"image": "x", "foreach": "feature"}}, False),
    ],
)
def test_blocks_files(blocks: Any, is_good: bool) -> None:
    """They have a schema of their own."""
    assert BLOCKS.is_valid(blocks) == is_good == (defects(blocks, "blocks") == [])


def test_the_choices_are_those_of_propagation() -> None:
    """The schema names what the operator takes."""
    properties = published()["$defs"]["propagation"]["properties"]
    assert {name: tuple(properties[name]["enum"]) for name in _CHOICES} == _CHOICES


@pytest.mark.parametrize(("arguments", "part"), [([], ""), (["--blocks"], "blocks")])
def test_the_verb_prints_it(arguments: list[str], part: str) -> None:
    """As one JSON document."""
    result = CliRunner().invoke(root, ["workflow", "schema", *arguments])
    assert (result.exit_code, json.loads(result.stdout)) == (0, published(part))
