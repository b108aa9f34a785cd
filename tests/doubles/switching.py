"""Errors of the system, not kills, at each system call of a switch, wherever files are put in place."""

from __future__ import annotations

import errno
import io
import os
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

from doubles.outputs import contents
from up42_state.errors import StateError
from up42_state.stages.local.installation import Installation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pytest

    Begin = Sequence[tuple[object, str]]

CALLS = (
    "rename",
    "link",
    "unlink",
    "mkdir",
    "rmdir",
    "open",
    "fsync",
    "chmod",
    "fchmod",
    "write",
    "stat",
    "lstat",
    "listdir",
    "scandir",
)
ERRORS = (errno.EXDEV, errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EIO)


class Faults:
    """Fails system calls from the beginning of a switch on.

    :param at: the number of the first call that fails, from 0; ``None`` for none.
    :param lasting: all calls after it fail as well, those that put things back among them.
    """

    def __init__(self, at: int | None = None, code: int = 0, *, lasting: bool = False) -> None:
        self.at, self.code, self.lasting = at, code, lasting
        self.count = 0
        self.armed = False

    def wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if self.armed:
                number, self.count = self.count, self.count + 1
                if self.at is not None and (number >= self.at if self.lasting else number == self.at):
                    raise OSError(self.code, os.strerror(self.code))
            return call(*arguments, **options)

        return counted

    def arm(self, switch: Callable[..., Any]) -> Callable[..., Any]:
        def armed(*arguments: Any, **options: Any) -> Any:
            self.armed = True
            return switch(*arguments, **options)

        return armed


def attempt(
    monkeypatch: pytest.MonkeyPatch, faults: Faults, call: Callable[[], object], begins: Begin
) -> StateError | None:
    """Make the call with these faults; what came of it."""
    with monkeypatch.context() as patched:
        for where, name in begins:
            patched.setattr(where, name, faults.arm(getattr(where, name)))
        for name in CALLS:
            patched.setattr(os, name, faults.wrap(getattr(os, name)))
        patched.setattr(io, "open", faults.wrap(io.open))
        try:
            call()
        except StateError as error:
            return error
        finally:
            faults.armed = False
    return None


def whole(directory: Path) -> dict[str, tuple[bytes, bool] | None]:
    """All that is there, but for our own folder."""
    return {name: data for name, data in contents(directory).items() if ".up42_state" not in name}


def sweep(
    monkeypatch: pytest.MonkeyPatch,
    prepare: Callable[[], Path],
    call: Callable[[Path], object],
    begins: Begin = ((Installation, "switch"),),
    before_kill: dict[str, tuple[bytes, bool] | None] | None = None,
) -> dict[str, int]:
    """Fail each call of the switch in turn; how often the directory was as before, and how often half.

    :param prepare: makes the directory as it is before the call.
    :param begins: what begins the switch.
    :param before_kill: what was in the directory before a call that was killed, where there was one.
    """
    target = prepare()
    template = target.with_name("template")
    shutil.copytree(target, template)
    counting = Faults()
    assert attempt(monkeypatch, counting, lambda: call(target), begins) is None
    before, after = whole(template), whole(target)
    seen = {"as before": 0, "half": 0, "done": 0}
    for lasting in (False, True):
        for at in range(counting.count):
            shutil.rmtree(target)
            shutil.copytree(template, target)
            faults = Faults(at, ERRORS[at % len(ERRORS)], lasting=lasting)
            error = attempt(monkeypatch, faults, partial(call, target), begins)
            if error is None:
                assert whole(target) == after
                seen["done"] += 1
            elif "half switched" in str(error):
                assert "nothing" not in str(error)
                assert "run the same command again" in error.advice
                seen["half"] += 1
            else:
                assert whole(target) in (before, before_kill), f"call {at}, {lasting=}: {error!r}"
                seen["as before"] += 1
            call(target)
            assert whole(target) == after, f"call {at}, {lasting=}: {error!r}"
    return seen
