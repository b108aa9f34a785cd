"""Read the tasks of a workflow document, as far as the check needs them (``docs/workflow-document.md``).

The platform's form is ``[{"name": "tiling:1", "parentName": null, "blockId": "…"}]``. This package also takes
an object that has the list under ``tasks``, a list as ``parentName``, ``after`` in place of ``parentName``,
and ``propagate``, the names of stages whose features a task passes on, or objects that name them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect
from up42_state.manifest.pointers import legible, pointer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Task", "check_names", "in_order", "read_tasks"]

BLOCK_KEYS = ("blockId", "block", "image", "python", "blockName")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One block in a workflow.

    :param parents: the tasks whose output the task reads.
    :param blocks: names that the block may be known by, the most specific first: the members ``blockId``,
        ``block``, ``image``, ``python``, ``blockName``, then the task's name without its number.
    :param propagate: the tasks whose stages the task passes on.
    :param place: where the task stands in its document.
    """

    name: str
    parents: tuple[str, ...] = ()
    blocks: tuple[str, ...] = ()
    propagate: tuple[str, ...] = ()
    place: tuple[str | int, ...] = ()


def read_tasks(workflow: object) -> tuple[list[Task], list[Defect]]:
    """Return the tasks of a workflow document, and the defects of its form."""
    place: tuple[str, ...] = ("tasks",) if isinstance(workflow, dict) and "tasks" in workflow else ()
    raw = workflow.get("tasks") if isinstance(workflow, dict) else workflow
    if not isinstance(raw, (list, tuple)):
        return [], [Defect(pointer(place), "no list of tasks")]
    defects: list[Defect] = []
    read = (_read_task(item, (*place, number), defects) for number, item in enumerate(raw))
    return [task for task in read if task], defects


def check_names(tasks: Sequence[Task]) -> list[Defect]:
    """Return a defect for every name that two tasks have, and for every parent and stage that is no task."""
    return [*_duplicates(tasks), *_unknown(tasks)]


def _read_task(item: object, place: tuple[str | int, ...], defects: list[Defect]) -> Task | None:
    if not isinstance(item, dict):
        defects.append(Defect(pointer(place), "not an object"))
        return None
    name = item.get("name")
    if not isinstance(name, str) or not name:
        defects.append(Defect(pointer(place), "required key [name] not found"))
        return None
    blocks = [value for key in BLOCK_KEYS if isinstance(value := item.get(key), str)]
    if item.get("after") is not None and item.get("parentName") is not None:
        problem = "both [after] and [parentName] are given; give one of them"
        defects.append(Defect(pointer(place), problem))
    parents = (*_names(item, "parentName", place, defects), *_names(item, "after", place, defects))
    return Task(
        name=name,
        parents=tuple(dict.fromkeys(parents)),
        blocks=(*blocks, name.rpartition(":")[0] or name),
        propagate=_names(item, "propagate", place, defects),
        place=place,
    )


def _names(
    item: Mapping[str, Any], key: str, place: tuple[str | int, ...], defects: list[Defect]
) -> tuple[str, ...]:
    value = item.get(key)
    listed = [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []
    if key == "propagate":
        listed = [stage for entry in listed for stage in _stages(entry)]
    if (value is not None and not isinstance(value, (str, list, tuple))) or any(
        not isinstance(x, str) for x in listed
    ):
        problem = "neither a task's name, nor a list of names, nor null"
        defects.append(Defect(pointer([*place, key]), problem))
    return tuple(dict.fromkeys(x for x in listed if isinstance(x, str)))


def _stages(entry: object) -> Sequence[object]:
    """Return the stages of one entry of ``propagate``: a name, or an object with ``stage`` or ``stages``."""
    if not isinstance(entry, dict):
        return [entry]
    stages = entry.get("stages", entry.get("stage"))
    return stages if isinstance(stages, (list, tuple)) else [stages]


def _duplicates(tasks: Sequence[Task]) -> Iterable[Defect]:
    counts = Counter(task.name for task in tasks)
    repeated = (name for name, count in counts.items() if count > 1)
    return [Defect(legible(name), "two tasks have this name") for name in repeated]


def _unknown(tasks: Sequence[Task]) -> Iterable[Defect]:
    """Yield a defect for every parent and stage that is no task. ``JOB/STAGE`` is a stage of another job."""
    known = {task.name for task in tasks}
    for task in tasks:
        for parent in task.parents:
            if parent not in known and "/" not in parent:
                yield Defect(legible(task.name), f"its parent {legible(parent)} is no task of this workflow")
        for stage in task.propagate:
            if stage not in known and "/" not in stage:
                yield Defect(
                    legible(task.name), f"it propagates {legible(stage)}, which is no task of this workflow"
                )


def in_order(tasks: Sequence[Task]) -> tuple[list[Task], list[Defect]]:
    """Sort tasks so that each comes after its parents and after the stages that it propagates.

    A cycle is a defect; the tasks on it and those that follow them are left out.
    """
    by_name = {task.name: task for task in reversed(tasks)}  # of two tasks with one name the first counts
    before = {task.name: {*task.parents, *task.propagate} & by_name.keys() for task in by_name.values()}
    sorter = TopologicalSorter(before)
    defects: list[Defect] = []
    try:
        sorter.prepare()
    except CycleError as error:
        defects.append(
            Defect(legible(error.args[1][0]), f"a cycle: {' → '.join(map(legible, error.args[1][::-1]))}")
        )
    ordered: list[Task] = []
    while ready := sorter.get_ready():
        ordered.extend(by_name[name] for name in ready)
        sorter.done(*ready)
    position = {task.name: number for number, task in enumerate(tasks)}
    return _stable(ordered, before, position), defects


def _stable(ordered: list[Task], before: Mapping[str, set[str]], position: Mapping[str, int]) -> list[Task]:
    """Sort by levels of the graph, and within a level by the order of the document."""
    level: dict[str, int] = {}
    for task in ordered:
        level[task.name] = 1 + max((level[name] for name in before[task.name]), default=0)
    return sorted(ordered, key=lambda task: (level[task.name], position[task.name]))
