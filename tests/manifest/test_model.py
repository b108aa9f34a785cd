"""The typed manifest."""

from __future__ import annotations

import dataclasses
import pickle
from typing import TYPE_CHECKING

import pytest
from manifest.examples import processing_block, text_of, version_1_block

from up42_state.errors import InvalidManifestError, PathNotFoundError, SettingsError
from up42_state.manifest import Manifest, OptionalFeatures, inherited_keys

if TYPE_CHECKING:
    from pathlib import Path


def test_every_field_is_read(blocks: dict[str, Manifest]) -> None:
    """The documentation's Pléiades block, field by field."""
    pleiades = blocks["pleiades-scene"]
    assert (pleiades.specification_version, pleiades.type, pleiades.superseded) == (2, "data", False)
    assert pleiades.display_name == "Pléiades Download"
    assert pleiades.tags[:2] == ("Airbus", "OneAtlas")
    assert (pleiades.machine.type, pleiades.machine.cpu, pleiades.machine.memory) == ("small", 0.5, 2)
    assert pleiades.optional_features == OptionalFeatures(quicklook_supported=True, dry_run_supported=True)
    assert (pleiades.input_capabilities, list(pleiades.output_capabilities)) == ({}, ["raster"])
    limit = pleiades.parameters["limit"]
    assert (limit.type, limit.minimum, limit.maximum, limit.default, limit.required) == (
        "integer",
        1,
        500,
        1,
        False,
    )


def test_a_required_parameter_with_description_and_items(blocks: dict[str, Manifest]) -> None:
    """What a parameter can say of itself besides its type."""
    assert blocks["tiling"].parameters["tile_width"].required
    assert blocks["tiling"].parameters["tile_width"].description == "Width of a tile in pixels"
    assert blocks["snap-polarimetric"].parameters["mask"].items == {"type": "string", "enum": ["land", "sea"]}


def test_text_bytes_and_objects_are_the_same_manifest(tmp_path: Path) -> None:
    """A manifest given as text, as bytes or as an object gives equal records."""
    document = processing_block()
    path = tmp_path / "UP42Manifest.json"
    path.write_text(text_of(document), encoding="utf-8")
    text = text_of(document)
    forms = [Manifest.from_json(document), Manifest.from_json(text), Manifest.from_json(text.encode())]
    assert all(form == Manifest.read(path) for form in forms)


def test_manifests_that_differ_are_not_equal() -> None:
    """A member that the documentation does not name counts too."""
    assert Manifest.from_json(processing_block()) != Manifest.from_json(processing_block(owner="x"))


def test_a_manifest_cannot_be_changed() -> None:
    """Records are frozen."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Manifest.from_json(processing_block()).name = "other"  # type: ignore[misc]


def test_a_manifest_can_be_sent_to_a_worker() -> None:
    """A manifest survives pickling."""
    manifest = Manifest.from_json(processing_block())
    assert pickle.loads(pickle.dumps(manifest)) == manifest


def test_a_superseded_manifest_says_so() -> None:
    """Version 1 is read, and marked."""
    manifest = Manifest.from_json(version_1_block(["up42.data.aoiclipped"], []))
    assert (manifest.superseded, [warning.place for warning in manifest.warnings]) == (
        True,
        ["#/_up42_specification_version"],
    )


def test_an_invalid_manifest_is_refused_with_all_defects(tmp_path: Path) -> None:
    """The error names the file, and lists every defect."""
    path = tmp_path / "UP42Manifest.json"
    path.write_text(text_of(processing_block(name=1, machine={})), encoding="utf-8")
    with pytest.raises(InvalidManifestError, match=r"UP42Manifest\.json is not valid") as caught:
        Manifest.read(path)
    assert [defect.place for defect in caught.value.defects] == ["#/name", "#/machine"]


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    """The error names the path."""
    with pytest.raises(PathNotFoundError, match=r"there is no file .*x\.json"):
        Manifest.read(tmp_path / "x.json")


def test_a_directory_is_no_manifest(tmp_path: Path) -> None:
    """A directory in place of the manifest is a wrong argument, not a missing file."""
    with pytest.raises(SettingsError, match="cannot be read"):
        Manifest.read(tmp_path)


def test_a_device_without_end_is_refused() -> None:
    """No more than the largest manifest is read."""
    with pytest.raises(InvalidManifestError, match="larger than 1048576 bytes"):
        Manifest.read("/dev/zero")


def test_inherited_keys_are_those_marked_with_the_operator(blocks: dict[str, Manifest]) -> None:
    """In the manifest's order, each once."""
    assert inherited_keys(blocks["pansharpen"]) == ("sensor", "resolution", "processing_level", "dtype")
    assert inherited_keys(blocks["ship-detection"]) == ()


def test_inherited_keys_of_both_sections_and_of_several_meta_capabilities() -> None:
    """The name alone is the property, so the same name counts once; the platform's own are left out."""
    outputs = {
        "raster": {"up42_standard": {"sensor": ">"}, "custom": {"scene": ">", "kind": "a"}},
        "vector": {"custom": {"scene": ">", "pass": ">", "up42.data_path": ">"}},
    }
    manifest = Manifest.from_json(processing_block(output_capabilities=outputs))
    assert inherited_keys(manifest) == ("sensor", "scene", "pass")


def test_a_superseded_manifest_inherits_nothing() -> None:
    """Version 1 has no operators."""
    assert inherited_keys(Manifest.from_json(version_1_block([], ["up42.data.aoiclipped"]))) == ()
