"""Lock directories, so that one task has them to itself while it runs.

The lock is flock(2) on the directories themselves: it leaves no file behind, works on a read-only mount, and
ends with the process that holds it, even a killed one. The task's command inherits the descriptors. If the
task is killed and its command lives on, the directories stay locked until the command ends. A task that ends
by itself unlocks them for both.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from up42_state.errors import TargetConflictError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["HELD", "lock_names", "locked", "locked_by_caller"]

HELD = "UP42_STATE_HELD"  # tells a Block in a command which directories that command's own task holds


@contextmanager
def locked(own: Iterable[Path], shared: Iterable[Path] = ()) -> Iterator[list[int]]:
    """Lock existing directories; gives the descriptors, for a command to inherit.

    Directories on a file system without such locks (some network ones) are used unlocked.

    :param own: directories for this task alone.
    :param shared: directories that are only read, by any number of tasks.
    :raises TargetConflictError: another task is at work in one of the directories.
    """
    with ExitStack() as stack:
        fds = [_hold(stack, folder, fcntl.LOCK_EX, os.O_NOFOLLOW) for folder in own]
        fds += [_hold(stack, folder, fcntl.LOCK_SH) for folder in shared]
        yield [fd for fd in fds if fd >= 0]


def _hold(stack: ExitStack, folder: Path, kind: int, flags: int = 0) -> int:
    if locked_by_caller(folder):
        return -1
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | flags)
    except PermissionError:  # whoever uses the directory reports that with more to say about it
        return -1
    stack.callback(os.close, fd)
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise TargetConflictError(
            f"another task is at work in {folder}{_holder(fd)}",
            advice="wait until it has ended, or give other directories",
        ) from error
    except OSError:
        return -1
    # Closing would not do: the lock would stay with a process that has inherited the descriptor (flock(2)).
    stack.callback(fcntl.flock, fd, fcntl.LOCK_UN)
    return fd


def locked_by_caller(folder: Path) -> bool:
    """Return True if this process runs inside a task that has locked the directory."""
    return _name(os.stat(folder)) in os.environ.get(HELD, "").split(",")


def lock_names(folders: Iterable[Path]) -> str:
    """Return the value of the variable :data:`HELD` for locked directories, without those that are gone."""
    return ",".join(_name(os.stat(folder)) for folder in folders if folder.is_dir())


def _name(status: os.stat_result) -> str:
    return f"{status.st_dev}:{status.st_ino}"


def _holder(fd: int) -> str:
    """Return which process holds the lock, if the kernel tells (proc(5), "/proc/locks")."""
    status = os.fstat(fd)
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    with suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if "FLOCK" in words and place in words:
                number = int(words[words.index(place) - 1])
                program = Path(f"/proc/{number}/comm").read_text().strip()
                return f": process {number} ({program})"
    return ""
