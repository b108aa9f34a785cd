"""Forwarding features: what conflicts, what is chosen, refused and reported."""

from __future__ import annotations

from typing import Any

import pytest
from doubles.forwarding import at, output, run, text
from doubles.merging import merged

from up42_state.errors import FeatureConflictError, InvalidDataError, SettingsError
from up42_state.features import ORIGIN, Origin, Selection


def test_a_conflict_can_be_settled_for_the_earlier_feature() -> None:
    """It takes the place of the current one, with its provenance."""
    after = merged(
        output({"id": "a", "n": 1}, {"id": "b"}), output({"id": "a", "n": 2}), on_conflict="earlier"
    )
    assert [(f["id"], f.get("n")) for f in after.features] == [("a", 2), ("b", None)]
    assert ORIGIN in after.features[0]["properties"]


def test_a_conflict_can_be_settled_for_both() -> None:
    """The earlier one is appended under an id that names its stage."""
    after = merged(output({"id": "a", "n": 1}), output({"id": "a", "n": 2}), on_conflict="both")
    assert [(f["id"], f["n"]) for f in after.features] == [("a", 1), ("s-1~a", 2)]


def test_both_of_a_conflict_without_ids() -> None:
    """No id is made up for a feature that had none."""
    earlier = output({"type": "Feature", "properties": {"n": 1}})
    current = merged(output(), earlier)
    changed = text(current.data.decode().replace('"n": 1', '"n": 2'))
    after = merged(changed, earlier, on_conflict="both")
    assert [feature["properties"]["n"] for feature in after.features] == [2, 1]
    assert "id" not in after.features[1]


def test_both_of_a_conflict_again() -> None:
    """A feature whose properties hold no provenance is known by its new id."""
    current, earlier = output({"id": "a", "n": 1}), output({"id": "a", "n": 2, "properties": [1]})
    after = merged(current, earlier, on_conflict="both")
    assert [feature["id"] for feature in after.features] == ["a", "s-1~a"]
    assert merged(after, earlier, on_conflict="both") == after


def test_what_replaced_a_feature_is_known_to_the_next_stage() -> None:
    """A third stage has what the second put in the first one's place, under another id."""
    second = output({"id": "a", "n": 2, "properties": {ORIGIN: "j/scenes:1@1#0a"}})
    third = output({"id": "b", "n": 2, "properties": {ORIGIN: "j/scenes:1@1#0a"}})
    after = merged(output({"id": "a", "n": 1}), second, third, on_conflict="earlier")
    assert [feature["id"] for feature in after.features] == ["b"]


def test_a_conflict_can_be_an_error() -> None:
    """It names both features."""
    with pytest.raises(FeatureConflictError, match=r"features\[0\] of j/s:1 \(id 'a'\) is features\[0\]"):
        run(output({"id": "a", "n": 1}), output({"id": "a", "n": 2}), on_conflict="error")


def test_other_bytes_under_an_equal_path_are_a_conflict() -> None:
    """Equal JSON is not equal content if the files differ."""
    current = output({**at("x.tif"), "id": "a"}, content={"x.tif": b"A"})
    earlier = output({**at("x.tif"), "id": "a"}, content={"x.tif": b"B"})
    after = merged(current, earlier, on_conflict="both")
    assert after.features[1]["properties"]["up42.data_path"] == "s-1/x.tif"
    assert after.content == {"x.tif": b"A", "s-1/x.tif": b"B"}


def test_only_chosen_features_are_forwarded() -> None:
    """The others are reported as left out."""
    earlier = output({"id": "a", "properties": {"n": 1}}, {"id": "b", "properties": {"n": 2}})
    found = run(output(), earlier, selection=Selection(where="n>1"))
    assert [found.report.stages[0].outcome(i) for i in (0, 1)] == ["left out", "appended"]


@pytest.mark.parametrize(
    ("ours", "theirs", "fine"),
    [
        ("EPSG:3857", "EPSG:3857", True),
        ("EPSG:3857", "EPSG:32633", False),
        (None, "EPSG:3857", False),
        ("EPSG:3857", None, False),
        (None, "urn:ogc:def:crs:OGC:1.3:CRS84", True),
    ],
)
def test_reference_systems_are_not_mixed(ours: str | None, theirs: str | None, fine: bool) -> None:
    """A differing crs is refused with its place; the one that GeoJSON has anyway may be named or not."""

    def within(name: str | None) -> dict[str, Any]:
        return {} if name is None else {"crs": {"type": "name", "properties": {"name": name}}}

    current, earlier = output(**within(ours)), output({"id": 1}, **within(theirs))
    if fine:
        assert run(current, earlier).report.appended == 1
    else:
        with pytest.raises(InvalidDataError, match="crs: j/s:1 has another coordinate reference system"):
            run(current, earlier)


def test_what_is_no_feature_cannot_be_merged() -> None:
    """A nested list is refused with its place, on either side."""
    with pytest.raises(InvalidDataError, match=r"features\[1\]: is not an object"):
        run(output({}, []), output({}))
    with pytest.raises(InvalidDataError, match=r"features\[1\]: is not an object"):
        run(output({}), output({}, 3))


def test_properties_are_for_inheriting() -> None:
    """The error says what to do."""
    with pytest.raises(SettingsError, match="use form='inherit'"):
        run(output(), output(), properties=["n"])


LEFT_OUT = (
    '1 feature of j/s:1 was left out: the current data.json has the same with other content (id "b"); '
    "to have both use on_conflict=both (--on-conflict both), to say which are the same use match (--match)"
)


def test_the_report_says_what_became_of_every_feature() -> None:
    """In numbers, in words, and as JSON."""
    earlier = output({"id": "a"}, {"id": "b", "n": 1}, {"id": "c"}, {"id": "d"})
    report = run(output({"id": "a"}, {"id": "b"}), earlier).report
    assert report.to_dict() == {
        "form": "forward",
        "before": 2,
        "after": 4,
        "appended": 2,
        "counts": {"appended": 2, "same": 1, "conflict, current kept": 1},
        "stages": [
            {
                "job": "j",
                "stage": "s:1",
                "revision": 1,
                "counts": {"appended": 2, "same": 1, "conflict, current kept": 1},
                "features": [(0, 0, "same"), (1, 1, "conflict, current kept"), (2, 3, "appended")],
                "conflicts": [{"index": 1, "current": 1, "id": "b", "new_id": None}],
                "moved": {},
                "files": 0,
            }
        ],
        "warnings": [LEFT_OUT],
    }


def test_it_warns_where_nothing_was_appended() -> None:
    """Most likely something else was meant."""
    assert run(output({"id": "a"}), output({"id": "a"})).report.warnings == (
        "nothing was appended from j/s:1",
    )


def test_an_origin_is_parsed_as_it_is_written() -> None:
    """The revision is no part of the identity."""
    origin = Origin(job="3f0c", stage="tiling:1", revision=12, key="ab.2")
    assert str(origin) == "3f0c/tiling:1@12#ab.2"
    assert Origin.parse(str(origin)) == origin
    assert origin.identity == "3f0c/tiling:1#ab.2"


@pytest.mark.parametrize("text", ["", "a/b#c", "a@1#c", "a/b@x#c", "a/b@1#", "a/../b@1#c", 3, None])
def test_other_texts_are_no_origin(text: Any) -> None:
    """Whoever wrote them."""
    assert Origin.parse(text) is None
