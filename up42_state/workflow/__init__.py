"""Workflows: chains of blocks, each saved as a stage, of which only what has changed is run.

::

    workflow = load("workflow.yaml", parameters={"tiling:1": {"tile_width": 768}})
    job = State("s3://bucket/prefix").job("3f0c")
    result = run(workflow, job)

``plan(workflow, job)`` says beforehand what would run, and why. Each name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from up42_state.workflow.document import load
    from up42_state.workflow.events import Event
    from up42_state.workflow.executors.jobs import JobOutcome, map_jobs
    from up42_state.workflow.model import Task, Workflow
    from up42_state.workflow.planner import Planned, plan
    from up42_state.workflow.runner import Options, RunResult, run
    from up42_state.workflow.runs import Runs
    from up42_state.workflow.task import TaskOutcome

__all__ = [
    "Event",
    "JobOutcome",
    "Options",
    "Planned",
    "RunResult",
    "Runs",
    "Task",
    "TaskOutcome",
    "Workflow",
    "load",
    "map_jobs",
    "plan",
    "run",
]

_HOMES = {
    "Event": "events",
    "JobOutcome": "executors.jobs",
    "Options": "runner",
    "Planned": "planner",
    "RunResult": "runner",
    "Runs": "runs",
    "Task": "model",
    "TaskOutcome": "task",
    "Workflow": "model",
    "load": "document",
    "map_jobs": "executors.jobs",
    "plan": "planner",
    "run": "runner",
}


def __getattr__(name: str) -> object:
    """Load a public name from its home on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted(__all__)
