"""A child process that gets our signals, and whose end is told as shells tell it."""

from __future__ import annotations

import errno
import os
import pty
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from up42_state.block.process import run

FORWARDED = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2]

# Notes the name of every signal that it gets, waits a little for another one, and ends with 7.
LISTENER = """
import os, signal, sys, time
got = []
for number in (1, 2, 3, 10, 12, 15):
    signal.signal(number, lambda number, _frame: got.append(signal.Signals(number).name))
open(sys.argv[1] + ".ready", "w").close()
while not got:
    time.sleep(0.01)
time.sleep(0.3)
with open(sys.argv[1], "w") as file:
    file.write(" ".join(got))
os._exit(7)
"""

RUNNER = "import os, sys; from up42_state.block.process import run; sys.exit(run(sys.argv[1:], os.environ))"


SOON = 200.0  # seconds: only a test that fails waits for so long, and starting Python may take many


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + SOON
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.01)


def in_shell(script: str) -> list[str]:
    return ["sh", "-c", script]


@pytest.mark.parametrize("code", [0, 1, 3, 125, 255])
def test_the_exit_code_comes_back(code: int) -> None:
    """What the command ends with is what is returned."""
    assert run(in_shell(f"exit {code}"), os.environ) == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_an_end_by_a_signal_is_told_as_shells_tell_it(number: signal.Signals) -> None:
    """128 + N where signal N ended the command."""
    assert run(in_shell(f"ulimit -c 0; kill -{number.value} $$"), os.environ) == 128 + number


def test_a_command_that_is_not_there_cannot_be_started() -> None:
    """The caller is told which of the two it was."""
    with pytest.raises(FileNotFoundError):
        run(["no-such-command-anywhere"], os.environ)


def test_a_file_that_may_not_be_executed_cannot_be_started(tmp_path: Path) -> None:
    """A file without the executable bit is found, and refused."""
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(PermissionError):
        run([str(script)], os.environ)


def test_the_command_gets_this_environment_and_no_other(tmp_path: Path) -> None:
    """Only what is given reaches the command."""
    found = tmp_path / "found"
    run(in_shell(f"env > {found}"), {"PATH": os.environ["PATH"], "ONLY": "this"})
    names = {line.partition("=")[0] for line in found.read_text().splitlines()}
    assert "ONLY" in names
    assert names <= {"ONLY", "PATH", "PWD", "OLDPWD", "SHLVL", "_"}


def test_the_command_meets_signals_as_if_started_by_a_shell(tmp_path: Path) -> None:
    """Nothing is blocked or ignored that we block or Python ignores: a broken pipe ends the command. What was
    ignored before us, as by ``nohup`` or a shell's ``&``, still is.
    """
    found = tmp_path / "status"
    run(in_shell(f"grep -E 'SigBlk|SigIgn' /proc/self/status > {found}"), os.environ)
    masks = dict(line.split() for line in found.read_text().splitlines())
    named = (1 << 31) - 1  # 32 and 33 are the C library's own
    own = {signal.SIGPIPE, signal.SIGXFSZ}
    ignored = {n for n in signal.valid_signals() - own if signal.getsignal(n) == signal.SIG_IGN}
    wanted = {"SigBlk:": 0, "SigIgn:": sum(1 << number - 1 for number in ignored) & named}
    assert {name: int(mask, 16) & named for name, mask in masks.items()} == wanted


@pytest.mark.parametrize("number", FORWARDED, ids=lambda number: number.name)
def test_signals_reach_the_command(tmp_path: Path, number: signal.Signals) -> None:
    """A signal to us is a signal to the command, once; its exit code still comes back."""
    heard = tmp_path / "heard"
    child = [sys.executable, "-c", LISTENER, str(heard)]
    with subprocess.Popen([sys.executable, "-c", RUNNER, *child]) as runner:
        wait_for(tmp_path / "heard.ready")
        runner.send_signal(number)
        assert runner.wait(timeout=SOON) == 7
    assert heard.read_text() == number.name


def test_a_command_without_a_handler_ends_by_the_signal(tmp_path: Path) -> None:
    """SIGTERM to us ends a plain command, and we say so with 143."""
    child = in_shell(f": > {tmp_path}/ready; exec sleep 600")
    with subprocess.Popen([sys.executable, "-c", RUNNER, *child]) as runner:
        wait_for(tmp_path / "ready")
        runner.terminate()
        assert runner.wait(timeout=SOON) == 128 + signal.SIGTERM


def test_ctrl_c_in_a_terminal_reaches_the_command_once(tmp_path: Path) -> None:
    """The terminal sends SIGINT to the command itself, so we do not send it again."""
    heard = tmp_path / "heard"
    child = [sys.executable, "-c", LISTENER, str(heard)]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", RUNNER, *child])
    wait_for(tmp_path / "heard.ready")
    os.write(terminal, b"\x03")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    os.close(terminal)
    assert heard.read_text() == "SIGINT"


def test_a_command_that_may_not_be_signalled_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that has become another user's, as by sudo, is not left alone, nor taken for one that did not
    start.
    """
    kill, refused = os.kill, tmp_path / "refused"

    def not_permitted(pid: int, number: int) -> None:
        if pid == os.getpid():
            kill(pid, number)
            return
        refused.touch()
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "kill", not_permitted)
    script = f"kill -USR1 {os.getpid()}; until test -e {refused}; do sleep 0.05; done; exit 3"
    assert run(in_shell(script), os.environ) == 3


def test_our_own_handlers_and_mask_are_put_back() -> None:
    """After the command, signals are ours again."""
    handlers = {number: signal.getsignal(number) for number in FORWARDED}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    run(["true"], os.environ)
    assert {number: signal.getsignal(number) for number in FORWARDED} == handlers
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def test_it_runs_in_a_thread_too() -> None:
    """Handlers can be set in the main thread only; elsewhere the command still runs."""
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(run(in_shell("exit 5"), os.environ)))
    thread.start()
    thread.join(timeout=SOON)
    assert found == [5]


def test_the_exit_code_is_known_where_children_were_to_be_ignored(tmp_path: Path) -> None:
    """A parent that ignores SIGCHLD hands that down; the exit code comes back all the same."""
    script = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); " + RUNNER
    found = subprocess.run([sys.executable, "-c", script, "sh", "-c", "exit 4"], check=False)
    assert found.returncode == 4


@pytest.mark.docker
def test_as_first_process_it_forwards_signals_and_takes_away_orphans(tmp_path: Path) -> None:
    """PID 1 gets no default actions, and every orphan becomes its child: no zombie stays, signals pass."""
    script = textwrap.dedent("""
        (sleep 0.1 & exec true)
        trap 'cat /proc/[0-9]*/stat > "$1/stat"; exit 9' TERM
        sleep 1; : > "$1/ready"
        while :; do sleep 0.1; done
    """)
    (tmp_path / "run.sh").write_text(script)
    inside = ["sh", str(tmp_path / "run.sh"), str(tmp_path)]
    root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    unshare = [
        "unshare",
        *root,
        "--pid",
        "--fork",
        "--mount-proc",
        "--kill-child",
        sys.executable,
        "-c",
        RUNNER,
    ]
    with subprocess.Popen([*unshare, *inside]) as outer:
        wait_for(tmp_path / "ready")
        children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGTERM)
        assert outer.wait(timeout=SOON) == 9
    states = [line.rpartition(")")[2].split()[0] for line in (tmp_path / "stat").read_text().splitlines()]
    assert states
    assert "Z" not in states
