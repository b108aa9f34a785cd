"""The tasks of a workflow as a CWL document has them: under names of its own, each with its block's tool."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from up42_state.workflow.export.cwl.tools import STEPS, block_info, block_tool
from up42_state.workflow.export.names import unique_names
from up42_state.workflow.steps.text import write_task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from up42_state.workflow.export.source import Source
    from up42_state.workflow.model import Task

__all__ = ["SUFFIXES", "Tasks", "ref"]

Node = dict[str, Any]

# Of the names that a task gives to steps, tools, inputs and outputs.
SUFFIXES = ("", "-join", "-split", "-shards", "-block", "-look", "-stages", "-folder", "-output", "-commit")
_TAKEN = ("main", "input", "output", "job", "job_mode", "force", "url", "region", "endpoint", "credentials")


def ref(own: str) -> str:
    """The reference to a process of the document."""
    return f"#{own}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """The tasks of one workflow.

    :param ids: of the tasks' steps, by the tasks' names.
    :param texts: for our own steps, by the tasks' names.
    :param parameters: the texts of the tasks' parameters, by the tasks' names.
    :param image: ours; empty for the program of the machine that runs our steps.
    :param job_mode: where steps have the job mode from.
    """

    all: tuple[Task, ...]
    ids: Mapping[str, str]
    texts: Mapping[str, str]
    parameters: Mapping[str, str]
    images: Mapping[str, str]
    image: str
    job_mode: Any
    _tools: dict[tuple[object, ...], Node] = field(default_factory=dict)

    @classmethod
    def of(cls, source: Source, image: str, *, is_staged: bool) -> Tasks:
        """Return the tasks of a workflow that was read.

        :param is_staged: the document's job mode may be chosen: a dry run leaves out what is no data block.
        """
        tasks = source.workflow.tasks
        return cls(
            all=tasks,
            ids=unique_names((task.name for task in tasks), SUFFIXES, taken=(*_TAKEN, *STEPS)),
            texts={task.name: write_task(_placeless(task), source.codes[task.name]) for task in tasks},
            parameters={task.name: json.dumps(dict(task.parameters), ensure_ascii=False) for task in tasks},
            images={name: each.reference for name, each in source.images.items()},
            image=image,
            job_mode="job_mode" if is_staged else {"default": "DEFAULT"},
        )

    @property
    def tools(self) -> list[Node]:
        """The tools of blocks that were asked for."""
        return list(self._tools.values())

    def tool(self, task: Task, *, has_input: bool) -> str:
        """Return the id of a task's tool; tasks that run one block in one way share it.

        :param has_input: a directory is always given; otherwise one may be.
        """
        manifest = json.dumps(dict(task.manifest.document), sort_keys=True) if task.manifest else ""
        image = self.images.get(task.name, self.image)
        key = (task.block, image, manifest, task.resources, task.timeout, has_input)
        if key not in self._tools:
            own = f"{self.ids[task.name]}-block"
            self._tools[key] = block_tool(own, task, image, has_input=has_input)
        found: str = self._tools[key]["id"]
        return found

    def run_block(self, task: Task) -> Node:
        """Return what the step that runs a task's block is given, besides its input."""
        given: Node = {"job": "job", "job_mode": self.job_mode}
        if task.block.kind == "image":
            return {
                **given,
                "parameters": {"default": self.parameters[task.name]},
                "name": {"default": task.name},
                "block_info": {"default": block_info(task)},
            }
        return {**given, "text": {"default": self.texts[task.name]}, "folder": self.folder_input(task)}

    def run_step(self, task: Task) -> Node:
        """Return what a step of ours is given, besides what it is about."""
        return {"text": {"default": self.texts[task.name]}, "job": "job", "job_mode": self.job_mode}

    def folder_input(self, task: Task) -> str:
        """The workflow's input for the folder of a task's block; tasks that share the folder share it."""
        first = next(each for each in self.all if each.block.folder == task.block.folder)
        return f"{self.ids[first.name]}-folder"

    def folders(self) -> Node:
        """The workflow's inputs for the folders of commands and functions."""
        return {
            self.folder_input(task): {
                "type": "Directory",
                "default": {"class": "Directory", "location": task.block.folder.absolute().as_uri()},
            }
            for task in self.all
            if task.block.folder is not None
        }

    def source_of(self, names: Iterable[str], output: str) -> list[str]:
        """Return the sources that give an output of tasks' last steps; what is of other jobs is left out."""
        return [f"{self.ids[name]}/{output}" for name in names if name in self.ids]


def _placeless(task: Task) -> Task:
    """Return a task without its block's folder, if no word of the command names that."""
    folder = str(task.block.folder)
    if task.block.folder is None or any(folder in word for word in task.block.command):
        return task
    return replace(task, block=replace(task.block, folder=None))
