"""Progress: a bar for people who watch, and lines in logs of what takes long."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from up42_state.cli.lines import Lines

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
    assert "97.7 KiB" in shown


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
    times = iter([0.0, 4.0, 10.0, 12.0, 19.9, 20.5])
    told = Lines("saving", lines.append, clock=lambda: next(times))
    for done in (0, 0, 10, 20, 100):
        told(done * 1024**2, 200 * 1024**2)
    assert lines == [
        "saving: 0 B of 200.0 MiB (0 %), 0 B/s",
        "saving: 100.0 MiB of 200.0 MiB (50 %), 4.9 MiB/s, 20 s left",
    ]


def test_nothing_to_do_is_no_division() -> None:
    """An empty output has no share that is done."""
    lines: list[str] = []
    times = iter([0.0, 11.0])
    Lines("saving", lines.append, clock=lambda: next(times))(0, 0)
    assert lines == ["saving: 0 B of 0 B, 0 B/s"]


@pytest.mark.parametrize(("words", "count"), [([], 1), (["--quiet"], 0), (["--json"], 0)])
def test_lines_in_a_log(
    call: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], count: int
) -> None:
    """Lines go to stderr where it is no terminal; not with --quiet, and not where programs read it."""
    monkeypatch.setattr("up42_state.cli.lines.EVERY", 0.0)
    result = call(*RESTORE, tmp_path / "in", *words)
    assert result.exit_code == 0
    assert min(result.stderr.count("restoring: "), 1) == count
