"""The demo: what it leaves and shows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from doubles.report import Page

from up42_state.demo import Demo, run_demo

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return run_demo(tmp_path_factory.mktemp("demo") / "here")


def ids(demo: Demo, stage: str) -> list[str]:
    return [feature.id for feature in demo.state.job("demo").stage(stage).features().features]


def scenes_of_tiles(demo: Demo) -> set[str]:
    tiles = demo.state.job("demo").stage("tiling:1").features().features
    return {tile.properties["scene_id"] for tile in tiles}


def test_a_middle_block_drops_features_and_a_later_one_gets_them_back(demo: Demo) -> None:
    """All scenes are in the last output, although no block after the first passed one on."""
    scenes, tiles, last = ids(demo, "scenes:1"), ids(demo, "tiling:1"), ids(demo, "report:1")
    assert scenes
    assert not set(scenes) & {*tiles, *ids(demo, "detection:1")}
    assert set(scenes) < set(last)


def test_their_files_come_back_without_being_moved(demo: Demo) -> None:
    """The restored result holds each scene's file; the last save referred to those bytes."""
    scenes = demo.commits[0].totals
    assert demo.commits[-1].totals.referenced == scenes.bytes
    for name in ids(demo, "scenes:1"):
        assert (demo.results / f"{name}.tif").read_bytes()[:4] == b"II*\0"
        assert (demo.results / ".quicklooks" / f"{name}.png").read_bytes()[1:4] == b"PNG"


def test_the_demo_names_the_scenes_that_went_and_came(demo: Demo) -> None:
    """The ids that the demo reports are those without tiles, and those that the last stage holds."""
    scenes, last = ids(demo, "scenes:1"), ids(demo, "report:1")
    assert set(demo.dropped) == set(scenes) - scenes_of_tiles(demo) != set()
    assert set(demo.returned) == set(scenes) & set(last)


def test_the_report_tells_of_dropped_and_returned_scenes(demo: Demo) -> None:
    """The page says of each scene whether it was dropped and where it is back, and has its quicklook."""
    page = Page(demo.report.read_text())
    told = {label: fate for label, (_, fate, _) in page.features("scenes:1").items()}
    dropped = {label for label, fate in told.items() if fate == "dropped by tiling:1; back in report:1"}
    assert dropped == set(demo.dropped)
    back = [fate for _, fate, _ in page.features("report:1").values() if fate == "back from scenes:1@1"]
    assert len(back) == len(demo.returned)
    assert len(page.data["pictures"]) == len(told)


def test_the_report_shows_the_run(demo: Demo) -> None:
    """All four tasks are done, and all stages lie on one map."""
    page = Page(demo.report.read_text())
    assert "4 of 4 tasks" in page.text
    assert {name.split("-")[1] for name in page.drawn()} == {"0", "1", "2", "3"}


def test_a_second_run_saves_nothing_new(demo: Demo) -> None:
    """The second time every task is cached, and every stage is as it was."""
    again = run_demo(demo.results.parent)
    assert [task.status for task in again.run.tasks] == ["cached"] * 4
    assert again.commits == demo.commits


def test_a_demo_that_was_interrupted_can_be_run_again(tmp_path: Path) -> None:
    """However little an interrupted demo has left, its directory is taken for a demo's."""
    (tmp_path / "store" / "demo").mkdir(parents=True)
    (tmp_path / "tmp0123" / "workflow").mkdir(parents=True)
    assert len(run_demo(tmp_path).commits) == 4


def test_it_needs_no_python_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the PATH has no Python, the blocks run with the one that the demo runs with."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert len(run_demo(tmp_path / "demo").commits) == 4
    assert os.environ["PATH"] == str(tmp_path)


def test_the_report_is_in_the_results(demo: Demo) -> None:
    """What the blocks were run for can be read where the demo says."""
    assert "| S2B_20240513_south | 4 |" in (demo.results / "report" / "ships.md").read_text()


def test_without_a_directory_it_goes_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People find it where they are."""
    monkeypatch.chdir(tmp_path)
    done = run_demo()
    assert done.report.resolve() == tmp_path / "up42-state-demo" / "report.html"


def test_where_the_working_directory_cannot_be_written_a_temporary_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo still runs, and says where it went."""
    (tmp_path / "up42-state-demo").write_text("a file in the way")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert run_demo().results.parent.name.startswith("up42-state-demo-")
