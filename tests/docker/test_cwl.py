"""An exported CWL document, run by cwltool with our image for our own steps and a block's image as it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
from workflow.cwl.lab import Lab

from up42_state import State
from up42_state.workflow.document import load
from up42_state.workflow.planner import plan
from up42_state.workflow.runner import run

if TYPE_CHECKING:
    from pathlib import Path

    from servers.pods import Pods

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

KEY, SECRET = "cwl-credential-key", "cwl-credential-secret"
LOOK = """set -e
if env | grep -q cwl-credential; then exit 9; fi
if grep -rlq cwl-credential /tmp /etc /run 2>/dev/null; then exit 9; fi
"""
MAKE = (
    LOOK
    + """cd /tmp/output
for n in 1 2 3; do
    echo "scene $n" > scene$n.txt
    feature='{"type": "Feature", "id": "scene'$n'", "geometry": {"type": "Point", "coordinates": ['$n', 0]}'
    all="$all${all:+, }$feature, \\"properties\\": {\\"up42.data_path\\": \\"scene$n.txt\\"}}"
done
echo "{\\"type\\": \\"FeatureCollection\\", \\"features\\": [$all]}" > data.json
"""
)
PASS = LOOK + "cp /tmp/input/* /tmp/output\n"


def test_a_document_with_our_image(
    kube: Pods,
    base_image: str,
    plain_image: str,
    localstack_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Our steps run in our image, beginning with its own entry point; a run finds what they saved done."""
    for name, value in kube.variables.items():
        monkeypatch.setenv(name, value)
    settings = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
    boto3.client("s3", endpoint_url=localstack_url, region_name="us-east-1", **settings).create_bucket(
        Bucket="cwl-docker"
    )
    state = State(
        "s3://cwl-docker",
        aws_endpoint_url=localstack_url,
        aws_region="us-east-1",
        engine="podman",
        engine_network="host",
        **settings,
    )
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name, value in settings.items():
        (credentials / name).write_text(value)
    lab = Lab(tmp_path / "lab", port=urlsplit(localstack_url).port or 0)
    lab.environment |= kube.variables | {"PATH": f"{lab.folder}/bin:{os.environ['PATH']}"}
    docker = lab.folder / "bin" / "docker"
    docker.write_text('#!/bin/sh\nexec podman "$@"\n')  # as the package podman-docker has it
    docker.chmod(0o755)
    (lab.folder / "bin" / "up42-state").unlink()  # what runs is our image's
    tasks: list[dict[str, Any]] = [
        {"name": "make:1", "image": plain_image, "command": ["sh", "-c", MAKE]},
        {
            "name": "pass:1",
            "image": plain_image,
            "command": ["sh", "-c", PASS],
            "after": "make:1",
            "foreach": "feature",
            "chunk": 2,
            "propagate": ["make:1"],
        },
    ]
    workflow = lab.workflow(*tasks)
    inputs = ["--url", "s3://cwl-docker", "--endpoint", localstack_url, "--region", "us-east-1"]
    inputs += ["--credentials", str(credentials)]
    document = lab.export(workflow, staged=True, image=base_image)
    made = lab.cwltool(document, *inputs, "--job", "by-cwl", containers=True)
    assert made.code == 0, made.log
    assert all(made.outputs.values())
    assert "cwl-credential" not in made.log
    loaded = load(workflow)
    planned = plan(loaded, state.job("by-cwl"))
    assert [(each.status, each.reasons) for each in planned] == [("cached", ())] * 2
    assert run(loaded, state.job("by-run")).status == "done"
    skipped = lab.cwltool(document, *inputs, "--job", "by-run", containers=True)
    assert skipped.code == 0, skipped.log
    assert set(skipped.outputs.values()) == {None}
    package = lab.cwltool(lab.export(workflow, image=base_image), containers=True)
    assert package.code == 0, package.log
