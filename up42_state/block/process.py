"""Run a child process: pass on the signals that this process gets, and tell the child's end as shells do.

This works as a container's first process, too. PID 1 gets no default actions for signals from the kernel, and
orphans become its children.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType

__all__ = ["run"]

FORWARDED = frozenset(
    (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
)
_WATCHED = FORWARDED | {signal.SIGCHLD}
# Python ignores these two for itself, and a child would inherit that.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
# A terminal sends these to every process in its foreground, so the child has them already.
_FROM_TERMINAL = frozenset((signal.SIGINT, signal.SIGQUIT))


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end, passing on the signals that this process gets meanwhile.

    :param command: the program, looked for on ``PATH``, and its arguments.
    :param environment: the whole environment of the command.
    :return: the command's exit code, or 128 + N if signal N ended it.
    :raises OSError: the command could not be started: not found, or not executable.
    """
    # Signals are blocked before the child starts, so that none is lost, and none ends this process alone.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    try:
        with _children_can_be_waited_for(), _other_threads_forward() as relay:
            pid = os.posix_spawnp(
                command[0], list(command), environment, setsigmask=before, setsigdef=_IGNORED_BY_PYTHON
            )
            relay.begin(pid)
            status = _wait(pid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _wait(pid: int) -> int:
    """Forward signals until the child ends, and return its wait status."""
    while True:
        status = _reap(pid)
        if status is not None:
            return status
        # The kernel may give the SIGCHLD to another thread, so look for the child's end once a second.
        found = signal.sigtimedwait(_WATCHED, 1.0)
        if found is None or found.si_signo == signal.SIGCHLD:
            continue
        by_kernel = found.si_code > 0  # a terminal's signals come from the kernel (sigaction(2), "si_code")
        if not (by_kernel and found.si_signo in _FROM_TERMINAL):
            _forward(pid, found.si_signo)


def _forward(pid: int, number: int) -> None:
    """Send the child a signal.

    The child may have ended, or may run as another user; then it gets none.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _reap(pid: int) -> int | None:
    """Return the child's wait status once it has ended, else None. As PID 1, reap orphans as well."""
    if os.getpid() != 1:
        ended, status = os.waitpid(pid, os.WNOHANG)
        return status if ended else None
    while True:
        ended, status = os.waitpid(-1, os.WNOHANG)
        if ended == pid:
            return status
        if not ended:
            return None


@contextmanager
def _children_can_be_waited_for() -> Iterator[None]:
    """Stop ignoring SIGCHLD for a while.

    A parent may have had this process ignore SIGCHLD, and then the kernel keeps no child's exit code
    (wait(2), "Notes").
    """
    if not _in_main_thread() or signal.getsignal(signal.SIGCHLD) != signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)


class _Relay:
    """A signal handler that passes signals on to the child, once there is one."""

    def __init__(self) -> None:
        self._pid: int | None = None
        self._early: list[int] = []

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self._pid is None:
            self._early.append(number)
        else:
            _forward(self._pid, number)

    def begin(self, pid: int) -> None:
        """Pass on signals from now on to this child, and those that came before."""
        self._pid = pid
        for number in self._early:
            _forward(pid, number)


@contextmanager
def _other_threads_forward() -> Iterator[_Relay]:
    """Forward signals that another thread gets: the mask of blocked signals holds for this thread alone.

    The handlers are set before the child starts, as the mask is, because a signal that the child sends at
    once would end this process.
    """
    relay = _Relay()
    if not _in_main_thread():
        yield relay
        return
    wanted = [number for number in FORWARDED if signal.getsignal(number) not in (signal.SIG_IGN, None)]
    before = {number: signal.signal(number, relay) for number in wanted}
    try:
        yield relay
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
