"""Progress: a bar for people who watch, and lines in logs of what takes long."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from itertools import groupby
from typing import TYPE_CHECKING

import pytest

from up42_state.cli.lines import Lines
from up42_state.stages.transfer.telling import Step
from up42_state.state import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

RESTORE = ["restore", "scenes", "--job", "3f0c"]
COMMAND = [sys.executable, "-c", "from up42_state.cli import main; main()", *RESTORE]


def _shown_on_a_terminal(*words: str | Path) -> str:
    """What a restore writes to a terminal that is its stderr."""
    terminal, end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    with os.fdopen(terminal, "rb", buffering=0) as shown:
        process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.DEVNULL, stderr=end, env=environment)
        os.close(end)
        found = b""
        with (
            process,
            suppress(OSError),
        ):  # EIO: the terminal's other end is closed
            while piece := shown.read(65536):  # at once: a terminal holds little that nobody reads
                found += piece
    assert process.returncode == 0
    return found.decode()


@pytest.fixture(autouse=True)
def scenes(saved: Callable[..., None]) -> None:
    """A stage to restore."""
    saved("scenes", a=b"a" * 100_000)


def test_bar_on_a_terminal(tmp_path: Path) -> None:
    """Where stderr is a terminal there is a bar that says what goes on, and how much of it is done."""
    shown = _shown_on_a_terminal(tmp_path / "in")
    assert "restoring" in shown
    assert "97.7 KiB of 97.7 KiB (100 %), 1 of 1 files" in shown
    assert "restoring, putting in place" in shown
    assert "kB" not in shown


def test_no_bar_when_quiet(tmp_path: Path) -> None:
    """``--quiet`` shows nothing, also on a terminal."""
    assert _shown_on_a_terminal(tmp_path / "in", "--quiet") == ""


def test_nothing_in_a_pipe_of_what_is_done_soon(tmp_path: Path) -> None:
    """Where stderr is no terminal, and all is done within seconds, nothing is written to it."""
    done = subprocess.run([*COMMAND, tmp_path / "in"], capture_output=True, check=True, timeout=60)
    assert done.stderr == b""


def test_a_line_every_ten_seconds() -> None:
    """What takes long says in a log how much is done, how fast, and how long the rest may take."""
    lines: list[str] = []
    now = 0.0
    told = Lines("saving", lines.append, clock=lambda: now)
    for now, done in ((0.5, 0), (4.0, 0), (10.0, 0), (12.0, 10), (19.9, 20), (20.5, 100)):  # noqa: B007
        told(done * 1024**2, 200 * 1024**2)
    assert lines == [
        "saving: 0 B of 200.0 MiB (0 %)",
        "saving: 100.0 MiB of 200.0 MiB (50 %), 4.9 MiB/s, 20 s left",
    ]


def test_a_line_tells_the_phase_and_files() -> None:
    """A rate is that of the phase alone, and a phase that counts nothing is named."""
    lines: list[str] = []
    now = 0.0
    told = Lines("saving", lines.append, clock=lambda: now)
    steps = [
        (0.0, Step("hashing", 0, 1024**3, 0, 40)),
        (50.0, Step("hashing", 1024**3, 1024**3, 40, 40)),
        (51.0, Step("uploading", 0, 1024**3, 0, 41)),
        (61.0, Step("uploading", 100 * 1024**2, 1024**3, 3, 41)),
        (75.0, Step("publishing")),
    ]
    for now, step in steps:  # noqa: B007
        told.tell(step)
    assert lines == [
        "saving, hashing: 1.0 GiB of 1.0 GiB (100 %), 40 of 40 files, 20.5 MiB/s, 0.0 s left",
        "saving, uploading: 100.0 MiB of 1.0 GiB (9 %), 3 of 41 files, 10.0 MiB/s, 1m32s left",
        "saving, publishing",
    ]


class Told:
    """Takes progress with phases."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __call__(self, done: int, total: int) -> None:
        raise AssertionError("who can be told the phase is told it")

    def tell(self, step: Step) -> None:
        self.steps.append(step)

    def last(self, phase: str) -> Step:
        return [step for step in self.steps if step.phase == phase][-1]


def phases(told: Told) -> list[str]:
    return [phase for phase, _ in groupby(step.phase for step in told.steps)]


def test_phases_of_a_save_and_a_restore(store: Path, output: Callable[..., Path], tmp_path: Path) -> None:
    """Each phase is told in its order, and ends with all bytes and all files."""
    files = {f"f{number}": b"x" * (number + 1) for number in range(20)} | {"large": b"y" * 2_000_000}
    stage = State(store.as_uri()).job("told").stage("scenes:1")
    for expected in (
        ["checking", "uploading", "publishing"],
        ["checking", "hashing", "uploading", "publishing"],
    ):
        told = Told()
        stage.save(output(**files), progress=told)
        assert phases(told) == expected
        for phase in set(expected) - {"checking", "publishing"}:
            last = told.last(phase)
            assert (last.done, last.files) == (last.total, last.all_files) == (2_000_210, 21)
        files |= {"f0": b"z"}
    told = Told()
    stage.restore(tmp_path / "in", progress=told)
    assert phases(told) == ["reading", "restoring", "putting in place"]
    last = told.last("restoring")
    assert (last.done, last.files) == (last.total, last.all_files) == (2_000_210, 21)
    told = Told()
    stage.verify(progress=told)
    assert phases(told) == ["verifying"]
    assert (told.steps[-1].done, told.steps[-1].files) == (2_000_210, 21)


def test_a_plain_function_gets_bytes_that_move(store: Path, output: Callable[..., Path]) -> None:
    """Whoever takes two numbers gets bytes done and bytes in all, and nothing of hashing."""
    told: list[tuple[int, int]] = []
    stage = State(store.as_uri()).job("told").stage("scenes:1")
    stage.save(output(a=b"aaa", b=b"bb"))
    stage.save(output(a=b"aaa", b=b"cc"), progress=lambda done, total: told.append((done, total)))
    assert {total for _, total in told} == {5}
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (5, 5)


def test_nothing_to_do_is_no_division() -> None:
    """An empty output has no share that is done."""
    lines: list[str] = []
    now = 0.0
    told = Lines("saving", lines.append, clock=lambda: now)
    now = 11.0
    told(0, 0)
    assert lines == ["saving"]


@pytest.mark.parametrize(("words", "count"), [([], 1), (["--quiet"], 0), (["--json"], 0)])
def test_lines_in_a_log(
    call: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], count: int
) -> None:
    """Lines go to stderr where it is no terminal; not with --quiet, and not where programs read it."""
    monkeypatch.setattr("up42_state.cli.lines.EVERY", 0.0)
    result = call(*RESTORE, tmp_path / "in", *words)
    assert result.exit_code == 0
    assert min(result.stderr.count("restoring: "), 1) == count
