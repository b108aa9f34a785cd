"""Ids that only number rows, as geopandas and ogr2ogr write them: they pair nothing by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from doubles.forwarding import at, counts, output, run
from doubles.merging import Output, applied, merged, stage

from up42_state.features.merge.matching.row_numbers import Rows
from up42_state.features.merge.operator import merge

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERINGS = [str, int, lambda number: number + 1, lambda number: str(number + 1)]


def rows(kind: str, numbers: range | list[int], id_of: Callable[[int], Any] = str, west: int = 0) -> Output:
    """Features with a file each, whose ids are numbers."""
    features = [
        {
            **at(f"{kind}{number}.tif", kind=kind),
            "id": id_of(number),
            "geometry": {"type": "Point", "coordinates": [west + number, number]},
        }
        for number in numbers
    ]
    return output(
        *features, content={f"{kind}{number}.tif": f"{kind}{number}".encode() for number in numbers}
    )


@pytest.mark.parametrize("id_of", NUMBERINGS)
def test_all_scenes_come_beside_tiles_with_their_numbers(id_of: Callable[[int], Any]) -> None:
    """No feature and no file of a stage is lost, and a second time changes nothing."""
    tiles, scenes = rows("tile", range(3), id_of, west=50), rows("scene", range(5), id_of)
    after = merged(tiles, scenes)
    assert len(after.features) == 8
    assert set(after.content) == {*tiles.content, *scenes.content}
    assert merged(after, scenes) == after


@pytest.mark.parametrize("numbers", [[1, 4], [4], [0, 3]])
def test_it_is_enough_that_one_side_numbers_its_rows(numbers: list[int]) -> None:
    """A frame that was filtered keeps the numbers it had; whichever side it stands on, they tell nothing."""
    some, all_of = rows("tile", numbers, west=50), rows("scene", range(5))
    assert counts(some, all_of) == {"appended": 5}
    assert counts(all_of, some) == {"appended": len(numbers)}


def test_frames_that_were_sorted() -> None:
    """Both sides have their rows in another order, and the numbers that those had before."""
    tiles, scenes = rows("tile", [2, 0, 1], west=50), rows("scene", [4, 0, 3, 1, 2])
    assert counts(tiles, scenes) == {"appended": 5}
    assert counts(scenes, tiles) == {"appended": 3}


def test_single_features_with_the_id_zero_are_two() -> None:
    """What a block writes that makes one feature of many."""
    one, other = rows("mosaic", [0], west=50), rows("scene", [0])
    assert counts(one, other) == {"appended": 1}


def test_forwarded_features_do_not_hide_that_the_others_number_rows() -> None:
    """An output of three tiles, scenes forwarded into it, and features with names of their own."""
    named = output({"id": "s2a", "geometry": {"type": "Point", "coordinates": [9, 9]}})
    current = merged(rows("tile", range(3), west=50), named, rows("scene", range(5)))
    assert len(current.features) == 9
    found = merge(current.collection, current.files, [stage(rows("cloud", [1, 2], west=90), "c:1")])
    assert found.report.counts == {"appended": 2}


def test_an_equal_place_makes_a_row_number_an_identity() -> None:
    """The same geometry, which no other feature has: a block changed properties and wrote a frame again."""
    current, earlier = rows("ndvi", range(3)), rows("scene", range(5))
    assert counts(current, earlier) == {"conflict, current kept": 3, "appended": 2}


def test_an_equal_file_makes_a_row_number_an_identity() -> None:
    """The same path with the same bytes, though the geometry was changed."""
    current, earlier = rows("scene", range(3), west=7), rows("scene", range(5))
    changed = Output(
        data=current.data.replace(b'"kind": "scene"', b'"kind": "x"'), content=current.content, quicklooks={}
    )
    assert counts(changed, earlier) == {"conflict, current kept": 3, "appended": 2}


def test_a_place_that_all_features_have_tells_nothing() -> None:
    """Scenes of one area at different times, and images computed from some: nothing is lost."""
    place = {"geometry": {"type": "Point", "coordinates": [1, 2]}}
    scenes = output(*({**place, "id": str(n), "properties": {"time": n}} for n in range(5)))
    images = output(*({**place, "id": str(n), "properties": {"ndvi": n}} for n in range(3)))
    assert counts(images, scenes) == {"appended": 5}


def test_a_file_that_all_features_have_tells_nothing() -> None:
    """Fields and buildings of one scene name it as their file."""
    content: dict[str, bytes | None] = {"scene.tif": b"S"}
    fields = output(*({**at("scene.tif", field=n), "id": n} for n in range(3)), content=content)
    houses = output(*({**at("scene.tif", house=n), "id": n} for n in range(4)), content=content)
    assert counts(fields, houses) == {"appended": 4}


def test_no_geometry_is_no_place() -> None:
    """Null and empty geometries are not evidence of anything."""
    for geometry in (None, {}, {"type": "Point", "coordinates": []}):
        one = output({"id": "0", "geometry": geometry, "n": 1})
        assert counts(one, output({"id": "0", "geometry": geometry, "n": 2})) == {"appended": 1}


def test_equal_features_with_row_numbers_are_the_same() -> None:
    """Also where nothing but the value tells."""
    one = output({"id": "0", "n": 1}, {"id": "1", "n": 2})
    assert counts(one, output({"id": "0", "n": 1}, {"id": "1", "n": 2}, {"id": "2"})) == {
        "same": 2,
        "appended": 1,
    }


def test_whoever_names_ids_for_matching_means_them() -> None:
    """With match row numbers pair as any member does, and what is left out is said."""
    report = run(rows("tile", range(3), west=50), rows("scene", range(5)), match=[("id", "id")]).report
    assert report.counts == {"conflict, current kept": 3, "appended": 2}
    assert "3 features of j/s:1 were left out" in report.warnings[0]
    assert 'ids "0", "1", "2"' in report.warnings[0]


def test_a_tile_does_not_inherit_of_the_scene_with_its_number() -> None:
    """Only where both have one place."""
    tiles, scenes = (
        rows("tile", range(2), west=50),
        output({"id": "0", "properties": {"cloud": 1}}, {"id": "1", "properties": {"cloud": 2}}),
    )
    found = merge(tiles.collection, tiles.files, [stage(scenes)], form="inherit")
    assert found.report.counts == {"no origin found": 2}
    placed = output(
        *(
            {
                "id": str(n),
                "geometry": {"type": "Point", "coordinates": [50 + n, n]},
                "properties": {"cloud": n},
            }
            for n in range(2)
        )
    )
    again = merge(tiles.collection, tiles.files, [stage(placed)], form="inherit")
    assert [f["properties"]["cloud"] for f in applied(tiles, [placed], again).features] == [0, 1]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([0, 1, 2], True),
        (["1", "2"], True),
        (["0"], True),
        ([0, 1, 2, 0, 1], True),
        ([2, 0, 1], True),
        (["3", "1", "2"], True),
        (["000", "001", "002"], True),
        (["0.0", "1.0", "2.0"], True),
        ([0.0, 1.0], True),
        ([1, 1, 4], False),
        ([2, 0, 1, 0, 1], False),
        ([0, 1, 2, "a"], False),
        (["2", "0", "x", "1"], False),
        ([0.5, 1.5], False),
        ([-1, 0, 1], False),
        (["\u0661", "\u0662"], False),
        ([0, 2], False),
        ([1, 3], False),
        (["a"], False),
        ([2, 3], False),
        ([0, 1, None], False),
        ([], False),
    ],
)
def test_what_numbers_rows(ids: list[Any], expected: bool) -> None:
    """Counting from 0 or 1 without a gap, in whatever order, and such lists one after the other."""
    found = Rows()
    found.note("", ids)
    assert found.number("") is expected
    assert found.any is expected


@pytest.mark.parametrize(
    ("on_conflict", "warning"),
    [
        (
            "current",
            "7 features of j/s:1 were left out: the current data.json has the same with other content ",
        ),
        (
            "earlier",
            "7 features of the current data.json were replaced: j/s:1 has the same with other content ",
        ),
    ],
)
def test_what_a_conflict_leaves_out_is_said(on_conflict: Any, warning: str) -> None:
    """How many, the first ids, and what to do."""
    one = output(*({"id": f"s{n}", "n": 1} for n in range(7)))
    other = output(*({"id": f"s{n}", "n": 2} for n in range(7)))
    report = run(one, other, on_conflict=on_conflict).report
    said = report.to_dict()["warnings"][0]
    assert said.startswith(warning)
    assert 'ids "s0", "s1", "s2", "s3", "s4", …' in said
    assert "--on-conflict both" in said
    assert "--match" in said


def test_where_both_are_kept_nothing_is_said() -> None:
    """Nothing is left out."""
    found = run(output({"id": "a", "n": 1}), output({"id": "a", "n": 2}), on_conflict="both")
    assert found.report.warnings == ()


def test_features_without_ids_that_are_left_out_are_named_by_their_place() -> None:
    """Equal JSON with other files."""
    one, other = output(at("x.tif"), content={"x.tif": b"A"}), output(at("x.tif"), content={"x.tif": b"B"})
    assert "(id features[0])" in run(one, other).report.warnings[0]
