"""Forwarding features: which files come along, and where they go."""

from __future__ import annotations

import pytest
from doubles.forwarding import at, output, run
from doubles.merging import applied, merged

from up42_state.features import ORIGIN


def test_files_come_with_their_features() -> None:
    """File, sidecars, directory, quicklook; and nothing that no feature names."""
    earlier = output(
        {**at("x.tif"), "id": "a"},
        at("d"),
        content={"x.tif": b"A", "x.tfw": b"w", "d/e/y": b"y", "d/empty": None, "stray.txt": b"s"},
        quicklooks={"a.png": b"q", "other.png": b"o"},
    )
    after = merged(output(), earlier)
    expected = {"x.tif": b"A", "x.tfw": b"w", "d": None, "d/e": None, "d/empty": None, "d/e/y": b"y"}
    assert after.content == expected
    assert after.quicklooks == {"a.png": b"q"}


def test_a_taken_path_moves_under_the_stage_for_all_that_share_it() -> None:
    """All data paths of these features follow, with their sidecars; others stay where they were."""
    earlier = output(
        {"properties": {"up42.data_path": "x.tif", "custom.mask": "mask.tif"}},
        {"properties": {"up42.data_path": "mask.tif", "n": 1}},
        at("free.tif"),
        content={"x.tif": b"B", "x.tfw": b"w", "mask.tif": b"m", "free.tif": b"f"},
    )
    found = run(output(content={"x.tif": b"A"}), earlier)
    after = applied(output(content={"x.tif": b"A"}), [earlier], found)
    names = [{k: v for k, v in f["properties"].items() if k != ORIGIN} for f in after.features]
    assert names == [
        {"up42.data_path": "s-1/x.tif", "custom.mask": "s-1/mask.tif"},
        {"up42.data_path": "s-1/mask.tif", "n": 1},
        {"up42.data_path": "free.tif"},
    ]
    assert set(after.content) == {"x.tif", "s-1/x.tif", "s-1/x.tfw", "s-1/mask.tif", "free.tif"}
    assert found.report.stages[0].moved == {"x.tif": "s-1/x.tif", "mask.tif": "s-1/mask.tif"}


def test_equal_bytes_are_shared() -> None:
    """A file that is there already is not added."""
    content: dict[str, bytes | None] = {"x.tif": b"A"}
    found = run(output(content=content), output(at("x.tif"), content=content))
    assert found.report.appended == 1
    assert found.additions == ()


@pytest.mark.parametrize(
    ("there", "path", "target"),
    [
        ({"d": b"file"}, "d/y.tif", "s-1/d/y.tif"),
        ({"d/y.tif/z": b"file"}, "d/y.tif", "s-1/d/y.tif"),
        ({"d/y.tif": b"other"}, "d/y.tif", "s-1/d/y.tif"),
        ({"d/y.tif": b"other", "s-1/d/y.tif": b"other"}, "d/y.tif", "s-1~2/d/y.tif"),
        ({"d/y.tif": b"other", "s-1": b"file"}, "d/y.tif", "s-1~2/d/y.tif"),
        ({"d/other": b"x"}, "d/y.tif", "d/y.tif"),
        ({"d/other": b"x"}, "d", "s-1/d"),
        ({"d": b"file"}, "d", "s-1/d"),
        ({"d/y.tif": b"Y"}, "d", "d"),
    ],
)
def test_what_counts_as_taken(there: dict[str, bytes | None], path: str, target: str) -> None:
    """Other bytes, a file in place of a directory or the reverse, a directory with other files."""
    earlier = output(at(path), content={"d/y.tif": b"Y"})
    after = merged(output(content=there), earlier)
    assert after.features[0]["properties"]["up42.data_path"] == target
    assert after.below(target) == earlier.below(path)


def test_an_empty_directory_below_what_is_a_file_here() -> None:
    """It moves out of the way as a file would."""
    after = merged(output(content={"d": b"file"}), output(at("d/e"), content={"d/e": None}))
    assert after.features[0]["properties"]["up42.data_path"] == "s-1/d/e"
    assert after.content == {"d": b"file", "s-1/d/e": None}


def test_an_empty_directory_of_one_stage_is_in_the_way_of_the_next() -> None:
    """What the first brings is there when the second is placed."""
    first, second = output(at("e", n=1), content={"e": None}), output(at("e", n=2), content={"e": b"file"})
    after = merged(output(), first, second)
    assert [feature["properties"]["up42.data_path"] for feature in after.features] == ["e", "s-2/e"]
    assert after.content == {"e": None, "s-2/e": b"file"}


def test_nothing_is_added_to_a_directory_that_a_feature_names() -> None:
    """It would hold more than the block wrote."""
    current = output(at("d"), content={"d/a.tif": b"A"})
    after = merged(current, output(at("d/b.tif"), content={"d/b.tif": b"B"}))
    assert after.below("d") == current.below("d")


def test_a_taken_quicklook_moves_under_the_stage() -> None:
    """Its name still tells whose it is."""
    current = output({"id": "a"}, {"id": "a"}, quicklooks={"a.png": b"1"})
    after = merged(current, output({"id": "a", "n": 1}, quicklooks={"a.png": b"2"}))
    assert after.quicklooks == {"a.png": b"1", "s-1/a.png": b"2"}


def test_a_quicklook_follows_its_features_new_id() -> None:
    """Where both features are kept."""
    current = output({"id": "a"}, quicklooks={"a.png": b"1"})
    earlier = output({"id": "a", "n": 1}, quicklooks={"a.png": b"2"})
    after = merged(current, earlier, on_conflict="both")
    assert after.quicklooks == {"a.png": b"1", "s-1~a.png": b"2"}


@pytest.mark.timeout(120)
def test_very_many_directories_that_are_taken() -> None:
    """Each moves under the stage, in a time that grows with their number alone."""
    numbers, files = range(6_000), range(4)
    features = [at(f"d{number}", n=number) for number in numbers]
    content: dict[str, bytes | None] = {f"d{number}/{name}": b"" for number in numbers for name in files}
    more: dict[str, bytes | None] = {f"d{number}/more": b"" for number in numbers}
    found = run(output(content=content | more), output(*features, content=content))
    assert {addition.target for addition in found.additions} == {f"s-1/{path}" for path in content}
