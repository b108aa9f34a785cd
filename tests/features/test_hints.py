"""What is said of texts that are no data.json, and of data paths and keys that name nothing."""

from __future__ import annotations

import gzip
import json
import unicodedata
from typing import TYPE_CHECKING

import pytest

from up42_state.features import check, scan
from up42_state.features.check import examine
from up42_state.features.objects import writable

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.errors import Defect

FEATURE = '{"type": "Feature", "properties": {}, "geometry": null}'
COLLECTION = f'{{"type": "FeatureCollection", "features": [{FEATURE}]}}'
ONE = "FeatureCollection"


def defects(root: Path, data: bytes | str) -> list[Defect]:
    return check(data if isinstance(data, bytes) else data.encode(), scan(root))


def with_path(path: str, name: str = "up42.data_path") -> str:
    return json.dumps({"type": ONE, "features": [{"type": "Feature", "properties": {name: path}}]})


@pytest.mark.parametrize(
    ("data", "problem", "advice"),
    [
        (f"\x1e{FEATURE}\n\x1e{FEATURE}\n", "is a GeoJSON text sequence (RFC 8142)", "ogr2ogr -f GeoJSON"),
        (f"\n \x1e{FEATURE}", "is a GeoJSON text sequence (RFC 8142)", "ogr2ogr -f GeoJSON"),
        (f"{FEATURE}\n{FEATURE}\n", "newline-delimited GeoJSON", "ogr2ogr -f GeoJSON"),
        (f"{FEATURE} {FEATURE}", "newline-delimited GeoJSON", '"features": [...]'),
        ('{"type": "Point", "coordinates": [1, 2]}\n' * 2, "newline-delimited GeoJSON", "ogr2ogr"),
        (FEATURE, 'is "Feature", not "FeatureCollection"', "with the feature in its list"),
        ('{"type": "Point", "coordinates": [1, 2]}', 'is "Point", a geometry', "with a Feature that has it"),
        ('{"type": "GeometryCollection", "geometries": []}', "a geometry", "with a Feature that has it"),
        ('{"type": "Topology", "objects": {}, "arcs": []}', "TopoJSON", "ogr2ogr -f GeoJSON"),
        ('{"geometryType": "esriGeometryPoint", "features": []}', "Esri JSON", "ogr2ogr -f GeoJSON"),
        (json.dumps(COLLECTION), "was it written as JSON twice", '"features": [...]'),
        (gzip.compress(COLLECTION.encode(), mtime=0), "is compressed with gzip", "uncompressed"),
        (b"PK\x03\x04rest", "is a ZIP archive", "uncompressed"),
        (COLLECTION.encode("utf-16"), "is UTF-16", "UTF-8"),
        (COLLECTION.encode("utf-16-le"), "UTF-16", "UTF-8"),
        (COLLECTION.encode("utf-16-be"), "UTF-16", "UTF-8"),
        (COLLECTION.encode("utf-32-be"), "UTF-32", "UTF-8"),
        ("<!DOCTYPE html><title>Error</title>", "is an HTML page", "server's error"),
        ("<HTML>", "is an HTML page", "server's error"),
        ('<?xml version="1.0"?><kml/>', "is XML", "ogr2ogr -f GeoJSON"),
        ("{'type': 'FeatureCollection'}", "as Python prints it", "json.dump"),
        ("POLYGON ((0 0, 1 1, 1 0, 0 0))", "is WKT", '"features": [...]'),
        (b"SQLite format 3\0", "a GeoPackage?", "ogr2ogr -f GeoJSON"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS", "git lfs pull"),
    ],
)
def test_another_format_is_called_by_its_name(
    tmp_path: Path, data: bytes | str, problem: str, advice: str
) -> None:
    """One defect says what it is, and what to do about it."""
    [defect] = defects(tmp_path, data)
    assert problem in defect.problem
    assert advice in defect.advice


@pytest.mark.parametrize("data", [f"{COLLECTION}}}", f"{COLLECTION}\n{COLLECTION}", f"{FEATURE} x"])
def test_what_follows_a_document_is_told_by_its_place(tmp_path: Path, data: str) -> None:
    """Remains of a longer file, say, are no list of features."""
    assert "line" in defects(tmp_path, data)[0].problem or "newline" in defects(tmp_path, data)[0].problem


@pytest.mark.parametrize(
    ("member", "advice"),
    [
        ('"geometry": {"type": "Point", "coordinates": [NaN, 1]}', 'or write "geometry": null'),
        ('"geometry": {"type": "Point", "coordinates": [1, 2, Infinity]}', "leave its position out"),
        ('"geometry": {"geometries": [{"coordinates": [NaN]}]}', "RFC 7946"),
        ('"bbox": [0, 0, NaN, 1]', "leave the bbox out"),
        ('"properties": {"n": NaN}', "write null instead"),
        ('"properties": {"geometry": NaN, "bbox": 1}', "write null instead"),
    ],
)
def test_the_advice_for_a_number_makes_valid_geojson(tmp_path: Path, member: str, advice: str) -> None:
    """``null`` is no number of a position or a box."""
    [defect] = defects(tmp_path, f'{{"type": "{ONE}", "features": [{{"type": "Feature", {member}}}]}}')
    assert advice in defect.advice


def test_a_block_is_advised_alike() -> None:
    """What cannot be written has the same advice as what was read."""
    geometry = {"type": "Point", "coordinates": [float("nan"), 1.0]}
    _, found = writable({"type": ONE, "features": [{"type": "Feature", "geometry": geometry}]})
    assert 'or write "geometry": null' in found[0].advice


@pytest.mark.parametrize(
    ("there", "named", "problem"),
    [
        ("A.TIF", "a.tif", "there is 'A.TIF', in another case"),
        ("Scenes/a.tif", "scenes/A.tif", "there is 'Scenes/a.tif', in another case"),
        ("Scenes/a.tif", "scenes", "there is 'Scenes', in another case"),
        ("Straße.tif", "STRASSE.TIF", "there is 'Straße.tif', in another case"),
    ],
)
def test_a_file_in_another_case_is_named(tmp_path: Path, there: str, named: str, problem: str) -> None:
    """The defect says which file there is."""
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("x")
    [defect] = defects(tmp_path, with_path(named))
    assert problem in defect.problem
    assert "write the name as the file has it" in defect.advice


@pytest.mark.parametrize(("form", "other"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_file_in_another_unicode_form_is_named(tmp_path: Path, form: str, other: str) -> None:
    """Both look alike, so that the forms are said, too."""
    (tmp_path / unicodedata.normalize(form, "Ä.tif")).write_text("x")  # type: ignore[arg-type]
    [defect] = defects(tmp_path, with_path(unicodedata.normalize(other, "Ä.tif")))  # type: ignore[arg-type]
    assert f"in another Unicode form ({form}, not {other})" in defect.problem
    assert "os.listdir" in defect.advice


def warnings(root: Path, *features: object, dry_run: bool = False) -> tuple[str, ...]:
    document = json.dumps({"type": ONE, "features": features}).encode()
    found = examine(document, scan(root), dry_run=dry_run)
    assert found.defects == []
    return found.warnings


@pytest.mark.parametrize("path", [".up42_state/a.tif", "data.json", "./data.json"])
def test_a_path_that_is_ours(tmp_path: Path, path: str) -> None:
    """A file that is there, where none of an output lies, is not asked to be written."""
    (tmp_path / ".up42_state").mkdir()
    (tmp_path / ".up42_state" / "a.tif").touch()
    (tmp_path / "data.json").touch()
    (found,) = defects(tmp_path, with_path(path))
    assert "at the top of an output is no file of it" in found.problem
    assert found.advice == "have the file lie elsewhere, and write its path"


def test_keys_that_name_nothing_are_counted_in_one_warning(tmp_path: Path) -> None:
    """The first three with place, feature and value; they are no defects."""
    (tmp_path / "a_fc.tif").write_text("x")
    names = ("up42.data.aoiclipped", "data.imagery", "custom.result", "custom.more")
    features = [{"id": f"f{n}", "properties": {name: f"a{n}.tif"}} for n, name in enumerate(names)]
    [warning] = warnings(tmp_path, *features, {"properties": {"up42.data.aoiclipped": "a_fc.tif"}})
    assert warning.startswith("4 properties look like data paths and name nothing")
    assert "features[0].properties[\"up42.data.aoiclipped\"] of 'f0', 'a0.tif'" in warning
    assert warning.endswith("'a2.tif' and 1 more")


@pytest.mark.parametrize(
    ("value", "warned"),
    [
        ("a.tif", True),
        ("d/a", True),
        ("a b.tif", True),
        ("uuid/scene.SAFE", True),
        ("./a.geojson", True),
        ("v1.2", False),
        ("10 km/h", False),
        ("https://example.com/a.tif", False),
        ("/api/a.tif", False),
        ("plain", False),
        ("", False),
        ("e.g. this", False),
        ("here.tif", False),
        (7, False),
    ],
)
def test_only_what_looks_like_a_path_is_a_warning(tmp_path: Path, value: object, warned: bool) -> None:
    """An extension, or a slash and no space; no URL, and nothing that names a file."""
    (tmp_path / "here.tif").write_text("x")
    assert bool(warnings(tmp_path, {"properties": {"custom.x": value}})) is warned


def test_a_dry_run_warns_of_no_file(tmp_path: Path) -> None:
    """It writes none."""
    assert warnings(tmp_path, {"properties": {"custom.x": "a.tif"}}, dry_run=True) == ()


def test_what_is_mended_is_named_in_the_advice(tmp_path: Path) -> None:
    """A path below the output, a list and a collection of features: the defects say how."""
    (tmp_path / "a.tif").write_text("x")
    nested = {"type": ONE, "features": []}
    document = {
        "type": ONE,
        "features": [{"properties": {"up42.data_path": f"{tmp_path}/a.tif"}}, [nested], nested, ["x"]],
    }
    found = defects(tmp_path, json.dumps(document))
    assert [defect.place for defect in found] == [
        'features[0].properties["up42.data_path"]',
        "features[1]",
        "features[2]",
        "features[3]",
    ]
    assert [("--repair" in defect.advice) for defect in found] == [True, True, True, False]
    assert "write 'a.tif'" in found[0].advice
