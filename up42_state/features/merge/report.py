"""The report on a propagation: what became of every feature."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Conflict", "Outcome", "Report", "StageReport"]


class Outcome:
    """Codes for what became of a feature: a byte each, so that a report of a million features stays small."""

    LEFT_OUT = 0
    APPENDED = 1
    SAME = 2
    KEPT = 3
    REPLACED = 4
    BOTH = 5
    INHERITED = 6
    COMPLETE = 7
    NO_ORIGIN = 8

    NAMES = (
        "left out",
        "appended",
        "same",
        "conflict, current kept",
        "conflict, replaced",
        "conflict, both",
        "inherited",
        "nothing to inherit",
        "no origin found",
    )


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """A feature that both collections have, with other content.

    :param index: the feature's index in the earlier collection, from 0.
    :param current: the feature's index in the current collection.
    :param id: the feature's id in the earlier collection.
    :param new_id: the id that the earlier feature was appended under, where both are kept.
    """

    index: int
    current: int
    id: str | int | float | None
    new_id: str | None = None


class StageReport(msgspec.Struct, frozen=True, kw_only=True):
    """The report on one earlier stage.

    :param outcomes: for each feature, in order, what became of it: of the earlier collection (``forward``) or
        of the current one (``inherit``); see :meth:`outcome`.
    :param moved: paths that were taken by other bytes, and where the files went.
    :param files: how many files were added.
    """

    job: str
    stage: str
    revision: int
    outcomes: bytes
    conflicts: tuple[Conflict, ...] = ()
    moved: Mapping[str, str] = msgspec.field(default_factory=dict)
    files: int = 0

    def outcome(self, index: int) -> str:
        """Say in words what became of a feature."""
        return Outcome.NAMES[self.outcomes[index]]

    def count(self, outcome: int) -> int:
        """How many features had this outcome."""
        return self.outcomes.count(outcome)

    @property
    def counts(self) -> dict[str, int]:
        """How many features had each outcome, by its name."""
        counts = {name: self.outcomes.count(code) for code, name in enumerate(Outcome.NAMES)}
        return {name: count for name, count in counts.items() if count}

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.counts.items())
        return f"StageReport({self.job}/{self.stage}@{self.revision}: {counts or 'no features'})"

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON; ``features`` lists runs of equal outcomes, ``[first, last, outcome]``."""
        return {
            "job": self.job,
            "stage": self.stage,
            "revision": self.revision,
            "counts": self.counts,
            "features": _runs(self.outcomes),
            "conflicts": [
                {"index": c.index, "current": c.current, "id": c.id, "new_id": c.new_id}
                for c in self.conflicts
            ],
            "moved": dict(self.moved),
            "files": self.files,
        }


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The report on a whole propagation.

    :param form: ``forward`` or ``inherit``.
    :param before: how many features the current collection had.
    :param after: how many it has now.
    :param stages: one report for each earlier stage, in order.
    :param warnings: what the user should look at.
    """

    form: str
    before: int
    after: int
    stages: tuple[StageReport, ...]
    warnings: tuple[str, ...] = ()

    @property
    def appended(self) -> int:
        """How many features were appended, those of conflicts included."""
        return self.after - self.before

    @property
    def counts(self) -> dict[str, int]:
        """How many features had each outcome, over all stages."""
        total: dict[str, int] = {}
        for stage in self.stages:
            for name, count in stage.counts.items():
                total[name] = total.get(name, 0) + count
        return total

    def __repr__(self) -> str:
        stages = ", ".join(f"{stage.stage}@{stage.revision}" for stage in self.stages)
        told = f", {len(self.warnings)} warnings" if self.warnings else ""
        return f"Report({self.form} {stages}: {self.appended} features appended, {self.after} now{told})"

    def _repr_html_(self) -> str:
        from up42_state.tables import table

        return table(
            [
                {"stage": f"{stage.job}/{stage.stage}@{stage.revision}", "files": stage.files, **stage.counts}
                for stage in self.stages
            ]
        )

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "form": self.form,
            "before": self.before,
            "after": self.after,
            "appended": self.appended,
            "counts": self.counts,
            "stages": [stage.to_dict() for stage in self.stages],
            "warnings": list(self.warnings),
        }


def _runs(outcomes: bytes) -> list[tuple[int, int, str]]:
    runs, start = [], 0
    for code, group in groupby(outcomes):
        length = sum(1 for _ in group)
        runs.append((start, start + length - 1, Outcome.NAMES[code]))
        start += length
    return runs
