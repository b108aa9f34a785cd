"""What stands in an exported document, what cwltool says of it, and what cannot be exported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from manifest.examples import data_block
from workflow.cwl.lab import NASTY, Lab, read

from up42_state.errors import InvalidWorkflowError
from up42_state.workflow.document.yaml_text import parse_yaml
from up42_state.workflow.export.formats import Options, warnings
from up42_state.workflow.export.source import read_source
from up42_state.workflow.export.writing import as_yaml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IMAGE = f"registry.example/block@sha256:{'a' * 64}"
OURS = "registry.example/up42-state:1"


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab on a machine that has no engine: images are known by their names."""
    lab = Lab(tmp_path / "lab")
    monkeypatch.setenv("PATH", str(tmp_path))
    return lab


def image(name: str, *after: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": IMAGE, "after": list(after), **more}


def every_kind(lab: Lab) -> Path:
    """Images and commands, shards, a fan-in, a propagation, resources and a limit of time."""
    (lab.folder / "ours.py").write_text("def turn(collection):\n    return collection\n")
    return lab.workflow(
        lab.task("make:1"),
        image("tile:1", "make:1", foreach="feature", chunk=2, timeout=89.5, command=["--x", "$(inputs.job)"]),
        image("tile:2", resources={"cpus": 1.5, "memory": 1024000001}),
        {"name": "turn:1", "python": "ours:turn", "after": ["tile:1"]},
        lab.task("last:1", "tile:2", "turn:1", propagate=["make:1"]),
    )


def test_documents_are_valid_cwl(lab: Lab) -> None:
    """A strict check by cwltool passes every kind of document, without a warning, and fetches nothing."""
    workflow = every_kind(lab)
    documents = [lab.export(workflow, image=OURS), lab.export(workflow, staged=True, image=OURS)]
    codes, said = lab.validate(*documents)
    assert codes == [0, 0], said
    assert said.count("is valid CWL") == 2
    assert "WARNING" not in said
    assert lab.attempts() == ""


def in_a_tool(graph: dict[str, Any]) -> None:
    graph["a-1-block"]["outputz"] = {}


def in_a_requirement(graph: dict[str, Any]) -> None:
    graph["a-1-block"]["requirements"]["DockerRequirement"]["dockerpull"] = "x"


def in_a_step(graph: dict[str, Any]) -> None:
    graph["main"]["steps"]["a-1"]["retries"] = 3


def an_unknown_requirement(graph: dict[str, Any]) -> None:
    graph["a-1-block"]["requirements"]["RetryRequirement"] = {}


def no_such_output(graph: dict[str, Any]) -> None:
    graph["main"]["steps"]["a-2"]["in"]["input"] = "a-1/outpt"


def no_such_tool(graph: dict[str, Any]) -> None:
    graph["main"]["steps"]["a-2"]["run"] = "#turn"


def another_type(graph: dict[str, Any]) -> None:
    graph["main"]["steps"]["a-2"]["in"]["input"] = "job"


BREAKS: list[Callable[[dict[str, Any]], None]] = [
    *(in_a_tool, in_a_requirement, in_a_step, an_unknown_requirement),
    *(no_such_output, no_such_tool, another_type),
]


def test_broken_documents_are_refused(lab: Lab) -> None:
    """The check that passes documents finds an unknown field, wherever it is, and references to nothing."""
    document = lab.export(lab.workflow(image("a:1"), image("a:2", "a:1")))
    broken = []
    for number, break_ in enumerate(BREAKS):
        whole = yaml.safe_load(document.read_text())
        break_({each["id"]: each for each in whole["$graph"]})
        path = document.with_name(f"{number}.cwl")
        path.write_text(json.dumps(whole))
        broken.append(path)
    codes, said = lab.validate(*broken)
    assert [code != 0 for code in codes] == [True] * len(BREAKS), said


def test_an_image_is_run_as_it_is(lab: Lab) -> None:
    """The tool of an image names its digest, and has the contract's directories and variables alone."""
    tool = read(lab.export(every_kind(lab), image=OURS))["tile-1-block"]
    assert "baseCommand" not in tool
    assert tool["requirements"]["DockerRequirement"] == {
        "dockerPull": IMAGE,
        "dockerOutputDirectory": "/tmp/output",
    }
    assert [each["entryname"] for each in tool["requirements"]["InitialWorkDirRequirement"]["listing"]] == [
        "/tmp/input",
        "/tmp/quicklooks",
    ]
    assert tool["requirements"]["EnvVarRequirement"]["envDef"].keys() == {
        *("UP42_TASK_PARAMETERS", "UP42_JOB_MODE", "UP42_JOB_INFO", "UP42_BLOCK_INFO", "TZ")
    }
    assert tool["inputs"]["command"]["default"] == ["--x", "$(inputs.job)"]
    assert tool["requirements"]["ToolTimeLimit"] == {"timelimit": 90}


def test_resources_and_network(lab: Lab) -> None:
    """A tool asks for what the machine type has, in whole MiB; data blocks alone have the network."""
    tools = read(lab.export(every_kind(lab), image=OURS))
    needs = {
        name: (
            tool["requirements"].get("ResourceRequirement"),
            tool["requirements"]["NetworkAccess"]["networkAccess"],
        )
        for name, tool in tools.items()
        if tool["class"] == "CommandLineTool"
    }
    assert needs["make-1-block"] == ({"coresMin": 0.5, "ramMin": 2048}, True)
    assert needs["last-1-block"] == ({"coresMin": 0.5, "ramMin": 2048}, False)
    assert needs["tile-2-block"] == ({"coresMin": 1.5, "ramMin": 977}, False)  # 976.56 MiB, rounded up
    assert needs["merge"] == (None, False)


@pytest.mark.parametrize("staged", [False, True])
def test_only_our_steps_know_the_store(lab: Lab, staged: bool) -> None:
    """No block's tool has an input or a variable of the store, and a package has none anywhere."""
    processes = read(lab.export(every_kind(lab), image=OURS, staged=staged))
    store = {"url", "region", "endpoint", "credentials"}
    ours = {name for name, each in processes.items() if store & set(each["inputs"])}
    blocks = {name for name in processes if name.endswith("-block")}
    assert len(blocks) == 5
    assert not ours & blocks
    assert bool(ours) == staged
    for name in blocks:
        variables = processes[name]["requirements"]["EnvVarRequirement"]["envDef"]
        assert not {each for each in variables if "AWS" in each or "URL" in each or "SECRETS" in each}
    for each in processes.values():
        for step in each.get("steps", {}).values():
            if step["run"].removeprefix("#") in blocks:
                assert not store & set(step["in"])


def test_tasks_that_run_one_block_share_its_tool(lab: Lab) -> None:
    """There is one tool for each block, and names that are equal but for their signs are told apart."""
    document = lab.export(
        lab.workflow(image("a:1"), image("a:2", "a:1"), image("a-1", "a:1"), image("a=1", "a-1")), staged=True
    )
    processes = read(document)
    assert [name for name in processes if name.endswith("-block")] == ["a-1-block"]
    steps = [name for name in processes["main"]["steps"] if not name.endswith("-look")]
    assert len(set(steps)) == 4
    assert lab.validate(document)[0] == [0]


def test_texts_arrive_as_they_are(lab: Lab) -> None:
    """Parameters stand as defaults of inputs, which are no expressions: a reader gets the text of a run."""
    workflow = lab.workflow(image("a:1"), parameters={"a:1": NASTY})
    given = read(lab.export(workflow))["main"]["steps"]["a-1"]["in"]["parameters"]["default"]
    assert given == json.dumps(NASTY, ensure_ascii=False)


def test_what_cwl_cannot_express_is_refused_at_once(lab: Lab) -> None:
    """Each thing that would be left out is named, with its task and what to do."""
    workflow = lab.workflow(
        image("a:1", retries=2, user="image", environment=["TOKEN"]),
        image("b:1", "a:1", resources={"gpus": 1}, propagate=["other/c:1"]),
        parameters={"a:1": {"api_key": "x"}, "b:1": {"long": "x" * 131_000}},
    )
    with pytest.raises(InvalidWorkflowError, match="CWL cannot run the workflow cwl as it is") as caught:
        lab.export(workflow)
    assert {defect.place for defect in caught.value.defects} == {
        *("a:1 parameters.api_key", "a:1 retries", "a:1 environment", "a:1 user"),
        *("b:1 resources.gpus", "b:1 other/c:1", "b:1 parameters"),
    }
    assert all(defect.advice for defect in caught.value.defects)


def test_a_stage_of_another_job_needs_the_store(lab: Lab) -> None:
    """A staged document has such a stage where a package is refused."""
    workflow = lab.workflow(image("b:1", "other/c:1"))
    with pytest.raises(InvalidWorkflowError, match="cannot have the stage of another job"):
        lab.export(workflow)
    step = read(lab.export(workflow, staged=True))["main"]["steps"]["b-1-look"]
    assert "other/c:1" in step["in"]["text"]["default"]
    assert "after" not in step["in"]  # no step of the document makes it


def test_lost_quicklooks_are_told(lab: Lab) -> None:
    """Whoever exports images reads that their quicklooks are lost."""
    source = read_source(lab.workflow(lab.task("make:1"), image("a:1", "make:1")))
    (said,) = warnings("cwl", source, Options(staged=True))
    assert said.startswith("the quicklooks of a:1 are lost")
    assert data_block()["name"] not in said


@pytest.mark.parametrize("word", ["1e3", "0o17", "0x1F", "-.5", "+1", ".inf", "1.", "2018-02-12"])
def test_words_that_look_like_numbers_stay_texts(word: str) -> None:
    """Texts that readers of YAML 1.2 would take for numbers stand in quotes; cwltool reads YAML 1.2."""
    text = as_yaml({"word": word})
    assert text == f"word: '{word}'\n"
    assert parse_yaml(text, 10).value == {"word": word}
