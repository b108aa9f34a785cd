"""Blocks that are functions of a test, run in a thread of this process."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from up42_state.workflow.blocks.opening import Blocks
from up42_state.workflow.blocks.work import Ending, Work
from up42_state.workflow.model import BlockReference, Task, Workflow

Body = Callable[[Work], Ending | None]

DONE = Ending(reason="done", text="", exit_code=0)


class InProcess:
    """A block that calls a function of the test."""

    def __init__(self, body: Body, code: str) -> None:
        self._body = body
        self.code = code

    def run(self, work: Work) -> Ending:
        return self._body(work) or DONE

    def close(self) -> None:
        pass


class Bodies(Blocks):
    """The blocks of a workflow, by their commands' first words; counts how often each ran."""

    def __init__(self, **bodies: Body) -> None:
        super().__init__()
        self._bodies = bodies
        self.ran: Counter[str] = Counter()
        self.versions = dict.fromkeys(bodies, "1")

    @classmethod
    def again(cls, other: Bodies) -> Bodies:
        """The same blocks for another run, none of which has run."""
        made = cls(**other._bodies)
        made.versions = dict(other.versions)
        return made

    def _open(self, reference: BlockReference) -> InProcess:
        name = reference.command[0]

        def body(work: Work) -> Ending | None:
            self.ran[work.task.partition("+")[0]] += 1
            return self._bodies[name](work)

        return InProcess(body, f"{name} {self.versions[name]}")


def task(name: str, body: str, *after: str, **more: Any) -> Task:
    """A task that runs the block of this name."""
    return Task(name=name, block=BlockReference(kind="command", command=(body,)), after=after, **more)


def workflow(*tasks: Task) -> Workflow:
    """A workflow of these tasks, which stand in order."""
    return Workflow(name="test", tasks=tasks)


def read(work: Work) -> dict[str, Any]:
    """The input's ``data.json``."""
    found: dict[str, Any] = json.loads((work.input / "data.json").read_text())
    return found


def parameters(work: Work) -> dict[str, Any]:
    """The parameters that the block was given."""
    found: dict[str, Any] = json.loads(work.environment["UP42_TASK_PARAMETERS"])
    return found


def write(work: Work, features: list[dict[str, Any]], files: dict[str, bytes] | None = None) -> None:
    """Write an output."""
    for path, data in (files or {}).items():
        (work.output / path).parent.mkdir(parents=True, exist_ok=True)
        (work.output / path).write_bytes(data)
    (work.output / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def changed(flow: Workflow, name: str, **more: Any) -> Workflow:
    """A workflow with one task changed."""
    return replace(flow, tasks=tuple(replace(t, **more) if t.name == name else t for t in flow.tasks))
