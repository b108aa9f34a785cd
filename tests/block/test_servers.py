"""A chain of tasks on the stores that people use: a plain program, then a block."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from block.cases import Folders, collection, feature, fill, ids

from up42_state.block.block import Block
from up42_state.block.task import run_task
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["localstack", "gcs"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Settings of a prefix of this test's own; credentials come from the environment, as in a container."""
    prefix = uuid.uuid4().hex
    if request.param == "gcs":
        endpoint = request.getfixturevalue("gcs_emulator_url")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", endpoint)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
        _make_gcs_bucket(endpoint, prefix)
        return {"url": f"gs://{prefix}"}
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", request.getfixturevalue("localstack_url"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return {"url": f"s3://up42-state/{prefix}"}


def _make_gcs_bucket(endpoint: str, name: str) -> None:
    import json
    import urllib.request

    url = f"{endpoint}/storage/v1/b?project=test"
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps({"name": name}).encode(), headers)
    with urllib.request.urlopen(request):
        pass


def test_an_earlier_stage_comes_back_in_a_chain_of_tasks(store: dict[str, Any], tmp_path: Path) -> None:
    """The program's output is the block's input; what the program dropped is in the block's output again."""

    def task(stage: str, **options: Any) -> tuple[Settings, Folders]:
        return Settings(**store, job="3f0c", stage=stage, **options), Folders(root=tmp_path / stage)

    settings, folders = task("scenes:1")
    with Block.from_env(settings, **folders.arguments) as block:
        fill(block.output_dir, [feature("a", "a.tif"), feature("b", "b.tif")], {"a.tif": "A", "b.tif": "B"})
    settings, folders = task("clear:1", after="scenes:1")
    drop_b = (
        "import json, shutil, sys; from pathlib import Path; source, target = map(Path, sys.argv[1:]);"
        "found = json.loads((source / 'data.json').read_text()); found['features'].pop();"
        "(target / 'data.json').write_text(json.dumps(found)); shutil.copy(source / 'a.tif', target)"
    )
    command = ["python3", "-c", drop_b, str(folders.input), str(folders.output)]
    assert run_task(command, settings=settings, **folders.arguments) == 0
    settings, folders = task("report:1", after="clear:1", propagate="scenes:1")
    with Block.from_env(settings, **folders.arguments) as block:
        assert ids(block.input_dir) == ["a"]
        block.write(collection(feature("report")))
    assert block.stage is not None
    block.stage.restore(tmp_path / "end")
    assert ids(tmp_path / "end") == ["report", "a", "b"]
    assert (tmp_path / "end" / "b.tif").read_text() == "B"
