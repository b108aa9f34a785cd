"""Data paths, sidecars, quicklooks."""

from __future__ import annotations

import pytest

from up42_state.features import File, Files, check_path, companions, data_paths, quicklooks_of, sidecar_of
from up42_state.features.files.data_paths import folded_together, normal_path


def files(*paths: str, directories: tuple[str, ...] = (), quicklooks: tuple[str, ...] = ()) -> Files:
    return Files(
        [
            *(File(path=path, size=1) for path in paths),
            *(File(path=path, size=1, kind="quicklook") for path in quicklooks),
        ],
        directories,
    )


@pytest.mark.parametrize(
    "path", ["a", "a/b.tif", "a:b c", "C:\\x", "...", "..a/b..", "日本/ü", "~", "a" * 255]
)
def test_ordinary_paths_are_fine(path: str) -> None:
    """Whatever a file system takes below a directory."""
    assert check_path(path) is None


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("", "is empty"),
        ("/a", "is absolute"),
        ("..", 'has ".."'),
        ("a/../b", 'has ".."'),
        ("a//b", "empty"),
        ("a/", "empty"),
        ("./a", '"." part'),
        ("a\0b", "NUL"),
        ("\ud800", "UTF-8"),
        ("ü" * 128, "longer"),
        ("a/" * 2048 + "a", "longer"),
    ],
)
def test_other_paths_are_refused(path: str, problem: str) -> None:
    """What would leave a directory, or cannot be made in one."""
    assert problem in (check_path(path) or "")


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        ("a/b", "a/b"),
        ("./a//b/", "a/b"),
        ("a/./b", "a/b"),
        ("a/.", "a"),
        (".", "."),
        ("./", "."),
        (".//.", "."),
        ("/a//b", "/a/b"),
        (".a", ".a"),
    ],
)
def test_paths_have_a_normal_form(path: str, normal: str) -> None:
    """Empty and ``.`` parts do not count."""
    assert normal_path(path) == normal


def test_data_paths_are_properties_that_name_something() -> None:
    """Under the keys of both specification versions, several per feature."""
    there = files("x.tif", "d/y.tif")
    properties = {
        "up42.data_path": "./x.tif",
        "up42.data.aoiclipped": "d",
        "custom.extra": "d/y.tif",
        "data.imagery": "gone.tif",
        "name": "x.tif",
        "custom.list": ["x.tif"],
    }
    assert data_paths(properties, there) == {
        "up42.data_path": "x.tif",
        "up42.data.aoiclipped": "d",
        "custom.extra": "d/y.tif",
    }


@pytest.mark.parametrize(
    ("path", "main"),
    [
        ("d/B01.tif.aux.xml", "d/B01.tif"),
        ("B01.tif.ovr", "B01.tif"),
        ("B01.tif.whatever", "B01.tif"),
        ("B01.tfw", "B01.tif"),
        ("B01.TFW", "B01.tif"),
        ("a.b.prj", "a.b.shp"),
        ("a.shp.xml", "a.tif"),
    ],
)
def test_sidecars_are_known_by_name(path: str, main: str) -> None:
    """``<file>.<ext>``, and ``<stem>.<known extension>``."""
    assert sidecar_of(path, main)


@pytest.mark.parametrize(
    ("path", "main"),
    [
        ("B02.tfw", "B01.tif"),
        ("B01.json", "B01.tif"),
        ("B01.tif", "B01.tif"),
        ("B01.tif.d/x", "B01.tif"),
        ("e/B01.tfw", "B01.tif"),
    ],
)
def test_other_files_are_no_sidecars(path: str, main: str) -> None:
    """Other stems, unknown extensions, other directories."""
    assert not sidecar_of(path, main)


def test_a_file_comes_with_its_sidecars() -> None:
    """But never with what another feature names."""
    there = files("a.tif", "a.tif.aux.xml", "a.tfw", "a.tif.ovr", "ab.tif", "a-b.tif")
    found = companions("a.tif", there, others={"a.tif.ovr"})
    assert [file.path for file in found] == ["a.tif", "a.tfw", "a.tif.aux.xml"]


def test_a_directory_comes_with_all_below() -> None:
    """And with nothing that only begins like it."""
    there = files("d/a.tif", "d/e/b.tif", "d.tif", "d-2/c.tif")
    assert [file.path for file in companions("d", there)] == ["d/a.tif", "d/e/b.tif"]


@pytest.mark.parametrize(
    ("feature_id", "paths", "expected"),
    [
        ("7f", [], ["7f.png"]),
        (7, [], ["7.jpg"]),
        (None, ["d/scene.tif"], ["scene.png", "d.png"]),
        ("gone", ["d"], ["d.png"]),
        ("v1.2", [], ["v1.2.png"]),
        (None, [], []),
    ],
)
def test_quicklooks_are_found_by_id_or_data_path(
    feature_id: str | int | None, paths: list[str], expected: list[str]
) -> None:
    """By the stem of their name."""
    there = files(quicklooks=("7f.png", "7.jpg", "scene.png", "d.png", "v1.2.png", "other.png"))
    assert [file.path for file in quicklooks_of(feature_id, paths, there)] == expected


@pytest.mark.parametrize(
    ("names", "together"),
    [
        (["A.tif", "a.tif", "b.tif"], ["A.tif", "a.tif"]),
        (["caf\u00e9", "cafe\u0301", "cafe"], ["caf\u00e9", "cafe\u0301"]),
        (["\ufb01n", "fin", "STRASSE", "stra\u00dfe"], ["\ufb01n", "fin", "STRASSE", "stra\u00dfe"]),
        (["\u212a", "k", "\u0131", "i"], ["\u212a", "k", "\u0131", "i"]),
        (["a.", "a", "b ", "b", "c .", "c"], ["a.", "a", "b ", "b", "c .", "c"]),
        (["a\ufe0f", "a", "b\u200d", "b"], ["a\ufe0f", "a", "b\u200d", "b"]),
        (["D/x", "d/x", "D/y", "d/z"], ["D/x", "d/x"]),
        (["A", "a/x", "b", "B/c/d"], ["A", "b"]),
        (["d./x", "d/x", "e", "E./y"], ["d./x", "d/x", "e"]),
        (["a.b", ".a", "a/..b"], []),
        (["ab", "a/b", "a b"], []),
    ],
)
def test_what_some_file_system_takes_for_one(names: list[str], together: list[str]) -> None:
    """Files that differ from others, or from directories, in what is not told apart everywhere."""
    assert folded_together(names) == set(together)
