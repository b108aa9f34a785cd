"""A task that is done is not run again, and one that is not says why."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from block.cases import Folders, collection, feature, ids
from manifest.examples import processing_block

from up42_state.block.block import Block
from up42_state.block.result import TaskResult
from up42_state.block.task import run_task
from up42_state.errors import JobNotFoundError, TargetConflictError
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from up42_state.state import Job

Saved = Callable[..., None]
MakeSettings = Callable[..., Settings]
Script = Callable[..., Path]

SCRIPT = """
import json, pathlib, sys
output = pathlib.Path(sys.argv[1])
(output / "runs.txt").write_text("ran")
(output / "data.json").write_text(json.dumps({"type": "FeatureCollection", "features": []}))
"""
MANIFEST = json.dumps(processing_block(name="tiling"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A block's folder, in which the test works."""
    folder = tmp_path / "block"
    folder.mkdir()
    (folder / "run.py").write_text(SCRIPT)
    monkeypatch.chdir(folder)
    return folder


class Task:
    """Runs the same task again and again, and says whether its command ran."""

    def __init__(self, folders: Folders, make: MakeSettings) -> None:
        self.folders, self.make = folders, make
        self.said: list[str] = []
        self.result = TaskResult()
        self.command = [sys.executable, "run.py", str(folders.output)]

    def __call__(self, *, command: list[str] | None = None, given: Any = None, **options: Any) -> bool:
        shutil.rmtree(self.folders.output, ignore_errors=True)
        self.said.clear()
        self.result = TaskResult()
        code = run_task(
            command or self.command,
            settings=self.make(**(given or {})),
            **self.folders.arguments,
            **{"resume": True, "note": self.said.append, "result": self.result} | options,
        )
        assert code == 0
        return (self.folders.output / "runs.txt").exists()

    @property
    def why(self) -> list[str]:
        return self.result.reasons


@pytest.fixture
def task(folders: Folders, settings: MakeSettings, place: Path) -> Task:
    (place / "UP42Manifest.json").write_text(MANIFEST)
    return Task(folders, settings)


def test_a_task_that_is_done_is_not_run(task: Task, job: Job) -> None:
    """Its commit is told, and it is the result."""
    assert task()
    assert task.result.outcome == "saved"
    assert not task()
    assert (task.result.outcome, task.result.exit_code) == ("cached", None)
    assert task.result.command_exit_code is None
    assert task.result.commit == job.stage("report:1").latest().to_dict()
    assert task.said[-1] == "cached report:1@1"


def test_without_resume_it_runs(task: Task) -> None:
    """Nobody's task is skipped who did not ask for it."""
    assert task()
    assert task(resume=False)
    assert task.why == []


def test_the_setting_is_enough(task: Task) -> None:
    """``UP42_STATE_RESUME`` does what ``--resume`` does."""
    assert task()
    assert not task(resume=False, given={"resume": True})


def test_a_hit_touches_no_directory(task: Task, folders: Folders, saved: Saved) -> None:
    """Nothing is made, locked, cleared or restored for a task that is done."""
    saved("scenes:1", "a")
    assert task(given={"after": "scenes:1"})
    shutil.rmtree(folders.root)
    assert not task(given={"after": "scenes:1"})
    assert not folders.root.exists()


def change_script(place: Path) -> None:
    (place / "run.py").write_text(SCRIPT + "\n")


def change_helper(place: Path) -> None:
    (place / "helper.py").write_text("")


def change_executable(place: Path) -> None:
    (place / "run.py").chmod(0o755)


@pytest.mark.parametrize("change", [change_script, change_helper, change_executable])
def test_any_change_in_the_folder_of_the_manifest_runs_it(
    task: Task, place: Path, change: Callable[[Path], None]
) -> None:
    """The block's code is all that lies beside its manifest."""
    assert task()
    change(place)
    assert task()
    (reason,) = task.why
    assert reason.startswith("the block was folder sha256:")
    assert not task()


def test_what_changes_nothing_runs_nothing(task: Task, place: Path, tmp_path: Path) -> None:
    """Time stamps, bytecode, hidden files, our own output, another folder, another host: none counts."""
    assert task()
    os.utime(place / "run.py", (1, 1))
    (place / "__pycache__").mkdir()
    (place / "__pycache__/run.pyc").write_bytes(b"x")
    (place / ".git").mkdir()
    (place / ".git/HEAD").write_text("x")
    assert not task()
    moved = tmp_path / "moved"
    place.rename(moved)
    place.symlink_to(moved)
    os.chdir(moved)
    assert not task()


def test_another_place_of_the_directories_runs_nothing(task: Task, tmp_path: Path) -> None:
    """The command names its output in its own way on every machine."""
    assert task()
    other = Folders(root=tmp_path / "elsewhere")
    again = Task(other, task.make)
    again.command = ["/usr/bin/env/" + Path(sys.executable).name, "run.py", str(other.output)]
    assert not again()


def test_the_command_counts(task: Task) -> None:
    """Another argument may make another output."""
    assert task()
    assert task(command=[*task.command, "--fast"])
    assert task.why == ["the command is another"]


def test_parameters_and_job_mode_count(task: Task) -> None:
    """What the block is given determines what it makes."""
    assert task(given={"parameters": {"width": 512}})
    assert not task(given={"parameters": {"width": 512}})
    assert task(given={"parameters": {"width": 768}})
    assert task.why == ["parameter width was 512, is 768"]
    assert "report:1 runs: parameter width was 512, is 768" in task.said
    assert task(given={"parameters": {"width": 768}, "job_mode": "DRY_RUN"})
    assert task.why == ["the job mode was DEFAULT, is DRY_RUN"]


def test_earlier_stages_count(task: Task, saved: Saved) -> None:
    """Other content of a parent, or of what is propagated, makes another output; a new revision does not."""
    saved("scenes:1", "a")
    saved("more:1", "b")
    given = {"after": "scenes:1", "propagate": "more:1"}
    assert task(given=given)
    assert not task(given=given)
    saved("more:1", "b", content="new")
    assert task(given=given, clear=True)
    assert task.why == ["propagated stage 3f0c/more:1 has other content or options"]
    saved("scenes:1", "a", content="new")
    assert task(given=given, clear=True)
    assert task.why == ["parent scenes:1 has other content"]
    assert task(given=given, clear=True, on_conflict="both")
    assert task.why == ["propagated stage 3f0c/more:1 has other content or options"]


def test_options_of_the_merged_input_count(task: Task, saved: Saved) -> None:
    """Of one stage nothing is merged; of two it matters how."""
    saved("scenes:1", "a")
    saved("more:1", "a", content="other")
    assert task(given={"after": "scenes:1"})
    assert not task(given={"after": "scenes:1"}, on_conflict="both")
    assert task(given={"after": "scenes:1,more:1"}, clear=True)
    assert task.why == ["parent more:1 is new"]
    assert not task(given={"after": "scenes:1,more:1"})
    assert task(given={"after": "scenes:1,more:1"}, on_conflict="both", clear=True)
    assert task.why == ["the parents are merged with other options"]


def test_a_missing_parent_is_an_error_before_anything_runs(task: Task) -> None:
    """As it is without resume."""
    with pytest.raises(JobNotFoundError, match="no job 3f0c"):
        task(given={"after": "scenes:1"})


def test_code_that_a_runner_names_counts_instead(task: Task, place: Path) -> None:
    """``UP42_STATE_CODE`` identifies the code, whatever lies around."""
    image = {"code": "image sha256:" + "a" * 64}
    assert task(given=image)
    change_script(place)
    assert not task(given=image)
    assert task(given={"code": "image sha256:" + "b" * 64})


def test_unknown_code_is_told(task: Task, place: Path) -> None:
    """Without a manifest only the script is seen, and people should know."""
    (place / "UP42Manifest.json").unlink()
    assert task()
    (warning,) = task.result.warnings
    assert warning.startswith("of the block's code only run.py is compared")
    assert not task()
    change_script(place)
    assert task()
    task(command=["sh", "-c", f"echo '{{}}' > {task.folders.output}/x; python3 run.py {task.folders.output}"])
    (warning,) = task.result.warnings
    assert warning.startswith("of the block's code nothing is known")


def test_a_folder_of_data_is_not_hashed(task: Task, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with gigabytes beside the manifest delays no task; the script still counts."""
    monkeypatch.setattr("up42_state.machine.digests.MOST_BYTES", 1000)
    (place / "data.bin").write_bytes(b"x" * 2000)
    assert task()
    assert task.result.warnings[0].startswith(
        "of the block's code only run.py and UP42Manifest.json is compared"
    )
    change_script(place)
    assert task()


def test_it_only_explains(task: Task, folders: Folders) -> None:
    """``explain`` runs nothing, whether the task is done or not."""
    assert not task(explain=True)
    assert (task.result.outcome, task.why) == ("would run", ["it was not saved yet"])
    assert not folders.output.exists()
    assert task()
    assert not task(explain=True)
    assert (task.result.outcome, task.why) == ("cached", [])


def test_the_output_is_restored_on_request(task: Task, folders: Folders) -> None:
    """A hit leaves the output directory as a run would; files of somebody else are refused."""
    assert task()
    assert task(restore_output=True)  # the file that the command wrote is there again
    assert ids(folders.output) == []
    assert task.result.outcome == "cached"
    options: dict[str, Any] = {"settings": task.make(), "resume": True, "restore_output": True}
    assert run_task(task.command, **options, **folders.arguments) == 0  # equal files stay
    (folders.output / "runs.txt").write_text("mine")
    with pytest.raises(TargetConflictError, match="clear"):
        run_task(task.command, **options, **folders.arguments)
    assert run_task(task.command, **options, **folders.arguments, clear=True) == 0
    assert (folders.output / "runs.txt").read_text() == "ran"


def test_what_was_pruned_or_removed_runs(task: Task, job: Job) -> None:
    """A revision whose bytes are gone is no output."""
    assert task()
    job.stage("report:1").delete()
    assert task()
    assert task.why == ["its stage was removed"]


def test_two_at_once_make_one_revision(task: Task, job: Job, tmp_path: Path) -> None:
    """Both may run, as neither is done; the outputs are equal, so one revision stands."""
    tasks = [Task(Folders(root=tmp_path / str(number)), task.make) for number in range(2)]
    for each in tasks:
        each.command = [*each.command[:2], str(each.folders.output)]
    threads = [threading.Thread(target=each) for each in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {each.result.outcome for each in tasks} <= {"saved", "unchanged", "cached"}
    assert job.stage("report:1").latest().revision == 1
    assert not task()


def test_a_log_in_the_folder_of_the_block_is_no_code(task: Task, place: Path) -> None:
    """``exec … > log.txt`` finds the task done the second time."""
    command = [sys.executable, "-c", "from up42_state.cli import main; main()", "exec", "--resume", "--clear"]
    command += [f"--{name}={folder}" for name, folder in task.folders.arguments.items()]
    command += ["--job", "3f0c", "--stage", "report:1", "--", *task.command]
    environment = {**os.environ, "UP42_STATE_URL": str(task.make().url)}
    for expected in ("saved 3f0c/report:1@1", "cached report:1@1"):
        with (place / "log.txt").open("w") as log:
            subprocess.run(command, stdout=log, stderr=log, check=True, timeout=60, env=environment)
        assert expected in (place / "log.txt").read_text()


class TestBlock:
    """``Block(resume=True)``: the body decides."""

    @pytest.fixture
    def settings(self, settings: MakeSettings) -> MakeSettings:
        """Settings of a block whose code is named: the program that runs the tests may be no file."""
        return lambda **options: settings(**{"code": "image sha256:a", **options})

    def work(self, folders: Folders, settings: Settings, **options: Any) -> tuple[Block, bool]:
        """The documented idiom."""
        worked = False
        with Block.from_env(settings, resume=True, **folders.arguments, **options) as block:
            if not block.cached:
                worked = True
                block.write(collection(feature("a")))
        return block, worked

    def test_a_body_that_does_nothing_saves_nothing(self, folders: Folders, settings: MakeSettings) -> None:
        """The commit that is there is the block's commit."""
        first, worked = self.work(folders, settings())
        assert worked
        shutil.rmtree(folders.output)
        second, worked = self.work(folders, settings())
        assert not worked
        assert second.cached == second.commit == first.commit
        assert second.outcome == "cached"
        assert not folders.output.exists()

    def test_leftovers_of_the_run_before_are_not_saved(
        self, folders: Folders, settings: MakeSettings
    ) -> None:
        """A directory that still holds the last output is not looked at."""
        self.work(folders, settings())
        block, worked = self.work(folders, settings())
        assert (worked, block.outcome) == (False, "cached")

    def test_a_body_that_works_all_the_same_is_saved(self, folders: Folders, settings: MakeSettings) -> None:
        """The body decides: what it writes into an empty directory is its output."""
        self.work(folders, settings())
        shutil.rmtree(folders.output)
        with Block.from_env(settings(), resume=True, **folders.arguments) as block:
            block.write(collection(feature("b")))
        assert (block.outcome, block.commit and block.commit.revision) == ("saved", 2)

    def test_what_is_written_among_leftovers_is_not_saved(
        self, folders: Folders, settings: MakeSettings
    ) -> None:
        """Nobody can tell its files from those of the run before, so it is refused, and said."""
        self.work(folders, settings())
        with Block.from_env(settings(), resume=True, **folders.arguments) as block:
            block.write(collection(feature("b")))
        assert block.outcome == "cached"
        assert "held files before" in block.warnings[-1]

    def test_the_setting_ends_the_process(self, folders: Folders, settings: MakeSettings) -> None:
        """A body that knows nothing of it would find no input: it is not run at all."""
        self.work(folders, settings())
        with (
            pytest.raises(SystemExit) as ended,
            Block.from_env(settings(resume=True), **folders.arguments),
        ):
            raise AssertionError("the body ran")
        assert ended.value.code == 0

    def test_parameters_that_the_body_changes_do_not_count(
        self, folders: Folders, settings: MakeSettings
    ) -> None:
        """A block that takes its parameters apart is done all the same."""
        given = settings(parameters={"width": 3})
        with Block.from_env(given, resume=True, **folders.arguments) as block:
            block.parameters.pop("width")
            block.write(collection())
        assert block.commit is not None
        assert block.commit.parameters == {"width": 3}
        assert Block.from_env(given, resume=True, **folders.arguments).look().is_done

    def test_stages_to_propagate_are_named_before(
        self, folders: Folders, settings: MakeSettings, saved: Saved
    ) -> None:
        """Named inside, they cannot be known when it is decided, and that is said."""
        saved("scenes:1", "a")
        for expected in (None, "cached"):
            block = Block.from_env(settings(), resume=True, clear=True, **folders.arguments)
            block.propagate("scenes:1")
            with block:
                if not block.cached:
                    block.write(collection(feature("b")))
            assert (expected or "saved") == block.outcome
        with Block.from_env(settings(), resume=True, clear=True, **folders.arguments) as block:
            block.propagate("scenes:1")
            block.write(collection(feature("b")))
        assert "too late" in block.warnings[-1]

    def test_a_block_that_nobody_can_tell_is_never_done(
        self, folders: Folders, settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In a notebook there is no script and no manifest: the code may have changed at any time."""
        monkeypatch.delattr("__main__.__file__", raising=False)
        given = settings(code=None)
        self.work(folders, given)
        block, worked = self.work(folders, given, clear=True)
        assert worked
        assert block.standing is not None
        assert "nobody said what its block is" in block.standing.reasons[0]
        assert "nothing is known" in block.warnings[0]


def test_a_block_whose_folder_holds_its_store_is_done(
    folders: Folders, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store, the input and the output are no code, even where they lie beside the manifest."""
    (place / "UP42Manifest.json").write_text(MANIFEST)
    given = Settings(url=(place / "store").as_uri(), job="j", stage="s:1")
    inner = Folders(root=place / "task")
    for expected in ("saved", "cached"):
        with Block.from_env(given, resume=True, **inner.arguments) as block:
            if not block.cached:
                block.write(collection())
        assert block.outcome == expected
