"""A block's processes as one: started, waited for, stopped, and gone with this process, however that ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from up42_state.errors import EngineError
from up42_state.workflow.blocks.sandbox.leftover import forget, note
from up42_state.workflow.blocks.sandbox.messages import ask, readable, told
from up42_state.workflow.blocks.sandbox.tree import kill_session

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping

    from up42_state.workflow.blocks.sandbox.printed import Printed

__all__ = ["Order", "Process", "Watch"]

_PACKAGE = str(Path(__file__).parents[3])
# The faces of these packages load typing and more, which takes several times as long as Python itself.
_START = """
import sys
root = sys.argv.pop(1)
for name, path in ("up42_state", root), ("up42_state.workflow", root + "/workflow"):
    sys.modules[name] = package = type(sys)(name)
    package.__path__ = [path]
from up42_state.workflow.blocks.sandbox.supervisor import main
main()
"""
_FOR_PYTHON = ("LD_LIBRARY_PATH",)  # all else is the command's alone
_POLL = 0.05  # seconds between two looks at an Event, which cannot be waited for together with a socket


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run.

    :param command: the program and its arguments; ``None`` only tries the namespaces.
    :param environment: the whole environment of the command.
    :param folder: the directory that the command starts in.
    :param namespaces: what the block gets of its own: some of ``mount`` and ``process``.
    :param tmp: what the block sees in ``/tmp``; empty for the machine's.
    :param limit: bytes of memory; ``None`` for no limit.
    :param kept: descriptors that the command inherits.
    """

    command: tuple[str, ...] | None
    environment: Mapping[str, str]
    folder: Path
    namespaces: tuple[str, ...] = ()
    tmp: Mapping[str, Any] = field(default_factory=dict)
    limit: int | None = None
    kept: tuple[int, ...] = ()

    @property
    def message(self) -> dict[str, Any]:
        """The order as the supervisor takes it."""
        return {
            "command": self.command,
            "environment": dict(self.environment),
            "folder": str(self.folder),
            "namespaces": self.namespaces,
            "tmp": dict(self.tmp),
            "limit": self.limit,
            "kept": self.kept,
        }


class Watch:
    """Says when an attempt is to end before it ends by itself: it was stopped, or its time is up.

    :param timeout: seconds from now.
    :param grace: seconds between SIGTERM and SIGKILL.
    """

    def __init__(self, stop: threading.Event, timeout: float | None, grace: float) -> None:
        self._stop, self._grace = stop, grace
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._kill_at = 0.0
        self.asked = ""  # "stopped" or "timeout", once the block was told to end

    def order(self) -> str:
        """Return what is to be done now: ``term``, ``kill``, or nothing."""
        now = time.monotonic()
        if not self.asked:
            if self._stop.is_set():
                self.asked = "stopped"
            elif self._deadline is not None and now >= self._deadline:
                self.asked = "timeout"
            if self.asked:
                self._kill_at = now + self._grace
                return "term"
        elif self._kill_at and now >= self._kill_at:
            self._kill_at = 0.0
            return "kill"
        return ""


class Process:
    """Starts a supervisor, and talks to it.

    Secrets are in the environment of ``order``; they go by a socket, and stand on no command line.

    :param scratch: a directory that takes a note of what runs, for a later start to find if this process is
        killed, and the supervisor with it.
    :param output: takes what the command prints; ``None`` throws it away.
    :raises EngineError: the system does not start processes.
    """

    def __init__(self, order: Order, *, scratch: Path, output: Printed | None = None) -> None:
        self._output = output
        # With the first process of its namespace, the kernel ends all others.
        self.scratch = None if "process" in order.namespaces else scratch
        try:
            self._begin(order)
        except OSError as error:
            raise EngineError(
                f"no process can be started for a block: {error.strerror}",
                advice="look at the limits of processes, open files and memory (ulimit -a)",
            ) from error
        if self.scratch is not None:
            with suppress(OSError):  # without the note there is one safety less
                note(self.scratch, self.pid)
        with suppress(OSError):  # it could not even begin; its end says so
            ask(self.control, order.message)

    def _begin(self, order: Order) -> None:
        """Start the supervisor.

        :raises OSError: the system does not start processes.
        """
        output = self._output
        self.control, theirs = socket.socketpair()
        with theirs:
            self._supervisor = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-I", "-S", "-c", _START, _PACKAGE, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if output is None else output.writing,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(), *order.kept),
                cwd="/",
                start_new_session=True,  # Ctrl-C in a terminal is for the runner alone
                env={name: os.environ[name] for name in _FOR_PYTHON if name in os.environ},
            )
        self.pid = self._supervisor.pid
        if output is not None:
            output.close_writing()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tell(self, do: str, **more: Any) -> None:
        """Tell the supervisor to do something: ``term``, ``kill``, ``begin`` or ``measure``."""
        with suppress(OSError):
            ask(self.control, {"do": do, **more})

    def wait(
        self,
        watch: Watch | None = None,
        channel: socket.socket | None = None,
        output: Printed | None = None,
    ) -> dict[str, Any]:
        """Wait for the command's end, and return how it ended; nothing if the channel says something first.

        :param watch: says when to end the command.
        :param output: what is printed meanwhile, if it is not what the process was started with.
        """
        output = output or self._output
        sources = {source.fileno() for source in (self.control, channel, output) if source is not None}
        while True:
            ready = readable(sources, _POLL if watch else None)
            if output is not None and output.fileno() in ready and not output.take():
                sources.remove(output.fileno())
            if channel is not None and channel.fileno() in ready:
                return {}
            if self.control.fileno() in ready:
                return self._ending()
            if watch and (order := watch.order()):
                self.tell(order)

    def measure(self) -> int:
        """Return the most memory in use since :meth:`tell` said ``begin``.

        :raises EOFError: the command has ended.
        """
        self.tell("measure")
        message = told(self.control)
        if "ended_by" in message:
            raise EOFError
        return int(message["peak"])

    def _ending(self) -> dict[str, Any]:
        try:
            message = told(self.control)
        except EOFError:  # the supervisor itself was killed, and its first process with it
            kill_session(self.pid)
            self._supervisor.wait()
            return {"ended_by": "supervisor", "status": signal.SIGKILL}
        return message

    def close(self) -> None:
        """Kill whatever is left, and wait until it is gone."""
        self.control.close()
        self._supervisor.wait()
        if self.scratch is not None:
            forget(self.scratch)
