"""Load a workflow: read its document, check all of it, and say everything that is wrong at once."""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect, InvalidWorkflowError, SettingsError
from up42_state.manifest.matching.parameters import effective_parameters
from up42_state.manifest.matching.tasks import Task as Read
from up42_state.manifest.matching.tasks import in_order, read_tasks
from up42_state.manifest.matching.workflow import check_tasks
from up42_state.manifest.pointers import pointer
from up42_state.propagation import Propagation
from up42_state.units import read_size, seconds
from up42_state.workflow.document import schema
from up42_state.workflow.document.blocks import Block, Blocks, BlocksFile
from up42_state.workflow.document.parameters import merged_parameters, stage_name
from up42_state.workflow.document.runnable import check_runnable
from up42_state.workflow.document.text import read
from up42_state.workflow.model import PropagatedStages, Resources, Task, Workflow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from up42_state.manifest import Manifest
    from up42_state.workflow.document.blocks import Labels
    from up42_state.workflow.document.text import PathLike

    Place = tuple[str | int, ...]

__all__ = ["load"]

MAX_TASKS = 1000  # the schema's
_GIB = 1024**3
_OF_TASK = re.compile(r"#(?:/tasks)?/(\d+)(?:/|$)")


def load(
    path: PathLike,
    *,
    parameters: Mapping[str, Any] | None = None,
    blocks: PathLike | None = None,
    labels: Labels | None = None,
) -> Workflow:
    """Read a workflow document and check it as a whole. Nothing is run, and no block's code imported.

    :param path: a YAML or JSON file (``docs/workflow-document.md``).
    :param parameters: of the job, ``{"tiling:1": {"tile_width": 768}}``; they come before the document's.
    :param blocks: a file that says what to run for the blocks that a document in the platform's form names.
    :param labels: returns the labels of an image, as the engine tells them that is going to run it; raises
        ``NotFoundError`` for an image that is not there, which is a defect. It is called once for each image.
        Without it docker, podman and buildah are asked, and an image that none of them has is a warning.
    :raises InvalidWorkflowError: ``defects`` has everything that is wrong, each with its place.
    :raises EngineError: ``labels`` raised it, and nothing else is wrong.
    :raises PathNotFoundError: there is no such document, or no such blocks file.
    :raises SettingsError: a file may not be read, or its name cannot be a path.
    """
    document = read(path)
    if not document.readable:
        raise InvalidWorkflowError(f"{os.fspath(path)} cannot be read", defects=document.defects)
    defects = [*document.defects, *schema.defects(document.value)]
    raw = document.value.get("tasks") if isinstance(document.value, dict) else document.value
    if isinstance(raw, list) and len(raw) > MAX_TASKS:
        raise InvalidWorkflowError(f"the workflow {os.fspath(path)} is too large", defects=defects)
    file = BlocksFile.read(blocks)
    found = Blocks(Path(path).parent, file, labels)
    loading = _Loading(document.value, found, parameters)
    defects += [*file.defects, *loading.check()]
    if defects:
        message = f"the workflow {os.fspath(path)} is not valid"
        raise InvalidWorkflowError(message, defects=loading.in_document_order(defects))
    if found.engine_error is not None:
        raise found.engine_error
    value = document.value
    name = value.get("name") if isinstance(value, dict) else None
    return Workflow(
        name=name or Path(path).stem, tasks=tuple(loading.tasks()), warnings=tuple(loading.warnings)
    )


class _Loading:
    """One document on its way to a workflow."""

    def __init__(self, value: Any, blocks: Blocks, parameters: Mapping[str, Any] | None) -> None:
        self._raw: dict[Place, Mapping[str, Any]] = {}
        self._read = list(self._tasks(value))
        self._given, self._refused = merged_parameters(value, parameters)
        self._blocks = {task.place: blocks.find(task, self._raw[task.place]) for task in self._read}
        self.warnings: list[str] = []

    def _tasks(self, value: Any) -> Iterator[Read]:
        """Yield the tasks that have a name, under the names of their stages."""
        raw: Any = value.get("tasks") if isinstance(value, dict) else value
        for task in read_tasks(value)[0]:
            named = dataclasses.replace(
                task,
                name=stage_name(task.name),
                parents=tuple(map(stage_name, task.parents)),
                propagate=tuple(map(stage_name, task.propagate)),
            )
            self._raw[named.place] = raw[task.place[-1]]
            yield named

    def check(self) -> list[Defect]:
        """Return the defects that the schema cannot express."""
        found = [defect for block in self._blocks.values() for defect in block.defects]
        found += check_runnable(
            {block.place: block.reference for block in self._blocks.values() if block.reference}
        )
        found += [*self._refused, *self._check_fit()]
        found += [defect for task in self._read for defect in _check_propagated(task, self._raw[task.place])]
        return found

    def in_document_order(self, defects: Iterable[Defect]) -> list[Defect]:
        """Return each defect once: those of the whole first, those of a task where the task stands."""
        order = {task.name: task.place[-1] for task in reversed(self._read)}

        def number(defect: Defect) -> int:
            match = _OF_TASK.match(defect.place)
            return int(match[1]) if match else int(order.get(defect.place, -1))

        return sorted(dict.fromkeys(defects), key=number)

    def _check_fit(self) -> Sequence[Defect]:
        """Check names, order, capabilities and parameters; note the warnings."""
        library: dict[str, Manifest | None] = {}
        tasks: list[Read] = []
        for task in self._read:
            block = self._blocks[task.place]
            name = f"{block.reference.kind if block.reference else 'unknown'} {block.name or task.blocks[0]}"
            library[name] = block.manifest
            tasks.append(dataclasses.replace(task, blocks=(name,)))
        report = check_tasks(tasks, library, self._given)
        # That nothing is known of a block without a manifest is no news at each run.
        bare = {task.name for task in self._read if self._blocks[task.place].manifest is None}
        self.warnings += dict.fromkeys(text for block in self._blocks.values() for text in block.warnings)
        self.warnings += [str(warning) for warning in report.warnings if warning.place not in bare]
        return report.errors

    def tasks(self) -> Iterator[Task]:
        """Yield the tasks of a document without defects, each after all that it stands on."""
        for task in in_order(self._read)[0]:
            given = self._given.get(task.name, {})
            yield _task(task, self._raw[task.place], self._blocks[task.place], given)


def _check_propagated(task: Read, raw: Mapping[str, Any]) -> Iterator[Defect]:
    """Yield a defect for each propagation that the operator refuses."""
    propagate = raw.get("propagate")
    for number, entry in enumerate(propagate if isinstance(propagate, list) else ()):
        if isinstance(entry, dict) and schema.is_valid(entry, "propagation"):
            try:
                _ = Propagation(stages=(), **_options(entry)).selection
            except SettingsError as error:
                place = pointer([*task.place, "propagate", number])
                yield Defect(place, error.message, error.advice)


def _options(entry: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: value for name, value in entry.items() if name not in ("stage", "stages")}
    if "match" in options:
        options["match"] = [_pair(pair) for pair in options["match"]]
    return options


def _pair(pair: str | Sequence[str]) -> tuple[str, str]:
    current, earlier = pair.split("=", 1) if isinstance(pair, str) else pair
    return current, earlier


def _propagated(entry: str | Mapping[str, Any]) -> PropagatedStages:
    if isinstance(entry, str):
        return PropagatedStages(stages=(stage_name(entry),))
    stages = entry.get("stages", [entry.get("stage")])
    return PropagatedStages(stages=tuple(map(stage_name, stages)), options=_options(entry))


def _task(task: Read, raw: Mapping[str, Any], block: Block, given: Mapping[str, Any]) -> Task:
    assert block.reference is not None
    propagate = raw.get("propagate") or ()
    timeout = block.members.get("timeout")
    return Task(
        name=task.name,
        block=block.reference,
        manifest=block.manifest,
        after=task.parents,
        propagate=tuple(map(_propagated, [propagate] if isinstance(propagate, str) else propagate)),
        parameters=effective_parameters(block.manifest, given) if block.manifest else dict(given),
        chunk=int(raw.get("chunk", 1)) if "foreach" in raw else 0,
        retries=int(block.members.get("retries", 0)),
        timeout=None if timeout is None else float(seconds(timeout) if isinstance(timeout, str) else timeout),
        resources=_resources(block),
    )


def _resources(block: Block) -> Resources:
    """Return what the document gives to a task, and else what the manifest's machine type has."""
    resources = Resources()
    if block.manifest is not None:
        machine = block.manifest.machine
        resources = Resources(cpus=machine.cpu, memory=int(machine.memory * _GIB), gpus=machine.gpu)
    given = dict(block.members.get("resources", {}))
    if "memory" in given:
        memory = given["memory"]
        given["memory"] = read_size(memory) if isinstance(memory, str) else int(memory)
    for name, kind in (("cpus", float), ("gpus", int)):
        if name in given:
            given[name] = kind(given[name])
    return dataclasses.replace(resources, **given)
