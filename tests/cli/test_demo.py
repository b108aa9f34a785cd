"""``demo``: what the verb adds to :func:`up42_state.demo.run_demo`."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from up42_state.demo import run_demo

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

TASKS = ["scenes:1", "tiling:1", "detection:1", "report:1"]


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_demo(tmp_path_factory.mktemp("demo") / "here").results.parent


@pytest.fixture
def earlier(made_once: Path, tmp_path: Path) -> Path:
    """The directory of a demo that has run, for one test to change."""
    return shutil.copytree(made_once, tmp_path / "demo")


def test_demo_as_json(ask: Callable[..., Any], tmp_path: Path) -> None:
    """The commits of all stages are given, what became of each task, and where everything lies."""
    found = ask("demo", tmp_path / "demo")
    assert [commit["stage"] for commit in found["stages"]] == TASKS
    assert [(task["task"], task["status"]) for task in found["run"]["tasks"]] == [
        (task, "done") for task in TASKS
    ]
    assert [task["status"] for task in found["plan"]] == ["cached", "runs", "runs", "runs"]
    assert (Path(found["results"]) / "data.json").is_file()
    for name in ("report", "workflow", "parameters"):
        assert Path(found[name]).is_file()


def test_without_bokeh(
    made_once: Path, earlier: Path, call: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo runs without the report, and says how to get it."""
    monkeypatch.setitem(sys.modules, "up42_state.publish.report.page", None)
    result = call("demo", earlier)
    assert result.exit_code == 0
    assert re.search("The job, in a browser: +not without Bokeh: pip install .", result.stdout)


def test_demo_leaves_other_files_alone(call: Callable[..., Result], tmp_path: Path) -> None:
    """A directory with somebody else's files is refused, as by any verb."""
    page = tmp_path / "mine" / "report.html"
    page.parent.mkdir()
    page.write_text("mine")
    result = call("demo", page.parent)
    assert (result.exit_code, "holds other files: report.html" in result.stderr) == (4, True)
    assert [path.name for path in page.parent.iterdir()] == ["report.html"]
    assert page.read_text() == "mine"


def test_demo_for_people(
    call: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line for each task, what it was made from, and commands to look further, which work."""
    monkeypatch.setattr("sys.argv", [".venv/bin/up42-state", "demo"])
    result = call("demo", tmp_path / "demo")
    lines = result.stdout.splitlines()
    assert [line.split()[:3] for line in lines[1:5]] == [
        ["scenes:1", "done", "1"],
        ["tiling:1", "done", "scenes:1"],
        ["detection:1", "done", "tiling:1"],
        ["report:1", "done", "detection:1"],
    ]
    assert "tiling:1 left out 2 of 6 scenes" in result.stdout
    assert "report:1 propagated scenes:1 and has 6 scenes again" in result.stdout
    assert f"{tmp_path}/demo/results/" in result.stdout
    assert f"{tmp_path}/demo/report.html" in result.stdout
    commands = [
        line.split("up42-state ")[1].split() for line in lines if ":  " in line and "up42-state " in line
    ]
    assert [command[0] for command in commands] == ["plan", "run", "stages"]
    plan, again, stages = (call(*command) for command in commands)
    assert [line.split() for line in plan.stdout.splitlines()[1:]] == [
        [task, "cached", f"demo/{task}@1"] for task in TASKS
    ]
    assert again.exit_code == 0
    assert stages.stdout.startswith("STAGE")


def test_demo_again(call: Callable[..., Result], earlier: Path) -> None:
    """The second time all four tasks are cached, and the plan says what one other parameter would change."""
    shown = call("demo", earlier).stdout
    assert "Nothing has changed since the last run, so nothing ran" in shown
    lines = [line.split() for line in shown.splitlines()]
    assert [line[:2] for line in lines[1:5]] == [[task, "cached"] for task in TASKS]
    plan = [" ".join(line) for line in lines if line[1:2] in (["cached"], ["runs"])][4:]
    assert plan == [
        "scenes:1 cached",
        "tiling:1 runs parameter tile_width was 64, is 32",
        "detection:1 runs tiling:1 runs",
        "report:1 runs detection:1 runs",
    ]


def test_a_demo_with_another_parameter(call: Callable[..., Result], earlier: Path) -> None:
    """A parameter that was changed in the demo's copy counts: what stands on it runs, the rest is cached."""
    parameters = earlier / "workflow" / "parameters.json"
    parameters.write_text(parameters.read_text().replace("200", "210"))
    lines = [line.split() for line in call("demo", earlier).stdout.splitlines()]
    assert [line[1] for line in lines[1:5]] == ["cached", "cached", "done", "cached"]


def test_demo_in_quiet(call: Callable[..., Result], earlier: Path) -> None:
    """What happens in the run is progress, which ``--quiet`` and ``--json`` leave out."""
    assert "demo/scenes:1@1" in call("demo", earlier).stderr
    for option in ("--quiet", "--json"):
        assert call("demo", earlier, option).stderr == ""


def test_a_demo_whose_block_fails(call: Callable[..., Result], earlier: Path) -> None:
    """Who breaks a block of the demo's copy is told which task failed; mended, it goes on where it was."""
    program = earlier / "workflow" / "detection" / "run.py"
    right = program.read_text()
    program.write_text("raise SystemExit(3)\n")
    result = call("demo", earlier)
    assert result.exit_code == 8
    assert "detection:1 failed" in result.stderr
    assert "up42-state log demo/detection:1" in result.stderr
    program.write_text(right)
    lines = [line.split() for line in call("demo", earlier).stdout.splitlines()]
    assert [line[1] for line in lines[1:5]] == ["cached"] * 4
