"""Tell which process writes an attempt, so that another process can see whether the writer still runs."""

from __future__ import annotations

import hashlib
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Writer", "writing"]

_PROC = Path("/proc")
_ENDED = {"Z", "X"}  # states of a process that has ended and was not yet waited for (proc(5))
_attempts: set[str] = set()  # of this process, which are being written now


class Writer(msgspec.Struct, frozen=True, kw_only=True):
    """The process that writes an attempt.

    :param space: a digest of the host, its boot and the process namespace: only there ``pid`` means anything.
        Empty where the system does not say.
    :param started: when the process began, in ticks since the boot: numbers of processes are used again.
    """

    space: str = ""
    pid: int = 0
    started: int = 0

    @classmethod
    def here(cls) -> Writer:
        """Describe this process."""
        _, started = _state(os.getpid())
        return cls(space=_space(), pid=os.getpid(), started=started)

    def runs(self, attempt: str) -> bool | None:
        """Return True if the process still writes this attempt; ``None`` if that cannot be told from here."""
        if not self.space or self.space != _space():
            return None
        if self.pid == os.getpid() and self.started == _state(self.pid)[1]:
            return attempt in _attempts
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OverflowError:
            return False  # no process has such a number
        except OSError:
            pass  # another user's
        state, started = _state(self.pid)
        return state not in _ENDED and started in {0, self.started}


@contextmanager
def writing(attempt: str) -> Iterator[None]:
    """Note that this process writes an attempt."""
    _attempts.add(attempt)
    try:
        yield
    finally:
        _attempts.discard(attempt)


def _space() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        namespace = (_PROC / "self/ns/pid").readlink()
    except OSError:
        return ""
    # the host's name, since a sandbox may give the same two to all who live in it
    return hashlib.sha256(f"{os.uname().nodename} {boot} {namespace}".encode()).hexdigest()[:32]


def _state(pid: int) -> tuple[str, int]:
    """Read the state of a process and when it began; ``("", 0)`` if the system does not say."""
    try:
        # the second field is the program's name in brackets, which may hold spaces and brackets
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return fields[0], int(fields[19])
    except (OSError, ValueError, IndexError):
        return "", 0
