"""``demo``: what the verb adds to :func:`up42_state.demo.run_demo`."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
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
    assert [shlex.split(command)[1] for command in printed_commands(result.stdout)] == [
        *("plan", "run", "stages")
    ]


def printed_commands(shown: str) -> list[str]:
    """The commands behind the headings at the end of what the demo prints."""
    return [
        line.split(":  ", 1)[1].strip() for line in shown.splitlines() if ":  " in line and "--url" in line
    ]


def test_what_is_printed_can_be_pasted(earlier: Path, tmp_path: Path) -> None:
    """Each command, run as it stands by a shell in the directory of the call, works; paths are quoted."""
    clone = tmp_path / "fresh clone"
    clone.mkdir()
    earlier.rename(clone / "my demo")
    (clone / ".venv").symlink_to(sys.prefix)
    environment = {"PATH": "/usr/bin:/bin", "PWD": str(clone), "HOME": str(tmp_path)}

    def shell(command: str) -> str:
        done = subprocess.run(
            command, shell=True, cwd=clone, env=environment, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    shown = shell(".venv/bin/up42-state demo 'my demo'")
    plan, again, stages = printed_commands(shown)
    assert plan.startswith(".venv/bin/up42-state plan 'my demo/workflow/workflow.yaml' ")
    assert [line.split() for line in shell(plan).splitlines()[1:]] == [
        [task, "cached", f"demo/{task}@1"] for task in TASKS
    ]
    assert "cached" in shell(again)
    assert shell(stages).startswith("STAGE")
    for heading, kind in (("restored", "-d"), ("browser", "-f"), ("to change", "-f")):
        (line,) = [line for line in shown.splitlines() if f"{heading}: " in line]
        shell(f"test {kind} {line.split(':  ', 1)[1].strip()}")


def test_a_demo_without_bokeh(earlier: Path) -> None:
    """It runs to its end, and says how the report can be had; the other things are there."""
    hidden = "import sys; sys.modules['bokeh'] = None; from up42_state.cli import main; main()"
    words = [sys.executable, "-c", hidden, "demo", str(earlier)]
    shown = subprocess.run(words, capture_output=True, text=True, check=True, timeout=120).stdout
    assert re.search(r"^For a report, and again: .* install .*(\[report\]|bokeh)", shown, re.MULTILINE)
    assert "The job, in a browser" not in shown


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
    assert f"up42-state log demo/detection:1 --url {(earlier / 'store').as_uri()}`" in result.stderr
    program.write_text(right)
    lines = [line.split() for line in call("demo", earlier).stdout.splitlines()]
    assert [line[1] for line in lines[1:5]] == ["cached"] * 4
