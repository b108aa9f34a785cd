"""The Argo document: by its schema, what arrives of texts, what it cannot express, and that it is whole."""

from __future__ import annotations

import copy
import json
import re
from typing import TYPE_CHECKING, Any

import click
import kubernetes_validate
import pytest
import yaml
from hera.workflows.models import WorkflowTemplate
from hypothesis import given
from hypothesis import strategies as st
from servers.argo import substituted
from servers.specs import expand
from workflow.export.conftest import OPTIONS, export_with, image_of, stand_in

from up42_state.cli.verbs.engine import engine as engine_verbs
from up42_state.workflow.export.argo.checks import problems
from up42_state.workflow.export.argo.text import json_value, word

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

SCENES: dict[str, Any] = {"name": "scenes:1", "image": "scenes", "retries": 2, "timeout": "90s"}
TILING: dict[str, Any] = {
    "name": "tiling:1",
    "image": "tiling",
    "after": "scenes:1",
    "foreach": "feature",
    "user": "image",
    "resources": {"cpus": 0.25, "memory": "2GiB", "gpus": 1},
}
REPORT: dict[str, Any] = {
    "name": "report:1",
    "image": "tiling",
    "after": ["tiling:1", "other/base:1"],
    "propagate": ["scenes:1", {"stage": "other/more:1", "where": ["cloud<20"]}],
    "environment": ["MODEL_KEY"],
    "command": ["sh", "-c", "echo $$ $(HOME) $x"],
}
VALUES = {
    "workflow.parameters.job": "j",
    "workflow.parameters.job-mode": "DRY_RUN",
    "workflow.parameters.force": "true",
}


def add_tiling(engine: Path) -> None:
    """Let the stand-in know an image with neither a manifest nor an entrypoint."""
    found = json.loads(image_of(2, command=["python3", "run.py"]))
    found[0]["Config"]["Labels"] = None
    (engine / "images" / "tiling").write_text(json.dumps(found))


@pytest.fixture(autouse=True)
def tiling(engine: Path) -> None:
    add_tiling(engine)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A document with all that there is."""
    folder = tmp_path_factory.mktemp("argo")
    engine = stand_in(folder / "engine")
    add_tiling(engine)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(engine))
        tasks = {"name": "Ships", "tasks": [SCENES, TILING, REPORT]}
        done = export_with(folder, tasks, *OPTIONS, "--block-secret", "blocks")
    assert done.exit_code == 0, done.stderr
    assert "MODEL_KEY" not in done.stderr  # that it is not set here says nothing of the cluster
    value: dict[str, Any] = yaml.safe_load(done.stdout)
    return value


@pytest.fixture
def document(exported: dict[str, Any]) -> dict[str, Any]:
    """A copy of the document."""
    return copy.deepcopy(exported)


def template(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (each for each in document["spec"]["templates"] if each["name"] == name)
    assert isinstance(found, dict)
    return found


def container(document: dict[str, Any], name: str, which: str = "main") -> dict[str, Any]:
    found = template(document, name)["containerSet"]["containers"]
    (one,) = (each for each in found if each["name"] == which)
    assert isinstance(one, dict)
    return one


def step(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (each for each in template(document, "workflow")["dag"]["tasks"] if each["name"] == name)
    assert isinstance(found, dict)
    return found


def round_trip(document: dict[str, Any]) -> Any:
    """The document as the models of Argo's schema hold it."""
    held = WorkflowTemplate.model_validate(document)
    return json.loads(held.model_dump_json(by_alias=True, exclude_unset=True))


def test_argo_knows_every_field(document: dict[str, Any]) -> None:
    """The models of Argo's schema keep all of it."""
    assert round_trip(document) == document


@pytest.mark.parametrize("place", ["spec", "template", "container", "volume"])
def test_an_unknown_field_would_be_seen(document: dict[str, Any], place: str) -> None:
    """The round trip loses a field that the schema does not have, wherever it stands."""
    pod = template(document, "scenes-1")
    places = {
        "spec": document["spec"],
        "template": pod,
        "container": pod["containerSet"]["containers"][1],
        "volume": pod["volumes"][0],
    }
    places[place]["retrys"] = 3
    assert round_trip(document) != document


def test_the_graph(document: dict[str, Any]) -> None:
    """Each task looks first, when all that it stands on is done; shards come between a look and the stage."""
    order = {
        each["name"]: each.get("dependencies") for each in template(document, "workflow")["dag"]["tasks"]
    }
    assert order == {
        "scenes-1-look": None,
        "scenes-1": ["scenes-1-look"],
        "tiling-1-look": ["scenes-1"],
        "tiling-1-shards": ["tiling-1-look"],
        "tiling-1": ["tiling-1-look", "tiling-1-shards"],
        "report-1-look": ["tiling-1", "scenes-1"],
        "report-1": ["report-1-look"],
    }
    assert step(document, "tiling-1")["when"] == "{{tasks.tiling-1-look.outputs.parameters.run}} == true"
    assert step(document, "tiling-1-shards")["withSequence"] == {
        "count": "{{tasks.tiling-1-look.outputs.parameters.count}}"
    }


def test_attempts_and_time(document: dict[str, Any]) -> None:
    """A limit is a text, a deadline whole seconds, and a task without either has none."""
    pod = template(document, "scenes-1")
    assert (pod["retryStrategy"]["limit"], pod["retryStrategy"]["retryPolicy"]) == ("2", "Always")
    assert pod["activeDeadlineSeconds"] == 90
    assert not {"retryStrategy", "activeDeadlineSeconds"} & template(document, "report-1").keys()


def test_only_ours_get_the_secret(document: dict[str, Any]) -> None:
    """The block gets no secret but the variables that its task names, and no token of the cluster."""
    spec = document["spec"]
    assert (spec["automountServiceAccountToken"], spec["executor"]) == (False, {"serviceAccountName": "argo"})
    for name in ("scenes-1", "tiling-1-shards", "report-1"):
        assert "envFrom" not in container(document, name)
        assert "store" not in json.dumps(container(document, name))
        assert "handover" not in json.dumps(container(document, name))
        for ours in ("stage-in", "stage-out"):
            assert container(document, name, ours)["envFrom"] == [{"secretRef": {"name": "store"}}]
    named = [each for each in container(document, "report-1")["env"] if "valueFrom" in each]
    assert named == [
        {"name": "MODEL_KEY", "valueFrom": {"secretKeyRef": {"name": "blocks", "key": "MODEL_KEY"}}}
    ]


def test_the_block_is_what_run_starts(document: dict[str, Any]) -> None:
    """The image's entrypoint stays before a command; users, resources and directories are as documented."""
    scenes, tiling = container(document, "scenes-1"), container(document, "tiling-1-shards")
    report = container(document, "report-1")
    assert (scenes["command"], scenes["args"]) == (["run"], ["all"])
    assert (tiling["command"], tiling["args"]) == (["python3"], ["run.py"])
    assert (report["command"], report["args"]) == (["sh"], ["-c", "echo $$$$ $$(HOME) $$x"])
    assert scenes["securityContext"] == {"runAsUser": 1000, "runAsGroup": 1000}
    assert "securityContext" not in tiling
    assert tiling["resources"] == {
        "requests": {"cpu": "250m", "memory": str(2 * 1024**3)},
        "limits": {"cpu": "250m", "memory": str(2 * 1024**3), "nvidia.com/gpu": "1"},
    }
    names = [each["name"] for each in scenes["env"]]
    assert names[:3] == ["TZ", "HOME", "TMPDIR"]
    assert names[3:] == ["UP42_TASK_PARAMETERS", "UP42_JOB_MODE", "UP42_JOB_INFO", "UP42_BLOCK_INFO"]
    assert "HOME" not in [each["name"] for each in tiling["env"]]
    inputs = scenes["volumeMounts"][0]
    assert inputs == {"name": "input", "mountPath": "/tmp/input", "readOnly": True}


def test_a_command_after_an_entrypoint(export: Callable[..., Result]) -> None:
    """As docker takes it."""
    found = yaml.safe_load(export([{**SCENES, "command": ["--fast"]}]).stdout)
    assert (container(found, "scenes-1")["command"], container(found, "scenes-1")["args"]) == (
        ["run"],
        ["--fast"],
    )


def test_without_an_engine_argo_asks_the_registry(export: Callable[..., Result], engine: Path) -> None:
    """What the image runs is not known, and is not made up."""
    (engine / "podman").unlink()
    found = yaml.safe_load(export([SCENES, {**TILING, "command": ["--fast"]}]).stdout)
    assert not {"command", "args"} & container(found, "scenes-1").keys()
    assert container(found, "tiling-1-shards")["args"] == ["--fast"]
    assert "command" not in container(found, "tiling-1-shards")


def test_a_job_may_be_fixed(export: Callable[..., Result]) -> None:
    """Without --job each run has to name one; the other parameters have values."""
    free, fixed = (
        yaml.safe_load(export([SCENES], *options).stdout)["spec"]["arguments"]["parameters"]
        for options in ([], ["--job", "3f0c"])
    )
    assert [each.get("value") for each in free] == [None, "DEFAULT", "false"]
    assert fixed[0]["value"] == "3f0c"


NASTY = [
    "{{workflow.name}}",
    "{{",
    "}}",
    "{{=1+1}}",
    "$(HOME)",
    "$$",
    "$$(HOME)",
    "${x}",
    "\\{{",
    '"{{"',
    "ä 😀",
]


def arrived(value: str) -> str:
    """A variable's value after Argo and Kubernetes have had it."""
    text: str = substituted({"value": value}, VALUES)["value"]
    return expand(text, {"HOME": "/wrong", "x": "wrong"})


def test_texts_arrive_unchanged(export: Callable[..., Result]) -> None:
    """Parameters, and the task's own text, are after Argo and Kubernetes what they were."""
    parameters = {"nasty": NASTY, **{text: {text: text} for text in NASTY}}
    done = export({"tasks": [SCENES, TILING], "parameters": {"tiling:1": parameters}})
    assert done.exit_code == 0, done.stderr
    found = yaml.safe_load(done.stdout)
    variables = {each["name"]: arrived(each["value"]) for each in container(found, "tiling-1-shards")["env"]}
    assert json.loads(variables["UP42_TASK_PARAMETERS"]) == parameters
    assert variables["UP42_JOB_MODE"] == "DRY_RUN"
    assert json.loads(variables["UP42_JOB_INFO"]) == {
        "jobId": "j",
        "jobName": "j",
        "taskName": "tiling:1",
        "jobMode": "DRY_RUN",
    }
    (task,) = (
        arrived(each["value"])
        for each in container(found, "tiling-1-shards", "stage-in")["env"]
        if each["name"] == "UP42_STATE_TASK"
    )
    assert json.loads(task)["parameters"] == parameters


@given(st.recursive(st.text() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_json_arrives_unchanged(value: object) -> None:
    """Nothing in it is taken for a reference, and it stays what it is."""
    for ascii_only in (True, False):
        text = json_value(json.dumps(value, ensure_ascii=ascii_only))
        assert json.loads(text) == value
        assert "{{" not in text
        assert arrived(text) == text
        text.encode()


@given(st.text(alphabet="$()HOMEx{ a", max_size=12))
def test_any_word_arrives_unchanged(text: str) -> None:
    """However many dollar signs stand side by side."""
    assert expand(word(text), {"HOME": "/wrong", "x": "wrong"}) == text


def test_what_argo_cannot_express(export: Callable[..., Result], engine: Path) -> None:
    """All of it at once, each with its task and member."""
    tasks = [
        {**SCENES, "command": ["sh", "-c", "echo {{x}}"], "environment": ["MODEL_KEY", "OTHER"]},
        {**TILING, "image": "bare", "after": "scenes:1"},
    ]
    bare = json.loads((engine / "images" / "tiling").read_text())
    bare[0]["Config"]["Cmd"] = None
    (engine / "images" / "bare").write_text(json.dumps(bare))
    long = {"text": "x" * 131072}
    done = export({"tasks": tasks, "parameters": {"tiling:1": long}})
    assert (done.exit_code, done.stdout) == (5, "")
    found = [line.strip().partition(": ")[0] for line in done.stderr.splitlines() if line.startswith("  ")]
    assert found == EXPECTED


EXPECTED = [
    "scenes:1 command",
    "scenes:1 environment",
    "tiling:1 image",
    "tiling:1 parameters",
]


def test_our_containers_call_what_there_is(document: dict[str, Any]) -> None:
    """Each word after `up42-state` is one that its command line takes."""
    inputs = {"inputs.parameters.shards": "ebba825eaacf451c025d:0-1", "inputs.parameters.index": "1"}
    called = []
    for each in substituted(document["spec"]["templates"][1:], VALUES | inputs):
        for one in each.get("containerSet", {}).get("containers", [each.get("container")]):
            if one["image"] != "example.com/up42-state:1":
                continue
            assert one["command"] == ["up42-state"]
            group, name, *words = one["args"]
            command = engine_verbs.get_command(click.Context(engine_verbs), name)
            assert (group, command is not None) == ("engine", True)
            assert command
            text = next(each["value"] for each in one["env"] if each["name"] == "UP42_STATE_TASK")
            command.make_context(name, ["--task", text, *words])
            called.append(name)
    assert called == [
        *("look", "stage-in", "stage-out"),
        *("look", "stage-in", "stage-out", "collect"),
        *("look", "stage-in", "stage-out"),
    ]


def test_a_template_that_is_too_long(export: Callable[..., Result]) -> None:
    """What fits in a variable may not fit more than once in a template."""
    done = export({"tasks": [SCENES], "parameters": {"scenes:1": {"text": "x" * 60_000}}})
    assert done.exit_code == 5
    assert re.search(r"scenes:1 parameters: the task's template has \d+ KiB", done.stderr)


def test_a_document_that_is_too_long(export: Callable[..., Result]) -> None:
    """Kubernetes would refuse it."""
    tasks = [{**SCENES, "name": f"scenes:{n}"} for n in range(1, 14)]
    done = export({"tasks": tasks, "parameters": {each["name"]: {"text": "x" * 30_000} for each in tasks}})
    assert done.exit_code == 5
    assert "Kubernetes keeps no more than 1 MiB" in done.stderr


def test_a_document_is_whole(document: dict[str, Any]) -> None:
    """Of what is written, nothing names what is not there."""
    assert problems(document) == []


def _breaks() -> dict[str, tuple[Callable[[dict[str, Any]], Any], str]]:
    """Ways to break a document, and what is said of each; the models of the schema take them all."""
    return {
        "entrypoint": (lambda d: d["spec"].update(entrypoint="gone"), "there is no template gone"),
        "executor": (lambda d: d["spec"].pop("executor"), "its own service account"),
        "policy": (
            lambda d: template(d, "scenes-1")["retryStrategy"].update(retryPolicy="Allways"),
            "there is no policy Allways",
        ),
        "template": (lambda d: step(d, "scenes-1").update(template="gone"), "there is no template gone"),
        "dependency": (lambda d: step(d, "scenes-1").update(dependencies=["gone"]), "there is no gone"),
        "circle": (
            lambda d: step(d, "scenes-1-look").update(dependencies=["report-1"]),
            "report-1 waits for",
        ),
        "twice": (
            lambda d: template(d, "workflow")["dag"]["tasks"].append(step(d, "scenes-1")),
            "the step scenes-1 is there twice",
        ),
        "template twice": (
            lambda d: d["spec"]["templates"].append(template(d, "scenes-1")),
            "the name scenes-1 is given twice",
        ),
        "name": (lambda d: template(d, "scenes-1-look").update(name="scenes_1"), "Argo takes no such name"),
        "container": (
            lambda d: container(d, "scenes-1").update(dependencies=["gone"]),
            "there is no gone",
        ),
        "container circle": (
            lambda d: container(d, "scenes-1", "stage-in").update(dependencies=["stage-out"]),
            "waits for",
        ),
        "container twice": (
            lambda d: container(d, "scenes-1").update(name="stage-in"),
            "the container stage-in is there twice",
        ),
        "volume": (lambda d: template(d, "scenes-1")["volumes"].pop(0), "there is no volume input"),
        "mounts": (
            lambda d: container(d, "scenes-1")["volumeMounts"][1].update(mountPath="/tmp/input"),
            "two volumes are mounted at one place",
        ),
        "when": (
            lambda d: step(d, "scenes-1").update(
                when="{{tasks.scenes-1-look.outputs.parameters.ran}} == true"
            ),
            "{{tasks.scenes-1-look.outputs.parameters.ran}} stands for nothing",
        ),
        "later": (  # it runs after this step, or beside it
            lambda d: step(d, "scenes-1").update(
                when="{{tasks.report-1-look.outputs.parameters.run}} == true"
            ),
            "stands for nothing",
        ),
        "item": (lambda d: step(d, "tiling-1-shards").pop("withSequence"), "{{item}} stands for nothing"),
        "input": (
            lambda d: template(d, "tiling-1-shards")["inputs"]["parameters"].pop(),
            "index is no input of the template",
        ),
        "argument": (
            lambda d: step(d, "tiling-1-shards")["arguments"]["parameters"].pop(0),
            "shards is not given",
        ),
        "parameter": (
            lambda d: d["spec"]["arguments"]["parameters"].pop(),
            "{{workflow.parameters.force}} stands for nothing",
        ),
        "braces": (
            lambda d: container(d, "scenes-1")["args"].append("{{ x"),
            "two braces open, and none close",
        ),
    }


@pytest.mark.parametrize("name", _breaks())
def test_a_broken_document_is_seen(document: dict[str, Any], name: str) -> None:
    """Argo would find it out when the workflow runs, or never."""
    change, said = _breaks()[name]
    change(document)
    assert round_trip(document) == document
    found = [f"{place}: {problem}" for place, problem in problems(document)]
    assert [line for line in found if said in line], found


def test_kubernetes_takes_the_pods(document: dict[str, Any]) -> None:
    """Each container and volume is one of Kubernetes, but for what Argo adds to it."""
    pods = [each for each in document["spec"]["templates"] if "dag" not in each]
    assert len(pods) == 7
    for pod in pods:
        containers = pod.get("containerSet", {}).get("containers") or [{"name": "main", **pod["container"]}]
        plain = [{name: each[name] for name in each if name != "dependencies"} for each in containers]
        spec = {
            "containers": plain,
            **{name: pod[name] for name in ("volumes", "securityContext") if name in pod},
        }
        value = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod["name"]}, "spec": spec}
        kubernetes_validate.validate(value, "1.31", strict=True)
