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


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("cloud", "no comparison"),
        ("=3", "no comparison"),
        ("", "no comparison"),
        ("<", "no comparison"),
        ("!cloud=3", "no comparison"),
        ("cloud~20", "no comparison"),
        ("properties.=1", "names no property"),
        ('"properties."=1', "names no property"),
        ("sensor=", 'write "" in quotes'),
        ("cloud< ", 'write "" in quotes'),
        ("cloud<20 and sensor=SPOT", "signs of another clause"),
        ("cloud<20 and clear", "begins as a number and is none"),
        ("cloud >= -2.5 AND clear", "begins as a number and is none"),
        ("cloud<20 AND cloud>3", "signs of another clause"),
        ("cloud<>20", "signs of another clause"),
        ("cloud=>20", "signs of another clause"),
        ('sensor="SPOT', "signs of another clause"),
        ("sensor='SPOT", "signs of another clause"),
        ("cloud>true", "nothing is less or more"),
        ("cloud<=null", "nothing is less or more"),
        ("cloud<[1]", "nothing is less or more"),
        ('"\\x"=1', "no JSON string"),
    ],
)
def test_a_clause_that_is_none_of_the_grammar_is_refused(where: str, problem: str) -> None:
    """The message says what is wrong, and shows what a clause looks like."""
    with pytest.raises(SettingsError, match=f'{problem}.*such as "cloud<20"'):
        Selection(where=where)


@pytest.mark.parametrize(
    "where",
    [
        "name='it''s < here'",
        'name="it\'s < here"',
        "empty=''",
        'empty=""',
        '"a<b=c" = 3',
        '"properties.a<b=c"=3',
        "nan=NaN",
        'quoted="20"',
        "quoted=20",
        "quoted!='21'",
    ],
)
def test_quotes_hold_what_would_be_signs(where: str) -> None:
    """Names and values with signs of the grammar are written in quotes."""
    scene = feature(properties={"name": "it's < here", "empty": "", "a<b=c": 3, "nan": "NaN", "quoted": "20"})
    assert scene in Selection(where=where)


def test_a_number_in_quotes_is_text() -> None:
    """The number 20 is not the text "20"."""
    assert SCENE in Selection(where="cloud=20")
    assert SCENE not in Selection(where='cloud="20"')


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ("time=2024-05-11T12:00:00+02:00", True),
        ("time=2024-05-11T10:00:00.000Z", True),
        ("time=2024-05-11T10:00Z", True),
        ("time!=2024-05-11T10:00:00Z", False),
        ("time<2024-05-11T12:00:01+02:00", True),
        ("time<2024-05-11T11:59:59+02:00", False),
        ("time>=2024-05-11", True),
        ("time<2024-05-12", True),
        ("time=2024-05-11", False),
        ("fine<2024-05-11T10:00:00.1234567891Z", True),
        ("fine>2024-05-11T10:00:00.123456788Z", True),
        ("fine=2024-05-11T10:00:00.1234567890Z", True),
        ("local=2024-05-11 10:00:00Z", True),
        ("never<2024-02-31", True),
        ("first>0001-01-01T00:00:00Z", False),
    ],
)
def test_date_times_compare_as_instants(where: str, holds: bool) -> None:
    """However they are written; without an offset in UTC, a date alone from its beginning.

    What is no date-time (there is no 30th of February) compares as text.
    """
    scene = feature(
        properties={
            "time": "2024-05-11T10:00:00Z",
            "fine": "2024-05-11T10:00:00.123456789Z",
            "local": "2024-05-11T10:00:00",
            "never": "2024-02-30",
            "first": "0001-01-01T00:00:00+01:00",
        }
    )
    assert (scene in Selection(where=where)) == holds


@pytest.mark.parametrize(
    ("conditions", "warnings"),
    [
        ({"where": "n<0"}, []),
        ({"where": ["cloudy<3", "n>=0", "cloudy>1"]}, ["no feature has a property 'cloudy'"]),
        ({"where": "in.ner!=3"}, []),
        ({"where": "in.outer!=3"}, ["no feature has a property 'in.outer'"]),
        ({"where": {"cloudy": 3}}, ["no feature has a property 'cloudy'"]),
        ({"ids": ["1", "b"]}, []),
        ({"ids": ["1", "x", 9]}, ["no feature has the id '9', 'x'"]),
        (
            {"ids": map(str, range(10, 17))},
            ["no feature has the id '10', '11', '12', '13', '14' (and 2 more)"],
        ),
    ],
)
def test_what_meets_nothing_is_said(conditions: dict[str, Any], warnings: list[str]) -> None:
    """A mistyped name of a property selects nothing, or with != all, and an id that is not there nothing."""
    features = [
        {"type": "Feature", "id": 1, "properties": {"n": 1}},
        {"type": "Feature", "id": "b", "properties": {"n": 2, "in": {"ner": 1}}},
    ]
    document = {"type": "FeatureCollection", "features": features}
    collection = Collection.read(json.dumps(document).encode())
    assert Selection(**conditions).warnings(collection) == warnings


def test_nothing_is_said_of_an_empty_collection() -> None:
    """Where there is no feature, no name and no id is mistyped."""
    collection = Collection.read(b'{"type": "FeatureCollection", "features": []}')
    assert Selection(where="x=1", ids=["1"]).warnings(collection) == []


@pytest.mark.parametrize(
    ("bbox", "chosen"),
    [
        ((10.5, 50.5, 12, 52), True),
        ("11,51,12,52", True),
        ((12, 50, 13, 51), False),
        ((10, 52, 11, 53), False),
        ((170, 40, 20, 60), True),
        ((20, 40, 5, 60), False),
        ((371, 50.5, 372, 52), True),
        ((-349, 50.5, -348, 52), True),
        ((372, 50, 373, 51), False),
        ((350, 40, 10, 60), True),
        ((350, 40, 9.99, 60), False),
        ((-500, 40, 500, 60), True),
        ((-710, 51, -709.5, 52), True),
    ],
)
def test_a_box_chooses_what_it_touches(bbox: Any, chosen: bool) -> None:
    """Also one that crosses the antimeridian (RFC 7946 §5.2); longitudes are the same after a whole turn."""
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
        ({"bbox": [188, -10, 191, 10]}, True),
        ({"bbox": [-188, -10, -181, 10]}, False),
        ({"bbox": [0, -10, 360, 10]}, True),
        ({"geometry": {"type": "LineString", "coordinates": [[179, 0], [181, 1]]}}, True),
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


def test_a_glob_meets_the_normal_path() -> None:
    """However the data path is written."""
    assert feature(properties={"up42.data_path": "./d//x.tif"}) in Selection(path="d/*.tif")
