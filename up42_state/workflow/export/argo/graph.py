"""The graph of a workflow: which step comes after which, and whether it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from up42_state.workflow.model import Task, Workflow

__all__ = ["SUFFIXES", "graph"]

SUFFIXES = ("", "-look", "-shards")  # of the names of a task's steps


def graph(workflow: Workflow, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the steps of all tasks; each step runs the template of its name.

    :param names: by task, the name of the step that leaves the task's stage.
    """
    return [step for task in workflow.tasks for step in _steps(task, names)]


def _steps(task: Task, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    name = names[task.name]
    look = f"{name}-look"
    upstream = [names[each] for each in _stands_on(task) if each in names]
    needed = {"when": f"{{{{tasks.{look}.outputs.parameters.run}}}} == true"}
    yield _step(look, upstream)
    if not task.chunk:
        yield _step(name, [look]) | needed
        return
    shards = {
        "arguments": {
            "parameters": [
                {"name": "shards", "value": f"{{{{tasks.{look}.outputs.parameters.shards}}}}"},
                {"name": "index", "value": "{{item}}"},
            ]
        },
        "withSequence": {"count": f"{{{{tasks.{look}.outputs.parameters.count}}}}"},
    }
    yield _step(f"{name}-shards", [look]) | needed | shards
    yield _step(name, [look, f"{name}-shards"]) | needed


def _stands_on(task: Task) -> Iterator[str]:
    propagated = (stage for each in task.propagate for stage in each.stages)
    yield from dict.fromkeys((*task.after, *propagated))


def _step(name: str, dependencies: list[str]) -> dict[str, Any]:
    step: dict[str, Any] = {"name": name, "template": name}
    return step | ({"dependencies": dependencies} if dependencies else {})
