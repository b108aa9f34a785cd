"""Inheriting properties from origin features."""

from __future__ import annotations

import json
from typing import Any

import pytest
from doubles.merging import Output, merged, stage

from up42_state.errors import SettingsError
from up42_state.features import ORIGIN, Selection
from up42_state.features.merge.operator import merge


def output(*features: Any, content: dict[str, bytes | None] | None = None) -> Output:
    document = {"type": "FeatureCollection", "features": features}
    return Output(data=json.dumps(document).encode(), content=content or {}, quicklooks={})


def inherited(current: Output, *earlier: Output, **options: Any) -> list[Any]:
    return [f.get("properties") for f in merged(current, *earlier, form="inherit", **options).features]


def test_a_feature_gets_what_it_lacks() -> None:
    """From the feature with its id; what it has stays, also null."""
    current = output({"id": "a", "properties": {"n": None, "own": 1}}, {"id": "b"})
    earlier = output({"id": "a", "properties": {"n": 2, "cloud": 1.50}}, {"id": "c", "properties": {"n": 3}})
    assert inherited(current, earlier) == [{"n": None, "own": 1, "cloud": 1.5}, None]


def test_every_other_byte_stays() -> None:
    """Values are passed on as they are written."""
    ours = b'{"features": [{"id":"a","properties":{"x":1.0%s}} ],"type":"FeatureCollection"}'
    theirs = b'{"type":"FeatureCollection","features":[{"properties":{"y" : 2.50,"z":[ 1]},"id":"a"}]}'
    current = Output(data=ours % b"", content={}, quicklooks={})
    earlier = Output(data=theirs, content={}, quicklooks={})
    expected = ours % b', "y": 2.50, "z": [ 1]'
    assert merged(current, earlier, form="inherit").data == expected


@pytest.mark.parametrize("properties", [{}, {"properties": None}, {"properties": {}}])
def test_missing_properties_are_made(properties: dict[str, Any]) -> None:
    """A feature without properties gets some."""
    earlier = output({"id": "a", "properties": {"x": 1, "y": 2}})
    assert inherited(output({"id": "a", **properties}), earlier) == [{"x": 1, "y": 2}]


def test_what_belongs_to_a_feature_alone_is_not_passed_on() -> None:
    """Nothing of the platform's, nothing custom, nothing that names a file."""
    given = {"up42.x": 1, "custom.y": 2, "data.imagery": "x.tif", "data.note": "text", "z": 3}
    earlier = output({"id": "a", "properties": given}, content={"x.tif": b"A"})
    assert inherited(output({"id": "a"}), earlier) == [{"data.note": "text", "z": 3}]


def test_named_properties_are_passed_on() -> None:
    """And no others."""
    earlier = output({"id": "a", "properties": {"custom.y": 2, "z": 3}})
    assert inherited(output({"id": "a"}), earlier, properties=["custom.y", "gone"]) == [{"custom.y": 2}]


@pytest.mark.parametrize("name", [ORIGIN, "up42.data_path", "up42.data.aoiclipped"])
def test_some_properties_are_never_passed_on(name: str) -> None:
    """A derived feature never claims to be its origin, or to have its files."""
    with pytest.raises(SettingsError, match="belongs to its own feature"):
        merge(output().collection, output().files, [], form="inherit", properties=[name])


def test_the_origin_is_found_by_data_path_whatever_the_bytes() -> None:
    """Where no id tells."""
    current = output({"properties": {"up42.data_path": "x.tif"}}, content={"x.tif": b"A"})
    earlier = output({"properties": {"up42.data_path": "x.tif", "n": 1}}, content={"x.tif": b"B"})
    assert inherited(current, earlier) == [{"up42.data_path": "x.tif", "n": 1}]


def test_the_origin_is_found_by_provenance() -> None:
    """Though the forwarded feature has another id and place."""
    earlier = output({"id": "a", "properties": {"n": 1, "m": 2}})
    forwarded = merged(output({"id": "a"}), earlier, on_conflict="both")
    without = Output(data=forwarded.data.replace(b'"m": 2, ', b""), content={}, quicklooks={})
    assert inherited(without, earlier)[1].keys() == {"n", "m", ORIGIN}


def test_many_features_can_have_one_origin() -> None:
    """Tiles of a scene all get what the scene has."""
    tiles = output({"properties": {"scene": "s"}}, {"properties": {"scene": "s", "n": 0}})
    scene = output({"id": "s", "properties": {"n": 1}})
    found = inherited(tiles, scene, match=[("properties.scene", "id")])
    assert found == [{"scene": "s", "n": 1}, {"scene": "s", "n": 0}]


def test_an_ambiguous_origin_is_none() -> None:
    """Of two features with the id neither is taken."""
    earlier = output({"id": "a", "properties": {"n": 1}}, {"id": "a", "properties": {"n": 2}})
    assert inherited(output({"id": "a"}), earlier) == [None]


def test_the_first_stage_that_has_a_property_gives_it() -> None:
    """Stages are asked in the order given."""
    one = output({"id": "a", "properties": {"n": 1}})
    two = output({"id": "a", "properties": {"n": 2, "m": 2}})
    assert inherited(output({"id": "a"}), one, two) == [{"n": 1, "m": 2}]


def test_only_chosen_features_are_origins() -> None:
    """The selection chooses features of the earlier stage."""
    earlier = output({"id": "a", "properties": {"n": 1}}, {"id": "b", "properties": {"n": 2}})
    current = output({"id": "a"}, {"id": "b"})
    assert inherited(current, earlier, selection=Selection(ids=["b"])) == [None, {"n": 2}]


def test_the_report_counts_the_current_features() -> None:
    """And warns where nothing was inherited."""
    current = output({"id": "a"}, {"id": "b", "properties": {"n": 1}}, {"id": "c"})
    earlier = output({"id": "a", "properties": {"n": 1}}, {"id": "b", "properties": {"n": 2}})
    found = merge(current.collection, current.files, [stage(earlier)], form="inherit")
    assert found.report.counts == {"inherited": 1, "nothing to inherit": 1, "no origin found": 1}
    assert found.report.warnings == ()
    nothing = merge(current.collection, current.files, [stage(output())], form="inherit")
    assert nothing.report.warnings == ("nothing was inherited from j/s:1",)
