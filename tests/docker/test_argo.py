"""Exported workflows, run as Argo would run them: containers, order, directories, variables, secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner
from servers.argo import Argo

from up42_state import State
from up42_state.cli.root import root
from up42_state.workflow import load, run
from up42_state.workflow.blocks.opening import Blocks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from servers.argo import Step
    from servers.buildah import Buildah
    from servers.pods import Pods

    from up42_state.state import Job

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

KEY = "argo-Zq7-secret-access-key"  # LocalStack takes any
MODEL_KEY = "argo-model-key"
SCENES = r"""set -e
cd /tmp/output
for n in 1 2 3; do
    echo "scene $n" > scene$n.txt
    feature='{"type": "Feature", "id": "scene'$n'", "geometry": {"type": "Point", "coordinates": ['$n', 0]}'
    all="$all${all:+, }$feature, \"properties\": {\"up42.data_path\": \"scene$n.txt\"}}"
done
echo "{\"type\": \"FeatureCollection\", \"features\": [$all]}" > data.json
"""
# Of one shard: fails where it finds more than one scene, or no room of its own.
TILING = r"""set -e
test "$(id -u)" = 1234
test "$(ls /tmp/input)" = "$(ls /tmp/input | sed -n '/data.json/p; /scene[1-3].txt/p')"
test "$(ls /tmp/input | wc -l)" = 2
sed 's/scene/tile/g' /tmp/input/data.json > /tmp/output/data.json
touch $TMPDIR/x
case "$UP42_TASK_PARAMETERS" in *break*) ! grep -q scene2 /tmp/input/data.json ;; esac
for file in /tmp/input/scene*; do cp $file /tmp/output/tile${file#/tmp/input/scene}; done
"""
REPORT = r"""set -e
cp /tmp/input/* /tmp/output
printf %s "$UP42_TASK_PARAMETERS" > /tmp/output/tile1.txt
echo "$UP42_JOB_MODE $MODEL_KEY $TZ $HOME $(id -u) $$" '$$ $(HOME) $x' > /tmp/output/tile2.txt
touch $HOME/x $TMPDIR/y
if touch /tmp/input/x; then exit 9; fi
"""
NASTY = {
    "text": "{{workflow.name}} $(HOME) $$ {{ ${x} ' \" \\ \n ä 😀",
    "deep": {"a": {"b": "}}"}},
    "n": [1.5],
}


@pytest.fixture(scope="module")
def own_image(buildah: Buildah, plain_image: str) -> str:
    """A block as it is shipped: with a user, an entrypoint and a command of its own."""
    container = buildah("from", plain_image).stdout.strip()
    own = ["--entrypoint", json.dumps(["sh", "-c"]), "--cmd", json.dumps([TILING]), "--user", "1234"]
    buildah("config", *own, container)
    buildah("commit", "--quiet", "--rm", container, "localhost/own")
    return "localhost/own"


@pytest.fixture
def workflow(tmp_path: Path, plain_image: str, own_image: str) -> Path:
    """A data block, a block in three shards with the image's user, and one that propagates."""
    shell = ["sh", "-c"]
    tasks: list[dict[str, Any]] = [
        {"name": "scenes:1", "image": plain_image, "command": [*shell, SCENES], "retries": 1},
        {"name": "tiling:1", "image": own_image, "after": "scenes:1", "foreach": "feature", "user": "image"},
        {
            "name": "report:1",
            "image": plain_image,
            "command": [*shell, REPORT],
            "after": "tiling:1",
            "propagate": ["scenes:1"],
            "environment": ["MODEL_KEY"],
            "timeout": "60s",
        },
    ]
    path = tmp_path / "workflow.json"
    path.write_text(json.dumps({"name": "tiles", "tasks": tasks, "parameters": {"report:1": NASTY}}))
    return path


@pytest.fixture
def state(localstack_url: str, tmp_path: Path) -> State:
    return State(
        f"s3://up42-state/{tmp_path.name}",
        aws_endpoint_url=localstack_url,
        aws_access_key_id="test",
        aws_secret_access_key=KEY,
        aws_region="us-east-1",
    )


@pytest.fixture
def argo(kube: Pods, state: State, localstack_url: str, tmp_path: Path) -> Argo:
    """A cluster that has the store's Secret and the block's."""
    store = {
        "UP42_STATE_URL": state.url,
        "AWS_ENDPOINT_URL_S3": localstack_url,
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": KEY,
    }
    return Argo(kube, {"store": store, "blocks": {"MODEL_KEY": MODEL_KEY}}, tmp_path)


@pytest.fixture(autouse=True)
def engine(kube: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's podman has the same images as the cluster."""
    for name in ("CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"):
        monkeypatch.setenv(name, kube.variables[name])
    monkeypatch.setenv("UP42_STATE_ENGINE", "podman")
    monkeypatch.setenv("MODEL_KEY", MODEL_KEY)


def export(workflow: Path, image: str) -> Mapping[str, Any]:
    file = workflow.with_name("argo.yaml")
    options = ["--image", image, "--secret", "store", "--block-secret", "blocks", "--service-account", "argo"]
    done = CliRunner().invoke(
        root, ["workflow", "export", str(workflow), "--to", "argo", "-o", str(file), *options]
    )
    assert done.exit_code == 0, done.output
    document: Mapping[str, Any] = yaml.safe_load(file.read_text())
    return document


def run_here(workflow: Path, job: Job) -> dict[str, str]:
    """What came of each task by ``run``."""
    with Blocks(job.state.settings) as opened:
        result = run(load(workflow, labels=opened.labels), job, blocks=opened)
    return {task.task: f"{task.status} {task.reason}".strip() for task in result.tasks}


def phases(steps: Mapping[str, Step]) -> dict[str, str]:
    return {name: f"{step.phase} {len(step.pods)}" for name, step in steps.items()}


NOTHING_BUT_LOOKS = {
    "scenes-1-look": "Succeeded 1",
    "scenes-1": "Skipped 0",
    "tiling-1-look": "Succeeded 1",
    "tiling-1-shards": "Succeeded 0",
    "tiling-1": "Skipped 0",
    "report-1-look": "Succeeded 1",
    "report-1": "Skipped 0",
}


def test_what_argo_has_made_is_done_for_run(
    base_image: str, workflow: Path, argo: Argo, state: State
) -> None:
    """Each shard is a stage, the report has the scenes, no block knows the store; `run` has nothing to do."""
    document = export(workflow, base_image)
    steps = argo.submit(document, job="a")
    assert all(step.phase == "Succeeded" for step in steps.values()), [s.said for s in steps.values()]
    assert phases(steps) == NOTHING_BUT_LOOKS | {
        "scenes-1": "Succeeded 1",
        "tiling-1-shards": "Succeeded 3",
        "tiling-1": "Succeeded 1",
        "report-1": "Succeeded 1",
    }
    report = state.job("a").stage("report:1")
    ids = [feature["id"] for feature in report.features()["features"]]
    assert ids == [f"{kind}{n}" for kind in ("tile", "scene") for n in (1, 2, 3)]
    assert json.loads(report.open("tile1.txt").read()) == NASTY
    words = report.open("tile2.txt").read().decode().split(maxsplit=5)
    assert words[:5] == ["DEFAULT", MODEL_KEY, "UTC", "/tmp/home", "1000"]
    assert words[5].split(maxsplit=1)[1] == "$$ $(HOME) $x\n"
    _blocks_know_no_store(steps, state)
    assert run_here(workflow, state.job("a")) == dict.fromkeys(("scenes:1", "tiling:1", "report:1"), "cached")


def _blocks_know_no_store(steps: Mapping[str, Step], state: State) -> None:
    for name in ("scenes-1", "tiling-1-shards", "report-1"):
        for pod in steps[name].pods:
            stage_in, block, stage_out = pod
            assert block.name == "main"
            for ours in (stage_in, stage_out):
                assert (ours.environment["AWS_SECRET_ACCESS_KEY"], ours.environment["UP42_STATE_URL"]) == (
                    KEY,
                    state.url,
                )
            assert block.search(KEY, state.url) == []
            assert not {
                variable for variable in block.environment if variable.startswith(("AWS", "UP42_STATE"))
            }


def test_what_run_has_made_is_done_for_argo(
    base_image: str, workflow: Path, argo: Argo, state: State
) -> None:
    """Nothing runs but the looks at the store, until a task is changed: that task and those after it run."""
    made = run_here(workflow, state.job("b"))
    assert made == dict.fromkeys(("scenes:1", "tiling:1", "report:1"), "done")
    assert phases(argo.submit(export(workflow, base_image), job="b")) == NOTHING_BUT_LOOKS
    workflow.write_text(workflow.read_text().replace('"n": [1.5]', '"n": [2]'))
    steps = argo.submit(export(workflow, base_image), job="b")
    assert phases(steps) == NOTHING_BUT_LOOKS | {"report-1": "Succeeded 1"}, steps["report-1"].said


def test_a_shard_that_fails(base_image: str, workflow: Path, argo: Argo) -> None:
    """All that comes after it is left out; the next run makes the shards that are missing, and no other."""
    broken = json.loads(workflow.read_text())
    broken["parameters"]["tiling:1"] = {"break": True}
    workflow.write_text(json.dumps(broken))
    steps = argo.submit(export(workflow, base_image), job="c")
    failed = {
        "tiling-1-shards": "Failed 3",
        "tiling-1": "Omitted 0",
        "report-1-look": "Omitted 0",
        "report-1": "Omitted 0",
    }
    made = {"scenes-1": "Succeeded 1"}
    assert phases(steps) == NOTHING_BUT_LOOKS | failed | made, steps["tiling-1-shards"].said
    steps = argo.submit(export(workflow, base_image), job="c")
    assert phases(steps) == NOTHING_BUT_LOOKS | failed | {"tiling-1-shards": "Failed 1"}
