"""What a client and a worker send each other: names and outcomes, and never features or credentials."""

from __future__ import annotations

import pickle
import sys
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal

from up42_state import __version__
from up42_state.secrets.redaction import public_url
from up42_state.stages.write.save import Saved
from up42_state.workflow.attempt import Attempt, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.stages.format.commit import JobMode
    from up42_state.state import Job, State
    from up42_state.workflow.attempt import Unit
    from up42_state.workflow.events import Event
    from up42_state.workflow.model import Task
    from up42_state.workflow.records import AttemptRecord

__all__ = ["Place", "Reply", "Request", "Versions", "versions"]


@dataclass(frozen=True, kw_only=True)
class Versions:
    """What must be the same wherever a run's units run.

    :param python: the major and the minor version.
    """

    up42_state: str
    python: str


def versions() -> Versions:
    """The versions of this process."""
    return Versions(up42_state=__version__, python=f"{sys.version_info[0]}.{sys.version_info[1]}")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run reads and writes: a worker opens it with credentials of its own.

    :param store: the store's URL, without credentials.
    :param state: the pickled handle of the store, which holds no secret (:class:`up42_state.Settings`).
    """

    store: str
    job: str
    job_mode: JobMode
    state: bytes = field(repr=False)

    @classmethod
    def of(cls, job: Job, job_mode: JobMode = "DEFAULT") -> Place:
        """The place of a job."""
        state = job.state
        return cls(store=public_url(state.url), job=job.key, job_mode=job_mode, state=pickle.dumps(state))

    def open(self) -> State:
        """Open the store in this process.

        :raises SettingsError: the settings of this process do not fit.
        """
        state: State = pickle.loads(self.state)  # noqa: S301 - the client's, as all that a worker runs
        return state


@dataclass(frozen=True, kw_only=True)
class Request:
    """One unit that a worker is to run. Its text names no parameter: engines log what they call.

    :param run: the run's id.
    :param stage: the stage that the unit is saved as: the task's, or a shard's.
    :param why: why it runs, for people.
    :param seen: see :class:`~up42_state.workflow.attempt.Unit`; so is ``inputs``.
    :param code: the block's code, as the client has it.
    :param versions: those of the client.
    :param keep_failed: leave the directories of failed attempts.
    :param scratch: where attempts have their directories; empty for the worker's temporary directory.
    :param stop_file: a file that is made when the run is to stop, for workers that see the client's disk.
    """

    run: str
    place: Place
    task: Task = field(repr=False)
    stage: str
    why: str
    seen: int
    inputs: tuple[str, ...]
    code: str
    versions: Versions
    keep_failed: bool = False
    scratch: str = ""
    stop_file: str = ""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came of a unit.

    :param last: the members of the last attempt, but for its unit; ``None`` if none was begun.
    :param records: of each attempt the record, what is kept of the log, and how many bytes were printed.
    :param events: what was told on the worker.
    """

    status: Literal["done", "failed", "stopped"]
    reason: str
    last: dict[str, Any] | None
    records: Sequence[tuple[AttemptRecord, bytes, int]]
    events: Sequence[Event]

    @classmethod
    def of(
        cls, outcome: Outcome, records: Sequence[tuple[AttemptRecord, bytes, int]], events: Sequence[Event]
    ) -> Reply:
        """Pack an outcome. Of what was saved only the commit travels: the rest is in the store."""
        last = outcome.last
        members = (
            None
            if last is None
            else {each.name: getattr(last, each.name) for each in fields(last) if each.name != "unit"}
        )
        if members and last and last.saved:
            saved = last.saved
            members["saved"] = Saved(commit=saved.commit, outcome=saved.outcome, warnings=saved.all_warnings)
        return cls(status=outcome.status, reason=outcome.reason, last=members, records=records, events=events)

    def outcome(self, unit: Unit) -> Outcome:
        """Unpack the outcome of a unit."""
        last = Attempt(unit=unit, **self.last) if self.last else None
        return Outcome(status=self.status, reason=self.reason, last=last)
