"""A workflow whose tasks stand in the store: what is done is skipped, the rest is saved as by ``run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.workflow.export.cwl.tasks import ref
from up42_state.workflow.export.cwl.tools import STORE, STORE_STEP
from up42_state.workflow.planner import upstream

if TYPE_CHECKING:
    from up42_state.workflow.export.cwl.tasks import Tasks
    from up42_state.workflow.model import Task, Workflow

__all__ = ["staged"]

Node = dict[str, Any]


def staged(workflow: Workflow, tasks: Tasks, job: str) -> list[Node]:
    """Return the Workflow, and before it the workflows of blocks between the stages.

    :param job: the job key of a run that gives none; empty to have every run give one.
    """
    steps: Node = {}
    inner: dict[str, Node] = {}
    for task in tasks.all:
        tool = tasks.tool(task, has_input=True)
        stages = tool.removesuffix("-block") + "-stages"
        inner.setdefault(stages, _between_stages(stages, task, tool))
        steps |= _steps(task, tasks, stages)
    main = {
        "class": "Workflow",
        "id": "main",
        "label": workflow.name,
        "requirements": {
            "MultipleInputFeatureRequirement": {},
            "ScatterFeatureRequirement": {},
            "SubworkflowFeatureRequirement": {},
        },
        "inputs": {
            "job": {"type": "string", "default": job} if job else "string",
            "job_mode": {"type": "string", "default": "DEFAULT"},
            "force": {"type": "boolean", "default": False},
            **STORE,
            **tasks.folders(),
        },
        "outputs": {
            f"{own}-commit": {"type": "File?", "doc": "null if it was done", "outputSource": f"{own}/commit"}
            for own in tasks.ids.values()
        },
        "steps": steps,
    }
    return [*inner.values(), main]


def _between_stages(own: str, task: Task, tool: str) -> Node:
    """The workflow of a block, whole or for one shard: stage in, run, stage out.

    No credentials reach the block's step.
    """
    is_image = task.block.kind == "image"
    for_block: Node = (
        {"parameters": "string", "name": "string", "block_info": "string"}
        if is_image
        else {"folder": "Directory"}
    )
    shared = {name: name for name in ("job", "job_mode")}
    step = {"text": "text", **shared, **STORE_STEP, "index": "index"}
    results = {} if is_image else {"quicklooks": "block/quicklooks"}
    return {
        "class": "Workflow",
        "id": own,
        "inputs": {
            "text": "string",
            "job": "string",
            "job_mode": "string",
            "index": "int?",
            **STORE,
            **for_block,
        },
        "outputs": {"commit": {"type": "File", "outputSource": "stage-out/commit"}},
        "steps": {
            "stage-in": {"run": ref("stage-in"), "in": step, "out": ["input", "handover"]},
            "block": {
                "run": ref(tool),
                "in": {
                    **({} if is_image else {"text": "text"}),
                    **shared,
                    **{name: name for name in for_block},
                    "input": "stage-in/input",
                },
                "out": ["output", *results],
            },
            "stage-out": {
                "run": ref("stage-out"),
                "in": {**step, "output": "block/output", "handover": "stage-in/handover", **results},
                "out": ["commit"],
            },
        },
    }


def _steps(task: Task, tasks: Tasks, stages: str) -> Node:
    """The steps of one task; the last one has the task's own id."""
    own = tasks.ids[task.name]
    look = f"{own}-look"
    step = {**tasks.run_step(task), **STORE_STEP}
    # That the commits are there is what the step waits for.
    before = tasks.source_of(upstream(task), "commit")
    after = {"after": {"source": before, "linkMerge": "merge_flattened"}} if before else {}
    steps: Node = {
        look: {
            "run": ref("look"),
            "in": {**step, "force": "force", **after},
            "out": ["run", "indices"],
        }
    }
    block: Node = {"run": ref(stages), "in": {**step, **tasks.run_block(task)}, "out": ["commit"]}
    if not task.chunk:
        block["in"]["run"] = f"{look}/run"
        steps[own] = {**block, "when": "$(inputs.run)"}
        return steps
    block["in"]["index"] = f"{look}/indices"
    steps[f"{own}-shards"] = {**block, "scatter": "index"}
    steps[own] = {
        "run": ref("collect"),
        "in": {**step, "after": f"{own}-shards/commit", "run": f"{look}/run"},
        "when": "$(inputs.run)",
        "out": ["commit"],
    }
    return steps
