"""Forwarding features: what is the same, what conflicts, where files go, what is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from doubles.merging import Output, applied, merged, stage

from up42_state.errors import FeatureConflictError, InvalidDataError, SettingsError
from up42_state.features import ORIGIN, Collection, Merge, Origin, Selection, merge


def output(
    *features: Any,
    content: dict[str, bytes | None] | None = None,
    quicklooks: dict[str, bytes] | None = None,
    **members: Any,
) -> Output:
    document = {"type": "FeatureCollection", **members, "features": features}
    return Output(data=json.dumps(document).encode(), content=content or {}, quicklooks=quicklooks or {})


def text(document: str) -> Output:
    return Output(data=document.encode(), content={}, quicklooks={})


def run(current: Output, earlier: Output, **options: Any) -> Merge:
    return merge(current.collection, current.files, [stage(earlier)], **options)


def counts(current: Output, earlier: Output, **options: Any) -> dict[str, int]:
    return run(current, earlier, **options).report.counts


def at(path: str, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": {"up42.data_path": path, **properties}}


POINT = {"type": "Point", "coordinates": [1, 2]}


# Which features are the same


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


def test_duplicates_of_an_earlier_stage_stay_what_they_were() -> None:
    """Each feature is matched with one other at most."""
    feature = {"type": "Feature", "properties": {"n": 1}}
    after = merged(output(feature), output(feature, feature, feature))
    assert len(after.features) == 3
    assert merged(after, output(feature, feature, feature)) == after


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
    """Its provenance says what it is, whatever a block did to it, and whatever the revision."""
    earlier = output({"id": "a", "n": 1}, {"n": 2})
    after = merged(output(), earlier)
    changed = text(after.data.decode().replace('"n": 2', '"n": 3').replace('"id": "a"', '"id": "b"'))
    found = merge(changed.collection, changed.files, [stage(earlier, revision=9)])
    assert found.report.counts == {"conflict, current kept": 2}
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


# Conflicts


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


# Files


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


# What is written


@pytest.mark.parametrize(
    ("feature", "expected"),
    [
        ('{"properties":{"a":1.50},"id":7}', '{"properties":{"a":1.50, %s},"id":7}'),
        ('{"properties": {\n  "a": 1\n }}', '{"properties": {\n  "a": 1,\n  %s\n }}'),
        ('{"properties": {} , "x": {}}', '{"properties": {%s} , "x": {}}'),
        ('{"x": {"properties": {}}, "properties": {}}', '{"x": {"properties": {}}, "properties": {%s}}'),
        ('{"x": null, "properties": null}', '{"x": null, "properties": {%s}}'),
        ('{"properties": null, "x": null}', '{"properties": {%s}, "x": null}'),
        ('{"x": 1e400 }', '{"x": 1e400, "properties": {%s} }'),
        ("{}", '{"properties": {%s}}'),
        ('{"properties": [1]}', '{"properties": [1]}'),
        ('{"properties": {"up42.state.origin": 3}}', '{"properties": {%s}}'),
        ('{"pr\\u006fperties": {"a": "\\u00e9"}}', '{"pr\\u006fperties": {"a": "\\u00e9", %s}}'),
    ],
)
def test_only_the_provenance_is_written(feature: str, expected: str) -> None:
    """Every other byte of an appended feature is what it was."""
    after = merged(output(), text(f'{{"type": "FeatureCollection", "features": [{feature}]}}'))
    written = bytes(after.collection.raw(0)).decode()
    origin = json.loads(written).get("properties", {})
    member = f'"{ORIGIN}": "{origin[ORIGIN]}"' if isinstance(origin, dict) else ""
    assert written == expected.replace("%s", member)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[]", "[A, B]"),
        ("[ \n]", "[A, B \n]"),
        ('[{"id": 1} ]', '[{"id": 1}, A, B ]'),
        ('[\n  {"id": 1}\n]', '[\n  {"id": 1},\n  A,\n  B\n]'),
        ('[{"id": 1},{"id": 2}]', '[{"id": 1},{"id": 2},A,B]'),
    ],
)
def test_features_are_appended_in_the_manner_of_the_document(before: str, after: str) -> None:
    """With what stands between its own features between them."""
    found = merged(
        text(f'{{"features": {before}, "type": "FeatureCollection"}}'), output({"id": "A"}, {"id": "B"})
    )
    raws = [bytes(raw).decode() for raw in found.collection.raws()]
    expected = after.replace("A", raws[-2]).replace("B", raws[-1])
    assert found.data.decode() == f'{{"features": {expected}, "type": "FeatureCollection"}}'


@pytest.mark.parametrize(
    ("before", "feature", "after"),
    [
        ("[0, 0, 2, 2]", {"geometry": POINT}, "[0, 0, 2, 2]"),
        ("[0, 0, 1.50, 1]", {"geometry": POINT}, "[0, 0, 1.5, 2]"),
        ("[0, 0, 1, 1]", {"bbox": [-3, 0, 0, 4]}, "[-3, 0, 1, 4]"),
        ("[0, 0, 1, 1]", {"geometry": None}, "[0, 0, 1, 1]"),
        ("[0, 0, 1, 1]", {"bbox": [170, 0, -170, 1]}, None),
        ("[0, 0, 0, 1, 1, 9]", {"geometry": POINT}, None),
        ("[0, 0, 0, 3, 3, 9]", {"geometry": POINT}, "[0, 0, 0, 3, 3, 9]"),
        ('"wrong"', {"geometry": POINT}, None),
    ],
)
def test_the_collections_box_is_never_left_wrong(before: str, feature: Any, after: str | None) -> None:
    """It takes in what is appended, or is dropped where that cannot be said (RFC 7946 §5)."""
    current = text(f'{{"type": "FeatureCollection", "bbox": {before}, "features": []}}')
    found = Collection.read(merged(current, output(feature)).data)
    member = found.members.get("bbox")
    assert (None if member is None else bytes(found.document[member.start : member.end]).decode()) == after


@pytest.mark.parametrize(
    "members",
    [
        '"bbox": [0, 0, 0, 0], "type": "FeatureCollection"',
        '"type": "FeatureCollection", "bbox": [0, 0, 0, 0]',
    ],
)
def test_a_dropped_box_takes_its_comma_along(members: str) -> None:
    """Wherever in the document it stood."""
    far = output({"bbox": [170, 0, -170, 1]})
    first = merged(text(f'{{{members}, "features": []}}'), far)
    last = merged(text(f'{{"features": [], {members}}}'), far)
    assert b"bbox" not in bytes(first.data).split(b"[")[0]
    assert len(first.features) == len(last.features) == 1


def test_a_byte_order_mark_stays() -> None:
    """It is part of the document."""
    current = Output(data=b"\xef\xbb\xbf" + output({"id": 1}).data, content={}, quicklooks={})
    assert merged(current, output({"id": 2})).data.startswith(b"\xef\xbb\xbf{")


# Choosing, refusing, reporting


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
        "warnings": [],
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
