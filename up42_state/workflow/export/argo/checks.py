"""Whether all that a ``WorkflowTemplate`` names is there, which parsers of Argo's schema do not find out."""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["problems"]

_NAME = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
_REFERENCE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_POLICIES = frozenset(("Always", "OnFailure", "OnError", "OnTransientError"))


def problems(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the places that name what is not there, each with what is wrong."""
    spec = document["spec"]
    templates = {each["name"]: each for each in spec["templates"]}
    found = [("spec.templates", f"the name {name} is given twice") for name in _twice(spec["templates"])]
    if spec["entrypoint"] not in templates:
        found.append(("spec.entrypoint", f"there is no template {spec['entrypoint']}"))
    if spec.get("automountServiceAccountToken") is False and not spec.get("executor", {}).get(
        "serviceAccountName"
    ):
        found.append(("spec.executor", "without tokens Argo wants to be told its own service account"))
    known = {f"workflow.parameters.{each['name']}" for each in spec["arguments"]["parameters"]}
    for name, template in templates.items():
        own = known | {f"inputs.parameters.{each['name']}" for each in _inputs(template)}
        if not _NAME.fullmatch(name):
            found.append((name, "Argo takes no such name"))
        found += _retries(name, template)
        found += _containers(name, template)
        if "dag" in template:
            found += _graph(name, template["dag"]["tasks"], templates, own)
        else:
            found += _references(name, template, own)
    return found


def _twice(items: list[dict[str, Any]]) -> list[str]:
    names = [each["name"] for each in items]
    return sorted({name for name in names if names.count(name) > 1})


def _inputs(template: Mapping[str, Any]) -> list[dict[str, Any]]:
    return list(template.get("inputs", {}).get("parameters", ()))


def _retries(place: str, template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    policy = template.get("retryStrategy", {}).get("retryPolicy", "Always")
    if policy not in _POLICIES:
        yield f"{place}.retryStrategy", f"there is no policy {policy}"


def _containers(place: str, template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Check a set of containers: their order, and what they mount."""
    containers = template.get("containerSet", {}).get("containers", [])
    volumes = {each["name"] for each in template.get("volumes", ())}
    for name in _twice(containers):
        yield place, f"the container {name} is there twice"
    before = {each["name"]: each.get("dependencies", []) for each in containers}
    yield from _order(place, before)
    for each in [*containers, *([template["container"]] if "container" in template else [])]:
        where = f"{place}.{each.get('name', 'container')}"
        mounts = each.get("volumeMounts", ())
        for mount in mounts:
            if mount["name"] not in volumes:
                yield where, f"there is no volume {mount['name']}"
        paths = [mount["mountPath"] for mount in mounts]
        if len(set(paths)) < len(paths):
            yield where, "two volumes are mounted at one place"


def _order(place: str, before: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    for name, dependencies in before.items():
        for dependency in dependencies:
            if dependency not in before:
                yield f"{place}.{name}.dependencies", f"there is no {dependency}"
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        yield place, f"{' waits for '.join(error.args[1])}"


def _graph(
    place: str, tasks: list[dict[str, Any]], templates: Mapping[str, dict[str, Any]], known: set[str]
) -> Iterator[tuple[str, str]]:
    """Check a graph of steps: templates, order, arguments, and outputs of steps that came before."""
    for name in _twice(tasks):
        yield place, f"the step {name} is there twice"
    before = {each["name"]: each.get("dependencies", []) for each in tasks}
    yield from _order(place, before)
    for task in tasks:
        where = f"{place}.{task['name']}"
        template = templates.get(task["template"])
        if template is None:
            yield f"{where}.template", f"there is no template {task['template']}"
            continue
        yield from _arguments(where, task, template)
        items = {"item"} if "withSequence" in task else set()
        yield from _references(where, task, known | items | _outputs(task, tasks, templates, before))


def _arguments(where: str, task: Mapping[str, Any], template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    given = {each["name"] for each in task.get("arguments", {}).get("parameters", ())}
    taken = {each["name"] for each in _inputs(template)}
    for name in sorted(given ^ taken):
        yield (
            f"{where}.arguments",
            f"{name} is {'not given' if name in taken else 'no input of the template'}",
        )


def _outputs(
    task: Mapping[str, Any],
    tasks: list[dict[str, Any]],
    templates: Mapping[str, dict[str, Any]],
    before: Mapping[str, list[str]],
) -> set[str]:
    """Return the outputs that a step may name: those of all steps that it comes after."""
    waiting, seen = list(task.get("dependencies", ())), set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += before.get(name, [])
    return {
        f"tasks.{each['name']}.outputs.parameters.{output['name']}"
        for each in tasks
        if each["name"] in seen
        for output in templates.get(each["template"], {}).get("outputs", {}).get("parameters", ())
    }


def _references(place: str, value: object, known: set[str]) -> Iterator[tuple[str, str]]:
    """Yield a problem for each ``{{…}}`` that stands for nothing."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _references(f"{place}.{name}", inner, known)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _references(f"{place}[{number}]", inner, known)
    elif isinstance(value, str):
        found = _REFERENCE.findall(value)
        if value.count("{{") != len(found):
            yield place, "two braces open, and none close"
        for name in found:
            if name not in known:
                yield place, f"{{{{{name}}}}} stands for nothing"
