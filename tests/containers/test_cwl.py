"""Exported CWL documents of images, run by cwltool with real engines; our own steps run beside them.

cwltool runs ``docker``; where that is podman, it is podman under docker's name, as podman-docker has it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import boto3
import pytest
from containers.conftest import load as load_image
from workflow.cwl.lab import NASTY, Lab, tree

from up42_state import State
from up42_state.workflow.document import load
from up42_state.workflow.planner import plan
from up42_state.workflow.runner import run

if TYPE_CHECKING:
    from up42_state.workflow.blocks.containers.engine import Engine

MAKE, PASS = "localhost/cwl-make:1", "localhost/cwl-pass:1"
KEY, SECRET = "cwl-credential-key", "cwl-credential-secret"
# Blocks that know the contract's paths alone. Each looks at all that it is given for a credential.
LOOK = """set -e
if env | grep -q cwl-credential; then echo "a credential in the environment" >&2; exit 9; fi
if grep -rlq cwl-credential /tmp /etc /run 2>/dev/null; then echo "a credential in a file" >&2; exit 9; fi
test -d /tmp/quicklooks && touch /tmp/quicklooks/look.png
"""
MAKE_SCRIPT = (
    LOOK
    + """ls /tmp/input
cd /tmp/output
printf %s "$UP42_TASK_PARAMETERS" > parameters.json
for n in 1 2 3; do
    echo "file $n" > f$n.txt
    feature='{"type": "Feature", "id": "f'$n'", "geometry": {"type": "Point", "coordinates": ['$n', 1]}'
    all="$all${all:+, }$feature, \"properties\": {\"up42.data_path\": \"f$n.txt\"}}"
done
echo "{\"type\": \"FeatureCollection\", \"features\": [$all]}" > data.json
"""
)
PASS_SCRIPT = (
    LOOK
    + """cd /tmp/input
sed "s/\"up42.data_path\"/\"by\": \"$1\", &/g" data.json > /tmp/output/data.json
for file in *.txt; do sed "s/$/ $1/" $file > /tmp/output/$file; done
if touch /tmp/input/written 2>/dev/null; then exit 7; fi
"""
)


@pytest.fixture
def lab(engine: Engine, archive: Path, tmp_path: Path, localstack_url: str) -> Lab:
    """A lab in which ``docker`` is the engine, with the images of both blocks."""
    for name, script in ((MAKE, MAKE_SCRIPT), (PASS, PASS_SCRIPT)):
        entry = json.dumps(["sh", "-c", script, "block"])
        load_image(engine.kind, archive, name, [f"ENTRYPOINT {entry}"])
    lab = Lab(tmp_path / "lab", port=urlsplit(localstack_url).port or 0)
    names = ("DOCKER_HOST", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF")
    lab.environment |= {name: os.environ[name] for name in names if name in os.environ}
    if engine.kind == "podman":
        docker = lab.folder / "bin" / "docker"
        docker.write_text('#!/bin/sh\nexec podman "$@"\n')
        docker.chmod(0o755)
    return lab


def image(name: str, *after: str, **more: Any) -> dict[str, Any]:
    word = name.partition(":")[0]
    return {"name": name, "image": PASS if after else MAKE, "command": [word], "after": list(after), **more}


def workflow(lab: Lab) -> Path:
    """Shards, a fan-in and a propagation, of images."""
    return lab.workflow(
        image("make:1"),
        image("left:1", "make:1", foreach="feature", chunk=2),
        image("right:1", "make:1"),
        image("last:1", "left:1", "right:1", propagate=["make:1"]),
        parameters={"make:1": NASTY},
    )


@pytest.fixture
def options(engine: Engine) -> dict[str, Any]:
    return {"engine": engine.program, "engine_network": "host"}


def test_a_package_of_images(lab: Lab, tmp_path: Path, options: dict[str, Any]) -> None:
    """Features and files are those of a run of the same images, and parameters arrive as they are."""
    document = lab.export(workflow(lab))
    ran = lab.cwltool(document, "--job", "job", containers=True)
    assert ran.code == 0, ran.log
    job = State((tmp_path / "store").as_uri(), **options).job("job")
    assert run(load(lab.folder / "workflow.json"), job).status == "done"
    restored = tmp_path / "restored"
    _ = job.stage("last:1").restore(restored, quicklooks=False)
    (output,) = ran.outputs.values()
    assert tree(Path(output["path"])) == tree(restored)
    alone = lab.cwltool(Path(f"{document}#make-1-block"), *alone_inputs(), containers=True)
    assert alone.code == 0, alone.log
    given = Path(alone.outputs["output"]["path"]) / "parameters.json"
    assert json.loads(given.read_text()) == NASTY


def alone_inputs() -> list[str]:
    given = {
        "parameters": json.dumps(NASTY),
        "job": "j",
        "job_mode": "DEFAULT",
        "name": "x",
        "block_info": "{}",
    }
    return [*(word for name, value in given.items() for word in (f"--{name}", value))]


def test_images_through_the_store(
    lab: Lab, tmp_path: Path, localstack_url: str, options: dict[str, Any]
) -> None:
    """What cwltool has made is done for a run, and the other way round; no block is given a credential."""
    settings = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET}
    bucket = f"cwl-{options['engine'].rpartition('/')[2]}"
    boto3.client("s3", endpoint_url=localstack_url, region_name="us-east-1", **settings).create_bucket(
        Bucket=bucket
    )
    state = State(
        f"s3://{bucket}", aws_endpoint_url=localstack_url, aws_region="us-east-1", **settings, **options
    )
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name, value in settings.items():
        (credentials / name).write_text(value)
    document = lab.export(workflow(lab), staged=True)
    inputs = ["--url", f"s3://{bucket}", "--endpoint", localstack_url, "--credentials", str(credentials)]
    inputs += ["--region", "us-east-1"]
    made = lab.cwltool(document, *inputs, "--job", "by-cwl", containers=True)
    assert made.code == 0, made.log
    assert "cwl-credential" not in made.log
    loaded = load(lab.folder / "workflow.json")
    planned = plan(loaded, state.job("by-cwl"))
    assert [(each.status, each.reasons) for each in planned] == [("cached", ())] * len(planned)
    assert run(loaded, state.job("by-run")).status == "done"
    skipped = lab.cwltool(document, *inputs, "--job", "by-run", containers=True)
    assert skipped.code == 0, skipped.log
    assert set(skipped.outputs.values()) == {None}
