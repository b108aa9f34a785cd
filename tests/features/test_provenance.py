"""Provenance that blocks copied or somebody forged: it is checked, not believed."""

from __future__ import annotations

from typing import Any

import pytest
from doubles.forwarding import POINT, at, counts, output, run
from doubles.merging import applied, merged, stage

from up42_state.features import ORIGIN
from up42_state.features.merge.operator import merge

COPIED = {ORIGIN: "j/scenes:1@1#0123456789abcdef0123456789abcdef"}


def origins(features: list[Any]) -> list[str]:
    return [feature["properties"][ORIGIN] for feature in features]


def test_two_features_of_one_stage_with_one_provenance_are_two() -> None:
    """Both come, each with a provenance of its own, and a second time changes nothing."""
    earlier = output({"id": "A", "properties": COPIED}, {"id": "B", "properties": COPIED})
    once = merged(output({"id": "A", "properties": {**COPIED, "v": 0}}), earlier)
    assert [feature["id"] for feature in once.features] == ["A", "B"]
    assert len(set(origins(once.features))) == 2
    assert merged(once, earlier) == once


def test_tiles_are_not_the_scene_that_they_were_made_from() -> None:
    """A block copied its properties to them."""
    scene = output({"id": "scene", "properties": {**COPIED, "cloud": 3}})
    tiles = output(*({"id": f"tile{n}", "properties": {**COPIED, "tile": n}} for n in range(4)))
    assert counts(scene, tiles) == {"appended": 4}
    assert counts(tiles, scene) == {"appended": 1}


def test_one_tile_is_not_its_scene_either() -> None:
    """Another id, another place: nothing but a copied provenance says that they are one."""
    scene = output({"id": "scene", "geometry": POINT, "properties": COPIED})
    tile = output({"id": "tile", "geometry": {"type": "Point", "coordinates": [3, 4]}, "properties": COPIED})
    for current, earlier in ((scene, tile), (tile, scene)):
        once = merged(current, earlier)
        assert len(once.features) == 2
        assert merged(once, earlier) == once


def test_nowhere_is_no_common_place() -> None:
    """Features without a geometry and without files have nothing in common but a copied provenance."""
    for ids in (("scene", "tile"), (None, None)):
        one, other = (output({"id": name, "properties": {**COPIED, "n": n}}) for n, name in enumerate(ids))
        once = merged(one, other)
        assert len(once.features) == 2
        assert merged(once, other) == once


@pytest.mark.parametrize("ids", [("scene", "ndvi"), (None, None)])
def test_an_image_with_the_footprint_of_its_scene(
    ids: tuple[str | None, str | None],
) -> None:
    """It is not the scene: its id tells, or its file."""
    scene, image = (
        output(
            {**at(f"{what}.tif", n=n, **COPIED), "id": name, "geometry": POINT},
            content={f"{what}.tif": what.encode()},
        )
        for n, (what, name) in enumerate(zip(("scene", "ndvi"), ids, strict=True))
    )
    for current, earlier in ((scene, image), (image, scene)):
        once = merged(current, earlier)
        assert set(once.content) == {"scene.tif", "ndvi.tif"}
        assert merged(once, earlier) == once


def test_a_changed_feature_is_known_by_its_place_or_file() -> None:
    """A block left out its id and changed properties; or gave it another id, and kept its file."""
    scene = output({**at("s.tif", n=1, **COPIED), "id": "s", "geometry": POINT}, content={"s.tif": b"S"})
    unnamed = output({**at("s.tif", n=2, **COPIED), "geometry": POINT}, content={"s.tif": b"new"})
    renamed = output({**at("s.tif", n=2, **COPIED), "id": "t"}, content={"s.tif": b"S"})
    for current in (unnamed, renamed):
        assert counts(current, scene) == {"conflict, current kept": 1}


def test_a_copied_provenance_beside_the_real_one() -> None:
    """The scene was forwarded, a block made a tile of it: the stage again brings neither."""
    scenes = output({"id": "scene", "geometry": POINT, "properties": {"n": 1}})
    first = merged(output(), scenes)
    tile = {"id": "tile", "geometry": None, "properties": first.features[0]["properties"]}
    current = output(*first.features, tile)
    assert counts(current, scenes) == {"same": 1}
    assert counts(output(tile), scenes) == {"appended": 1}
    assert merged(output(tile), scenes, scenes) == merged(output(tile), scenes)


def test_a_forged_provenance_of_the_stage_itself() -> None:
    """A feature that claims to be another of the same stage is one of its own."""
    plain = output({"id": "a", "geometry": POINT, "properties": {"n": 1}})
    real = merged(output(), plain).features[0]["properties"][ORIGIN]
    forger = {"id": "b", "geometry": None, "properties": {ORIGIN: real}}
    earlier = output(plain.features[0], forger)
    once = merged(output(), earlier)
    assert [feature["id"] for feature in once.features] == ["a", "b"]
    assert origins(once.features)[0] == real != origins(once.features)[1]
    assert merged(once, earlier) == once


def test_a_feature_whose_geometry_alone_was_changed_is_known() -> None:
    """By its id, or by its file."""
    earlier = output({**at("x.tif"), "id": "a", "geometry": POINT}, content={"x.tif": b"A"})
    once = merged(output(), earlier)
    for change in ({"geometry": None}, {"geometry": None, "id": "b"}, {"id": "b"}):
        changed = output({**once.features[0], **change}, content=once.content)
        assert counts(changed, earlier) == {"conflict, current kept": 1}


def test_copied_provenance_over_jobs_and_stages() -> None:
    """Two stages hold features with one provenance: each brings its own, and both again nothing."""
    tiles = output(*({"id": f"t{n}", "properties": {**COPIED, "n": n}} for n in range(2)))
    masks = output(*({"id": f"m{n}", "properties": {**COPIED, "n": n}} for n in range(2)))
    stages = [stage(tiles, "a:1"), stage(masks, "b:1")]
    found = merge(output().collection, output().files, stages)
    once = applied(output(), [tiles, masks], found)
    assert [feature["id"] for feature in once.features] == ["t0", "t1", "m0", "m1"]
    assert len(set(origins(once.features))) == 4
    assert not merge(once.collection, once.files, stages).changed


def test_tiles_inherit_of_the_scene_whose_provenance_they_have() -> None:
    """What is no proof that two are one is the best hint at an origin."""
    scene = output({"id": "scene", "properties": {**COPIED, "cloud": 3}})
    tiles = output(*({"id": f"tile{n}", "properties": COPIED} for n in range(2)))
    assert run(tiles, scene, form="inherit").report.counts == {"inherited": 2}
