"""``exec``: what the verb adds to :func:`up42_state.block.task.run_task`."""

from __future__ import annotations

import json
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
from manifest.examples import processing_block

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


EMPTY = '{"type": "FeatureCollection", "features": []}'


@pytest.fixture
def writing(tmp_path: Path) -> tuple[str, ...]:
    """A command that prints a line and writes an output without features."""
    code = f"print('mine'); open({str(tmp_path / 'task' / 'output' / 'data.json')!r}, 'w').write({EMPTY!r})"
    return ("--", sys.executable, "-c", code)


class TestResult:
    """What came of a task, for programs: on stdout after the command's own output, or in a file."""

    @pytest.fixture
    def run(
        self, start: Start, directories: tuple[str, ...], tmp_path: Path
    ) -> Callable[..., dict[str, Any]]:
        """Runs a task with ``--json`` and ``--result``; gives its result, which both of them hold."""

        def call(*words: object, status: int = 0) -> dict[str, Any]:
            into = tmp_path / "result.json"
            process = start("exec", "--json", "--result", into, *directories, *words)
            stdout, stderr = process.communicate(timeout=60)
            assert process.returncode == status, stderr
            result: dict[str, Any] = json.loads(into.read_bytes())
            assert stdout.removeprefix("mine\n") == json.dumps(result, indent=2) + "\n"
            assert result["exit_code"] == status
            return result

        return call

    def test_of_a_task_that_was_saved(
        self, run: Callable[..., dict[str, Any]], writing: tuple[str, ...], saved: Callable[..., None]
    ) -> None:
        """The commit, what it was made of, what became of features, and how long each step took."""
        saved("scenes", a=b"a")
        found = run(*TASK, "--after", "scenes", "--propagate", "scenes", *writing)
        assert (found["outcome"], found["command_exit_code"], found["error"]) == ("saved", 0, None)
        assert found["commit"]["stage"] == "tiles"
        assert found["input"] == ["3f0c/scenes@1"]
        assert [report["appended"] for report in found["reports"]] == [1]
        assert sorted(found["seconds"]) == ["restore", "run", "save"]

    def test_of_a_task_that_changes_nothing(
        self, run: Callable[..., dict[str, Any]], writing: tuple[str, ...]
    ) -> None:
        """The revision that stands there is told."""
        run(*TASK, *writing)
        assert run(*TASK, "--clear", *writing)["outcome"] == "unchanged"

    def test_tells_every_warning(
        self, run: Callable[..., dict[str, Any]], writing: tuple[str, ...], saved: Callable[..., None]
    ) -> None:
        """Whatever was left out is in it."""
        saved("scenes", a=b"a")
        found = run(*TASK, "--propagate", "scenes", "--where", "cloud<20", *writing)
        assert found["warnings"]
        assert found["warnings"] == [text for report in found["reports"] for text in report["warnings"]]

    def test_of_a_command_that_fails(self, run: Callable[..., dict[str, Any]]) -> None:
        """The result has the command's exit code, and says that nothing was saved."""
        found = run(*TASK, "--", sys.executable, "-c", "raise SystemExit(37)", status=37)
        assert (found["outcome"], found["command_exit_code"], found["commit"]) == ("command failed", 37, None)

    def test_of_an_output_with_defects(self, run: Callable[..., dict[str, Any]]) -> None:
        """The command did well, and we did not."""
        found = run(*TASK, "--", sys.executable, "-c", "", status=125)
        assert (found["outcome"], found["command_exit_code"]) == ("failed", 0)
        assert found["error"]["code"] == "invalid-output"
        assert [defect["place"] for defect in found["error"]["defects"]] == ["data.json"]

    def test_of_settings_that_make_no_sense(self, run: Callable[..., dict[str, Any]]) -> None:
        """Also where nothing has begun."""
        found = run("--job", "a/b", "--stage", "s", "--", "true", status=125)
        assert (found["outcome"], found["command_exit_code"]) == ("failed", None)
        assert "a/b" in found["error"]["message"]

    def test_of_an_earlier_task_is_not_left_for_this_one(
        self, start: Start, directories: tuple[str, ...], tmp_path: Path
    ) -> None:
        """A task that was killed has no result."""
        into = tmp_path / "result.json"
        into.write_text("old")
        ready = (
            f"open({str(tmp_path / 'ready')!r}, 'w'); print('up', flush=True); import time; time.sleep(60)"
        )
        command = ("--", sys.executable, "-c", ready)
        process = start("exec", *TASK, "--result", into, *directories, *command)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        assert not into.exists()
        process.terminate()
        process.communicate(timeout=60)
        assert json.loads(into.read_bytes())["command_exit_code"] == 128 + signal.SIGTERM

    @pytest.mark.parametrize("where", ["no-folder/result.json", "."])
    def test_that_cannot_be_written_is_told_before_anything_runs(
        self, call: Call, directories: tuple[str, ...], tmp_path: Path, where: str
    ) -> None:
        """Not after hours."""
        result = call(
            "exec", *TASK, "--result", tmp_path / where, *directories, "--", "touch", tmp_path / "ran"
        )
        assert result.exit_code == 125
        assert not (tmp_path / "ran").exists()


def test_what_it_does_is_told(
    start: Start, directories: tuple[str, ...], writing: tuple[str, ...], saved: Callable[..., None]
) -> None:
    """A line for each step on stderr, with what was counted and how long it took; none with ``--quiet``."""
    saved("scenes", a=b"a")
    _, stderr = start("exec", *TASK, "--after", "scenes", *directories, *writing).communicate(timeout=60)
    lines = stderr.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["up42-state:", "restored"],
        ["up42-state:", "running"],
        ["up42-state:", sys.executable],
        ["up42-state:", "saved"],
    ]
    assert "1 feature, 1 file, 1 B (" in lines[0]
    _, stderr = start("exec", *TASK, "--quiet", "--clear", *directories, *writing).communicate(timeout=60)
    assert stderr == ""


def test_options_of_merging(
    start: Start,
    call: Call,
    directories: tuple[str, ...],
    writing: tuple[str, ...],
    saved: Callable[..., None],
) -> None:
    """``exec`` takes those of ``propagate``."""
    saved("scenes", a=b"a", b=b"b")
    process = start("exec", *TASK, "--propagate", "scenes", "--id", "b", *directories, *writing)
    process.communicate(timeout=60)
    assert json.loads(call("history", *TASK, "--json").stdout)[0]["totals"]["features"] == 1


def test_a_folder_that_is_no_blocks_is_cleared_only_by_force(
    start: Start, directories: tuple[str, ...], writing: tuple[str, ...], tmp_path: Path
) -> None:
    """The error names ``--force``."""
    (tmp_path / "task" / "output").mkdir(parents=True)
    (tmp_path / "task" / "output" / "thesis.odt").touch()
    for options, status in ((["--clear"], 125), (["--clear", "--force"], 0)):
        process = start("exec", *TASK, *options, *directories, *writing)
        _, stderr = process.communicate(timeout=60)
        assert (process.returncode, "deleted: --force" in stderr) == (status, status == 125)


def test_a_task_that_is_done_is_not_run(call: Call, directories: tuple[str, ...], tmp_path: Path) -> None:
    """``--resume`` says which revision it is, ``--explain`` runs nothing and says why; both end with 0."""
    data = '{"type": "FeatureCollection", "features": []}'
    command = ("sh", "-c", f"echo '{data}' > {tmp_path}/task/output/data.json; echo ran >> {tmp_path}/ran")
    arguments = ("exec", *TASK, *directories, "--clear")
    explained = call(*arguments, "--explain", "--", *command)
    assert (explained.exit_code, explained.stdout) == (0, "tiles runs: it was not saved yet\n")
    assert not (tmp_path / "ran").exists()
    assert call(*arguments, "--resume", "--", *command).exit_code == 0
    again = call(*arguments, "--resume", "--", *command)
    assert again.exit_code == 0
    assert "up42-state: cached tiles@1" in again.stderr
    assert call(*arguments, "--explain", "--", *command).stdout == "tiles is done: 3f0c/tiles@1\n"
    told = json.loads(call(*arguments, "--resume", "--json", "--", *command).stdout)
    assert (told["outcome"], told["exit_code"], told["command_exit_code"]) == ("cached", 0, None)
    assert told["commit"]["revision"] == 1
    told = json.loads(call(*arguments, "--explain", "--json", "--", *command, "more").stdout)
    assert (told["outcome"], len(told["reasons"])) == ("would run", 1)
    assert (tmp_path / "ran").read_text() == "ran\n"


def test_parameters_that_do_not_fit_are_a_failure_of_its_own(
    call: Call, directories: tuple[str, ...], tmp_path: Path
) -> None:
    """The manifest's defects are listed, the command does not run, and the exit code is 125."""
    manifest = processing_block(parameters={"width": {"type": "number", "required": True}})
    (tmp_path / "UP42Manifest.json").write_text(json.dumps(manifest))
    arguments = ("exec", *TASK, *directories, "--manifest", tmp_path / "UP42Manifest.json")
    result = call(*arguments, "--", "touch", tmp_path / "ran", UP42_TASK_PARAMETERS='{"width": "wide"}')
    assert result.exit_code == 125
    assert "#/tiles/width" in result.stderr
    assert not (tmp_path / "ran").exists()


def test_a_step_of_an_engine_is_run_as_it_is(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``exec -- up42-state engine`` is that step: an engine may keep the entry point of our image.

    Nothing is restored or saved around it, and no store or job need be known.
    """
    monkeypatch.delenv("UP42_STATE_URL")
    program = tmp_path / "up42-state"
    program.write_text('#!/bin/sh\necho "step: $*"\nexit 3\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    process = start("exec", "--", "up42-state", "engine", "look", "--json")
    assert process.communicate(timeout=30)[0] == "step: engine look --json\n"
    assert process.returncode == 3
