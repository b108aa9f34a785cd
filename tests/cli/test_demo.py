"""``demo``: what the verb adds to :func:`up42_state.demo.run_demo`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result


def test_demo_as_json(ask: Callable[..., Any], tmp_path: Path) -> None:
    """The commits of all stages are given, and where the results and the map lie."""
    found = ask("demo", tmp_path / "demo")
    assert [commit["stage"] for commit in found["stages"]] == ["scenes:1", "clear:1", "tiling:1", "bright:1"]
    assert (Path(found["results"]) / "data.json").is_file()
    assert Path(found["map"]).is_file()


def test_demo_leaves_other_files_alone(call: Callable[..., Result], tmp_path: Path) -> None:
    """A directory with somebody else's files is refused, as by any verb."""
    page = tmp_path / "mine" / "map.html"
    page.parent.mkdir()
    page.write_text("mine")
    result = call("demo", page.parent)
    assert (result.exit_code, "holds other files: map.html" in result.stderr) == (4, True)
    assert [path.name for path in page.parent.iterdir()] == ["map.html"]
    assert page.read_text() == "mine"


def test_demo_for_people(call: Callable[..., Result], tmp_path: Path) -> None:
    """One line for each stage, with what it was made from; a command to look further, which works."""
    result = call("demo", tmp_path / "demo")
    lines = result.stdout.splitlines()
    assert [line.split()[:2] for line in lines if ":1 " in line[:9]] == [
        ["scenes:1", "1"],
        ["clear:1", "scenes:1"],
        ["tiling:1", "clear:1"],
        ["bright:1", "tiling:1"],
        ["clear:1", "dropped"],
        ["bright:1", "propagated"],
    ]
    assert f"{tmp_path}/demo/results/" in result.stdout
    assert f"{tmp_path}/demo/map.html" in result.stdout
    command = lines[-1].split("up42-state ")[1]
    assert call(*command.split()).stdout.splitlines()[0].startswith("STAGE")


def test_demo_in_quiet(call: Callable[..., Result], tmp_path: Path) -> None:
    """The blocks' lines are progress, which ``--quiet`` and ``--json`` leave out."""
    assert "saved demo/scenes:1@1" in call("demo", tmp_path / "loud").stderr
    for option in ("--quiet", "--json"):
        assert call("demo", tmp_path / option, option).stderr == ""
