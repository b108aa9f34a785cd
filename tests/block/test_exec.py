"""One task around a command that knows nothing of this library."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from block.cases import Folders, collection, feature, fill, ids

from up42_state.block.result import TaskResult
from up42_state.block.task import NOT_EXECUTABLE, NOT_FOUND, run_task
from up42_state.errors import InvalidOutputError, SettingsError, StageNotFoundError, TargetConflictError
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.state import Job

Saved = Callable[..., None]
MakeSettings = Callable[..., Settings]
Run = Callable[..., int]


def copying(folders: Folders) -> list[str]:
    """A command that passes its input on."""
    return ["sh", "-c", f"cp -r {folders.input}/. {folders.output}"]


def writing(folders: Folders, *names: str, code: int = 0) -> list[str]:
    """A command that writes features of these names, and ends with an exit code."""
    text = json.dumps(collection(*map(feature, names)))
    return ["sh", "-c", f"echo '{text}' > {folders.output}/data.json; exit {code}"]


@pytest.fixture
def run(folders: Folders, settings: MakeSettings) -> Run:
    """Runs a command in the test's directories, with the task's settings or others."""

    def call(command: list[str], given: Settings | None = None, **options: Any) -> int:
        return run_task(command, settings=given or settings(), **folders.arguments, **options)

    return call


def test_the_output_of_a_command_is_saved(
    run: Run, folders: Folders, job: Job, settings: MakeSettings
) -> None:
    """Restored input, unmodified command, saved output."""
    assert run(writing(folders, "a")) == 0
    assert [found.id for found in job.stage("report:1").features().features] == ["a"]


def test_the_earlier_stages_are_its_input(
    run: Run, folders: Folders, job: Job, settings: MakeSettings, saved: Saved
) -> None:
    """Several are merged; the commit remembers them."""
    saved("scenes:1", "a")
    saved("more:1", "b")
    assert run(copying(folders), settings(after="scenes:1,more:1")) == 0
    commit = job.stage("report:1").latest()
    assert ids(folders.output) == ["a", "b"]
    assert [parent.stage for parent in commit.parents] == ["scenes:1", "more:1"]


def test_propagated_stages_are_in_the_saved_output(
    run: Run, folders: Folders, job: Job, settings: MakeSettings, saved: Saved
) -> None:
    """A command gets earlier features added without a line of code."""
    saved("scenes:1", "a")
    assert run(writing(folders, "b"), settings(propagate="scenes:1")) == 0
    assert [found.id for found in job.stage("report:1").features().features] == ["b", "a"]


def test_a_propagation_that_adds_nothing_is_told(
    run: Run, folders: Folders, settings: MakeSettings, saved: Saved, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is no error, but most likely not what was meant."""
    saved("scenes:1")
    assert run(writing(folders, "b"), settings(propagate="scenes:1")) == 0
    assert "scenes:1" in capsys.readouterr().err.rpartition("saved 3f0c/report:1@1")[0]


def test_an_unchanged_output_is_told(
    run: Run, folders: Folders, settings: MakeSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run again that makes the same output says that no revision was made."""
    assert run(writing(folders, "b"), settings()) == 0
    assert "saved 3f0c/report:1@1" in capsys.readouterr().err
    assert run(writing(folders, "b"), settings(), clear=True) == 0
    assert "unchanged 3f0c/report:1@1" in capsys.readouterr().err


def test_a_stage_of_another_job_can_be_the_input(
    run: Run, folders: Folders, job: Job, settings: MakeSettings, tmp_path: Path
) -> None:
    """It is written JOB/STAGE."""
    job.state.job("other").stage("scenes:1").save(fill(tmp_path / "other", [feature("o")]), quicklooks=False)
    assert run(copying(folders), settings(after="other/scenes:1")) == 0
    assert ids(folders.output) == ["o"]


def test_quicklooks_of_the_input_are_not_saved_as_its_own(
    run: Run, folders: Folders, job: Job, settings: MakeSettings, tmp_path: Path
) -> None:
    """Only what the command put into the directory of quicklooks counts."""
    earlier = fill(tmp_path / "earlier", [feature("a")], {".quicklooks/a.png": "q"})
    job.stage("scenes:1").save(earlier)
    assert run(copying(folders), settings(after="scenes:1")) == 0
    assert job.stage("report:1").files() == ()


def test_a_command_that_fails_saves_nothing(
    run: Run, folders: Folders, job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its exit code comes back, and stderr says that nothing was saved."""
    assert run(writing(folders, "a", code=3)) == 3
    assert not job.stage("report:1").exists()
    assert "ended with exit code 3; nothing was saved" in capsys.readouterr().err


def test_a_command_that_a_signal_ends_saves_nothing(run: Run, folders: Folders, job: Job) -> None:
    """128 + N, as shells say it."""
    command = ["sh", "-c", f"{writing(folders, 'a')[2].partition(';')[0]}; kill -9 $$"]
    assert run(command) == 137
    assert not job.stage("report:1").exists()


def test_a_signal_reaches_the_command_while_it_runs(run: Run, folders: Folders, job: Job) -> None:
    """SIGTERM to us ends the command by its own handler, and its exit code comes back."""
    script = f"trap 'exit 9' TERM; : > {folders.output}/ready; while :; do sleep 0.05; done"

    def send() -> None:
        while not (folders.output / "ready").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    sender = threading.Thread(target=send)
    signal.pthread_sigmask(
        signal.SIG_BLOCK, [signal.SIGTERM]
    )  # threads inherit it: the main one gets the signal
    sender.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    assert run(["sh", "-c", script]) == 9
    sender.join()
    assert not job.stage("report:1").exists()


def test_a_command_that_is_not_there_gives_127(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """As shells and docker do."""
    assert run(["no-such-command-anywhere"]) == NOT_FOUND == 127
    assert "no-such-command-anywhere: command not found" in capsys.readouterr().err


def test_a_file_that_cannot_be_executed_gives_126(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As shells and docker do."""
    (tmp_path / "script").write_text("#!/bin/sh\n")
    assert run([str(tmp_path / "script")]) == NOT_EXECUTABLE == 126
    assert "cannot be executed: Permission denied" in capsys.readouterr().err


def test_an_output_with_defects_is_an_error(run: Run, folders: Folders, job: Job) -> None:
    """A command that exits 0 and breaks the contract is not saved."""
    text = json.dumps(collection(feature("a", "gone.tif"), feature("b", "/etc/passwd")))
    with pytest.raises(InvalidOutputError) as caught:
        run(["sh", "-c", f"echo '{text}' > {folders.output}/data.json"])
    assert len(caught.value.defects) == 2
    assert not job.stage("report:1").exists()


def test_no_output_is_an_error(run: Run) -> None:
    """A command that exits 0 has written data.json."""
    with pytest.raises(InvalidOutputError, match=r"data\.json: there is none"):
        run(["true"])


def test_empty_directories_are_no_earlier_run(run: Run, folders: Folders) -> None:
    """An image may bring the directories that its block writes to."""
    (folders.output / "tiles").mkdir(parents=True)
    assert run(writing(folders, "a")) == 0


@pytest.mark.parametrize("where", ["output", "quicklooks"])
def test_what_an_earlier_run_has_left_is_refused(run: Run, folders: Folders, where: str) -> None:
    """It would be saved as this run's output; nothing is run, and the files stay."""
    left = fill(getattr(folders, where), [feature("old")])
    with pytest.raises(TargetConflictError, match=rf"{where} holds files already: data\.json – .*--clear"):
        run(writing(folders, "a"))
    assert ids(left) == ["old"]


def test_what_an_earlier_run_has_left_can_be_cleared(
    run: Run, folders: Folders, job: Job, settings: MakeSettings, saved: Saved, tmp_path: Path
) -> None:
    """On request all three directories are emptied, and stay where they are; links are not followed."""
    saved("scenes:1", "a")
    kept = fill(tmp_path / "kept", [feature("kept")])
    for folder in (folders.input, folders.output, folders.quicklooks):
        fill(folder, [feature("old")], {"deep/old.tif": ""})
        (folder / "link").symlink_to(kept)
    assert run(copying(folders), settings(after="scenes:1"), clear=True) == 0
    assert [entry.path for entry in job.stage("report:1").files()] == ["a.tif"]
    assert ids(kept) == ["kept"]


def test_there_need_not_be_anything_to_clear(run: Run, folders: Folders, job: Job) -> None:
    """The first run is started like any other."""
    assert run(writing(folders, "a"), clear=True) == 0
    assert job.stage("report:1").exists()


def test_the_place_may_come_from_the_environment(
    folders: Folders, job: Job, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a cluster starts a container."""
    for name, value in {"URL": url, "JOB": "3f0c", "STAGE": "env:1"}.items():
        monkeypatch.setenv(f"UP42_STATE_{name}", value)
    assert run_task(writing(folders, "a"), **folders.arguments) == 0
    assert job.stage("env:1").exists()


def test_an_input_of_other_files_is_refused(
    run: Run, folders: Folders, settings: MakeSettings, saved: Saved
) -> None:
    """The command would read something else than was asked for."""
    saved("scenes:1", "a")
    fill(folders.input, [feature("other")])
    with pytest.raises(TargetConflictError, match="input holds other files"):
        run(copying(folders), settings(after="scenes:1"))
    assert ids(folders.input) == ["other"]


def test_the_advice_names_what_a_task_takes(
    run: Run, folders: Folders, settings: MakeSettings, saved: Saved
) -> None:
    """A restore's --overwrite is no option of exec, nor of Block."""
    saved("scenes:1", "a")
    folders.input.mkdir(parents=True, exist_ok=True)
    (folders.input / "other.txt").touch()
    with pytest.raises(TargetConflictError, match=r"holds other files: other\.txt") as caught:
        run(copying(folders), settings(after="scenes:1"))
    assert "--clear" in caught.value.advice
    assert "overwrite" not in caught.value.advice


def test_an_input_that_was_put_there_is_used(run: Run, folders: Folders) -> None:
    """Without earlier stages, the input is whatever the directory holds."""
    fill(folders.input, [feature("given")])
    assert run(copying(folders)) == 0
    assert ids(folders.output) == ["given"]


def test_a_stage_that_is_not_there_runs_nothing(
    run: Run, folders: Folders, settings: MakeSettings, saved: Saved
) -> None:
    """A task without its input does not begin."""
    saved("scenes:1", "a")
    with pytest.raises(StageNotFoundError, match="nosuch:1"):
        run(writing(folders, "a"), settings(after="nosuch:1"))
    assert list(folders.output.iterdir()) == []


@pytest.mark.parametrize("missing", [["url"], ["job"], ["stage"], ["job", "stage"], ["url", "job", "stage"]])
def test_a_place_is_needed(folders: Folders, settings: MakeSettings, missing: list[str]) -> None:
    """What is not given is named, by its option and by its variable; nothing else is."""
    given = settings(after="scenes:1", **dict.fromkeys(missing))
    with pytest.raises(SettingsError) as caught:
        run_task(["true"], settings=given, **folders.arguments)
    for name in ("url", "job", "stage"):
        told = f"--{name} (or UP42_STATE_{name.upper()})" in str(caught.value)
        assert told == (name in missing), str(caught.value)


def test_a_command_is_needed(run: Run) -> None:
    """The error says where to write it."""
    with pytest.raises(SettingsError, match="no command is given"):
        run([])


def test_a_dry_run_is_told_to_the_command_and_saved_as_one(
    run: Run, folders: Folders, job: Job, settings: MakeSettings
) -> None:
    """UP42_JOB_MODE is passed on, and data paths need not exist."""
    text = json.dumps(collection(feature("a", "a.tif")))
    script = f"test \"$UP42_JOB_MODE\" = DRY_RUN && echo '{text}' > {folders.output}/data.json"
    assert run(["sh", "-c", script], settings(job_mode="DRY_RUN")) == 0
    assert [commit.job_mode for commit in job.stage("report:1").history()] == ["DRY_RUN"]


def test_a_dry_run_that_finds_real_output_says_that_it_stays(
    run: Run,
    folders: Folders,
    job: Job,
    settings: MakeSettings,
    saved: Saved,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It is not said to be saved."""
    saved("report:1", "real")
    assert run(writing(folders, "a"), settings(job_mode="DRY_RUN")) == 0
    assert "nothing was saved: a dry run never supersedes real output" in capsys.readouterr().err
    assert len(job.stage("report:1").history()) == 1


def test_what_was_hidden_is_said_when_the_command_fails(
    run: Run,
    folders: Folders,
    settings: MakeSettings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The names, never the values, and how to leave them; nothing is said where nothing was hidden."""
    assert run(writing(folders, code=3)) == 3
    assert "hidden" not in capsys.readouterr().err
    monkeypatch.setenv("MY_STORE", "memory://user:planted-secret@somewhere")
    given = settings(url="local://user:planted-secret@/tmp/x")
    result = TaskResult()
    assert run(writing(folders, code=3), given, clear=True, result=result) == 3
    said = capsys.readouterr().err
    assert "hidden from sh: MY_STORE (--pass-credentials leaves them)" in said
    assert result.warnings == ["hidden from sh: MY_STORE (--pass-credentials leaves them)"]
    assert "planted" not in said


def test_a_block_written_with_this_library_runs_as_a_plain_one(
    run: Run, folders: Folders, job: Job, settings: MakeSettings, saved: Saved
) -> None:
    """Inside ``exec``, Block finds no place of its own: the output is saved once."""
    saved("scenes:1", "a")
    script = (
        "from up42_state import Block\n"
        f"with Block.from_env(input={str(folders.input)!r}, output={str(folders.output)!r},"
        f" quicklooks={str(folders.quicklooks)!r}) as block:\n"
        "    block.write({'type': 'FeatureCollection', 'features': []})\n"
    )
    assert run([sys.executable, "-c", script], settings(after="scenes:1")) == 0
    assert len(job.stage("report:1").history()) == 1
