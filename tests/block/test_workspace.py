"""The directories of a task: for nobody else meanwhile, apart from each other, and safely cleared."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from block.cases import Folders, collection, feature, fill, ids

from up42_state.block import leftovers
from up42_state.block.block import Block
from up42_state.block.task import run_task
from up42_state.errors import InvalidOutputError, SettingsError, StateError, TargetConflictError
from up42_state.settings.model import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from up42_state.state import Job

Saved = Callable[..., None]
MakeSettings = Callable[..., Settings]
Way = Callable[..., None]

EMPTY = json.dumps(collection())
SOON = 20.0

COMMAND_LINE = "from up42_state.cli import main; main()"
HOLDER = """
import sys, time
from up42_state.machine.lock import locked
from pathlib import Path
with locked([Path(sys.argv[1])], [Path(name) for name in sys.argv[2:]]):
    print("held", flush=True)
    time.sleep(60)
"""


def by_block(folders: Folders, settings: Settings, **options: Any) -> None:
    with Block.from_env(settings, **folders.arguments, **options) as block:
        block.write(collection())


def by_exec(folders: Folders, settings: Settings, **options: Any) -> None:
    writes = ["sh", "-c", f"echo '{EMPTY}' > '{folders.output}/data.json'"]
    assert run_task(writes, settings=settings, **folders.arguments, **options) == 0


@pytest.fixture(params=[by_block, by_exec])
def task(request: pytest.FixtureRequest, folders: Folders, settings: MakeSettings) -> Way:
    """Runs a task in the test's directories, in either way."""

    def run(**options: Any) -> None:
        names = {"url", "after"} & options.keys()
        given = settings(**{name: options.pop(name) for name in names})
        request.param(options.pop("folders", folders), given, **options)

    return run


@pytest.fixture
def others(folders: Folders) -> Iterator[Callable[..., int]]:
    """Has another process hold a directory for itself, and others to read; its id."""
    running: list[subprocess.Popen[str]] = []

    def hold(*paths: Path) -> int:
        for path in paths:
            path.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-c", HOLDER, *map(str, paths)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        return process.pid

    yield hold
    for process in running:
        process.kill()
        process.communicate()


def everything(root: Path) -> list[tuple[str, bytes | None]]:
    paths = sorted(root.rglob("*"))
    return [(str(path.relative_to(root)), path.read_bytes() if path.is_file() else None) for path in paths]


class TestLock:
    """Two tasks never work in one directory."""

    @pytest.mark.parametrize("where", ["output", "quicklooks"])
    def test_a_second_task_is_refused_at_once(
        self, task: Way, folders: Folders, others: Callable[..., int], where: str
    ) -> None:
        """The message says who is at work there; nothing is cleared."""
        pid = others(getattr(folders, where))
        left = fill(getattr(folders, where), [feature("theirs")])
        with pytest.raises(TargetConflictError, match=rf"at work in .*{where}: process {pid} \(python"):
            task(clear=True)
        assert ids(left) == ["theirs"]

    def test_an_input_may_be_read_by_several(
        self, task: Way, folders: Folders, others: Callable[..., int]
    ) -> None:
        """Tasks that only read it do not disturb each other."""
        fill(folders.input, [feature("a")])
        others(folders.root / "other", folders.input)
        task()

    def test_an_input_that_is_being_made_is_not_read(
        self, task: Way, folders: Folders, others: Callable[..., int]
    ) -> None:
        """What one task writes is not another one's input yet."""
        fill(folders.input, [feature("a")])
        others(folders.input)
        with pytest.raises(TargetConflictError, match=r"at work in .*input"):
            task()

    def test_an_input_that_is_being_read_is_not_restored_over(
        self, task: Way, folders: Folders, others: Callable[..., int], saved: Saved
    ) -> None:
        """Who restores an input has it alone."""
        saved("scenes:1", "a")
        others(folders.root / "other", folders.input)
        with pytest.raises(TargetConflictError, match=r"at work in .*input"):
            task(after="scenes:1")

    def test_the_end_of_a_task_is_the_end_of_its_lock(
        self, task: Way, folders: Folders, others: Callable[..., int]
    ) -> None:
        """A holder that was killed holds nothing."""
        os.kill(others(folders.output), signal.SIGKILL)
        end = time.monotonic() + SOON
        while time.monotonic() < end:
            try:
                return task()
            except TargetConflictError:
                time.sleep(0.02)
        pytest.fail("the lock outlived its holder")

    def test_what_a_command_leaves_running_does_not_hold_the_next_task_up(
        self, folders: Folders, settings: MakeSettings
    ) -> None:
        """A daemon that a command has started inherits no lock of a task that has ended."""
        command = ["sh", "-c", f"sleep 30 >/dev/null 2>&1 & echo $! > {folders.root}/pid; "]
        command[2] += f"echo '{EMPTY}' > '{folders.output}/data.json'"
        try:
            assert run_task(command, settings=settings(), **folders.arguments) == 0
            by_block(folders, settings(), clear=True)
        finally:
            os.kill(int((folders.root / "pid").read_text()), signal.SIGKILL)

    def test_a_command_that_outlives_its_killed_task_keeps_the_directories(
        self, folders: Folders, settings: MakeSettings, url: str
    ) -> None:
        """It may still write there, so nobody else may."""
        ready = folders.root / "ready"
        options = [f"--{name}={path}" for name, path in folders.arguments.items()]
        command = ["sh", "-c", f"echo $$ > '{ready}.new'; mv '{ready}.new' '{ready}'; exec sleep 30"]
        place = ("--url", url, "--job", "3f0c", "--stage", "x:1")
        outer = subprocess.Popen(
            [sys.executable, "-c", COMMAND_LINE, "exec", *place, *options, "--", *command],
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + SOON
        while not ready.exists() and time.monotonic() < end:
            time.sleep(0.02)
        outer.kill()
        outer.wait()
        inner = int(ready.read_text())
        try:
            with pytest.raises(TargetConflictError, match=r"at work in .*output"):
                by_block(folders, settings(), clear=True)
        finally:
            os.kill(inner, signal.SIGKILL)

    def test_a_block_in_a_command_works_in_what_its_task_holds(
        self, folders: Folders, settings: MakeSettings, job: Job, monkeypatch: pytest.MonkeyPatch, url: str
    ) -> None:
        """Under exec a block is a plain one, or, where it was given a place, saves by itself as well."""
        code = (
            "import sys; from up42_state import Block; i, o, q = sys.argv[1:];\n"
            "with Block.from_env(input=i, output=o, quicklooks=q) as block:\n"
            "    block.write({'type': 'FeatureCollection', 'features': []})"
        )
        command = [sys.executable, "-c", code, *map(str, folders.arguments.values())]
        assert run_task(command, settings=settings(), **folders.arguments) == 0
        for name, value in {"URL": url, "JOB": "3f0c", "STAGE": "inner:1"}.items():
            monkeypatch.setenv(f"UP42_STATE_{name}", value)
        given = {"settings": settings(), "clear": True, "pass_credentials": True}
        assert run_task(command, **given, **folders.arguments) == 0
        assert job.stage("inner:1").exists()


class TestLeftovers:
    """What an earlier run has left is never saved as this one's."""

    @pytest.mark.parametrize("where", ["output", "quicklooks"])
    def test_are_refused(self, task: Way, folders: Folders, job: Job, where: str) -> None:
        """Block and exec alike; the files stay."""
        left = fill(getattr(folders, where), [feature("old")])
        with pytest.raises(
            TargetConflictError, match=rf"{where} holds files already: data\.json – .*clear=True"
        ):
            task()
        assert ids(left) == ["old"]
        assert not job.stage("report:1").exists()

    def test_of_a_second_use_are_refused(self, task: Way) -> None:
        """The first run's output is not the second's."""
        task()
        with pytest.raises(TargetConflictError, match="holds files already"):
            task()
        task(clear=True)

    def test_do_not_matter_to_a_block_that_saves_nothing(self, folders: Folders) -> None:
        """As a helper for the contract it works with what is there."""
        fill(folders.output, [feature("old")])
        with Block(**folders.arguments) as block:
            block.write(collection(feature("new")))
        assert ids(folders.output) == ["new"]

    @pytest.mark.parametrize("holds", ["nothing", "unreadable"])
    def test_do_not_include_the_file_systems_own(self, task: Way, folders: Folders, holds: str) -> None:
        """A volume has ``lost+found`` at its top, which only root may look into; it stays."""
        (folders.output / "lost+found").mkdir(parents=True)
        if holds == "unreadable":
            (folders.output / "lost+found").chmod(0)
        task(clear=True)
        assert (folders.output / "lost+found").is_dir()
        (folders.output / "lost+found").chmod(0o700)


class TestClear:
    """``clear`` removes what is block output, and nothing else."""

    @pytest.fixture
    def document(self, folders: Folders) -> Path:
        folders.output.mkdir(parents=True)
        (folders.output / "thesis.odt").write_text("years")
        return folders.output / "thesis.odt"

    def test_leaves_other_folders_alone(self, task: Way, folders: Folders, document: Path) -> None:
        """A folder without data.json was no block's output."""
        before = everything(folders.root)
        with pytest.raises(
            TargetConflictError, match=r"not cleared: it holds thesis\.odt, and no data\.json"
        ):
            task(clear=True)
        assert document.read_text() == "years"
        assert {name for name, _ in everything(folders.root)} <= {*dict(before), "quicklooks", "input"}

    def test_can_be_forced(self, task: Way, document: Path) -> None:
        """Who says so may lose it."""
        task(clear=True, force=True)
        assert not document.exists()

    def test_is_needed_to_force(self, task: Way) -> None:
        """``force`` alone means nothing, and says so."""
        with pytest.raises(SettingsError, match="nothing is to be cleared"):
            task(force=True)

    @pytest.mark.parametrize("names", [["output"], ["quicklooks"], ["output", "quicklooks"]])
    def test_knows_what_a_task_that_failed_has_left(
        self, folders: Folders, settings: MakeSettings, names: list[str], task: Way
    ) -> None:
        """Files without data.json, and quicklooks, are a block's where a task of ours has left them."""
        script = "; ".join(f"echo x > {getattr(folders, name)}/part" for name in names)
        assert run_task(["sh", "-c", f"{script}; exit 3"], settings=settings(), **folders.arguments) == 3
        task(clear=True)

    def test_knows_what_a_block_that_failed_has_left(
        self, folders: Folders, settings: MakeSettings, task: Way
    ) -> None:
        """Likewise."""
        block = Block.from_env(settings(), **folders.arguments)
        with pytest.raises(InvalidOutputError), block:
            (block.output_dir / "part").touch()
        task(clear=True)

    def test_is_no_reason_to_take_a_folder_for_a_blocks_later(
        self, task: Way, folders: Folders, document: Path, saved: Saved
    ) -> None:
        """A refused task leaves no mark of ours in what is not."""
        saved("scenes:1", "a")
        fill(folders.input, []).joinpath("data.json").unlink()
        (folders.input / "letters.txt").write_text("kept")
        for options in ({}, {"after": "scenes:1"}, {"clear": True}, {"clear": True, "after": "scenes:1"}):
            with pytest.raises(TargetConflictError):
                task(**options)
        assert document.read_text() == "years"
        document.unlink()
        with pytest.raises(TargetConflictError, match=r"holds (other files: )?letters\.txt"):
            task(after="scenes:1")
        with pytest.raises(TargetConflictError, match=r"not cleared: it holds letters\.txt"):
            task(after="scenes:1", clear=True)

    def test_never_clears_where_somebody_works(
        self, folders: Folders, settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Neither the working directory, nor what holds it, even if forced."""
        fill(folders.output, [feature("old")])
        (folders.output / "deep").mkdir()
        for place in (folders.output, folders.output / "deep"):
            monkeypatch.chdir(place)
            with pytest.raises(SettingsError, match="it is, or holds, the working directory"):
                by_exec(folders, settings(), clear=True, force=True)
        monkeypatch.chdir(folders.root)
        by_exec(folders, settings(), clear=True)

    def test_never_clears_home(
        self, folders: Folders, settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor anything that home lies in."""
        fill(folders.output / "me", [feature("old")])
        monkeypatch.setenv("HOME", str(folders.output / "me"))
        with pytest.raises(SettingsError, match="it is, or holds, the home directory"):
            by_exec(folders, settings(), clear=True, force=True)
        assert ids(folders.output / "me") == ["old"]

    @pytest.mark.parametrize("script", ["run.py", "#!run", "bin/program"])
    def test_never_clears_the_folder_of_what_it_runs(
        self, folders: Folders, settings: MakeSettings, script: str
    ) -> None:
        """The program's and its script's; files that a program is to read do not count."""
        fill(folders.output, [feature("old")])
        path = folders.output / script.removeprefix("#!")
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n" if script != "run.py" else "")
        path.chmod(0o755)
        command = [str(path)] if script == "bin/program" else ["sh", "-e", str(path)]
        with pytest.raises(SettingsError, match="it is, or holds, the folder of"):
            run_task(command, settings=settings(), clear=True, force=True, **folders.arguments)
        assert path.exists()

    def test_clears_what_the_command_only_names(self, folders: Folders, settings: MakeSettings) -> None:
        """A program that is told where to write may be run again."""
        fill(folders.output, [feature("old")])
        fill(folders.input, [feature("new")])
        command = ["cp", str(folders.input / "data.json"), str(folders.output / "data.json")]
        assert run_task(command, settings=settings(), clear=True, **folders.arguments) == 0
        assert ids(folders.output) == ["new"]

    @pytest.mark.parametrize(
        ("path", "known"), [("/tmp/output", True), ("/tmp/../tmp/quicklooks", True), ("/tmp/out", False)]
    )
    def test_knows_the_contracts_own(self, path: str, known: bool) -> None:
        """They are for this, whatever they hold, also where /tmp is a link."""
        assert leftovers._is_known(Path(path)) is known or Path(path, "data.json").exists()

    def test_a_very_deep_output_is_cleared(self, task: Way, folders: Folders) -> None:
        """However deep a block has made it."""
        folders.output.mkdir(parents=True)
        fd = os.open(folders.output, os.O_RDONLY)
        for _ in range(1500):
            os.mkdir("deeper", dir_fd=fd)
            below = os.open("deeper", os.O_RDONLY, dir_fd=fd)
            os.close(fd)
            fd = below
        os.close(fd)
        task(clear=True)
        assert [path.name for path in folders.output.iterdir()] == ["data.json"]

    def test_what_cannot_be_removed_is_said(
        self, task: Way, folders: Folders, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The error names the directory and what to do."""
        fill(folders.output, [feature("old")])

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(1, "Operation not permitted", "data.json")

        monkeypatch.setattr("up42_state.machine.trees.os.unlink", refuse)
        with pytest.raises(
            StateError, match=r"output cannot be cleared: data\.json: Operation not permitted"
        ):
            task(clear=True)


class TestApart:
    """Directories that lie in one another, and links, are refused before anything is touched."""

    @pytest.mark.parametrize("clear", [False, True])
    def test_a_store_in_the_output_is_refused(
        self,
        task: Way,
        folders: Folders,
        job: Job,
        saved: Saved,
        clear: bool,
    ) -> None:
        """A save would take it in, and clearing would delete every job."""
        saved("scenes:1", "a")
        store = Path(job.state.url.removeprefix("file://"))
        around = Folders(root=store)
        wide = type("Wide", (), {"arguments": around.arguments | {"output": store.parent}, "output": store})
        for place in (around, wide):
            with pytest.raises(SettingsError, match=r"the store in .* lie in one another"):
                task(folders=place, clear=clear)
        job.stage("scenes:1").verify()

    @pytest.mark.parametrize("name", ["output", "quicklooks"])
    @pytest.mark.parametrize("clear", [False, True])
    def test_a_link_is_refused(
        self,
        task: Way,
        folders: Folders,
        tmp_path: Path,
        name: str,
        clear: bool,
    ) -> None:
        """What it leads to would be filled, or emptied."""
        precious = fill(tmp_path / "precious", [feature("gold")])
        folders.root.mkdir()
        getattr(folders, name).symlink_to(precious)
        with pytest.raises(SettingsError, match=rf"the {name} directory .* is a link to"):
            task(clear=clear)
        assert ids(precious) == ["gold"]

    def test_a_link_that_is_to_be_restored_into_is_refused(
        self, task: Way, folders: Folders, tmp_path: Path, saved: Saved
    ) -> None:
        """An input that is only read may be one."""
        saved("scenes:1", "a")
        given = fill(tmp_path / "given", [feature("gold")])
        folders.root.mkdir()
        folders.input.symlink_to(given)
        with pytest.raises(SettingsError, match=r"the input directory .* is a link to"):
            task(after="scenes:1", clear=True)
        assert ids(given) == ["gold"]
        task()

    @pytest.mark.parametrize("name", ["output", "quicklooks"])
    def test_a_file_is_no_directory(self, task: Way, folders: Folders, name: str) -> None:
        """The error names it, and leaves it."""
        folders.root.mkdir()
        getattr(folders, name).write_text("mine")
        with pytest.raises(SettingsError, match=rf"{name} cannot be used as a directory: it is a file"):
            task(clear=True)
        assert getattr(folders, name).read_text() == "mine"

    def test_a_link_above_is_none_of_ours(
        self, task: Way, folders: Folders, tmp_path: Path, settings: MakeSettings
    ) -> None:
        """/tmp is a link on some systems."""
        folders.root.mkdir()
        (tmp_path / "tmp").symlink_to(folders.root)
        task(folders=Folders(root=tmp_path / "tmp"))
        task(folders=Folders(root=tmp_path / "tmp"), clear=True)
        assert (folders.output / "data.json").exists()

    @pytest.mark.parametrize(
        ("one", "other"), [("input", "output"), ("quicklooks", "output"), ("input", "quicklooks")]
    )
    def test_directories_of_a_task_in_one_another_are_refused(
        self, folders: Folders, settings: MakeSettings, one: str, other: str
    ) -> None:
        """An input or quicklooks in the output would be saved as part of it."""
        fill(folders.output, [feature("old")])
        for path in (getattr(folders, other), getattr(folders, other) / "deep"):
            with pytest.raises(SettingsError, match="lies in the"):
                run_task(["true"], settings=settings(), clear=True, **folders.arguments | {one: path})
        assert ids(folders.output) == ["old"]

    def test_quicklooks_may_lie_where_an_output_keeps_its_own(
        self, folders: Folders, settings: MakeSettings, job: Job
    ) -> None:
        """They are saved once, and cleared with it."""
        own = folders.output / ".quicklooks"
        command = ["sh", "-c", f"echo x > {own}/a.png; echo '{EMPTY}' > {folders.output}/data.json"]
        given = folders.arguments | {"quicklooks": own}
        for clear in (False, True):
            assert run_task(command, settings=settings(), clear=clear, **given) == 0
        assert [(entry.kind, entry.path) for entry in job.stage("report:1").files()] == [
            ("quicklook", "a.png")
        ]
