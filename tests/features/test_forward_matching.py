"""Forwarding features: which are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from doubles.forwarding import POINT, at, counts, output, run, text
from doubles.merging import applied, merged, stage

from up42_state.features import ORIGIN, File, Files, Origin
from up42_state.features.merge.matching.compare import Comparison
from up42_state.features.merge.operator import merge

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("current", "earlier", "expected"),
    [
        ({"id": "a", "n": 1}, {"n": 1.0, "id": "a"}, {"same": 1}),
        ({"id": "a", "n": 1}, {"id": "a", "n": True}, {"conflict, current kept": 1}),
        ({"id": 1}, {"id": 1.0}, {"same": 1}),
        ({"id": "1"}, {"id": 1}, {"appended": 1}),
        ({"geometry": POINT}, {"geometry": {"coordinates": [1.0, 2e0], "type": "Point"}}, {"same": 1}),
        ({"properties": {}}, {"properties": None}, {"appended": 1}),
        ({"properties": {"n": [1, {"k": "\u00e9"}]}}, {"properties": {"n": [1.0, {"k": "é"}]}}, {"same": 1}),
    ],
)
def test_equal_values_are_the_same(current: Any, earlier: Any, expected: dict[str, int]) -> None:
    """Key order and the form of numbers do not count; true is not 1, null is not empty."""
    assert counts(output(current), output(earlier)) == expected


def test_an_id_that_several_features_have_tells_nothing() -> None:
    """Only an id that is unique in both collections makes features the same."""
    twice = output({"id": "0", "n": 1}, {"id": "0", "n": 2})
    assert counts(twice, output({"id": "0", "n": 3})) == {"appended": 1}
    assert counts(output({"id": "0", "n": 3}), twice) == {"appended": 2}


def test_features_that_share_an_id_are_told_apart_by_their_values() -> None:
    """Whether the current ones share it or the earlier ones, equal JSON says which is meant."""
    twice, once = output({"id": "a", "n": 1}, {"id": "a", "n": 2}), output({"id": "a", "n": 2})
    assert counts(twice, once) == {"same": 1}
    assert counts(once, twice) == {"appended": 1, "same": 1}


def test_a_directory_with_more_files_is_another() -> None:
    """Equal files in both are not enough for equal content."""
    current = output({**at("d"), "id": "a"}, content={"d/a.tif": b"A", "d/b.tif": b"B"})
    earlier = output({**at("d"), "id": "a"}, content={"d/a.tif": b"A"})
    assert counts(current, earlier) == {"conflict, current kept": 1}


def test_files_of_another_size_are_not_read(tmp_path: Path) -> None:
    """They differ, whatever they hold: nothing of a large output is read for it."""
    here = File(path="a.tif", size=3, location=str(tmp_path / "gone.tif"))
    there = File(path="a.tif", size=4, sha256="a" * 64)
    assert not Comparison(Files([here]), stage(output())).same_file(here, there)


def test_the_provenance_of_any_feature_is_read() -> None:
    """Also of one among very many that have none."""
    first = {"id": "a", "geometry": POINT, "properties": {ORIGIN: "j/scenes:1@1#0a"}}
    earlier = output(first, *({"id": n, "properties": {}} for n in range(3_000)))
    assert not earlier.collection.is_plain
    current = output({**first, "id": None})
    assert counts(current, earlier) == {"conflict, current kept": 1, "appended": 3_000}


def test_duplicates_of_an_earlier_stage_stay_what_they_were() -> None:
    """Each feature is matched with one other at most."""
    feature = {"type": "Feature", "properties": {"n": 1}}
    after = merged(output(feature), output(feature, feature, feature))
    assert len(after.features) == 3
    assert merged(after, output(feature, feature, feature)) == after


def test_a_feature_stands_for_one_other() -> None:
    """What is the first of two equal ones by its provenance is not the second one by its values as well."""
    feature = {"type": "Feature", "properties": {"n": 1}}
    assert counts(merged(output(), output(feature)), output(feature, feature)) == {"same": 1, "appended": 1}


def test_equal_bytes_under_an_equal_path_are_the_same_feature() -> None:
    """Though its geometry was changed; with other bytes it is another feature."""
    current = output({**at("x.tif"), "geometry": POINT}, content={"x.tif": b"A"})
    assert counts(current, output(at("x.tif"), content={"x.tif": b"A"})) == {"conflict, current kept": 1}
    assert counts(current, output(at("x.tif"), content={"x.tif": b"B"})) == {"appended": 1}
    assert counts(current, output(at("x.tif", n=1), content={"x.tif": b"A"})) == {"appended": 1}


def test_features_that_share_a_file_are_told_apart_by_their_values() -> None:
    """Tiles of one scene, of which the second is there, are not taken for one another."""
    one, two = ({**at("x.tif"), "geometry": {"type": "Point", "coordinates": [n, n]}} for n in (1, 2))
    content: dict[str, bytes | None] = {"x.tif": b"A"}
    after = merged(output(two, content=content), output(one, two, content=content))
    assert [feature["geometry"] for feature in after.features] == [two["geometry"], one["geometry"]]


def test_a_forwarded_feature_is_known_though_it_was_changed() -> None:
    """Its provenance says what it is, with its id or its place, and whatever the revision."""
    earlier = output({"id": "a", "n": 1}, {"n": 2, "geometry": POINT}, {"id": "c", "n": 4, "geometry": POINT})
    after = merged(output(), earlier)
    changed = text(after.data.decode().replace('"n": ', '"n": 3').replace('"id": "c", ', ""))
    found = merge(changed.collection, changed.files, [stage(earlier, revision=9)])
    assert found.report.counts == {"conflict, current kept": 3}
    assert not found.changed


def test_a_feature_keeps_its_first_origin() -> None:
    """Forwarded twice, it still says where it first came from; both routes give one feature."""
    first = output({"type": "Feature", "properties": {"n": 1}})
    second = applied(output(), [first], merge(output().collection, output().files, [stage(first, "a:1")]))
    third = merge(output().collection, output().files, [stage(second, "b:1"), stage(first, "a:1")])
    origin = Origin.parse(applied(output(), [second, first], third).features[0]["properties"][ORIGIN])
    assert origin is not None
    assert (origin.job, origin.stage, origin.revision) == ("j", "a:1", 1)
    assert third.report.after == 1


def test_pairs_of_members_take_the_place_of_the_rules() -> None:
    """A tile that names its scene stands for the scene."""
    tiles = output({"id": "t1", "properties": {"scene": "s1"}}, {"id": "t2", "properties": {"scene": "s1"}})
    scenes = output({"id": "s1", "properties": {"up42.x": 1}}, {"id": "s2", "properties": {}})
    found = run(tiles, scenes, match=[("properties.scene", "id")])
    assert [found.report.stages[0].outcome(i) for i in (0, 1)] == ["conflict, current kept", "appended"]


@pytest.mark.timeout(60)
def test_very_many_features_of_one_provenance() -> None:
    """A block passed the provenance of a scene to its tiles: it tells none of them, but their ids do."""
    origin = {ORIGIN: "j/scenes:1@1#0a"}
    tiles = [{"id": f"t{n}", "n": n, "properties": origin} for n in range(6_000)]
    changed = [{"id": f"t{n}", "n": -n, "properties": origin} for n in range(6_000)]
    found = run(output(tiles[-1], *changed[:-1]), output(*tiles))
    report = found.report.stages[0]
    assert report.counts == {"same": 2, "conflict, current kept": 5_998}
    assert (report.outcome(0), report.outcome(5_999)) == ("same", "same")


@pytest.mark.timeout(60)
def test_pairs_of_members_that_very_many_features_share() -> None:
    """One to one in order, whatever their number."""
    many = [{"id": n, "properties": {"sensor": "SPOT"}} for n in range(60_000)]
    counted = counts(output(*many[:-1]), output(*many), match=[("properties.sensor", "properties.sensor")])
    assert counted == {"same": 59_999, "appended": 1}
