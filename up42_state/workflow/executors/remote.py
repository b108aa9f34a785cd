"""The client's side: a unit is asked for, waited for, and what came of it is handed on to the run."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, Protocol

from up42_state.errors import StateError
from up42_state.machine.paths import local_path
from up42_state.secrets.redaction import without_credentials
from up42_state.workflow.attempt import Outcome
from up42_state.workflow.executors.messages import Place, Request, versions

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from up42_state.workflow.attempt import Context, Unit
    from up42_state.workflow.events import Event
    from up42_state.workflow.executors.messages import Reply
    from up42_state.workflow.model import Resources, Task

__all__ = ["NO_WORKER", "Pending", "Remote", "Workers", "enough"]

_TICK = 0.5  # seconds between two looks at whether the run is to end
_GRACE = 15.0  # seconds that a block which is stopped may take: it gets SIGTERM, and SIGKILL after ten
_LEAST, _MOST = 16, 256  # units under way: each costs a thread here
NO_WORKER = 60.0  # seconds for which no worker may be there, until nobody waits any longer
_STOPPED = "the run was stopped"


class Pending(Protocol):
    """A unit that was handed over."""

    done: threading.Event

    @property
    def has_begun(self) -> bool:
        """True once it is known to run."""

    def look(self) -> None:
        """Make sure that somebody is there to run it.

        :raises EngineError: nobody is.
        """

    def cancel(self) -> bool:
        """Give it up; True if it will not run."""

    def result(self) -> Reply:
        """What came of it, once it is done."""


class Workers(Protocol):
    """Processes that run units."""

    def check(self, place: Place, tasks: Sequence[Task], codes: Mapping[str, str]) -> None:
        """Make sure, before anything runs, that the tasks can run there.

        :param codes: of each task, the code of its block on the client.
        :raises EngineError: workers differ from this process or among each other, or offer too little.
        """

    def submit(self, request: Request, tell: Callable[[Event], None]) -> Pending:
        """Hand a unit over.

        :param tell: takes what happens there, as it happens, as far as that can be known.
        """

    def call(self, function: Callable[[Any], Any], argument: Any, name: str) -> Any:
        """Have a function called on any worker; returns a future.

        :param name: what the future is called, where people see it.
        """

    @property
    def are_there(self) -> bool:
        """True if there is a worker, as far as that can be known."""

    def side_by_side(self, resources: Resources) -> int:
        """How many units of these resources run at once."""

    def stop(self, run: str) -> None:
        """Stop what runs of a run."""

    def end(self, run: str) -> None:
        """Let go of what workers keep for a run."""


def enough(running: int) -> int:
    """How many units to have under way where so many run: some wait, so that no worker ever does."""
    return min(_MOST, max(_LEAST, 2 * running))


class Remote:
    """Runs the units of one run on workers. See :class:`~up42_state.workflow.attempt.Elsewhere`.

    :param folder: the client's directory for the run.
    """

    def __init__(
        self, workers: Workers, place: Place, folder: Path, scratch: str | os.PathLike[str] | None = None
    ) -> None:
        self._workers = workers
        self._place = place
        self._stop_file = folder / "stop"
        self._scratch = str(local_path(scratch)) if scratch is not None else ""
        self._stopping = threading.Lock()
        self._stopped = False

    def side_by_side(self, resources: Resources) -> int:
        """See :class:`~up42_state.workflow.attempt.Elsewhere`."""
        return enough(self._workers.side_by_side(resources))

    def run(self, context: Context, unit: Unit) -> Outcome:
        """See :class:`~up42_state.workflow.attempt.Elsewhere`."""
        if context.halt.is_set() or context.stop.is_set():
            return Outcome(status="stopped", reason=_why_not_begun(context))
        told = _Told(context)
        try:
            pending = self._workers.submit(self._request(context, unit), told)
            reply = self._wait(context, pending)
        except CancelledError as error:
            if not context.halt.is_set() and not context.stop.is_set():
                return Outcome(status="failed", reason=_engine_says(error))
            reply = None
        except (StateError, OSError) as error:
            return Outcome(status="failed", reason=without_credentials(str(error)))
        except Exception as error:  # noqa: BLE001 - whatever an engine raises fails this unit alone
            return Outcome(status="failed", reason=_engine_says(error))
        if reply is None:
            return Outcome(status="stopped", reason=_why_not_begun(context))
        for event in reply.events:
            told(event)
        for record in reply.records:
            context.record(*record)
        return reply.outcome(unit)

    def _request(self, context: Context, unit: Unit) -> Request:
        return Request(
            run=context.run,
            place=self._place,
            task=unit.task,
            stage=unit.stage,
            why=unit.why,
            seen=unit.seen,
            inputs=unit.inputs,
            code=context.blocks.of(unit.task).code,
            versions=versions(),
            keep_failed=context.keep_failed,
            scratch=self._scratch,
            stop_file=str(self._stop_file),
        )

    def _wait(self, context: Context, pending: Pending) -> Reply | None:
        """Wait until a unit is done; give None for one that was given up."""
        stopped = 0.0
        while not pending.done.wait(_TICK):
            if context.halt.is_set() and not pending.has_begun and pending.cancel():
                return None
            if context.stop.is_set():
                self._stop(context.run)
                stopped = stopped or time.monotonic()
                if time.monotonic() - stopped > _GRACE:
                    pending.cancel()
                    return None
            else:
                pending.look()
        return pending.result()

    def _stop(self, run: str) -> None:
        with self._stopping:
            if not self._stopped:
                self._stopped = True
                self._stop_file.touch()
                self._workers.stop(run)


class _Told:
    """Tells each event of a unit once: as it happens, or with the reply."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seen: set[Any] = set()

    def __call__(self, event: Event) -> None:
        key = (event.kind, event.attempt, event.reason if event.kind == "step" else "")
        if key not in self._seen:
            self._seen.add(key)
            self._context.tell(event)


def _why_not_begun(context: Context) -> str:
    return _STOPPED if context.stop.is_set() else "not begun: something else failed, and the run ends then"


def _engine_says(error: BaseException) -> str:
    """Say what an engine says that could not run a unit."""
    text = " ".join(str(error).split())
    return without_credentials(f"{type(error).__name__}: {text}" if text else type(error).__name__)
