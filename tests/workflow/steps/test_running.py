"""A block that runs in given directories: commands as in a run, functions, and what is shown of a log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from doubles.outputs import contents, write_output

from up42_state.errors import SettingsError
from up42_state.settings.model import Settings
from up42_state.workflow.blocks.opening import Blocks
from up42_state.workflow.model import BlockReference, Task
from up42_state.workflow.steps.running import Directories, _Shown, run_block
from up42_state.workflow.steps.text import PortableTask, read_task, write_task

if TYPE_CHECKING:
    from pathlib import Path

FUNCTION = """
def keep(collection, *, count):
    print("keeping", count)
    return collection[:count] if isinstance(collection, list) else {
        **collection, "features": collection["features"][:count]}
"""


def portable(task: Task) -> PortableTask:
    """The task as a process reads it that was started for it."""
    with Blocks() as blocks:
        return read_task(write_task(task, blocks.of(task).code))


def test_a_function_runs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It gets the input and its parameters; files of features that it returns come along."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code/choosing.py").write_text(FUNCTION)
    write_output(tmp_path / "in", {"a.tif": b"a", "b.tif": b"b"})
    block = BlockReference(kind="python", function="choosing:keep", folder=tmp_path / "code")
    task = portable(Task(name="keep:1", block=block, after=("scenes:1",), parameters={"count": 1}))
    ending = run_block(task, Directories(tmp_path / "in", tmp_path / "out", None), settings=Settings())
    assert ending.is_done, capfd.readouterr().err
    assert sorted(contents(tmp_path / "out")) == ["a.tif", "data.json"]
    assert "keeping 1\n" in capfd.readouterr().err


def test_directories_may_be_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines start a step in a directory of its own; quicklooks are kept where they are asked for."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "block").mkdir()
    script = "#!/bin/sh\ncp -r /tmp/input/. /tmp/output\necho png > /tmp/quicklooks/a.png\n"
    (tmp_path / "block/run").write_text(script)
    (tmp_path / "block/run").chmod(0o755)
    write_output(tmp_path / "in", {"a.tif": b"a"})
    block = BlockReference(kind="command", command=("./run",), folder=tmp_path / "block")
    task = portable(Task(name="copy:1", block=block))
    places = [(tmp_path / name).relative_to(tmp_path) for name in ("in", "out", "pictures")]
    ending = run_block(
        PortableTask(task.task, task.code),
        Directories(*places),
        settings=Settings(),
        folder=places[0].parent / "block",
    )
    assert ending.is_done
    assert sorted(contents(tmp_path / "out")) == ["a.tif", "data.json"]
    assert sorted(contents(tmp_path / "pictures")) == ["a.png"]


def test_a_block_without_a_folder(tmp_path: Path) -> None:
    """A text that names no folder needs one, which the message says how to give."""
    block = BlockReference(kind="command", command=("./run",))
    text = json.loads(write_task(Task(name="copy:1", block=block), "folder sha256:0"))
    task = read_task(json.dumps(text))
    with pytest.raises(SettingsError, match=r"folder of copy:1's block is not known – give it \(--folder\)"):
        run_block(task, Directories(None, tmp_path / "out", None), settings=Settings())


def test_lines_are_shown_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    """Whole lines are shown at once, without secrets, however the bytes come; the rest at the end."""
    log = _Shown()
    log.hide(["planted-secret"])
    for piece in (b"one\ntw", b"o\nplanted-se", b"cret here\n\xff", b"end"):
        log.write(piece)
    assert capsys.readouterr().err == "one\ntwo\n… here\n"
    log.end()
    assert capsys.readouterr().err == "?end\n"
    log.end()
    assert capsys.readouterr().err == ""


def test_a_line_without_an_end_takes_no_memory(capsys: pytest.CaptureFixture[str]) -> None:
    """A line that is too long to look for secrets in it is not shown, and the next one is."""
    log = _Shown()
    for _ in range(40):
        log.write(b"x" * 65536)
    assert len(log._line) < 512 * 1024
    log.write(b"\nnext\n")
    assert capsys.readouterr().err == "[up42-state] a line of more than 256 KiB is left out\nnext\n"
