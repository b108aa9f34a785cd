"""An error at each system call of a switch: the directory is as before, or the same call ends it."""

from __future__ import annotations

import errno
import os
import shutil
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import contents, write_output

from up42_state import propagate
from up42_state.errors import StateError
from up42_state.stages.landing import Landing
from up42_state.stages.materialise import _Delivery

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from up42_state.state import Job

CALLS = ("rename", "link", "unlink", "mkdir", "rmdir", "open", "fsync", "chmod", "fchmod", "write")
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

    def arm(self, switch: Callable[..., None]) -> Callable[..., None]:
        def armed(*arguments: Any) -> None:
            self.armed = True
            switch(*arguments)

        return armed


def attempt(monkeypatch: pytest.MonkeyPatch, faults: Faults, call: Callable[[], object]) -> StateError | None:
    """Make the call with these faults; what came of it."""
    with monkeypatch.context() as patched:
        for kind in (Landing, _Delivery):
            patched.setattr(kind, "switch", faults.arm(kind.switch))
        for name in CALLS:
            patched.setattr(os, name, faults.wrap(getattr(os, name)))
        try:
            call()
        except StateError as error:
            return error
        finally:
            faults.armed = False
    return None


def whole(directory: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(directory).items() if ".up42_state" not in name}


def sweep(
    monkeypatch: pytest.MonkeyPatch, prepare: Callable[[], Path], call: Callable[[Path], object]
) -> dict[str, int]:
    """Fail each call of the switch in turn; how often the directory was as before, and how often half."""
    target = prepare()
    counting = Faults()
    assert attempt(monkeypatch, counting, lambda: call(target)) is None
    after = whole(target)
    seen = {"as before": 0, "half": 0, "done": 0}
    for lasting in (False, True):
        for at in range(counting.count):
            shutil.rmtree(target)
            target = prepare()
            before = whole(target)
            faults = Faults(at, ERRORS[at % len(ERRORS)], lasting=lasting)
            error = attempt(monkeypatch, faults, partial(call, target))
            if error is None:
                assert whole(target) == after
                seen["done"] += 1
            elif "half switched" in str(error):
                assert "run the same command again" in error.advice
                seen["half"] += 1
            else:
                assert whole(target) == before, f"call {at}, {lasting=}: {error}"
                seen["as before"] += 1
            call(target)
            assert whole(target) == after, f"call {at}, {lasting=}: {error}"
    return seen


@pytest.fixture
def revisions(job: Job, tmp_path: Path) -> tuple[Path, Path]:
    """Two revisions of a stage that share a file, differ in another, and have one each of their own."""
    first = {"same.tif": b"same", "sub/b.tif": b"old", "gone.tif": b"gone", ".quicklooks/same.png": b"q"}
    second = {"same.tif": b"same", "sub/b.tif": b"new", "sub/new.tif": b"n", ".quicklooks/same.png": b"p"}
    outputs = write_output(tmp_path / "one", first), write_output(tmp_path / "two", second)
    for output in outputs:
        job.stage("s:1").save(output)
    return outputs


def test_a_first_restore(
    monkeypatch: pytest.MonkeyPatch, job: Job, tmp_path: Path, revisions: tuple[Path, Path]
) -> None:
    """Into an empty directory."""

    def prepare() -> Path:
        (tmp_path / "in").mkdir()
        return tmp_path / "in"

    seen = sweep(monkeypatch, prepare, job.stage("s:1").restore)
    assert seen["as before"]
    assert seen["half"]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_restore_over_another_revision(
    monkeypatch: pytest.MonkeyPatch,
    job: Job,
    tmp_path: Path,
    revisions: tuple[Path, Path],
    elsewhere: bool,
) -> None:
    """Replaced files come back, also where quicklooks lie elsewhere; files that are nobody's stay."""
    target = tmp_path / "in" / "files"
    quicklooks = tmp_path / "in" / "quicklooks" if elsewhere else True

    def prepare() -> Path:
        job.stage("s:1").restore(target, revision=1, quicklooks=quicklooks)
        (target / "mine.txt").write_bytes(b"mine")
        return tmp_path / "in"

    def restore(_target: Path) -> None:
        job.stage("s:1").restore(target, overwrite=True, quicklooks=quicklooks)

    seen = sweep(monkeypatch, prepare, restore)
    assert seen["as before"]
    assert seen["half"]


def test_a_propagation_into_a_directory(
    monkeypatch: pytest.MonkeyPatch, job: Job, tmp_path: Path, revisions: tuple[Path, Path]
) -> None:
    """The current output stands as it was."""

    def prepare() -> Path:
        return write_output(tmp_path / "out", {"own.tif": b"own"})

    seen = sweep(monkeypatch, prepare, lambda target: propagate(target, [job.stage("s:1")]))
    assert seen["as before"]
    assert seen["half"]
