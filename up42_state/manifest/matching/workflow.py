"""Check a whole workflow: its tasks, the capabilities along its edges, and the job's parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect
from up42_state.manifest.capabilities import Verdict
from up42_state.manifest.matching.offers import Offer, check_needs, distinct, offers_of
from up42_state.manifest.matching.parameters import (
    check_parameters,
    deep_parameters,
    effective_parameters,
    unknown_parameters,
)
from up42_state.manifest.matching.report import Edge, WorkflowReport
from up42_state.manifest.matching.tasks import Task, check_names, in_order, read_tasks
from up42_state.manifest.pointers import legible, pointer, type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from up42_state.manifest.model import Manifest

    Library = Mapping[str, Manifest | None]

__all__ = ["check_tasks", "check_workflow"]


def check_workflow(
    manifests: Mapping[str, Manifest | None] | Sequence[Manifest],
    parameters: Mapping[str, Any] | None = None,
    *,
    workflow: object = None,
) -> WorkflowReport:
    """Check that the blocks of a workflow fit together. Reads nothing, runs nothing, never raises.

    :param manifests: the blocks' manifests by what the workflow calls the blocks (``blockId``, ``block``,
        or the block's name), ``None`` for a block that is known to have no manifest; or a plain sequence
        of manifests, known by their names.
    :param parameters: of the job, in the platform's form: ``{"tiling:1": {"tile_width": 768}}``.
    :param workflow: a list of tasks in the platform's form (``name``, ``parentName``, ``blockId``) with
        ``propagate`` in addition, or an object that has it under ``tasks``. Without it the sequence of
        manifests is taken as a chain, with tasks ``<block>:1`` and so on.
    """
    library, conflicts = _library(manifests)
    tasks, malformed = read_tasks(_chain(manifests) if workflow is None else workflow)
    return check_tasks(tasks, library, parameters, defects=[*conflicts, *malformed])


def check_tasks(
    tasks: Sequence[Task],
    library: Library,
    parameters: Mapping[str, Any] | None = None,
    *,
    defects: Iterable[Defect] = (),
) -> WorkflowReport:
    """Check that tasks fit together, as :func:`check_workflow` does.

    :param library: the blocks' manifests by what :attr:`Task.blocks` call the blocks.
    :param defects: what was found before; the report's errors begin with it.
    """
    ordered, cycles = in_order(tasks)
    walk = _Walk(library=library, parameters={} if parameters is None else parameters)
    walk.errors.extend([*defects, *check_names(tasks), *cycles])
    walk.check_parameter_tasks(tasks)
    for task in ordered:
        walk.visit(task)
    return walk.report()


def _library(manifests: Library | Sequence[Manifest]) -> tuple[Library, list[Defect]]:
    """Return the manifests by name, and a defect for each name that stands for two different manifests."""
    if isinstance(manifests, Mapping):
        known: dict[str, Manifest | None] = dict(manifests)
        named = [manifest for manifest in known.values() if manifest is not None]
    else:
        known, named = {}, list(manifests)
    first: dict[str, Manifest] = {}
    differing = [manifest.name for manifest in named if first.setdefault(manifest.name, manifest) != manifest]
    defects = [
        Defect(legible(name), "two manifests of this name differ") for name in dict.fromkeys(differing)
    ]
    return {**first, **known}, defects  # what the caller calls a block comes before its manifest's name


def _chain(manifests: Library | Sequence[Manifest]) -> list[dict[str, Any]]:
    """Make tasks for a sequence of manifests, each task the parent of the next."""
    chain = manifests.values() if isinstance(manifests, Mapping) else manifests
    tasks: list[dict[str, Any]] = []
    for manifest in (manifest for manifest in chain if manifest is not None):
        number = 1 + sum(task["blockId"] == manifest.name for task in tasks)
        parent = tasks[-1]["name"] if tasks else None
        tasks.append({"name": f"{manifest.name}:{number}", "parentName": parent, "blockId": manifest.name})
    return tasks


@dataclass(slots=True, kw_only=True)
class _Walk:
    """The state of one check: the tasks visited so far, what they offer, and what was found."""

    library: Library
    parameters: Mapping[str, Any]
    edges: list[Edge] = field(default_factory=list)
    offers: dict[str, tuple[Offer, ...]] = field(default_factory=dict)
    errors: list[Defect] = field(default_factory=list)
    warnings: list[Defect] = field(default_factory=list)

    def check_parameter_tasks(self, tasks: Iterable[Task]) -> None:
        """Check the parameters as a whole: they are an object with an object for each task."""
        if not isinstance(self.parameters, Mapping):
            self.errors.append(Defect("#", f"expected type: JSONObject, found: {type_name(self.parameters)}"))
            self.parameters = {}
        names = {task.name for task in tasks}
        for name, given in self.parameters.items():
            if given is not None and not isinstance(given, Mapping):
                problem = f"expected type: JSONObject, found: {type_name(given)}"
                self.errors.append(Defect(pointer([name]), problem))
            if name not in names:
                self.warnings.append(Defect(pointer([name]), "no task has this name"))

    def visit(self, task: Task) -> None:
        """Check one task. The tasks before it have been visited."""
        block = next((name for name in task.blocks if name in self.library), None)
        if block is None:
            problem = f"there is no manifest of its block {legible(task.blocks[0])}"
            self.errors.append(Defect(legible(task.name), problem))
        manifest = None if block is None else self.library[block]
        given = self.parameters.get(task.name)
        given = given if isinstance(given, Mapping) else {}
        # What is nested too deeply for the validator is reported, and left out of everything that follows.
        deep = deep_parameters(given, task.name)
        self.errors.extend(deep.values())
        given = {name: value for name, value in given.items() if name not in deep}
        if manifest is not None:
            self.errors.extend(check_parameters(manifest, given, task.name))
            self.warnings.extend(unknown_parameters(manifest, given, task.name))
        effective = {} if manifest is None else effective_parameters(manifest, given)
        incoming = distinct(offer for parent in task.parents for offer in self._offers_of(parent))
        self._note(_edge(task, manifest, incoming, effective, self._last_before(task)))
        own = offers_of(task.name, manifest, incoming, effective)
        passed_on = [offer for stage in task.propagate for offer in self._offers_of(stage)]
        self.offers[task.name] = distinct([*own, *passed_on])

    def _offers_of(self, stage: str) -> tuple[Offer, ...]:
        """Return what a stage offers. Of a stage of another job nothing is known: it may offer anything."""
        outside = (Offer(task=stage, version=None, values={}),) if "/" in stage else ()
        return self.offers.get(stage, outside)

    def _note(self, edge: Edge) -> None:
        self.edges.append(edge)
        for verdict, defect in edge.defects():
            (self.errors if verdict == Verdict.FAILS else self.warnings).append(defect)

    def _last_before(self, task: Task) -> list[str]:
        """Return the parents that can only be last: neither they nor what they propagate offer anything."""
        return [parent for parent in task.parents if self.offers.get(parent) == ()]

    def report(self) -> WorkflowReport:
        outputs = {task: [offer.to_dict() for offer in offers] for task, offers in self.offers.items()}
        return WorkflowReport(
            edges=tuple(self.edges),
            outputs=outputs,
            errors=tuple(dict.fromkeys(self.errors)),
            warnings=tuple(dict.fromkeys(self.warnings)),
        )


def _edge(
    task: Task,
    manifest: Manifest | None,
    incoming: Sequence[Offer],
    parameters: Mapping[str, Any],
    last_before: Sequence[str],
) -> Edge:
    """Compare what comes in to a task with what the task needs."""
    if manifest is None:
        return Edge(task=task.name, block=task.blocks[0], parents=task.parents, comparable=False)
    problems = tuple(_problems(task, manifest, last_before))
    reads = manifest.type == "processing" and not problems
    return Edge(
        task=task.name,
        block=manifest.name,
        parents=task.parents,
        keys=check_needs(manifest, incoming, parameters) if reads else (),
        problems=problems,
        comparable=not incoming or manifest.specification_version in {offer.version for offer in incoming},
    )


def _problems(task: Task, manifest: Manifest, last_before: Sequence[str]) -> Iterable[str]:
    """Yield why a task cannot stand where it stands: it can only be first, or its parent only last."""
    if task.parents and manifest.type == "data":
        yield "is a data block, which can only be first"
    elif task.parents and not manifest.input_capabilities and not manifest.superseded:
        yield "has empty input capabilities, so it can only be first"
    for parent in last_before:
        yield f"cannot follow {parent}, whose empty output capabilities say that it can only be last"
