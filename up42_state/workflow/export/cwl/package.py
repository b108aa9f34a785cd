"""An application package: directories in, directories out; no store, no credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.workflow.export.cwl.tasks import ref
from up42_state.workflow.planner import upstream
from up42_state.workflow.steps.directories import propagated_by

if TYPE_CHECKING:
    from up42_state.workflow.export.cwl.tasks import Tasks
    from up42_state.workflow.model import Task, Workflow

__all__ = ["package"]

Node = dict[str, Any]


def package(workflow: Workflow, tasks: Tasks, job: str) -> Node:
    """Return the Workflow.

    :param job: the job key of a run that gives none.
    """
    steps: Node = {}
    for task in tasks.all:
        steps |= _steps(task, tasks)
    inner = {name for task in tasks.all for name in upstream(task)}
    inputs: Node = {
        "job": {"type": "string", "default": job},
        **tasks.folders(),
    }
    if any(not task.after for task in tasks.all):
        inputs["input"] = {
            "type": "Directory?",
            "doc": "The input of tasks that stand on no other; an empty one without it.",
        }
    return {
        "class": "Workflow",
        "id": "main",
        "label": workflow.name,
        "requirements": {"MultipleInputFeatureRequirement": {}, "ScatterFeatureRequirement": {}},
        "inputs": inputs,
        "outputs": {
            f"{tasks.ids[task.name]}-output": {
                "type": "Directory",
                "outputSource": f"{tasks.ids[task.name]}/output",
            }
            for task in tasks.all
            if task.name not in inner
        },
        "steps": steps,
    }


def _steps(task: Task, tasks: Tasks) -> Node:
    """The steps of one task; the last one has the task's own id, and gives its output."""
    own, steps = tasks.ids[task.name], {}
    given = "input"
    if task.after:
        given = tasks.source_of(task.after, "output")[0]
    if len(task.after) > 1:
        steps[f"{own}-join"] = {
            "run": ref("join"),
            "in": {**tasks.run_step(task), "parents": _several(tasks.source_of(task.after, "output"))},
            "out": ["output"],
        }
        given = f"{own}-join/output"
    block: Node = {
        "run": ref(tasks.tool(task, has_input=bool(task.after))),
        "in": {**tasks.run_block(task), "input": given},
        "out": ["output"],
    }
    if not task.chunk and not task.propagate:
        return {**steps, own: block}
    merging: Node = tasks.run_step(task)
    if task.propagate:
        merging["propagated"] = _several(tasks.source_of(propagated_by(task), "output"))
    if task.chunk:
        steps[f"{own}-split"] = {
            "run": ref("split"),
            "in": {**tasks.run_step(task), "input": given},
            "out": ["shards"],
        }
        block["in"]["input"] = f"{own}-split/shards"
        steps[f"{own}-shards"] = {"scatter": "input", **block}
        merging |= {"input": given, "outputs": f"{own}-shards/output"}
    else:
        steps[f"{own}-shards"] = block
        merging["outputs"] = _several([f"{own}-shards/output"])
    steps[own] = {"run": ref("merge"), "in": merging, "out": ["output"]}
    return steps


def _several(sources: list[str]) -> Node:
    return {"source": sources, "linkMerge": "merge_flattened"}
