"""Choosing features."""

from __future__ import annotations

import json
from typing import Any

import pytest

from up42_state.errors import SettingsError
from up42_state.features import Collection, Feature, Selection


def feature(**members: Any) -> Feature:
    return Feature(json.dumps(members).encode())


SCENE = feature(
    id=7,
    bbox=[10, 50, 11, 51],
    properties={
        "cloud": 20,
        "sensor": "SPOT",
        "day": "2020-03-01",
        "orbit": "5",
        "ok": True,
        "none": None,
        "a.b": 1,
        "a": {"c": 2},
        "bands": ["R", "G"],
        "up42.data_path": "d/x.tif",
    },
)


@pytest.mark.parametrize(
    "where",
    [
        "cloud=20",
        "cloud==20.0",
        "properties.cloud<=20",
        "cloud < 20.5",
        "cloud>-1",
        "cloud>=2e1",
        "cloud!=21",
        "sensor=SPOT",
        'sensor="SPOT"',
        "day>=2020-02-28",
        "day<2020-03-02",
        "orbit=5",
        "ok=true",
        "none=null",
        "a.b=1",
        "a.c=2",
        "gone!=1",
        ["cloud=20", "sensor!=S2"],
        {"cloud": 20.0, "properties.sensor": "SPOT"},
        {"bands": ["R", "G"], "a": {"c": 2}},
        [],
        {},
    ],
)
def test_conditions_that_hold(where: Any) -> None:
    """Numbers by value, strings as they stand, nested names with dots, all conditions together."""
    assert SCENE in Selection(where=where)


@pytest.mark.parametrize(
    "where",
    [
        "cloud<20",
        "cloud=twenty",
        "cloud<abc",
        "sensor<3",
        "ok=1",
        "none=0",
        "gone=1",
        "gone<1",
        "a.b.c=1",
        ["cloud=20", "sensor=S2"],
        {"ok": 1},
        {"cloud": "20"},
    ],
)
def test_conditions_that_do_not_hold(where: Any) -> None:
    """``true`` is not 1, and what is absent is neither less nor more."""
    assert SCENE not in Selection(where=where)


@pytest.mark.parametrize("where", ["cloud", "=3", "", "<", "properties.=1"])
def test_a_malformed_condition_is_refused(where: str) -> None:
    """The message shows what one looks like."""
    with pytest.raises(SettingsError, match='write it as "cloud<20"'):
        Selection(where=where)


@pytest.mark.parametrize(
    ("bbox", "chosen"),
    [
        ((10.5, 50.5, 12, 52), True),
        ("11,51,12,52", True),
        ((12, 50, 13, 51), False),
        ((10, 52, 11, 53), False),
        ((170, 40, 20, 60), True),
        ((20, 40, 5, 60), False),
    ],
)
def test_a_box_chooses_what_it_touches(bbox: Any, chosen: bool) -> None:
    """Also one that crosses the antimeridian (RFC 7946 §5.2)."""
    assert (SCENE in Selection(bbox=bbox)) == chosen


@pytest.mark.parametrize(
    ("members", "chosen"),
    [
        ({"bbox": [170, -10, -170, 10]}, True),
        ({"bbox": [170, -10, 0, -170, 10, 100]}, True),
        ({"geometry": {"type": "Point", "coordinates": [-175, 0, 3]}}, True),
        ({"geometry": {"type": "Point", "coordinates": [0, 0]}}, False),
        (
            {
                "geometry": {
                    "type": "GeometryCollection",
                    "geometries": [{"type": "Point", "coordinates": [-175, 0]}],
                }
            },
            True,
        ),
        ({"bbox": "wrong", "geometry": {"type": "LineString", "coordinates": [[-179, 0], [-175, 1]]}}, True),
        ({"geometry": None}, False),
        ({}, False),
    ],
)
def test_a_features_place_is_its_box_or_its_geometry(members: dict[str, Any], chosen: bool) -> None:
    """The geometry counts where there is no box; a feature without either is nowhere."""
    assert (feature(**members) in Selection(bbox=(-180, -1, -171, 1))) == chosen


@pytest.mark.parametrize(
    "bbox", ["1,2,3", "a,b,c,d", (1, 2, 3, 4, 5, 6), (0, 5, 1, 4), "0,0,nan,1", (None,) * 4]
)
def test_a_malformed_box_is_refused(bbox: Any) -> None:
    """Four numbers, south below north."""
    with pytest.raises(SettingsError, match="west,south,east,north"):
        Selection(bbox=bbox)


def test_ids_choose_by_their_text() -> None:
    """A number on the command line is a string."""
    assert SCENE in Selection(ids=["7"])
    assert SCENE in Selection(ids=[7, "x"])
    assert SCENE not in Selection(ids=["70"])
    assert feature(id=7.0) in Selection(ids=["7"])
    assert feature(properties={}) not in Selection(ids=["None"])


@pytest.mark.parametrize(
    ("path", "chosen"), [("*.tif", True), ("d/*", True), ("d/x.tif", True), ("*.png", False)]
)
def test_a_glob_chooses_by_data_path(path: str, chosen: bool) -> None:
    """The star matches the slash as well."""
    assert (SCENE in Selection(path=path)) == chosen


@pytest.mark.parametrize(
    "conditions",
    [{}, {"ids": ["1", 3]}, {"ids": ["1", "b", "3"], "where": "n<3"}, {"where": "n>1"}, {"ids": ["gone"]}],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_the_numbers_of_wanted_features_are_those_of_the_features_wanted(
    conditions: dict[str, Any], separators: tuple[str, str]
) -> None:
    """Choosing from a whole collection, by ids that are known beforehand, is no other choice."""
    features: list[Any] = [
        {"type": "Feature", "id": key, "properties": {"n": number}}
        for number, key in enumerate([1, "1", "b", None, True, 3.0, "1"])
    ]
    document = {"type": "FeatureCollection", "features": [*features, []]}
    collection = Collection.read(json.dumps(document, separators=separators).encode())
    selection = Selection(**conditions)
    wanted = [number for number, feature in enumerate(collection) if feature in selection]
    assert selection.numbers(collection) == wanted


def test_true_is_no_number_to_compare() -> None:
    """It is neither more nor less than one."""
    assert SCENE not in Selection(where=["ok<2"])
    assert SCENE not in Selection(where=["cloud>true"])


def test_a_glob_meets_the_normal_path() -> None:
    """However the data path is written."""
    assert feature(properties={"up42.data_path": "./d//x.tif"}) in Selection(path="d/*.tif")
