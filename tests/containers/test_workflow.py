"""A workflow of images: blocks as others wrote them, run, cached, killed with their runner, and told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from containers.conftest import load
from containers.lab import IMAGE, Lab, command_lines

from up42_state.errors import EngineError
from up42_state.settings.model import Settings
from up42_state.state import Job, State
from up42_state.workflow.blocks.opening import Blocks
from up42_state.workflow.document import load as load_workflow
from up42_state.workflow.planner import Planner
from up42_state.workflow.records import AttemptRecord
from up42_state.workflow.runner import Options, RunResult, run
from up42_state.workflow.runs import Runs

if TYPE_CHECKING:
    from up42_state.workflow.model import Workflow

SECRET = "pl4nted-s3cret-value"
MAKE = """
echo '{"type": "FeatureCollection", "features": [{"type": "Feature", "id": "before", "geometry": null,
"properties": {"up42.data_path": "image.txt"}}]}' > /tmp/output/data.json
echo scene > /tmp/output/image.txt
"""
TASKS: list[dict[str, Any]] = [
    {"name": "scenes:1", "image": IMAGE, "command": ["sh", "-c", MAKE]},
    # The image's own command: a block that others wrote, which knows nothing but the contract's paths.
    {"name": "west:1", "image": IMAGE, "after": "scenes:1"},
    {"name": "east:1", "image": IMAGE, "after": "scenes:1", "propagate": ["scenes:1"]},
]


@pytest.fixture
def job(tmp_path: Path, lab: Lab) -> Job:
    settings = Settings(url=f"file://{tmp_path}/store", engine=lab.engine.kind, engine_network="host")
    return State(settings=settings).job("job")


def document(folder: Path, *tasks: dict[str, Any]) -> Path:
    path = folder / "workflow.json"
    path.write_text(json.dumps(list(tasks)))
    return path


def flow(folder: Path, *tasks: dict[str, Any]) -> Workflow:
    return load_workflow(document(folder, *tasks))


def statuses(result: RunResult) -> dict[str, tuple[str, str]]:
    return {each.task: (each.status, each.reason) for each in result.tasks}


def test_a_workflow_of_images(job: Job, tmp_path: Path, lab: Lab) -> None:
    """It runs, two branches side by side; run again, all is cached; the record says which image it was."""
    result = run(flow(tmp_path, *TASKS), job, Options(cpus=2, scratch=tmp_path / "scratch"))
    assert statuses(result) == dict.fromkeys(("scenes:1", "west:1", "east:1"), ("done", ""))
    assert [feature.id for feature in job.stage("west:1").features().features] == ["after"]
    # The scene has another id there, and is the same by its file: it does not come twice.
    assert [feature.id for feature in job.stage("east:1").features().features] == ["after"]
    record = Runs(job.state.store, "job").attempt(result.run, "west:1", 1)
    assert isinstance(record, AttemptRecord)
    assert (record.image, record.code) == (IMAGE, f"image {lab.engine.image(IMAGE).id}")
    assert record.engine.startswith(f"{lab.engine.kind} ")
    again = run(flow(tmp_path, *TASKS), job, Options(scratch=tmp_path / "scratch"))
    assert {status for status, _ in statuses(again).values()} == {"cached"}
    assert list((tmp_path / "scratch").iterdir()) == []


def test_another_image_under_the_same_tag(job: Job, tmp_path: Path, lab: Lab, archive: Path) -> None:
    """What counts is the digest: the plan says that the block is another, and its task runs again."""
    tag = "localhost/moving:1"
    load(lab.engine.kind, archive, tag, ["LABEL version=1"])
    tasks = [{**TASKS[0], "image": tag}]
    run(flow(tmp_path, *tasks), job)
    load(lab.engine.kind, archive, tag, ["LABEL version=2"])
    (planned,) = Planner(job, Blocks(job.state.settings)).plan(flow(tmp_path, *tasks))
    assert planned.reasons[0].startswith("the block was image sha256:")


def test_an_image_that_is_nowhere(job: Job, tmp_path: Path) -> None:
    """Nothing runs, and the error says what to do."""
    names = ("localhost/nowhere:1", "localhost/gone:1")
    tasks = [
        TASKS[0],
        *({"name": f"a:{n}", "image": name, "after": "scenes:1"} for n, name in enumerate(names)),
    ]
    with pytest.raises(EngineError, match=r"nowhere:1 is not here and cannot be pulled.*gone:1 is not here"):
        run(flow(tmp_path, *tasks), job)
    assert job.state.store.stages("job") == []


def command(tmp_path: Path, job: Job, *tasks: dict[str, Any]) -> list[str]:
    return [
        str(Path(sys.executable).with_name("up42-state")),
        *("run", str(document(tmp_path, *tasks)), "--job", "job", "--url", job.state.url),
        *("--scratch", str(tmp_path / "scratch")),
    ]


@pytest.fixture
def environment(lab: Lab) -> dict[str, str]:
    ours = {"UP42_STATE_ENGINE": lab.engine.kind, "UP42_STATE_ENGINE_NETWORK": "host", "LOGIN": SECRET}
    return {**os.environ, **ours}


def wait_for_a_container(lab: Lab) -> None:
    end = time.monotonic() + 30
    while not lab.running():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_killed_runner_s_container_is_removed(
    job: Job, tmp_path: Path, lab: Lab, environment: dict[str, str]
) -> None:
    """The container of a runner that was killed lives on; the next run removes it, and goes on."""
    endless = {"name": "west:1", "image": IMAGE, "command": ["sleep", "600"], "after": "scenes:1"}
    process = subprocess.Popen(
        command(tmp_path, job, TASKS[0], endless), env=environment, stderr=-1, stdout=-1
    )
    while not job.stage("scenes:1").exists():
        time.sleep(0.05)
    wait_for_a_container(lab)
    process.kill()
    process.communicate()
    assert len(lab.running()) == 1
    result = run(flow(tmp_path, *TASKS), job, Options(scratch=tmp_path / "scratch"))
    assert {name: status for name, (status, _) in statuses(result).items()} == {
        "scenes:1": "cached",
        "west:1": "done",
        "east:1": "done",
    }
    assert lab.containers() == []


def test_a_runner_that_is_asked_to_end(
    job: Job, tmp_path: Path, lab: Lab, environment: dict[str, str]
) -> None:
    """It stops its containers and removes them before it ends."""
    endless = {"name": "a:1", "image": IMAGE, "command": ["sleep", "600"]}
    process = subprocess.Popen(command(tmp_path, job, endless), env=environment, stderr=-1, stdout=-1)
    wait_for_a_container(lab)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert lab.containers() == []


def test_no_credentials_in_ps(job: Job, tmp_path: Path, lab: Lab, environment: dict[str, str]) -> None:
    """The block gets the variable that its task names; nobody sees its value in the list of processes."""
    script = f'test "$LOGIN" = "$EXPECTED" && {MAKE} sleep 2'
    task = {
        "name": "a:1",
        "image": IMAGE,
        "command": ["sh", "-c", script],
        "environment": ["LOGIN", "EXPECTED"],
    }
    process = subprocess.Popen(
        command(tmp_path, job, task), env={**environment, "EXPECTED": SECRET}, stderr=-1, stdout=-1
    )
    wait_for_a_container(lab)
    seen = command_lines()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors.decode()
    assert SECRET not in seen
    assert "LOGIN" in seen
    stored = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert SECRET.encode() not in stored
