"""``docs/recipes.md``: every document is what its service takes; what can run without containers is run."""

from __future__ import annotations

import copy
import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import botocore.session
import kubernetes_validate
import pytest
import yaml
from botocore.validate import ParamValidator
from examples.container import ROOT
from servers.specs import check_pod

from examples import recipes
from up42_state import errors

if TYPE_CHECKING:
    from pathlib import Path

JOBS = pytest.mark.parametrize("job", [recipes.JOB, recipes.EXEC_JOB], ids=["three containers", "exec"])
KUBERNETES = "1.31"
# Fargate's sizes of tasks: CPUs, and from how many MiB to how many, in which steps.
FARGATE = {1: (2048, 8192, 1024), 2: (4096, 16384, 1024)}


@JOBS
def test_jobs_are_what_kubernetes_takes(job: dict[str, Any]) -> None:
    """Its schema accepts them, and would not accept a field that it does not know."""
    kubernetes_validate.validate(job, KUBERNETES, strict=True)
    broken = copy.deepcopy(job)
    broken["spec"]["template"]["spec"]["containers"][0]["resource"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, KUBERNETES, strict=True)


@JOBS
def test_jobs_ask_for_nothing_that_the_harness_leaves_out(job: dict[str, Any]) -> None:
    """So that running their pods (tests/docker) says something about all of them."""
    check_pod(job["spec"]["template"]["spec"])


def test_the_block_is_given_no_keys() -> None:
    """The Secret goes to our two containers, by the name that it is made with."""
    (made,) = re.findall(
        r"kubectl create secret generic (\S+) --from-env-file=store.env", recipes.PAGE.read_text()
    )
    containers = recipes.containers(recipes.JOB["spec"]["template"]["spec"])
    given = {name: one.get("envFrom") for name, one in containers.items()}
    secret = [{"secretRef": {"name": made}}]
    assert given == {"stage-in": secret, "block": None, "stage-out": secret}
    assert not any("valueFrom" in variable for variable in containers["block"]["env"])


def test_the_image_that_is_pushed_is_the_one_that_is_run() -> None:
    """By our containers of both schedulers; Batch's has a suffix."""
    text = recipes.PAGE.read_text()
    (built,) = re.findall(r"^docker build -f docker/Dockerfile -t (\S+) \.$", text, re.MULTILINE)
    assert re.findall(r"^docker push (\S+)$", text, re.MULTILINE) == [built]
    job = recipes.containers(recipes.JOB["spec"]["template"]["spec"])
    (task,) = recipes.TILING["ecsProperties"]["taskProperties"]
    batch = {one["name"]: one for one in task["containers"]}
    for name in ("stage-in", "stage-out"):
        assert job[name]["image"] == built
        assert batch[name]["image"] == built.replace("state:", "state-batch:")
    assert f"`{batch['stage-in']['image']}`" in text


def test_failures_that_no_retry_mends_are_exit_codes_of_ours() -> None:
    """The Job gives up on wrong settings, what is not there, and invalid or damaged data."""
    rules = [rule["onExitCodes"] for rule in recipes.JOB["spec"]["podFailurePolicy"]["rules"]]
    kinds = [errors.SettingsError, errors.NotFoundError, errors.InvalidDataError, errors.IntegrityError]
    wanted = sorted({kind.exit_status for kind in kinds})
    ours = {"stage-in": wanted, "stage-out": wanted}
    assert {rule["containerName"]: rule["values"] for rule in rules} == ours


@pytest.mark.parametrize(
    ("document", "operation"),
    [
        (recipes.TILES, "RegisterJobDefinition"),
        (recipes.SUBMIT, "SubmitJob"),
        (recipes.TILING, "RegisterJobDefinition"),
    ],
    ids=["array", "submit", "three containers"],
)
def test_documents_are_what_batch_takes(document: dict[str, Any], operation: str) -> None:
    """botocore's model of the service has every member, with these types and these values."""
    shape = botocore.session.get_session().get_service_model("batch").operation_model(operation).input_shape
    report = ParamValidator().validate(document, shape)
    assert not report.has_errors(), report.generate_report()
    assert wrong_values(document, shape) == []
    broken = copy.deepcopy(document)
    (broken.get("containerProperties") or broken)["dependson"] = []
    assert ParamValidator().validate(broken, shape).has_errors()


def test_batch_cannot_replace_an_entrypoint() -> None:
    """Which is why the page makes an image without one."""
    service = botocore.session.get_session().get_service_model("batch")
    shape = service.operation_model("RegisterJobDefinition").input_shape
    task = shape.members["ecsProperties"].members["taskProperties"].member
    for container in (shape.members["containerProperties"], task.members["containers"].member):
        assert "command" in container.members
        assert not [name for name in container.members if name.lower() == "entrypoint"]
    assert "ENTRYPOINT []" in recipes.BATCH_IMAGE.splitlines()


def wrong_values(value: Any, shape: Any) -> list[str]:
    """What is none of the values that a member may have: botocore leaves that to the service."""
    if shape.type_name == "structure":
        return [wrong for name, one in value.items() for wrong in wrong_values(one, shape.members[name])]
    if shape.type_name == "list":
        return [wrong for one in value for wrong in wrong_values(one, shape.member)]
    allowed = getattr(shape, "enum", None)
    return [value] if allowed and value not in allowed else []


def test_batch_waits_for_containers_that_may_end() -> None:
    """SUCCESS is refused for essential containers, and one has to be essential; volumes are there."""
    (task,) = recipes.TILING["ecsProperties"]["taskProperties"]
    essential = {one["name"]: one["essential"] for one in task["containers"]}
    waited_for = [
        dependency["containerName"] for one in task["containers"] for dependency in one.get("dependsOn", [])
    ]
    assert waited_for == ["stage-in", "block"]
    assert [name for name, is_essential in essential.items() if is_essential] == ["stage-out"]
    mounted = {mount["sourceVolume"] for one in task["containers"] for mount in one["mountPoints"]}
    assert mounted == {volume["name"] for volume in task["volumes"]}
    assert "taskRoleArn" not in task
    assert ["secrets" in one for one in task["containers"]] == [True, False, True]


@pytest.mark.parametrize(
    "containers",
    [
        [recipes.TILES["containerProperties"]],
        recipes.TILING["ecsProperties"]["taskProperties"][0]["containers"],
    ],
    ids=["array", "three containers"],
)
def test_fargate_has_tasks_of_this_size(containers: list[dict[str, Any]]) -> None:
    """The sum of the containers' CPUs and memory is one of its sizes."""
    amounts = [
        {resource["type"]: float(resource["value"]) for resource in one["resourceRequirements"]}
        for one in containers
    ]
    cpus, memory = (sum(one[kind] for one in amounts) for kind in ("VCPU", "MEMORY"))
    least, most, step = FARGATE[int(cpus)]
    assert least <= memory <= most
    assert memory % step == 0


def test_the_dag_sends_the_jobs_pod(tmp_path: Path) -> None:
    """But for the job key, which is the run's, in both of our containers."""
    pod = recipes.airflow_pod(tmp_path, "manual__2026-11-28T00:00:00+00:00")
    kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", "spec": pod}, KUBERNETES, strict=True)
    assert str(pod).count("manual__2026-11-28T00:00:00+00:00") == 2
    job = recipes.JOB["spec"]["template"]["spec"]
    assert recipes.here(pod, {"manual__2026-11-28T00:00:00+00:00": "3f0c"}) == job


def test_the_workflow_is_what_github_takes(tmp_path: Path) -> None:
    """By GitHub's schema for workflows, which refuses a key that it does not know."""
    file = tmp_path / "block.yaml"
    check = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        str(file),
    ]
    outcomes = []
    for text in (recipes.WORKFLOW_TEXT, recipes.WORKFLOW_TEXT.replace("runs-on", "run-on")):
        file.write_text(text)
        outcomes.append(subprocess.run(check, capture_output=True, text=True, check=False).returncode)
    assert outcomes == [0, 1]


def test_the_workflow_has_our_localstack() -> None:
    """The image that is pinned in docker/compose.yaml, at the port of the variable."""
    service = recipes.WORKFLOW["jobs"]["test"]["services"]["localstack"]
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    assert service["image"] == compose["services"]["localstack"]["image"]
    assert service["ports"] == ["4566:4566"]
    assert recipes.WORKFLOW["jobs"]["test"]["env"]["AWS_ENDPOINT_URL_S3"] == "http://127.0.0.1:4566"


def test_the_workflows_steps_run(localstack_url: str, tmp_path: Path) -> None:
    """One after the other, as GitHub's shell would, in a copy of ``docker/block``."""
    shutil.copytree(ROOT / "docker" / "block", tmp_path / "block")
    job = recipes.WORKFLOW["jobs"]["test"]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("UP42_", "AWS_"))
    }
    environment |= job["env"] | {"AWS_ENDPOINT_URL_S3": localstack_url, "CI": "true"}
    environment["PATH"] = f"{os.path.dirname(sys.executable)}:{environment['PATH']}"
    environment["PIP_NO_INDEX"] = "1"  # all is there already
    printed = []
    for step in job["steps"]:
        if "run" in step:
            done = subprocess.run(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
                cwd=tmp_path / "block",
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, f"{step['name']}\n{done.stdout}\n{done.stderr}"
            printed.append(done.stdout)
    assert len(printed) == 4
    assert "2 passed" in printed[-1]


def test_links_lead_to_headings() -> None:
    """Of the table at the top."""
    text = recipes.PAGE.read_text()
    headings = {
        re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", text, re.M)
    }
    anchors = re.findall(r"\]\(#([^)]+)\)", text)
    assert len(anchors) >= 4
    assert set(anchors) <= headings
