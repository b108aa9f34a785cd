"""Exported documents, run by cwltool without containers, and what ``run`` makes of the same workflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import boto3
import pytest
from workflow.cwl.lab import NASTY, Lab, Ran, tree

from up42_state import State
from up42_state.workflow.document import load
from up42_state.workflow.planner import plan
from up42_state.workflow.runner import run

if TYPE_CHECKING:
    from typing import Any

KEY, SECRET = "cwl-credential-key", "cwl-credential-secret"


def whole_workflow(lab: Lab) -> Path:
    """A fan-out in shards, a fan-in, a propagation, and parameters that hold whatever a language means."""
    return lab.workflow(
        lab.task("make:1"),
        lab.task("left:1", "make:1", foreach="feature", chunk=2),
        lab.task("right:1", "make:1"),
        lab.task("last:1", "left:1", "right:1", propagate=["make:1"]),
        parameters={"make:1": NASTY},
    )


def test_a_package_gives_the_bytes_of_a_run(tmp_path: Path) -> None:
    """Features and files of the last directory are those of a run's last stage; nothing is reached."""
    lab = Lab(tmp_path / "lab")
    workflow = whole_workflow(lab)
    ran = lab.cwltool(lab.export(workflow), "--job", "job")
    assert ran.code == 0, ran.log
    job = State((tmp_path / "store").as_uri()).job("job")
    assert run(load(workflow), job).status == "done"
    restored = tmp_path / "restored"
    _ = job.stage("last:1").restore(restored)
    (output,) = ran.outputs.values()
    made = tree(Path(output["path"]))
    assert made == tree(restored)
    assert len(made) == 4  # data.json, and a file for each feature: one is last's, two are make's
    assert lab.attempts() == ""


class Staged:
    """A lab with a bucket, whose credentials lie in a directory that tools of ours are given."""

    def __init__(self, folder: Path, endpoint: str, name: str) -> None:
        self.lab = Lab(folder / "lab", port=urlsplit(endpoint).port or 0)
        boto3.client(
            "s3",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        ).create_bucket(Bucket=name)
        credentials = folder / "credentials"
        credentials.mkdir()
        (credentials / "aws_access_key_id").write_text(KEY)
        (credentials / "aws_secret_access_key").write_text(SECRET)
        self.inputs = ["--url", f"s3://{name}", "--endpoint", endpoint, "--region", "us-east-1"]
        self.inputs += ["--credentials", str(credentials)]
        self.state = State(
            f"s3://{name}",
            aws_endpoint_url=endpoint,
            aws_region="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
        )

    def cwltool(self, document: Path, job: str) -> Ran:
        """Run a document; it reaches the store alone, and tells no credentials."""
        ran = self.lab.cwltool(document, *self.inputs, "--job", job)
        assert ran.code == 0, ran.log
        assert "cwl-credential" not in ran.log + document.read_text()
        assert self.lab.attempts() == ""
        return ran


def test_a_run_and_a_document_go_on_with_each_others_work(tmp_path: Path, localstack_url: str) -> None:
    """The document skips what a run has made, and a run finds all done that the document makes, in shards."""
    staged = Staged(tmp_path, localstack_url, "cwl-staged")
    lab, job = staged.lab, staged.state.job("job")
    make = lab.task("make:1")
    assert run(load(lab.workflow(make)), job).status == "done"
    # One shard: the wide workflow below has several.
    workflow = lab.workflow(make, lab.task("left:1", "make:1", foreach="feature", chunk=1000))
    ran = staged.cwltool(lab.export(workflow, staged=True), "job")
    assert ran.outputs["make-1-commit"] is None
    assert json.loads(Path(ran.outputs["left-1-commit"]["path"]).read_text())["stage"] == "left:1"
    assert [each.stage for each in job.stage("left:1").history()] == ["left:1"]
    planned = plan(load(workflow), job)
    assert [(each.status, each.reasons) for each in planned] == [("cached", ())] * 2


@pytest.mark.soak  # in CI the images of tests/docker and tests/containers go through the same
def test_a_whole_workflow_through_the_store(tmp_path: Path, localstack_url: str) -> None:
    """Fan-in, propagation and nasty parameters are cached for a run, and for the document where a run was."""
    staged = Staged(tmp_path, localstack_url, "cwl-whole")
    workflow = whole_workflow(staged.lab)
    document = staged.lab.export(workflow, staged=True)
    assert all(staged.cwltool(document, "by-cwl").outputs.values())
    loaded = load(workflow)
    planned = plan(loaded, staged.state.job("by-cwl"))
    assert [(each.status, each.reasons) for each in planned] == [("cached", ())] * len(planned)
    assert run(loaded, staged.state.job("by-run")).status == "done"
    assert set(staged.cwltool(document, "by-run").outputs.values()) == {None}


def test_images_need_containers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without containers cwltool refuses a document of images, and says why."""
    monkeypatch.setenv("PATH", str(tmp_path))  # no engine is asked for the image
    lab = Lab(tmp_path / "lab")
    task: dict[str, Any] = {"name": "make:1", "image": f"example.com/block@sha256:{'a' * 64}"}
    ran = lab.cwltool(lab.export(lab.workflow(task)))
    assert ran.code != 0
    assert "--no-container, but this CommandLineTool has DockerRequirement" in ran.log
