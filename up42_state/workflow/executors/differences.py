"""Workers must be what the client is: a table shows who has what."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from up42_state.errors import EngineError
from up42_state.workflow.executors.messages import versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["Facts", "check_same"]

_ROWS = 20  # of a table
_SHORT = 12  # digits of a digest


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a worker is and has.

    :param worker: its name, for people.
    :param codes: of each task, the code of its block there, or why there is none.
    """

    worker: str
    up42_state: str
    python: str
    codes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def here(cls, codes: Mapping[str, str], worker: str = "") -> Facts:
        """What this process is."""
        own = versions()
        name = worker or f"{os.uname().nodename} (process {os.getpid()})"
        return cls(worker=name, up42_state=own.up42_state, python=own.python, codes=codes)

    @property
    def all(self) -> tuple[str, str, tuple[tuple[str, str], ...]]:
        """All that must be the same."""
        return self.up42_state, self.python, tuple(sorted(self.codes.items()))


def check_same(found: Sequence[Facts], codes: Mapping[str, str]) -> None:
    """Make sure that all workers are what this process is.

    :param codes: of each task, the code of its block in this process.
    :raises EngineError: one is not; the message has a table.
    """
    own = Facts.here(codes, worker="this process")
    differing = [each for each in found if each.all != own.all]
    if differing:
        same = len(found) - len(differing)
        raise EngineError(
            f"{_count(len(differing))} not what this process is{_rest(same)}:\n{_table(own, differing)}",
            advice="have the same up42_state, the same Python and the same blocks everywhere: images are "
            "pulled on each machine, and folders lie in the same place",
        )


def _count(number: int) -> str:
    return "1 worker is" if number == 1 else f"{number} workers are"


def _rest(same: int) -> str:
    return f" ({same} more {'is' if same == 1 else 'are'})" if same else ""


def _table(own: Facts, differing: Sequence[Facts]) -> str:
    """Show who has what; of the blocks those that differ somewhere."""
    tasks = [name for name in own.codes if any(each.codes.get(name) != own.codes[name] for each in differing)]
    head = ("worker", "up42_state", "Python", *tasks)
    rows = [head, *(_row(each, tasks) for each in (own, *differing[:_ROWS]))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    if len(differing) > _ROWS:
        lines.append(f"and {len(differing) - _ROWS} more")
    return "\n".join(f"  {line.rstrip()}" for line in lines)


def _row(facts: Facts, tasks: Sequence[str]) -> tuple[str, ...]:
    return (
        facts.worker,
        facts.up42_state,
        facts.python,
        *(_shortened(facts.codes.get(name, "–")) for name in tasks),
    )


def _shortened(code: str) -> str:
    """A code with the beginning of each digest."""
    return re.sub(rf"([0-9a-f]{{{_SHORT}}})[0-9a-f]{{20,}}", r"\1…", code)
