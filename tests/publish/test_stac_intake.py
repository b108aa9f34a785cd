"""Outputs made of local documents of STAC."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from doubles.outputs import contents, tiles

from up42_state.errors import (
    IntegrityError,
    InvalidDataError,
    PathNotFoundError,
    SettingsError,
    TargetConflictError,
)
from up42_state.publish import stac

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from up42_state.stage import Stage
    from up42_state.state import State

    Save = Callable[..., Stage]

SQUARE = {"type": "Polygon", "coordinates": [[[13, 52], [14, 52], [14, 53], [13, 53], [13, 52]]]}


def item(identity: str = "a", **assets: Any) -> dict[str, Any]:
    """An item as others write it."""
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": identity,
        "geometry": SQUARE,
        "bbox": [13, 52, 14, 53],
        "properties": {"datetime": "2020-01-01T00:00:00Z", "gsd": 10},
        "links": [],
        "assets": {
            name: {"href": value} if isinstance(value, str) else value for name, value in assets.items()
        },
    }


def written(root: Path, *items: dict[str, Any], **files: bytes) -> Path:
    """An ItemCollection with files beside it."""
    root.mkdir(exist_ok=True)
    for name, data in files.items():
        (root / name.replace("__", ".")).write_bytes(data)
    path = root / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


def features(directory: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((directory / "data.json").read_text())["features"]
    return found


def test_items_become_features(tmp_path: Path, state: State) -> None:
    """One file is the data path, several lie in a directory, a thumbnail is a quicklook; it can be saved."""
    document = written(
        tmp_path / "in",
        item(
            "one",
            visual={"href": "./a.tif", "roles": ["data"]},
            thumbnail={"href": "t.png", "roles": ["thumbnail"]},
        ),
        item("t/w o", red="b.tif", meta="b.xml"),
        item("none"),
        a__tif=b"1",
        t__png=b"2",
        b__tif=b"3",
        b__xml=b"4",
    )
    taken = stac.take_in(document, tmp_path / "output")
    assert (taken.features, taken.files, taken.warnings) == (3, 4, ())
    assert set(contents(tmp_path / "output")) == {
        *("data.json", "one/a.tif", ".quicklooks/one.png", "t-w-o/b.tif", "t-w-o/b.xml"),
    }
    found = features(tmp_path / "output")
    assert [feature["properties"].get("up42.data_path") for feature in found] == ["one/a.tif", "t-w-o", None]
    assert [feature["id"] for feature in found] == ["one", "t/w o", "none"]
    assert found[0]["properties"].items() >= {"datetime": "2020-01-01T00:00:00Z", "gsd": 10}.items()
    assert found[0]["geometry"] == SQUARE
    saved = state.job("j").stage("s").save(tmp_path / "output")
    assert saved.warnings == ()


@pytest.mark.parametrize("form", ["items", "catalog"])
def test_there_and_back(saved: Save, tmp_path: Path, form: str) -> None:
    """A document of ours, taken in, gives the features and files of the stage, packed ones too."""
    files = {
        **tiles(20),
        "x.SAFE/manifest.safe": b"5",
        "x.SAFE/b1.jp2": b"6",
        ".quicklooks/tile_0003.png": b"7",
    }
    given = [
        {
            "type": "Feature",
            "id": 7,
            "geometry": None,
            "properties": {"datetime": 5, "up42.data_path": "x.SAFE"},
        },
        {"type": "Feature", "geometry": {}, "bbox": [1, 2, 3, 4], "properties": {"title": 1}, "links": 3},
        *(
            {
                "type": "Feature",
                "id": f"f/{n}",
                "geometry": SQUARE,
                "properties": {"up42.data_path": f"tile_{n:04d}.tif"},
            }
            for n in range(20)
        ),
    ]
    stage = saved(given, files)
    if form == "items":
        document = stac.write(stac.item_collection([stage]), tmp_path / "out.json")
    else:
        document = stac.write(stac.catalog([stage]), tmp_path / "catalog") / "catalog.json"
    stac.take_in(document, tmp_path / "back", roots=[tmp_path / "store"])
    back = contents(tmp_path / "back")
    back.pop("data.json")
    assert {name: found[0] for name, found in back.items() if found} == files
    found = features(tmp_path / "back")
    for feature in found:
        if feature["geometry"]:
            del feature["bbox"]  # which STAC asks for
    assert found == [{**given[1], "geometry": None} if n == 1 else feature for n, feature in enumerate(given)]


def test_another_reference_system_there_and_back(saved: Save, tmp_path: Path) -> None:
    """Coordinates in metres come back with the name of their system; mixed with degrees they do not."""
    crs = {"type": "name", "properties": {"name": "EPSG:32633"}}
    there = {"type": "Point", "coordinates": [388000.0, 5820000.0]}
    given = [{"type": "Feature", "id": "a", "geometry": there, "properties": {}}]
    metres = saved(given, name="metres", members={"crs": crs})
    degrees = saved([{**given[0], "geometry": SQUARE}], name="degrees")
    for name, stages in (("one", [metres]), ("both", [metres, degrees])):
        document = stac.write(stac.item_collection(stages), tmp_path / f"{name}.json")
        stac.take_in(document, tmp_path / name)
    back = json.loads((tmp_path / "one" / "data.json").read_text())
    assert back == {"type": "FeatureCollection", "crs": crs, "features": given}
    assert [feature["geometry"] for feature in features(tmp_path / "both")] == [None, SQUARE]


def test_stages_whose_files_have_one_path(saved: Save, tmp_path: Path) -> None:
    """Of several stages each feature keeps its own bytes: what is in the way moves, and data paths follow."""
    stages = [
        saved(
            [{"type": "Feature", "id": "a", "geometry": None, "properties": {"up42.data_path": path}}],
            {"x/a.tif": data, "x/a.tfw": data + b"w", ".quicklooks/a.png": data + b"q"},
            name=name,
        )
        for name, data, path in (("s1", b"1", "x"), ("s2", b"22", "x"), ("s3", b"333", "./x/a.tif"))
    ]
    document = stac.write(stac.item_collection(stages), tmp_path / "items.json")
    stac.take_in(document, tmp_path / "back", roots=[tmp_path / "store"])
    paths = [feature["properties"]["up42.data_path"] for feature in features(tmp_path / "back")]
    assert paths == ["x", "a~2/x", "a~3/x/a.tif"]
    back = {name: found[0] for name, found in contents(tmp_path / "back").items() if found}
    assert [back[f"{path}/a.tif".replace(".tif/a.tif", ".tif")] for path in paths] == [b"1", b"22", b"333"]
    assert [back[f".quicklooks/{name}.png"] for name in ("a", "a~2", "a~3")] == [b"1q", b"22q", b"333q"]


def test_remote_assets_stay_properties(tmp_path: Path) -> None:
    """An asset elsewhere is not fetched: it stays a property, without the secret in its address."""
    signed = "https://b.s3.amazonaws.com/a.tif?X-Amz-Signature=" + "0123456789abcdef" * 4
    document = written(
        tmp_path / "in", item(a="s3://bucket/a.tif", b={"href": signed, "title": "B"}, c="//host/c")
    )
    taken = stac.take_in(document, tmp_path / "output")
    assert [text for text in taken.warnings if text.startswith("3 assets lie on another machine")]
    (feature,) = features(tmp_path / "output")
    kept = feature["properties"]["stac:assets"]
    assert kept["a"] == {"href": "s3://bucket/a.tif"}
    assert kept["b"]["title"] == "B"
    assert "0123456789abcdef" not in json.dumps(kept)


@pytest.mark.parametrize("how", ["up", "absolute", "file", "link", "directory"])
def test_files_elsewhere_are_refused(tmp_path: Path, how: str) -> None:
    """A document cannot name files outside its directory unless their directory is named."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_bytes(b"hidden")
    (tmp_path / "in" / "folder").mkdir(parents=True)
    (tmp_path / "in" / "linked").symlink_to(secret / "key")
    (tmp_path / "in" / "folder" / "linked").symlink_to(secret / "key")
    hrefs = {
        "up": "../secret/key",
        "absolute": str(secret / "key"),
        "file": (secret / "key").as_uri(),
        "link": "linked",
        "directory": "folder",
    }
    document = written(tmp_path / "in", item(a=hrefs[how]))
    with pytest.raises(SettingsError, match="outside the directory of the document") as caught:
        stac.take_in(document, tmp_path / "output")
    assert "--stac-root" in caught.value.advice
    assert stac.take_in(document, tmp_path / "allowed", roots=[secret]).files == 1


@pytest.mark.parametrize(
    "path", ["../up.tif", "/etc/passwd", "data.json", ".up42_state/x", "a/../../b", "a\0b"]
)
def test_hostile_paths(tmp_path: Path, path: str) -> None:
    """A path in a document that leaves the output, or is one of ours, is refused."""
    document = written(tmp_path / "in", item(a={"href": "a.tif", "up42:path": path}), a__tif=b"1")
    with pytest.raises(InvalidDataError, match="cannot be taken in"):
        stac.take_in(document, tmp_path / "output")
    assert not (tmp_path / "up.tif").exists()


@pytest.mark.parametrize(("offset", "size"), [(-1, 2), (0, 99), (3, 5), ("0", "x")])
def test_a_place_outside_the_archive(tmp_path: Path, offset: Any, size: Any) -> None:
    """A place in a pack that is not in it is refused."""
    asset = {"href": "a.zip", "up42:member": "x", "up42:offset": offset, "up42:size": size, "up42:path": "x"}
    with pytest.raises(InvalidDataError):
        stac.take_in(written(tmp_path / "in", item(a=asset), a__zip=b"12345"), tmp_path / "output")


def test_checksums_are_compared(tmp_path: Path) -> None:
    """Bytes that are not those of the checksum are refused; a checksum of another kind is passed over."""
    right = "1220" + hashlib.sha256(b"1").hexdigest()
    for number, (checksum, fails) in enumerate([(right, False), (right[:-1] + "0", True), ("1114ff", False)]):
        document = written(tmp_path / "in", item(a={"href": "a.tif", "file:checksum": checksum}), a__tif=b"1")
        if fails and checksum != right:
            with pytest.raises(IntegrityError, match="not those of its checksum"):
                stac.take_in(document, tmp_path / str(number))
        else:
            stac.take_in(document, tmp_path / str(number))


def test_two_files_of_one_path(tmp_path: Path) -> None:
    """A file that would lie in another one is an error; the same file twice is none."""
    one = {"href": "a.tif", "up42:path": "x.tif"}
    files = {"a__tif": b"1", "b__tif": b"2"}
    assert (
        stac.take_in(written(tmp_path / "in", item(a=one), item("b", a=one), **files), tmp_path / "o").files
        == 1
    )
    inside = {"href": "b.tif", "up42:path": "x.tif/y.tif"}
    with pytest.raises(InvalidDataError, match="stands in its way"):
        stac.take_in(written(tmp_path / "in", item(a=one, b=inside), **files), tmp_path / "q")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "is not JSON"),
        ("[]", "not a JSON object"),
        ('{"type": "Topology"}', "is 'Topology'"),
        ('{"type": "FeatureCollection"}', "features"),
        ('{"type": "FeatureCollection", "features": [5]}', "not a Feature"),
        ('{"type": "Feature", "id": "a", "geometry": null, "properties": {}}', "assets"),
        ('{"type": "Feature", "assets": {"a": {"href": 5}}}', "href"),
        (
            '{"type": "Catalog", "links": [{"rel": "child", "href": "https://example.com/c.json"}]}',
            "another machine",
        ),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_no_document_of_stac(tmp_path: Path, text: str, problem: str) -> None:
    """Any other JSON is an error that says what is wrong and where."""
    (tmp_path / "in.json").write_text(text)
    with pytest.raises(InvalidDataError) as caught:
        stac.take_in(tmp_path / "in.json", tmp_path / "output")
    assert problem in str(caught.value) + str(caught.value.defects)


def test_what_is_not_there(tmp_path: Path) -> None:
    """A document, a file and a linked document that are missing are told; a URL is no document."""
    with pytest.raises(PathNotFoundError, match="no document"):
        stac.take_in(tmp_path / "none.json", tmp_path / "a")
    with pytest.raises(PathNotFoundError, match=r"gone\.tif"):
        stac.take_in(written(tmp_path / "in", item(a="gone.tif")), tmp_path / "b")
    (tmp_path / "c.json").write_text('{"type": "Catalog", "links": [{"rel": "item", "href": "./gone.json"}]}')
    with pytest.raises(PathNotFoundError, match=r"gone\.json"):
        stac.take_in(tmp_path / "c.json", tmp_path / "c")
    for url in ("https://example.com/items.json", "s3://bucket/items.json"):
        with pytest.raises(SettingsError, match="not on this machine"):
            stac.take_in(url, tmp_path / "d")


def test_a_catalog_that_goes_in_circles(tmp_path: Path) -> None:
    """Documents that link to each other are read once each."""
    links = [{"rel": "child", "href": "./a.json"}, {"rel": "item", "href": "./i.json"}]
    (tmp_path / "a.json").write_text(json.dumps({"type": "Catalog", "links": links}))
    (tmp_path / "i.json").write_text(json.dumps(item()))
    assert stac.take_in(tmp_path / "a.json", tmp_path / "output").features == 1


def test_a_target_that_holds_something(tmp_path: Path) -> None:
    """An output is made in an empty directory alone."""
    document = written(tmp_path / "in", item())
    with pytest.raises(TargetConflictError):
        stac.take_in(document, tmp_path / "in")


def test_files_are_copied_where_they_cannot_be_linked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another file system a file is copied, and stays what it is."""

    def refuse(*_: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", refuse)
    document = written(tmp_path / "in", item(a="a.tif"), a__tif=b"1")
    stac.take_in(document, tmp_path / "output")
    shutil.rmtree(tmp_path / "in")
    assert (tmp_path / "output" / "a" / "a.tif").read_bytes() == b"1"


@pytest.mark.parametrize("is_catalog", [False, True], ids=["items", "catalog"])
def test_what_the_collection_says_comes_back(
    tmp_path: Path, saved: Save, validate: Callable[[Any], None], is_catalog: bool
) -> None:
    """Marks of a running stage, say: without these, its changes would be made again."""
    members = {"up42.state.applied": {"may/seen:1": 1}, "name": "baseline", "bbox": [0, 0, 1, 1]}
    system = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    stage = saved([{"id": "a", "properties": {}, "type": "Feature"}], members=members | {"crs": system})
    make = stac.catalog if is_catalog else stac.item_collection
    document = make([stage])
    for each in document.files.values():
        validate(each)
    path = stac.write(document, tmp_path / "document")
    stac.take_in(path / "catalog.json" if is_catalog else path, tmp_path / "back")
    back = json.loads((tmp_path / "back" / "data.json").read_text())
    assert {name: back[name] for name in back if name not in ("type", "features")} == members


def test_members_of_a_hostile_collection_replace_nothing(tmp_path: Path) -> None:
    """Nor do they where they are no object."""
    document = written(tmp_path / "in", item())
    hostile = {"features": [], "type": "x", "crs": {"type": "name"}, "kept": 1}
    for members, wanted in ((hostile, {"kept": 1}), ([1], {})):
        document.write_text(json.dumps(json.loads(document.read_text()) | {"up42:members": members}))
        stac.take_in(document, tmp_path / f"out-{len(wanted)}")
        back = json.loads((tmp_path / f"out-{len(wanted)}" / "data.json").read_text())
        assert len(back.pop("features")) == 1
        assert back == {"type": "FeatureCollection"} | wanted


def test_a_property_comes_back_that_says_what_the_document_says(tmp_path: Path, saved: Save) -> None:
    """A datetime that is null, and a time that happens to be that of the commit."""
    stage = saved([{"id": "a", "type": "Feature", "geometry": None, "properties": {"datetime": None}}])
    stac.take_in(stac.write(stac.item_collection([stage]), tmp_path / "items.json"), tmp_path / "back")
    assert features(tmp_path / "back")[0]["properties"] == {"datetime": None}
