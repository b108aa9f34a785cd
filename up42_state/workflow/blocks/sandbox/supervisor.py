"""The process between this one and a block: it starts, watches and ends the block.

It runs as a program of its own (:mod:`~up42_state.workflow.blocks.sandbox.process` starts it) and loads
little. Three processes follow one another::

    runner ── control socket ── supervisor ── first process ── the block's command, and what that starts

The *supervisor* measures memory, and does what it is told. It ends the block when the control socket is
closed, which the kernel does for a runner that was killed. The *first process* of the block's process
namespace takes away orphans and reports how the command ended; with it the kernel kills all others in the
namespace. Where there are no namespaces, the supervisor adopts orphans, and kills all of its descendants.
"""

from __future__ import annotations

import marshal
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress

from up42_state.workflow.blocks.sandbox import namespaces, tree
from up42_state.workflow.blocks.sandbox.messages import ask, readable, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, NoReturn

__all__ = ["main"]

_INTERVAL = 0.1  # seconds between two looks at the memory
_SHARE = 20  # looking takes at most this part of the time: 1/20


def main() -> NoReturn:
    """Run the command that comes by the control socket, whose descriptor is the only argument."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    with suppress(EOFError):
        given = told(control)
        with suppress(OSError):  # nobody is there to be told
            ask(control, Supervisor(control, given).run())
    os._exit(0)


class Supervisor:
    """Runs one command.

    :param control: gives what to do: ``term``, ``kill``, ``begin`` (to measure), ``measure``; its end means
        ``kill``.
    :param given: what to run: ``command`` (``None`` only tries the namespaces), ``environment``, ``folder``,
        ``kept`` (descriptors for the command), ``limit`` (bytes of memory), ``namespaces`` (some of ``mount``
        and ``process``), ``tmp`` (arguments of :func:`~namespaces.make_private_tmp`).
    """

    def __init__(self, control: socket.socket, given: dict[str, Any]) -> None:
        self._control, self._given = control, given
        self._limit: int | None = given["limit"]
        self._peak = 0
        self._next_look = 0.0
        self._ended_by = ""

    def run(self) -> dict[str, Any]:
        """Run the command to its end, and return how it ended: the message for the runner."""
        # A core dump would lie in the block's own folder, and count as a change of its code.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        namespaces.adopt_orphans()
        try:
            self._separate()
        except OSError as error:
            return {"refused": _why(error)}
        reading, writing = os.pipe()
        waking, _ = self._wake_for_children()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # until the first process can pass it on
        first = os.fork()
        if not first:
            try:
                _FirstProcess(self._given, writing).run()
            finally:  # whatever happens, this copy of the supervisor must not go on
                os._exit(1)
        os.close(writing)
        for descriptor in self._given["kept"]:
            os.close(descriptor)
        self._watch(first, waking)
        self._kill_all()
        report = _read_report(reading)
        return {"ended_by": self._ended_by, **report, "peak": max(self._peak, report.get("peak", 0))}

    def _separate(self) -> None:
        if self._given["namespaces"]:
            namespaces.new_user()
        if "process" in self._given["namespaces"]:
            namespaces.new_processes()

    def _wake_for_children(self) -> tuple[int, int]:
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return reading, writing

    def _watch(self, first: int, waking: int) -> None:
        """Do as told until the first process has ended."""
        while True:
            wait = max(0.0, self._next_look - time.monotonic())
            ready = readable([self._control.fileno(), waking], wait)
            if waking in ready:
                os.read(waking, 4096)
                if self._has_ended(first):
                    return
            if self._control.fileno() in ready:
                self._obey(first)
            if time.monotonic() >= self._next_look:
                self._look(first)

    def _has_ended(self, first: int) -> bool:
        """Reap what has ended; return True if the first process is among it."""
        with suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) not in (0, first):
                pass
            return pid == first
        return True

    def _obey(self, first: int) -> None:
        try:
            order = told(self._control)
        except EOFError:
            order = {"do": "kill"}
        if order["do"] == "term":
            os.kill(first, signal.SIGTERM)
        elif order["do"] == "kill":
            self._kill(first)
        elif order["do"] == "begin":
            self._peak, self._limit = 0, order["limit"]
        elif order["do"] == "measure":
            self._look(first)
            with suppress(OSError):
                ask(self._control, {"peak": self._peak})

    def _look(self, first: int) -> None:
        """Measure the memory of all processes of the block, and end the block if it is too much."""
        begun = time.monotonic()
        pids = tree.descendants(first)
        used = self._used(pids)
        if self._limit is not None and used > self._limit and not self._ended_by:
            self._ended_by = "memory"
            self._kill(first)
        self._peak = max(self._peak, used)
        now = time.monotonic()
        self._next_look = now + max(_INTERVAL, _SHARE * (now - begun))

    def _used(self, pids: list[int]) -> int:
        """Return how much memory processes use, counting what they share once where that matters."""
        sizes = [tree.memory_of([pid]) for pid in pids]
        used, most = sum(sizes), max(sizes, default=0)
        is_over = self._limit is not None and used > self._limit
        is_shared = used > self._peak and used - most > used / 4
        return tree.private_memory_of(pids) if is_over or is_shared else used

    def _kill(self, first: int) -> None:
        os.kill(first, signal.SIGKILL)
        if "process" not in self._given["namespaces"]:
            self._kill_all()

    def _kill_all(self) -> None:
        """Kill every descendant. They become children of this process, so that none is missed."""
        while pids := tree.descendants(os.getpid()):
            for pid in pids:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.001)


class _FirstProcess:
    """Arranges the mounts, starts the command, and waits for it.

    :param report: a descriptor that takes how the command ended.
    """

    def __init__(self, given: dict[str, Any], report: int) -> None:
        self._given, self._report = given, report
        self._command = 0

    def run(self) -> NoReturn:
        signal.set_wakeup_fd(-1)
        namespaces.die_with_parent()
        try:
            self._arrange()
        except OSError as error:
            self._end({"refused": _why(error)})
        if self._given["command"] is None:
            self._end({})
        namespaces.adopt_orphans()
        self._command = os.fork()
        if not self._command:
            self._become_command()
        with suppress(OSError):  # the child does the same; whoever is first, a signal reaches the group
            os.setpgid(self._command, self._command)
        for descriptor in self._given["kept"]:
            os.close(descriptor)
        signal.signal(signal.SIGTERM, self._pass_on)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        while True:
            pid, status, usage = os.wait4(-1, 0)
            if pid == self._command:
                self._end({"status": status, "peak": usage.ru_maxrss * 1024})

    def _arrange(self) -> None:
        if "mount" in self._given["namespaces"]:
            namespaces.new_mounts()
            if self._given["tmp"]:
                namespaces.make_private_tmp(**self._given["tmp"])
            if "process" in self._given["namespaces"]:
                namespaces.own_proc()

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        """Pass a signal to the command's whole group, as a terminal does."""
        with suppress(OSError):
            os.killpg(self._command, number)

    def _become_command(self) -> NoReturn:
        place = ""
        try:
            namespaces.die_with_parent()
            os.setpgid(0, 0)
            for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            for descriptor in self._given["kept"]:
                os.set_inheritable(descriptor, True)
            place = "folder"
            os.chdir(self._given["folder"])
            place = "program"
            command = self._given["command"]
            os.execvpe(command[0], command, self._given["environment"])  # noqa: S606 - what we are for
        except OSError as error:
            self._end({"errno": error.errno, "place": place})

    def _end(self, report: dict[str, Any]) -> NoReturn:
        os.write(self._report, marshal.dumps(report))
        os._exit(0)


def _read_report(reading: int) -> dict[str, Any]:
    """Read the first report; a command that was not started is followed by one on its process."""
    with open(reading, "rb") as file:
        data = file.read()
    report: dict[str, Any] = marshal.loads(data) if data else {}  # noqa: S302 - our own code has written it
    return report


def _why(error: OSError) -> str:
    return f"{error.strerror} ({error.filename})" if error.filename else str(error.strerror)
