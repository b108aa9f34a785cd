"""Mending what real blocks are known to write."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from up42_state.features import check, scan
from up42_state.features.repair import repair

if TYPE_CHECKING:
    from pathlib import Path

    from up42_state.features.repair import Change


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """An output directory with some files."""
    root = tmp_path / "output"
    for path in ("x.tif", "d/y.tif", "a b.tif", "ü.tif"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return root


def mended(output: Path, document: object, *, dry_run: bool = False) -> tuple[Any, list[Change]]:
    """What a document becomes, and what was changed."""
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    new, changes = repair(text, scan(output), str(output), dry_run=dry_run)
    assert repair(new, scan(output), str(output), dry_run=dry_run) == (new, [])
    return json.loads(new), changes


def collection(*features: object) -> dict[str, object]:
    return {"type": "FeatureCollection", "features": list(features)}


def at(path: object, name: str = "up42.data_path") -> dict[str, object]:
    return {"type": "Feature", "properties": {name: path}}


@pytest.mark.parametrize(
    ("nested", "places"),
    [
        (collection([at("x.tif"), at("d")]), ["features[0]"]),
        (collection(at("x.tif"), [], at("d")), ["features[1]"]),
        (collection([[at("x.tif")], [[at("d")]]]), ["features[0]"]),
        (collection(collection(at("x.tif"), at("d"))), ["features[0]"]),
        (collection([at("x.tif")], collection([at("d")])), ["features[0]", "features[1]"]),
        ([at("x.tif"), at("d")], ["data.json"]),
        ({"features": [at("x.tif"), at("d")]}, ["type"]),
        ({"features": [[at("x.tif"), at("d")]], "bbox": [0, 0, 1, 1]}, ["type", "features[0]"]),
    ],
)
def test_features_are_taken_out_of_what_is_around_them(
    output: Path, nested: object, places: list[str]
) -> None:
    """Lists and collections in the place of a feature, however nested, and documents that are a list."""
    found, changes = mended(output, nested)
    assert [change.place for change in changes] == places
    assert (found["type"], found["features"]) == ("FeatureCollection", [at("x.tif"), at("d")])
    assert check(json.dumps(found).encode(), scan(output)) == []


def test_one_feature_becomes_a_collection(output: Path) -> None:
    """With its path mended, too."""
    found, changes = mended(output, at(f"{output}/x.tif"))
    assert found == collection(at("x.tif"))
    assert [str(change) for change in changes] == [
        "data.json: a Feature became a FeatureCollection that holds it",
        f"features[0].properties[\"up42.data_path\"]: '{output}/x.tif' became 'x.tif'",
    ]


@pytest.mark.parametrize("name", ["up42.data_path", "up42.data.aoiclipped", "data.imagery", "custom.x"])
@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("{root}/x.tif", "x.tif"),
        ("{root}//d/./y.tif", "d/y.tif"),
        ("{root}/d/", "d"),
        ("/tmp/output/d/y.tif", "d/y.tif"),
        ("file://{root}/a%20b.tif", "a b.tif"),
        ("file:{root}/x.tif", "x.tif"),
        ("FILE://localhost/tmp/output/%C3%BC.tif", "ü.tif"),
        ("file:x.tif", "x.tif"),
        ("d/../x.tif", "x.tif"),
        ("../output/x.tif", "x.tif"),
    ],
)
def test_a_path_that_means_a_file_of_the_output_becomes_relative(
    output: Path, name: str, path: str, meant: str
) -> None:
    """Absolute, a URL, or round about."""
    value = path.format(root=output)
    found, [change] = mended(output, collection(at(value, name)))
    assert found == collection(at(meant, name))
    assert (change.old, change.new) == (repr(value), repr(meant))


def test_the_output_itself_is_a_path(output: Path) -> None:
    """As ``.``, which is the whole output."""
    assert mended(output, collection(at(str(output))))[0] == collection(at("."))


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "{root}/gone.tif",
        "{root}x/x.tif",
        "../x.tif",
        "../../etc/passwd",
        "file://elsewhere/tmp/output/x.tif",
        "file://[/x.tif",
        "d\\y.tif",
        "{root}/x.tif\0",
        "https://example.com/tmp/output/x.tif",
        7,
        None,
    ],
)
def test_what_means_no_file_of_the_output_stays(output: Path, path: object) -> None:
    """It has another meaning, or none."""
    value = path.format(root=output) if isinstance(path, str) else path
    document = json.dumps(collection(at(value))).encode()
    assert repair(document, scan(output), str(output)) == (document, [])


def test_a_way_through_a_link_is_not_shortened(output: Path, tmp_path: Path) -> None:
    """Behind a link ``..`` leads elsewhere: the file that is there would be another one."""
    (tmp_path / "other/inner").mkdir(parents=True)
    (tmp_path / "other/x.tif").write_text("another")
    os.symlink(tmp_path / "other/inner", output / "link")
    document = json.dumps(collection(at("link/../x.tif"))).encode()
    assert repair(document, scan(output), str(output)) == (document, [])


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{",
        b'{"type": "FeatureCollection"}',
        b'{"type": "FeatureCollection", "features": 3}',
        b'{"type": "FeatureCollection", "features": [NaN]}',
        b'{"type": "FeatureCollection", "features": [["x"], [3], null, "y"]}',
        b'[3, {"type": "Feature"}]',
        b"3",
        b"[" * 100_000,
        b'{"features": [], "geometryType": "esriGeometryPoint"}',
    ],
)
def test_everything_else_stays_as_it_is(output: Path, document: bytes) -> None:
    """What is not understood is not touched."""
    assert repair(document, scan(output), str(output)) == (document, [])


def test_all_other_bytes_stay(output: Path) -> None:
    """White space, order, numbers, members that nobody knows."""
    document = (
        b'\xef\xbb\xbf{ "name": "n",\n "features": [\n  [{"id": 1.50, "properties": {"a": 1e0}}],\n'
        b'  {"x": [1.0], "properties":{"up42.data_path":"/tmp/output/x.tif" , "b":2}}\n ],'
        b' "type": "FeatureCollection"}\n'
    )
    expected = document.replace(b"[{", b"{").replace(b"}}],", b"}},").replace(b"/tmp/output/", b"")
    assert repair(document, scan(output), str(output))[0] == expected


def test_in_a_dry_run_files_need_not_be_there(output: Path) -> None:
    """An absolute path below the output is mended all the same."""
    document = collection(at("/tmp/output/gone.tif"))
    assert mended(output, document, dry_run=True)[0] == collection(at("gone.tif"))
