"""Progress: a bar for people who watch, and nothing for anybody else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

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


def test_no_bar_in_a_pipe(tmp_path: Path) -> None:
    """Where stderr is no terminal nothing is written to it."""
    done = subprocess.run([*COMMAND, tmp_path / "in"], capture_output=True, check=True, timeout=60)
    assert done.stderr == b""
