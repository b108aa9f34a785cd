"""The machine's own ``/tmp/input``, ``/tmp/output`` and ``/tmp/quicklooks``, for one block at a time.

They become links to the attempt's directories. Where a user of the machine keeps files in a directory of such
a name, it is left alone, and no block runs.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from up42_state.workflow.blocks.sandbox.process import Watch

__all__ = ["InTheWayError", "StoppedError", "shared_tmp"]

LOCK = ".up42_state.lock"  # beside the directories, for all users of the machine
_POLL = 0.1  # seconds


class InTheWayError(Exception):
    """Something that is not ours stands where a block expects its directories."""


class StoppedError(Exception):
    """The attempt was stopped, or its time was up, while it waited."""


@contextmanager
def shared_tmp(directories: Mapping[str, Path], watch: Watch, say: Callable[[str], None]) -> Iterator[None]:
    """Give an attempt its directories, once no other attempt on this machine has them.

    :param directories: the attempt's, by the paths that the block expects.
    :param say: takes a line for people if there is a wait.
    :raises InTheWayError: there is something in their place.
    :raises StoppedError: the attempt was to end before the directories were free.
    """
    wanted = {place: str(path) for place, path in directories.items()}
    with ExitStack() as stack:
        descriptor = _open(os.path.join(os.path.dirname(next(iter(wanted))), LOCK))
        stack.callback(os.close, descriptor)
        _wait_for(descriptor, watch, say)
        _clear(_links_in(descriptor))  # a runner that was killed has left them
        for place in wanted:
            _make_room(place)
        os.pwrite(descriptor, json.dumps(wanted).encode(), 0)
        stack.callback(os.ftruncate, descriptor, 0)
        stack.callback(_clear, wanted)
        for place, target in wanted.items():
            os.symlink(target, place)
        yield


def _open(lock: str) -> int:
    """Open the lock's file, which users of the machine share."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(lock, flags)
    except FileNotFoundError:
        with suppress(FileExistsError):
            descriptor = os.open(lock, flags | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(descriptor, 0o666)  # whatever the umask says
            return descriptor
        return os.open(lock, flags)
    except OSError as error:
        raise InTheWayError(f"{lock} cannot be opened: {error.strerror}") from error


def _wait_for(descriptor: int, watch: Watch, say: Callable[[str], None]) -> None:
    said = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not said:
                say("waiting until another block has ended")
                said = True
            if watch.order():
                raise StoppedError from None
            time.sleep(_POLL)
        else:
            return


def _links_in(descriptor: int) -> dict[str, str]:
    """Return the links that the last holder of the lock has made, if it was killed."""
    try:
        found = json.loads(os.pread(descriptor, 64 * 1024, 0))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _clear(links: dict[str, str]) -> None:
    """Remove links, if they still lead where they led."""
    for place, target in links.items():
        with suppress(OSError):
            if os.readlink(place) == target:
                os.unlink(place)


def _make_room(place: str) -> None:
    """Remove an empty directory.

    :raises InTheWayError: there is something else, or the directory is another user's.
    """
    try:
        os.rmdir(place)
    except FileNotFoundError:
        return
    except OSError as error:
        what = "is a link" if os.path.islink(place) else f"cannot be removed: {error.strerror}"
        raise InTheWayError(
            f"{place} {what}; blocks share it on this machine: move it away, and try again"
        ) from error
