"""What ``docs/recipes.md`` shows, as values."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import yaml
from examples.container import ROOT, examples

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Document = dict[str, Any]

PAGE = ROOT / "docs" / "recipes.md"
SHOWN = examples(PAGE)


def shown(language: str) -> list[str]:
    """The fenced blocks of a language, in the page's order."""
    return [example.text for example in SHOWN if example.language == language]


JOB, EXEC_JOB, WORKFLOW = (yaml.safe_load(text) for text in shown("yaml"))
WORKFLOW_TEXT = shown("yaml")[2]
TILES, SUBMIT, TILING = (json.loads(text) for text in shown("json"))
(BATCH_IMAGE,) = shown("dockerfile")
(KEYS,) = shown("ini")
(DAG,) = shown("python")


def here(document: Document, replacements: Mapping[str, str]) -> Document:
    """The document with other images, another bucket, and so on; what is replaced must be in it."""
    text = json.dumps(document)
    for old, new in replacements.items():
        assert old in text, f"the page does not have {old}"
        text = text.replace(old, new)
    changed: Document = json.loads(text)
    return changed


def containers(pod: Document) -> dict[str, Document]:
    """The containers of a pod spec, init containers among them."""
    return {one["name"]: one for one in [*pod.get("initContainers", []), *pod["containers"]]}


def batch_pod(definition: Document, submitted: Document | None = None, index: int | None = None) -> Document:
    """A job definition of AWS Batch as a pod: what ECS would start, where it has an equivalent.

    :raises AssertionError: it has a member that is not translated.
    """
    submitted = submitted or {}
    if "ecsProperties" in definition:
        (task,) = definition["ecsProperties"]["taskProperties"]
        known = {"executionRoleArn", "networkConfiguration", "volumes", "containers"}
        assert set(task) <= known, set(task) - known
        volumes, ours = task["volumes"], task["containers"]
    else:
        volumes, ours = [], [{"name": "block", **definition["containerProperties"]}]
        for member in ("jobRoleArn", "executionRoleArn", "networkConfiguration"):
            del ours[0][member]
    values = definition.get("parameters", {}) | submitted.get("parameters", {})
    words = {f"Ref::{name}": value for name, value in values.items()}
    return {
        "restartPolicy": "Never",
        "volumes": [{"name": volume["name"], "emptyDir": {}} for volume in volumes],
        "containers": [_batch_container(one, words, index) for one in ours],
    }


def _batch_container(container: Document, words: Mapping[str, str], index: int | None) -> Document:
    rest = dict(container)
    for member in ("essential", "resourceRequirements"):
        rest.pop(member, None)
    environment = rest.pop("environment")
    for secret in rest.pop("secrets", []):
        *_, name, key, _stage, _version = secret["valueFrom"].split(":")
        reference = {"secretKeyRef": {"name": name, "key": key}}
        environment = [*environment, {"name": secret["name"], "valueFrom": reference}]
    if index is not None:
        environment = [*environment, {"name": "AWS_BATCH_JOB_ARRAY_INDEX", "value": str(index)}]
    after = rest.pop("dependsOn", [])
    assert {one["condition"] for one in after} <= {"SUCCESS"}
    made = {
        "name": rest.pop("name"),
        "image": rest.pop("image"),
        "env": environment,
        "dependencies": [one["containerName"] for one in after],
        "volumeMounts": [
            {
                "name": mount["sourceVolume"],
                "mountPath": mount["containerPath"],
                "readOnly": mount.get("readOnly", False),
            }
            for mount in rest.pop("mountPoints", [])
        ],
    }
    if "command" in rest:  # Docker's Cmd: the image's entrypoint stays
        # Kubernetes expands $(NAME) where Batch does not.
        made["args"] = [words.get(word, word).replace("$(", "$$(") for word in rest.pop("command")]
    assert not rest, f"not translated: {rest}"
    return made


def airflow_pod(folder: Path, run_id: str) -> Document:
    """Run the DAG's file with stand-ins for Airflow, and render what its operator was given.

    Airflow takes a minute to install; what it makes of the file was looked at by hand.
    """
    given: list[Document] = []

    class DAGContext:
        def __init__(self, *_: Any, **__: Any) -> None:
            pass

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_: Any) -> None:
            pass

    (folder / "job.yaml").write_text(shown("yaml")[0])
    file = folder / "dag.py"
    file.write_text(DAG)
    operators = "airflow.providers.cncf.kubernetes.operators.pod"
    parts = operators.split(".")
    packages = [".".join(parts[:count]) for count in range(1, len(parts))]
    modules = {name: ModuleType(name) for name in [*packages, operators, "airflow.sdk"]}
    vars(modules["airflow.sdk"])["DAG"] = DAGContext
    vars(modules[operators])["KubernetesPodOperator"] = lambda **options: given.append(options)
    with patch.dict(sys.modules, modules):
        exec(compile(DAG, file, "exec"), {"__file__": str(file), "__name__": "dag"})
    (options,) = given
    pod: Document = options["pod_template_dict"]["spec"]
    assert options["base_container_name"] in [one["name"] for one in pod["containers"]]
    return here(pod, {"{{ run_id }}": run_id})
