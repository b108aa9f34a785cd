"""The result of checking a workflow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect, InvalidWorkflowError
from up42_state.manifest.capabilities import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from up42_state.manifest.capabilities import KeyCheck

__all__ = ["Edge", "WorkflowReport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A task, and the comparison of what comes in to it with what it needs.

    :param parents: the tasks before it; none for a first task.
    :param keys: the outcome for every key that the task needs.
    :param problems: why the task cannot stand where it stands, whatever the keys.
    :param comparable: True if both sides have manifests of one specification version.
    """

    task: str
    block: str
    parents: tuple[str, ...] = ()
    keys: tuple[KeyCheck, ...] = ()
    problems: tuple[str, ...] = ()
    comparable: bool = True

    @property
    def verdict(self) -> Verdict:
        """The verdict of the worst key, or that of a problem with the task itself."""
        if self.problems:
            return Verdict.FAILS
        own = Verdict.CERTAIN if self.comparable else Verdict.NOT_COMPARABLE
        return Verdict.worst([own, *(check.verdict for check in self.keys)])

    def defects(self) -> Iterator[tuple[Verdict, Defect]]:
        """Yield everything that is less than certain, with its verdict."""
        for problem in self.problems:
            yield Verdict.FAILS, Defect(self.task, f"block {self.block} {problem}")
        if not self.comparable and not self.keys:
            yield Verdict.NOT_COMPARABLE, Defect(self.task, f"block {self.block}: not comparable")
        for check in self.keys:
            if check.verdict != Verdict.CERTAIN:
                yield check.verdict, Defect(self.task, f"block {self.block}: {check} ({check.verdict})")

    def to_dict(self) -> dict[str, Any]:
        """Return the edge as a JSON object."""
        return {
            "task": self.task,
            "block": self.block,
            "parents": list(self.parents),
            "verdict": str(self.verdict),
            "problems": list(self.problems),
            "keys": [check.to_dict() for check in self.keys],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowReport:
    """The result of checking a workflow.

    :param edges: one for each task, in the order in which they can run.
    :param outputs: what each task offers in the end, as capabilities, by task.
    :param errors: everything that keeps the workflow from running, mismatches included.
    :param warnings: what may go wrong: matches that are only possible or cannot be compared, unknown
        parameters.
    """

    edges: tuple[Edge, ...] = ()
    outputs: Mapping[str, list[dict[str, Any]]]
    errors: tuple[Defect, ...] = ()
    warnings: tuple[Defect, ...] = ()

    @property
    def valid(self) -> bool:
        """True if there is no error."""
        return not self.errors

    @property
    def verdict(self) -> Verdict:
        """The verdict of the whole workflow."""
        if self.errors:
            return Verdict.FAILS
        return Verdict.worst(edge.verdict for edge in self.edges)

    def edge(self, task: str) -> Edge:
        """Return the edge that leads to a task.

        :raises KeyError: there is no such task.
        """
        for edge in self.edges:
            if edge.task == task:
                return edge
        raise KeyError(task)

    def raise_if_invalid(self) -> None:
        """Raise if the workflow is not valid.

        :raises InvalidWorkflowError: the workflow is not valid; ``defects`` has all errors.
        """
        if self.errors:
            raise InvalidWorkflowError("the workflow is not valid", defects=self.errors)

    def rows(self) -> list[tuple[str, ...]]:
        """Return headings, then a row for each key of each edge; an edge without keys has one row."""
        table: list[tuple[str, ...]] = [("after", "task", "key", "offered", "needed", "verdict")]
        for edge in self.edges:
            after = ", ".join(edge.parents) or "-"
            table.extend((after, edge.task, *check.cells()) for check in edge.keys)
            if not edge.keys:
                table.append((after, edge.task, "-", "-", "-", str(edge.verdict)))
        return table

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "valid": self.valid,
            "verdict": str(self.verdict),
            "errors": [str(error) for error in self.errors],
            "warnings": [str(warning) for warning in self.warnings],
            "edges": [edge.to_dict() for edge in self.edges],
            "outputs": dict(self.outputs),
        }
