"""Completion: verbs, options, jobs, stages, revisions and files, quickly and without a word on errors."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
import uuid
from typing import TYPE_CHECKING

import pytest

from up42_state.cli.completion.answers import candidates
from up42_state.cli.completion.scripts import SCRIPTS
from up42_state.cli.root import root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

COMMAND = [sys.executable, "-c", "from up42_state.cli import main; main()"]
BASH = "\"'@><=;|&(:"  # what bash splits words at


@pytest.fixture(autouse=True)
def stages(saved: Callable[..., None]) -> None:
    """The job 3f0c: three stages, one with two revisions."""
    saved("tiling:1", a=b"1")
    saved("tiling:1", a=b"2")
    saved("tiling:2", a=b"1")
    saved("scenes:1", a=b"1")


def texts(line: str, breaks: str = "") -> list[str]:
    return [text for _, text in candidates(root, line, breaks)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("up42-state re", ["restore", "report"]),
        ("up42-state --u", ["--url"]),
        ("up42-state restore --ove", ["--overwrite"]),
        ("up42-state restore ", ["3f0c/"]),
        ("up42-state restore 3f0c/ti", ["3f0c/tiling:1", "3f0c/tiling:2"]),
        ("up42-state restore --job 3f0c sc", ["scenes:1"]),
        ("up42-state show 3f0c/tiling:1@", ["3f0c/tiling:1@2", "3f0c/tiling:1@1"]),
        (
            "up42-state save out --stage 3f0c/new --after scenes:1,t",
            ["scenes:1,tiling:1", "scenes:1,tiling:2"],
        ),
        ("up42-state stages ", ["3f0c"]),
        ("up42-state stages --job=3", ["--job=3f0c"]),
        ("up42-state verify 3", ["3f0c", "3f0c/"]),
        ("up42-state cat 3f0c/scenes:1 ", ["data.json", "a.tif"]),
        ("up42-state cat 3f0c/scenes:1@1 a", ["a.tif"]),
        ("up42-state manifest val", ["validate"]),
        ("up42-state restore '3f0c/tiling:1", ["3f0c/tiling:1"]),
        ("up42-state restore none/", []),
    ],
)
def test_candidates(line: str, expected: list[str]) -> None:
    """Each place of a command line is completed by what may stand there."""
    assert texts(line) == expected


def test_words_that_bash_splits() -> None:
    """Of a word that bash splits, only what follows its last part is given, unless the word is in quotes."""
    assert texts("up42-state restore 3f0c/tiling:", BASH) == ["1", "2"]
    assert texts("up42-state restore 3f0c/tiling:1@", BASH) == ["@2", "@1"]
    assert texts("up42-state stages --job=3", BASH) == ["3f0c"]
    assert texts("up42-state restore '3f0c/tiling:", BASH) == ["3f0c/tiling:1", "3f0c/tiling:2"]


def test_stage_whose_name_ends_like_a_revision(saved: Callable[..., None]) -> None:
    """What is completed means this stage: ``odd@2`` would be read as revision 2 of ``odd``."""
    saved("odd@2", a=b"1")
    assert texts("up42-state show 3f0c/o") == ["3f0c/odd@2@"]
    assert texts("up42-state show 3f0c/odd@2") == ["3f0c/odd@2@"]
    assert texts("up42-state show 3f0c/odd@2@") == ["3f0c/odd@2@1"]
    assert texts("up42-state show --stage 3f0c/o") == ["3f0c/odd@2"]


def test_directories_are_left_to_the_shell() -> None:
    """Where a directory or a file may stand, the shell completes it."""
    assert [kind for kind, _ in candidates(root, "up42-state restore 3f0c/scenes:1 ")] == ["dir"]
    assert [kind for kind, _ in candidates(root, "up42-state report -o ")] == ["file"]


def ask(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"_UP42_STATE_COMPLETE": "bash", "_UP42_STATE_LINE": line} | environment
    return subprocess.run(COMMAND, env=variables, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("up42-state restore x/", "no url"),
        ("up42-state restore x/", "s3://"),
        ("up42-state nonsense ", "memory://x"),
        ("up42-state restore a/b/c", "memory://x"),
        ("", "memory://x"),
    ],
)
def test_silence_on_errors(line: str, url: str) -> None:
    """Whatever is wrong, nothing is printed, and it is no failure."""
    done = ask(line, UP42_STATE_URL=url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_store_that_does_not_answer() -> None:
    """A store that says nothing is given up after two seconds, in silence."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        done = ask(
            "up42-state stages ",
            UP42_STATE_URL="s3://bucket",
            AWS_ENDPOINT_URL=place,
            AWS_ACCESS_KEY_ID="x",
            AWS_SECRET_ACCESS_KEY="y",
            AWS_REGION="eu-central-1",
        )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert 1.5 < time.monotonic() - began < 20


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_verb_prints_a_script(call: Callable[..., Result], shell: str) -> None:
    """``completion`` prints the script of a shell, and nothing else."""
    result = call("completion", shell)
    assert (result.exit_code, result.stdout, result.stderr) == (0, SCRIPTS[shell], "")
    assert call("completion", "csh").exit_code == 2


class Terminal:
    """A shell in a terminal of its own."""

    def __init__(self, shell: list[str], environment: dict[str, str]) -> None:
        self._server = f"up42-state-{uuid.uuid4().hex[:12]}"
        self._environment = os.environ | environment  # tmux hands PATH on from its own
        self._tmux("-f", os.devnull, "new-session", "-d", "-x", "120", "-y", "40", shlex.join(shell))

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-L", self._server, *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=30, env=self._environment
        ).stdout

    def type(self, *keys: str) -> None:
        """Press keys: texts as they are, and keys with a name."""
        for key in keys:
            self._tmux("send-keys", *(() if key in {"Tab", "Enter", "C-u"} else ("-l", "--")), key)

    def until(self, *expected: str) -> str:
        """Wait until the screen shows texts, and give the screen."""
        last = time.monotonic() + 20
        while True:
            screen = self._tmux("capture-pane", "-p").rstrip()
            if all(text in screen for text in expected):
                return screen
            assert time.monotonic() < last, screen
            time.sleep(0.05)

    def tab(self, *expected: str) -> None:
        """Press TAB until the screen shows texts: on a busy machine an answer may come too late."""
        last = time.monotonic() + 40
        while not all(text in self._screen() for text in expected):
            assert time.monotonic() < last, self._screen()
            self.type("Tab")
            time.sleep(1)

    def _screen(self) -> str:
        return self._tmux("capture-pane", "-p").rstrip()

    def close(self) -> None:
        """End the shell and its terminal."""
        self._tmux("kill-server")


@pytest.fixture
def bash(tmp_path: Path) -> Iterator[Terminal]:
    """Bash in a terminal, with completion loaded, and the job set."""
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "up42-state"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    shell = shutil.which("bash")
    assert shell is not None
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "UP42_STATE_URL": os.environ["UP42_STATE_URL"],
        "UP42_STATE_JOB": "3f0c",
    }
    terminal = Terminal([shell, "--norc", "--noprofile", "-i"], environment)
    try:
        terminal.type('PS1="$ "; eval "$(up42-state completion bash)" && clear && complete -p', "Enter")
        terminal.until("_up42_state_completion up42-state\n$")
        yield terminal
    finally:
        terminal.close()


def test_in_a_terminal(bash: Terminal) -> None:
    """In bash, ``ti<TAB>`` becomes the stages of the job, colons and revisions included."""
    bash.type("up42-state restore ti")
    bash.tab("up42-state restore tiling:")
    bash.tab("\n1  2\n")
    bash.type("1@")
    bash.tab("@2  @1")
    bash.type("2 --overwr")
    bash.tab("up42-state restore tiling:1@2 --overwrite")
    bash.type("C-u", "up42-state show sc")
    bash.tab("up42-state show scenes:1")
    bash.type("Enter")
    screen = bash.until("3f0c/scenes:1", "features")
    assert "Traceback" not in screen
