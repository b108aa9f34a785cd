"""``exec``: what the verb adds to :func:`up42_state.tasks.exec.run_task`."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Call = Callable[..., Result]
    Start = Callable[..., subprocess.Popen[str]]

TASK = ("--job", "3f0c", "--stage", "tiles")
COPY = "import shutil, sys; shutil.copytree(*sys.argv[1:], dirs_exist_ok=True)"

ENDS_WITH_9 = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
print("up", flush=True)
signal.pause()
"""


@pytest.fixture
def directories(tmp_path: Path) -> tuple[str, ...]:
    """The options that keep a task below the test's own directory."""
    names = ("input", "output", "quicklooks")
    return tuple(f"--{name}={tmp_path / 'task' / name}" for name in names)


def test_task_of_a_job(
    start: Start, saved: Callable[..., None], directories: tuple[str, ...], tmp_path: Path, call: Call
) -> None:
    """The input is restored, the command runs, its output is saved; stdout is the command's alone."""
    saved("scenes", a=b"a")
    task = tmp_path / "task"
    command = (sys.executable, "-c", f"print('mine'); {COPY}", task / "input", task / "output")
    process = start("exec", *TASK, "--after", "scenes", *directories, "--", *command)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (0, "mine\n"), stderr
    (commit,) = json.loads(call("history", *TASK, "--json").stdout)
    assert [parent["stage"] for parent in commit["parents"]] == ["scenes"]


def test_exit_code_passes_through(start: Start, directories: tuple[str, ...]) -> None:
    """The command's exit code is the verb's."""
    process = start("exec", *TASK, *directories, sys.executable, "-c", "raise SystemExit(37)")
    process.communicate(timeout=60)
    assert process.returncode == 37


def test_signal_passes_through(start: Start, directories: tuple[str, ...]) -> None:
    """A signal goes to the command, which may end as it likes."""
    process = start("exec", *TASK, *directories, "--", sys.executable, "-c", ENDS_WITH_9)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 9


def test_options_of_the_command_are_its_own(start: Start, directories: tuple[str, ...]) -> None:
    """What follows COMMAND is not ours, also where we have an option of that name."""
    code = "import sys; print(sys.argv[1:])"
    process = start(
        "exec", *TASK, *directories, "--", sys.executable, "-c", code, "--json", "--job", "x", "--"
    )
    stdout, _ = process.communicate(timeout=60)
    assert stdout == "['--json', '--job', 'x', '--']\n"


@pytest.mark.parametrize(
    "words",
    [
        (*TASK,),
        ("--nonsense", "--", "true"),
        ("--job", "a/b", "--stage", "s", "--", "true"),
        ("--job", "j", "--", "true"),
        (*TASK, "--after", "nope", "--", "true"),
    ],
    ids=["no command", "unknown option", "bad job key", "no stage", "no such input"],
)
def test_own_failure(call: Call, directories: tuple[str, ...], words: tuple[str, ...]) -> None:
    """Whatever we fail at ends with 125 and an error, so that no code of the command's is taken for it."""
    result = call("exec", *directories, *words)
    assert result.exit_code == 125
    assert result.stderr.startswith("error: ")
