"""The block of ``docker/block``, run in its image as a cluster would run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from doubles.outputs import feature, write_output

from up42_state import State

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

BLOCK = Path(__file__).resolve().parents[2] / "docker" / "block"
TASK = {
    "UP42_STATE_JOB": "j",
    "UP42_STATE_STAGE": "report:1",
    "UP42_STATE_AFTER": "scenes:1",
    "UP42_STATE_PROPAGATE": "scenes:1",
    "UP42_TASK_PARAMETERS": '{"unit_bytes": 7}',
}


@pytest.fixture
def store(tmp_path):
    """A directory that the block's user may write, seen as ``/store`` in the container."""
    directory = tmp_path / "store"
    directory.mkdir()
    return directory


def save_scenes(state):
    state.job("j").stage("scenes:1").save(BLOCK / "example", quicklooks=False)


def paths(stage):
    return [feature["properties"]["up42.data_path"] for feature in stage.features()["features"]]


def open_to_all(directory):
    """The container's user is not the one that runs the tests."""
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o777)


def test_restores_propagates_and_saves_in_a_directory(buildah, block_image, store):
    """The container finds its input in the store, and leaves its output there, the scene with it."""
    state = State(store.as_uri())
    save_scenes(state)
    open_to_all(store)
    environment = {**TASK, "UP42_STATE_URL": "file:///store"}
    done = buildah.run(block_image, environment=environment, volumes={store: "/store"})
    assert done.returncode == 0, done.stderr
    report = state.job("j").stage("report:1")
    assert paths(report) == ["report-0.txt", "scene.tif"]
    assert report.open("report-0.txt").read() == b"1\n"
    assert report.open("scene.tif").read() == b"a scene"


def test_restores_propagates_and_saves_in_localstack(buildah, block_image, localstack_url, tmp_path):
    """The same on S3, with the keys in secret files."""
    state = State(
        "s3://up42-state/block-image",
        aws_endpoint_url=localstack_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        aws_region="us-east-1",
    )
    save_scenes(state)
    for name in ("aws_access_key_id", "aws_secret_access_key"):
        (tmp_path / name).write_text("test\n")
    environment = {
        **TASK,
        "UP42_STATE_URL": state.url,
        "AWS_ENDPOINT_URL_S3": localstack_url,
        "AWS_REGION": "us-east-1",
    }
    open_to_all(tmp_path)
    done = buildah.run(block_image, environment=environment, volumes={tmp_path: "/run/secrets:ro"})
    assert done.returncode == 0, done.stderr
    report = state.job("j").stage("report:1")
    assert paths(report) == ["report-0.txt", "scene.tif"]
    assert report.open("scene.tif").read() == b"a scene"


def test_an_unmodified_program_runs_under_exec(buildah, base_image, store):
    """The base image's entrypoint makes a shell script stateful: input restored, output saved."""
    state = State(store.as_uri())
    save_scenes(state)
    open_to_all(store)
    environment = {**TASK, "UP42_STATE_URL": "file:///store", "UP42_STATE_STAGE": "copy:1"}
    script = "cp /tmp/input/data.json /tmp/input/scene.tif /tmp/output"
    done = buildah.run(
        base_image, environment=environment, volumes={store: "/store"}, command=["sh", "-c", script]
    )
    assert done.returncode == 0, done.stderr
    assert paths(state.job("j").stage("copy:1")) == ["scene.tif"]


def test_the_manifest_is_the_label(buildah, block_image):
    """``up42_manifest`` of the image's configuration holds the manifest, whole."""
    label = buildah.config(block_image)["config"]["Labels"]["up42_manifest"]
    assert json.loads(label) == json.loads((BLOCK / "UP42Manifest.json").read_text())


def test_a_failed_block_saves_nothing(buildah, block_image, store, tmp_path):
    """The exit code of a block that raises is its own, and there is no stage."""
    state = State(store.as_uri())
    # The block wants a data path of each scene, and this one has none.
    scenes = write_output(tmp_path / "scenes", {}, [feature(None, "a")])
    state.job("j").stage("scenes:1").save(scenes, quicklooks=False)
    open_to_all(store)
    environment = {**TASK, "UP42_STATE_URL": "file:///store"}
    done = buildah.run(block_image, environment=environment, volumes={store: "/store"})
    assert done.returncode == 1
    assert "KeyError: 'up42.data_path'" in done.stderr
    assert not state.job("j").stage("report:1").exists()


def test_wrong_parameters_run_no_block(buildah, block_image, store):
    """The manifest in the image says which parameters there are, and that is checked first."""
    state = State(store.as_uri())
    save_scenes(state)
    open_to_all(store)
    environment = {**TASK, "UP42_STATE_URL": "file:///store", "UP42_TASK_PARAMETERS": '{"unit_bytes": 0}'}
    done = buildah.run(block_image, environment=environment, volumes={store: "/store"})
    assert done.returncode == 1
    assert "unit_bytes" in done.stderr
    assert "is not greater or equal to 1" in done.stderr
    assert not state.job("j").stage("report:1").exists()
