"""Argo Workflows on this machine: what its controller would start for a template, by ``servers.pods``.

Only what our documents use is done, and the rest is an error: graphs with dependencies, ``when`` and
``withSequence``, output parameters, containers alone and in sets, retries.
"""

from __future__ import annotations

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from servers.pods import Ended, Pods

REFERENCE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
GRAPH = {"name", "template", "dependencies", "when", "arguments", "withSequence"}
TEMPLATE = {
    *("name", "inputs", "outputs", "activeDeadlineSeconds", "retryStrategy", "securityContext"),
    *("volumes", "container", "containerSet", "dag"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """What came of a step.

    :param phase: Argo's word for it.
    :param pods: the containers of each pod that was started, retries and items of a sequence among them.
    """

    name: str
    phase: str
    outputs: dict[str, str] = field(default_factory=dict)
    pods: list[list[Ended]] = field(default_factory=list)

    @property
    def said(self) -> str:
        """What the containers have printed, for whoever looks for the reason of a failure."""
        return "\n".join(
            f"{ended.name} {ended.exit_code}: {ended.stdout}{ended.stderr}"
            for pod in self.pods
            for ended in pod
        )


class Argo:
    """A cluster with Argo Workflows.

    :param secrets: the cluster's, by name.
    :param folder: for files that are looked at.
    """

    def __init__(self, pods: Pods, secrets: Mapping[str, Mapping[str, str]], folder: Path) -> None:
        self.pods, self.secrets, self.folder = pods, secrets, folder
        self.templates: dict[str, dict[str, Any]] = {}

    def submit(self, document: Mapping[str, Any], **parameters: str) -> dict[str, Step]:
        """Run a template to its end; the steps by name, in the order in which they ended.

        :param parameters: of the run, with _ for -.
        """
        spec = document["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["executor"]["serviceAccountName"]
        given = {name.replace("_", "-"): value for name, value in parameters.items()}
        values = {}
        for parameter in spec["arguments"]["parameters"]:
            value = given.pop(parameter["name"], parameter.get("value"))
            assert value is not None, f"the parameter {parameter['name']} has no value"
            assert value in parameter.get("enum", [value])
            values[f"workflow.parameters.{parameter['name']}"] = value
        assert not given
        self.templates = {template["name"]: template for template in spec["templates"]}
        return self._graph(self.templates[spec["entrypoint"]]["dag"]["tasks"], values)

    def _graph(self, tasks: list[dict[str, Any]], values: Mapping[str, str]) -> dict[str, Step]:
        by_name = {task["name"]: task for task in tasks}
        steps: dict[str, Step] = {}
        before = {name: task.get("dependencies", []) for name, task in by_name.items()}
        for name in TopologicalSorter(before).static_order():
            assert by_name[name].keys() <= GRAPH
            known = {
                f"tasks.{step}.outputs.parameters.{output}": value
                for step in _all_before(name, before)
                for output, value in steps[step].outputs.items()
            }
            steps[name] = self._step(by_name[name], steps, {**values, **known}, values)
        return steps

    def _step(
        self,
        task: dict[str, Any],
        steps: Mapping[str, Step],
        known: Mapping[str, str],
        values: Mapping[str, str],
    ) -> Step:
        # `dependencies` stand for (Succeeded || Skipped || Daemoned) of each.
        if any(steps[name].phase not in ("Succeeded", "Skipped") for name in task.get("dependencies", ())):
            return Step(task["name"], "Omitted")
        task = substituted(task, known, leave=("item",))
        if not _is_true(task.get("when", "true == true")):
            # Argo skips each item, and the group of them has succeeded.
            return Step(task["name"], "Succeeded" if "withSequence" in task else "Skipped")
        if "withSequence" not in task:
            return self._template(task, values)
        items = [substituted(task, {"item": str(item)}) for item in range(int(task["withSequence"]["count"]))]
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda item: self._template(item, values), items))
        failed = [one.phase for one in done if one.phase != "Succeeded"]
        phase = failed[0] if failed else "Succeeded"
        return Step(task["name"], phase, {}, [pod for one in done for pod in one.pods])

    def _template(self, task: dict[str, Any], values: Mapping[str, str]) -> Step:
        template = self.templates[task["template"]]
        assert template.keys() <= TEMPLATE
        given = {each["name"]: each["value"] for each in task.get("arguments", {}).get("parameters", ())}
        assert given.keys() == {each["name"] for each in template.get("inputs", {}).get("parameters", ())}
        inputs = {f"inputs.parameters.{name}": value for name, value in given.items()}
        template = substituted(template, {**values, **inputs})
        retries = template.get("retryStrategy", {})
        # A container that fails is a failure; an error is what Kubernetes or Argo itself does wrong.
        tries = 1 + int(retries["limit"]) if retries.get("retryPolicy") == "Always" else 1
        pods: list[list[Ended]] = []
        for _ in range(tries):
            pods.append(self.pods.run(_pod(template), secrets=self.secrets))
            if all(ended.exit_code == 0 for ended in pods[-1]):
                return Step(task["name"], "Succeeded", self._outputs(template, pods[-1]), pods)
        return Step(task["name"], "Failed", {}, pods)

    def _outputs(self, template: Mapping[str, Any], pod: list[Ended]) -> dict[str, str]:
        (main,) = (ended for ended in pod if ended.name == "main")
        outputs = {}
        for parameter in template.get("outputs", {}).get("parameters", ()):
            target = self.folder / f"{main.inspected['Id']}-{parameter['name']}"
            copy = ["podman", "cp", f"{main.inspected['Id']}:{parameter['valueFrom']['path']}", str(target)]
            subprocess.run(copy, env=main.variables, check=True, capture_output=True)
            outputs[parameter["name"]] = target.read_text().rstrip("\n")  # as Argo does
        return outputs


def substituted(value: Any, known: Mapping[str, str], leave: tuple[str, ...] = ()) -> Any:
    """Replace references as Argo does: in the text of the whole, whatever it stands for."""

    def replace(found: re.Match[str]) -> str:
        if found[1] in leave:
            return found[0]
        return json.dumps(known[found[1]])[1:-1]

    return json.loads(REFERENCE.sub(replace, json.dumps(value, ensure_ascii=False)))


def _is_true(condition: str) -> bool:
    left, equals, right = condition.partition(" == ")
    assert equals
    assert {left, right} <= {"true", "false"}, condition
    return left == right


def _all_before(name: str, before: Mapping[str, list[str]]) -> set[str]:
    found = set(before[name])
    for each in before[name]:
        found |= _all_before(each, before)
    return found


def _pod(template: Mapping[str, Any]) -> dict[str, Any]:
    containers = template.get("containerSet", {}).get("containers") or [
        {"name": "main", **template["container"]}
    ]
    shared = {name: template[name] for name in ("securityContext", "volumes") if name in template}
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": containers,
        **shared,
    }
