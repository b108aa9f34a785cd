"""One container from its start to its end: watched, and stopped when it must be."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from up42_state.errors import EngineError
from up42_state.workflow.blocks.containers.memory import MemoryGroup
from up42_state.workflow.blocks.containers.orphans import is_gone

if TYPE_CHECKING:
    from up42_state.workflow.blocks.containers.engine import Engine
    from up42_state.workflow.blocks.work import Work

__all__ = ["Attempt", "State"]

_TICK = 0.1  # seconds between looks at the clock, at the request to stop, and at the memory
# Where memory is limited: how many processes the kernel has killed for it can be read for some 30 ms.
_SHORT_TICK = 0.01
_SIGN_OF_LIFE = 10.0  # seconds between questions to the engine, whose client may hang
_GONE = 15.0  # seconds in which a container that was killed must have ended
_NEVER = "0001-01-01"  # when a container began that never did

Cut = Literal["timeout", "stopped", ""]


class State(NamedTuple):
    """What the engine says of a container.

    :param exit_code: of a block that a signal has ended, 128 and the signal's number.
    :param is_out_of_memory: True if the kernel killed a process of the container for its memory limit.
    :param error: the engine's words where it could not start the container.
    """

    is_running: bool
    has_begun: bool
    pid: int
    exit_code: int
    is_out_of_memory: bool
    error: str


class Attempt:
    """A container that was created, and is not started yet.

    :param container: its id.
    """

    def __init__(self, engine: Engine, container: str, work: Work) -> None:
        self._engine = engine
        self._container = container
        self._work = work
        self._tick = _TICK if work.resources.memory is None else _SHORT_TICK
        self._memory: MemoryGroup | None = None
        self._next_search = 0.0
        self._searches = 20

    @property
    def peak_memory(self) -> int | None:
        """The most memory that was seen in use, in bytes."""
        return self._memory.peak if self._memory else None

    def run(self) -> tuple[State, Cut]:
        """Start the container and wait for its end; what the block prints goes into the log meanwhile.

        :return: the state at the end, and why the container was stopped, if it was.
        :raises EngineError: the engine does not answer, or the container cannot be stopped.
        """
        with self._work.log.pipe() as printed:
            # The client is only the messenger: to kill it would not end the container, and when it ends, the
            # container may still run.
            client = subprocess.Popen(  # noqa: S603 - the program is the engine's
                [self._engine.program, "start", "--attach", self._container],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=printed,
                start_new_session=True,
            )
            try:
                return self._watch(client)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(client.pid, signal.SIGKILL)
                client.wait()

    def _watch(self, client: subprocess.Popen[bytes]) -> tuple[State, Cut]:
        begun = asked = time.monotonic()
        is_told = False
        while not (cut := self._cut(begun)):
            if client.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    client.wait(self._tick)
                self._look_at_memory()
                if time.monotonic() - asked > _SIGN_OF_LIFE:
                    asked = time.monotonic()
                    if not (state := self.state()).is_running and state.has_begun:
                        return self._ended(client, state), ""
                continue
            state = self.state()
            if not state.is_running:
                return self._with_kills(state), ""
            if not is_told and time.monotonic() - asked > 1:  # for a moment it is usual
                self._work.log.write(b"\nup42-state: the engine has cut off what the block prints\n")
                is_told = True
            self._work.stop.wait(_TICK)
        return self._ended(client, self.stop(self._work.grace)), cut

    def _ended(self, client: subprocess.Popen[bytes], state: State) -> State:
        """Give the client time to hand on what the block has printed at last."""
        with suppress(subprocess.TimeoutExpired):
            client.wait(_GONE)
        return self._with_kills(state)

    def _cut(self, begun: float) -> Cut:
        if self._work.stop.is_set():
            return "stopped"
        limit = self._work.timeout
        return "timeout" if limit is not None and time.monotonic() - begun > limit else ""

    def stop(self, grace: float) -> State:
        """Send the container SIGTERM, and SIGKILL after the grace; return when it is sure that it has ended.

        An image may name another signal than SIGTERM (``STOPSIGNAL``); it gets that one.

        :raises EngineError: the container still runs, or the engine does not answer.
        """
        seconds = math.ceil(grace)
        with suppress(EngineError):  # what counts is the state afterwards
            self._engine.call("stop", "-t", str(seconds), self._container, timeout=seconds + _GONE)
        deadline = time.monotonic() + _GONE
        while (state := self.state()).is_running and time.monotonic() < deadline:
            with suppress(EngineError):
                self._engine.call("kill", "--signal", "KILL", self._container, timeout=_GONE)
            time.sleep(_TICK)
        if state.is_running:
            raise EngineError(
                f"the container {self._container[:12]} of {self._work.task} runs on, though it was killed",
                advice=f"{self._engine.kind} rm --force {self._container[:12]}",
            )
        return state

    def state(self) -> State:
        """Ask the engine for the container's state.

        :raises EngineError: the engine does not answer, or knows the container no more.
        """
        try:
            found: dict[str, Any] = self._engine.ask("container", "inspect", self._container)[0]["State"]
        except EngineError as error:
            if not is_gone(error):
                raise
            raise EngineError(
                f"the container of {self._work.task} was removed by somebody else while it ran",
                advice="how the block ended cannot be known; run the task again",
            ) from error
        return State(
            is_running=bool(found["Running"]) or found["Status"] in ("stopping", "paused", "restarting"),
            has_begun=not found["StartedAt"].startswith(_NEVER),
            pid=found["Pid"],
            exit_code=found["ExitCode"],
            is_out_of_memory=bool(found["OOMKilled"]),
            error=found.get("Error") or "",
        )

    def _look_at_memory(self) -> None:
        """Look at what the kernel counts; once the container has ended, the kernel has forgotten it."""
        if self._memory is None and self._searches and time.monotonic() > self._next_search:
            self._searches -= 1
            if pid := self.state().pid:
                self._memory = MemoryGroup.of(self._container, pid)
                self._searches = 0
            self._next_search = time.monotonic() + _TICK
        if self._memory is not None:
            self._memory.look()

    def _with_kills(self, state: State) -> State:
        """Add what the kernel has said to what the engine says."""
        killed = self._memory is not None and self._memory.has_killed
        return state._replace(is_out_of_memory=state.is_out_of_memory or killed)
