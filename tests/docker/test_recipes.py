"""The containers of ``docs/recipes.md``, run by podman as they stand there, but for images and bucket."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from examples import recipes
from up42_state import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from servers.buildah import Buildah
    from servers.pods import Ended, Pods

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

EXAMPLE = Path(__file__).resolve().parents[2] / "docker" / "block" / "example"
KEY, SECRET = "recipes-key-5e1f", "recipes-secret-90b7c2"
WITH_EXEC = "the block of the recipe with exec"
# Written for the hosted platform. It tells what it has been given, as a careless program would.
BLOCK = """set -e
cp /tmp/input/data.json /tmp/input/scene.tif /tmp/output/
echo a picture > /tmp/quicklooks/scene.png
env
"""
PROGRAM = f"#!/bin/sh\n{BLOCK}"


class Place:
    """A place in LocalStack's bucket with a stage ``scenes:1``, and how recipes are led there."""

    def __init__(self, localstack_url: str, images: Mapping[str, str]) -> None:
        self.state = State(
            f"s3://up42-state/recipes-{uuid.uuid4().hex[:8]}",
            aws_endpoint_url=localstack_url,
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            aws_region="us-east-1",
        )
        self.job = self.state.job("3f0c")
        self.job.stage("scenes:1").save(EXAMPLE, quicklooks=False)
        self.endpoint = {"AWS_ENDPOINT_URL_S3": localstack_url, "AWS_REGION": "us-east-1"}
        self.images = images
        # The Secret is the page's file, filled in.
        values = dict(line.split("=", 1) for line in recipes.KEYS.splitlines())
        assert set(values) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"}
        self.keys = {**self.endpoint, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        self.secrets = {"up42-state-store": self.keys}

    def pod(self, spec: dict[str, Any]) -> dict[str, Any]:
        """The recipe's pod with our images and our bucket."""
        text = str(spec)
        images = {name: image for name, image in self.images.items() if f"{name}'" in text}
        assert images
        return recipes.here(spec, {"s3://my-bucket/state": self.state.url, **images})

    def stages(self) -> str:
        """What ``up42-state stages`` prints of the job."""
        program = Path(sys.executable).parent / "up42-state"
        environment = {**os.environ, **self.keys, "UP42_STATE_URL": self.state.url}
        command = [program, "stages", "--job", "3f0c"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout


@pytest.fixture(scope="module")
def images(
    buildah: Buildah, base_image: str, plain_image: str, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, str]:
    """Ours as the page builds it, a block that does not know us, and blocks built from ours."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "program").write_text(PROGRAM)
    (folder / "program").chmod(0o755)

    def build(name: str, text: str) -> str:
        file = folder / f"{name}.dockerfile"
        file.write_text(text)
        return buildah.build(f"localhost/{name}", file, folder)

    batch = build(
        "up42-state-batch", recipes.BATCH_IMAGE.replace("FROM up42-state\n", f"FROM {base_image}\n")
    )
    own = build("hosted", f'FROM {plain_image}\nCOPY program /program\nCMD ["/program"]\n')
    return {
        "registry.example/up42-state:1": base_image,
        "registry.example/up42-state-batch:1": batch,
        "registry.example/tiling:1": own,
        "registry.example/tiling-batch:1": build("tiling-batch", f"FROM {batch}\nCOPY program ./\n"),
        WITH_EXEC: build("tiling", f"FROM {base_image}\nCOPY program ./\n"),
    }


@pytest.fixture
def place(localstack_url: str, images: Mapping[str, str]) -> Place:
    return Place(localstack_url, images)


@pytest.fixture(scope="module")
def done(kube: Pods, localstack_url: str, images: Mapping[str, str]) -> tuple[Place, list[Ended]]:
    """The Job's pod, run once in a place of its own."""
    place = Place(localstack_url, images)
    return place, kube.run(place.pod(job_pod()), secrets=place.secrets)


def job_pod() -> dict[str, Any]:
    pod: dict[str, Any] = recipes.JOB["spec"]["template"]["spec"]
    return pod


def ended_well(ended: list[Ended], names: list[str]) -> None:
    assert [(one.name, one.exit_code, one.stderr) for one in ended if one.exit_code] == []
    assert [one.name for one in ended] == names


def test_a_job_restores_runs_and_saves(done: tuple[Place, list[Ended]]) -> None:
    """The stage is there with its parent, parameters and quicklook; the block was given no keys."""
    place, ended = done
    ended_well(ended, ["stage-in", "block", "stage-out"])
    row = next(line for line in place.stages().splitlines() if line.startswith("tiling:1"))
    assert row.split()[-1] == "scenes:1@1"
    stage = place.job.stage("tiling:1")
    assert stage.open("scene.tif").read() == b"a scene"
    assert stage.latest().parameters == {"width": 768}
    assert {(entry.kind, entry.path) for entry in stage.files()} >= {("quicklook", "scene.png")}
    block = ended[1]
    assert "UP42_TASK_PARAMETERS" in block.stdout
    assert block.search(KEY, SECRET) == []
    assert [SECRET in one.environment.values() for one in ended] == [True, False, True]


def test_a_job_that_is_tried_again_makes_no_new_revision(kube: Pods, done: tuple[Place, list[Ended]]) -> None:
    """As ``backoffLimit`` would, after a pod that was lost once it had saved."""
    place, _ = done
    ended_well(kube.run(place.pod(job_pod()), secrets=place.secrets), ["stage-in", "block", "stage-out"])
    assert place.job.stage("tiling:1").latest().revision == 1


def test_a_job_without_its_input_runs_no_block(kube: Pods, place: Place) -> None:
    """The first container ends with 3, on which the Job gives up."""
    pod = recipes.here(place.pod(job_pod()), {"scenes:1": "absent:1"})
    (ended,) = kube.run(pod, secrets=place.secrets)
    assert (ended.name, ended.exit_code) == ("stage-in", 3)
    rules = recipes.JOB["spec"]["podFailurePolicy"]["rules"]
    assert 3 in rules[0]["onExitCodes"]["values"]


def test_a_block_that_fails_saves_nothing(kube: Pods, place: Place) -> None:
    """Its exit code is the pod's, and there is no stage."""
    pod = place.pod(job_pod())
    recipes.containers(pod)["block"]["command"] = ["sh", "-c", "touch /tmp/output/half; exit 7"]
    ended = kube.run(pod, secrets=place.secrets)
    assert [(one.name, one.exit_code) for one in ended] == [("stage-in", 0), ("block", 7)]
    assert not place.job.stage("tiling:1").exists()


def test_a_job_with_exec_runs_once(kube: Pods, place: Place) -> None:
    """One container; its program has no keys in its environment. The second Job finds the work done."""
    spec = recipes.EXEC_JOB["spec"]["template"]["spec"]
    place.images = {"registry.example/tiling:1": place.images[WITH_EXEC]}
    pod = place.pod(spec)
    (first,) = kube.run(pod, secrets=place.secrets)
    assert first.exit_code == 0, first.stderr
    assert "UP42_TASK_PARAMETERS" in first.stdout
    assert not [word for word in (KEY, SECRET) if word in first.stdout]
    (second,) = kube.run(pod, secrets=place.secrets)
    assert (second.exit_code, second.stdout) == (0, "")
    assert place.job.stage("tiling:1").latest().revision == 1


def test_an_array_job_saves_a_stage_for_each_index(kube: Pods, place: Place) -> None:
    """As many as ``submit.json`` asks for; where the role would be, the test gives keys."""
    size = recipes.SUBMIT["arrayProperties"]["size"]
    for index in range(size):
        pod = place.pod(recipes.batch_pod(recipes.TILES, recipes.SUBMIT, index))
        pod["containers"][0]["envFrom"] = [{"secretRef": {"name": "up42-state-store"}}]
        pod = recipes.here(pod, {"eu-central-1": "us-east-1"})
        (ended,) = kube.run(pod, secrets=place.secrets)
        assert ended.exit_code == 0, ended.stderr
        assert f"AWS_BATCH_JOB_ARRAY_INDEX={index}\n" in ended.stdout
        assert KEY not in ended.stdout
    names = [line.split()[0] for line in place.stages().splitlines()[1:]]
    assert names == ["scenes:1", *(f"tile:{index + 1}" for index in range(size))]


def test_three_containers_of_batch_restore_run_and_save(kube: Pods, place: Place) -> None:
    """In the order of their conditions, with keys for two of them."""
    pod = place.pod(recipes.batch_pod(recipes.TILING))
    pod = recipes.here(pod, {"eu-central-1": "us-east-1"})
    for name in ("stage-in", "stage-out"):
        recipes.containers(pod)[name]["env"] += [
            {"name": variable, "value": value} for variable, value in place.endpoint.items()
        ]
    ended = kube.run(pod, secrets={"up42-state-store-AbCdEf": place.keys})
    ended_well(ended, ["stage-in", "block", "stage-out"])
    assert place.job.stage("tiling:1").latest().parameters == {"width": 768}
    assert ended[1].search(KEY, SECRET) == []


def test_the_pod_of_the_dag_runs(kube: Pods, place: Place, tmp_path: Path) -> None:
    """Each run of the DAG is a job, whose key is the run's."""
    run_id = "manual__2026-11-28T00:00:00+00:00"
    job = place.state.job(run_id)
    job.stage("scenes:1").save(EXAMPLE, quicklooks=False)
    pod = place.pod(recipes.airflow_pod(tmp_path, run_id))
    ended_well(kube.run(pod, secrets=place.secrets), ["stage-in", "block", "stage-out"])
    assert job.stage("tiling:1").latest().parents[0].revision == 1
    assert not place.job.stage("tiling:1").exists()
