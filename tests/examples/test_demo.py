"""The demo: what it leaves and shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from up42_state.demo import Demo, run_demo

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return run_demo(tmp_path_factory.mktemp("demo") / "here")


def ids(demo: Demo, stage: str) -> list[str]:
    return [feature.id for feature in demo.state.job("demo").stage(stage).features().features]


def test_a_middle_block_drops_features_and_a_later_one_gets_them_back(demo: Demo) -> None:
    """All scenes are in the last output, although the second block dropped some."""
    scenes, clear, last = ids(demo, "scenes:1"), ids(demo, "clear:1"), ids(demo, "bright:1")
    assert 0 < len(clear) < len(scenes)
    assert set(scenes) < set(last)


def test_their_files_come_back_without_being_moved(demo: Demo) -> None:
    """The restored result holds each scene's file; the last save referred to those bytes."""
    scenes = demo.commits[0].totals
    assert demo.commits[-1].totals.referenced == scenes.bytes
    for name in ids(demo, "scenes:1"):
        assert (demo.results / f"{name}.tif").read_bytes()[:4] == b"II*\0"
        assert (demo.results / ".quicklooks" / f"{name}.png").read_bytes()[1:4] == b"PNG"


def test_the_demo_names_the_scenes_that_went_and_came(demo: Demo) -> None:
    """The ids that the demo reports are those that the stages lack and hold."""
    scenes, clear, last = ids(demo, "scenes:1"), ids(demo, "clear:1"), ids(demo, "bright:1")
    assert set(demo.dropped) == set(scenes) - set(clear)
    assert set(demo.returned) == set(scenes) & set(last)


def test_the_map_shows_every_feature_by_its_stage_of_origin(demo: Demo) -> None:
    """Each feature of the last output is drawn once, in the colour of the stage that it comes from."""
    page = demo.map.read_text()
    svg = ET.fromstring(re.search(r"<svg.*</svg>", page, re.DOTALL)[0])  # type: ignore[index]
    groups = svg.findall("{http://www.w3.org/2000/svg}g")
    colours: dict[str, set[str]] = {}
    for group in groups:
        title = group.findtext("{http://www.w3.org/2000/svg}title") or ""
        colours.setdefault(title.partition("(")[2], set()).add(group.attrib["fill"])
    assert len(groups) == demo.commits[-1].totals.features
    assert colours.keys() == {"scenes:1)", "bright:1)"}
    assert all(len(found) == 1 for found in colours.values())


def test_the_map_needs_no_network(demo: Demo) -> None:
    """Nothing in the page is loaded from anywhere, and no script runs."""
    page = demo.map.read_text().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//|<script|<link|<img|@import|url\(", page)


def test_a_second_run_saves_nothing_new(demo: Demo) -> None:
    """A second run gives the same output, which makes no new revision."""
    again = run_demo(demo.map.parent)
    assert again.commits == demo.commits


def test_without_a_directory_it_goes_below_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People find it where they are."""
    monkeypatch.chdir(tmp_path)
    done = run_demo()
    assert done.map.resolve() == tmp_path / "up42-state-demo" / "map.html"


def test_where_the_working_directory_cannot_be_written_a_temporary_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The demo still runs, and says where it went."""
    (tmp_path / "up42-state-demo").write_text("a file in the way")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert run_demo().map.parent.name.startswith("up42-state-demo-")
