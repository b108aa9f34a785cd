"""Stages as documents of STAC: what pystac says of them, and what is in them."""

from __future__ import annotations

import hashlib
import json
import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from doubles.outputs import state_on, tiles, write_output

from up42_state.buckets.memory import MemoryBucket
from up42_state.errors import (
    RevisionNotFoundError,
    SettingsError,
    StageNotFoundError,
    UnsupportedStoreError,
)
from up42_state.publish import stac
from up42_state.stages.format.commit import BlockInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from up42_state.stage import Stage
    from up42_state.state import State

    Save = Callable[..., Stage]
    Validate = Callable[[Any], None]

SQUARE = {"type": "Polygon", "coordinates": [[[13, 52], [14, 52], [14, 53], [13, 53], [13, 52]]]}
ACQUIRED = {"acquisitionDate": "2019-09-06T10:39:13.555Z"}


def feature(identity: Any = "a", geometry: Any = SQUARE, **properties: Any) -> dict[str, Any]:
    made = {"type": "Feature", "geometry": geometry, "properties": {**ACQUIRED, **properties}}
    return made if identity is None else {**made, "id": identity}


def items(*stages: Stage, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stac.item_collection(stages, **options).value["features"]
    return found


def bytes_at(asset: dict[str, Any]) -> bytes:
    """The bytes of an asset whose address is a file's; those of the file in a pack."""
    from pathlib import Path

    data = Path(unquote(urlsplit(asset["href"]).path)).read_bytes()
    if "up42:member" in asset:
        data = data[asset["up42:offset"] :][: asset["up42:size"]]
    return data


def test_a_stage_is_valid(saved: Save, validate: Validate) -> None:
    """pystac finds nothing wrong with a plain item, and a document of it has no warnings."""
    stage = saved([feature(**{"up42.data_path": "a.tif"})], {"a.tif": b"some bytes"})
    document = stac.item_collection([stage])
    validate(document.value)
    assert document.warnings == ()
    (item,) = document.value["features"]
    assert item["id"] == "a"
    assert item["geometry"] == SQUARE
    assert item["bbox"] == [13, 52, 14, 53]
    assert item["properties"]["datetime"] == "2019-09-06T10:39:13.555000Z"


def test_the_checksum_is_that_of_the_stored_bytes(saved: Save) -> None:
    """An asset's address, size and checksum are those of the object in the store."""
    stage = saved([feature(**{"up42.data_path": "ä b#1.tif"})], {"ä b#1.tif": b"some bytes"})
    (item,) = items(stage)
    asset = item["assets"]["data"]
    stored = bytes_at(asset)
    assert stored == b"some bytes"
    assert asset["file:size"] == len(stored)
    assert asset["file:checksum"] == "1220" + hashlib.sha256(stored).hexdigest()
    assert asset["type"] == "image/tiff; application=geotiff"
    assert asset["roles"] == ["data"]


def test_sidecars_quicklooks_and_directories(saved: Save, validate: Validate) -> None:
    """A sidecar is metadata, a quicklook an overview, and a directory is as many assets as it has files."""
    files = {
        "a.tif": b"1",
        "a.tfw": b"2",
        ".quicklooks/a.png": b"3",
        ".quicklooks/a.tif": b"4",
        "x.SAFE/manifest.safe": b"5",
        "x.SAFE/img/b1.jp2": b"6",
        "elsewhere.bin": b"7",
    }
    stage = saved(
        [feature(**{"up42.data_path": "a.tif"}), feature("x", **{"up42.data_path": "x.SAFE"})], files
    )
    first, second = items(stage)
    validate({"type": "FeatureCollection", "features": [first, second]})
    assert {key: (asset["roles"], asset["type"]) for key, asset in first["assets"].items()} == {
        "data": (["data"], "image/tiff; application=geotiff"),
        "a.tfw": (["metadata"], "text/plain"),
        "quicklook": (["overview", "thumbnail"], "image/png"),
        ".quicklooks/a.tif": (["overview"], "image/tiff"),
    }
    assert {key: (asset["roles"], asset["type"]) for key, asset in second["assets"].items()} == {
        "x.SAFE/manifest.safe": (["metadata"], "application/xml"),
        "x.SAFE/img/b1.jp2": (["data"], "image/jp2"),
    }


def test_a_packed_file_is_a_place_in_an_archive(saved: Save, validate: Validate) -> None:
    """The asset of a packed file is the pack, and says where in it the file lies."""
    files = tiles(20)
    stage = saved([feature(name, **{"up42.data_path": name}) for name in files], files)
    document = stac.item_collection([stage])
    validate(document.value)
    for item in document.value["features"]:
        asset = item["assets"]["data"]
        assert (asset["type"], asset["roles"]) == ("application/zip", ["archive"])
        assert bytes_at(asset) == files[asset["up42:path"]]
        assert asset["up42:checksum"] == "1220" + hashlib.sha256(bytes_at(asset)).hexdigest()
        assert asset["up42:type"] == "image/tiff; application=geotiff"
        assert asset["file:local_path"] == asset["up42:member"]
    assert [text for text in document.warnings if "20 features had files in packs" in text]


def test_a_data_path_that_names_nothing_is_no_asset(saved: Save) -> None:
    """Only what is committed is an asset: a dry run's data path names no file."""
    stage = saved([feature(**{"up42.data_path": "a.tif"})], job_mode="DRY_RUN")
    (item,) = items(stage, revision=1)
    assert item["assets"] == {}
    assert item["properties"]["up42:job_mode"] == "DRY_RUN"


@pytest.mark.parametrize("geometry", [None, {}, {"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]}, 7])
def test_no_geometry(saved: Save, validate: Validate, geometry: Any) -> None:
    """Without a valid geometry the item's is null, it has no bbox, and what stood there is kept beside."""
    (item,) = items(saved([{**feature(geometry=geometry), "bbox": [1, 2, 3, 4]}]))
    validate(item)
    assert item["geometry"] is None
    assert "bbox" not in item
    assert item["properties"]["up42:bbox"] == [1, 2, 3, 4]
    assert item["properties"].get("up42:geometry") == (geometry or None)


def test_coordinates_that_are_not_degrees(saved: Save, validate: Validate) -> None:
    """A stage in another reference system has no geometry of STAC's, and the system is said."""
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
    there = {"type": "Point", "coordinates": [388000.0, 5820000.0]}
    document = stac.item_collection([saved([feature(geometry=there)], members={"crs": crs})])
    validate(document.value)
    (item,) = document.value["features"]
    assert item["geometry"] is None
    assert item["properties"]["proj:code"] == "EPSG:32633"
    assert item["properties"]["up42:geometry"] == there
    assert any("EPSG:32633" in warning for warning in document.warnings)


def test_no_time(saved: Save, validate: Validate) -> None:
    """Without a time the item has that of the commit, as a start and an end, and a warning says so."""
    stage = saved(
        [{"type": "Feature", "id": "a", "geometry": None, "properties": {"expirationDate": "2020-01-01"}}]
    )
    document = stac.item_collection([stage])
    validate(document.value)
    properties = document.value["features"][0]["properties"]
    assert properties["datetime"] is None
    start = datetime.fromisoformat(properties["start_datetime"])
    assert start == datetime.fromisoformat(properties["end_datetime"]) == stage.latest().time.astimezone(UTC)
    assert properties["up42:time"] == "commit"
    assert any("1 feature had no time" in warning for warning in document.warnings)


def test_ids(saved: Save, validate: Validate) -> None:
    """Ids are text without slashes and each is another one; what a feature had is kept beside."""
    given = ["a", "A", 7, 7.5, "x/../y z", "", None, "..", "ü" * 300, "a~2"]
    stage = saved([feature(identity, number=n) for n, identity in enumerate(given)])
    found = items(stage)
    validate({"type": "FeatureCollection", "features": found})
    ids = [item["id"] for item in found]
    assert ids[:6] == ["a", "A~2", "7", "7.5", "x_.._y_z", ids[5]]
    assert len({name.casefold() for name in ids}) == len(given)
    assert not [name for name in ids if "/" in name or name.startswith(".") or len(name.encode()) > 600]
    assert [item["properties"].get("up42:id", item["id"]) for item in found] == given
    assert ids == [item["id"] for item in items(stage)]


HOSTILE: dict[str, Any] = {
    "datetime": {"a": 1},
    "start_datetime": 5,
    "end_datetime": [],
    "created": "yesterday",
    "updated": 5,
    "title": 5,
    "description": "",
    "keywords": "x",
    "roles": 1,
    "license": "a b",
    "providers": [{"roles": [5]}],
    "platform": [],
    "instruments": "x",
    "gsd": -1,
    "data_type": 5,
    "nodata": "x",
    "statistics": {},
    "unit": 5,
    "bands": 5,
    "processing:level": 5,
    "processing:odd": 1,
    "proj:code": 5,
    "file:size": "x",
    "up42:properties": 5,
    "up42:id": 5,
    "up42:geometry": "x",
    "stac_version": 5,
    "mission": True,
}


def test_hostile_properties(saved: Save, validate: Validate) -> None:
    """Properties with STAC's names and other types make no item invalid, and none is lost."""
    hostile = {**HOSTILE, "acquisitionDate": "2019-09-06T10:39:13Z"}
    value = {
        **feature(),
        "properties": hostile,
        "links": 5,
        "assets": [],
        "stac_extensions": 1,
        "collection": {},
    }
    stage = saved([value], members={"stac_version": "9"})
    validate(stac.item_collection([stage]).value)
    (item,) = items(stage)
    kept = item["properties"] | item["properties"]["up42:properties"]
    assert {name: kept[name] for name in hostile} == hostile
    assert item["properties"]["up42:members"] == {
        name: value[name] for name in ("links", "assets", "stac_extensions", "collection")
    }
    assert item["properties"]["datetime"] == "2019-09-06T10:39:13Z"


def test_fitting_properties_stay(saved: Save, validate: Validate) -> None:
    """Properties that have STAC's types stay where they are."""
    fitting = {
        "gsd": 10,
        "platform": "sentinel-2a",
        "providers": [{"name": "ESA", "roles": ["producer"]}],
        "eo:x": 1,
    }
    (item,) = items(saved([feature(**fitting)]))
    validate(item)
    assert item["properties"].items() >= fitting.items()
    assert "up42:properties" not in item["properties"]


def test_processing(saved: Save, validate: Validate) -> None:
    """The block and its version are said, and a digest of the parameters, but nothing of a secret."""
    one, other = (
        saved(
            [feature()],
            name=f"s{number}",
            block=BlockInfo(name="sharpening", version="1.2"),
            parameters={"strength": 3, "api_key": secret},
        )
        for number, secret in enumerate(("hunter2hunter2", "another1another1"))
    )
    (item,), (twin,) = items(one), items(other)
    validate(item)
    properties = item["properties"]
    assert properties["processing:software"] == {"sharpening": "1.2"}
    assert properties["processing:version"] == "1.2"
    assert "sharpening 1.2" in properties["processing:lineage"]
    assert properties["up42:parameters"] == twin["properties"]["up42:parameters"]
    secret = hashlib.sha256(b"hunter2hunter2").hexdigest()
    assert not [text for text in ("hunter2", secret, "api_key") if text in json.dumps(item)]


def test_a_propagated_feature(saved: Save, validate: Validate, state: State) -> None:
    """A feature that was forwarded is derived from where it came from, and no block of this stage made it."""
    first = saved([feature(None, number=1)], name="scenes:1")
    second = saved(
        [feature("own")],
        name="tiling:1",
        after=[first],
        propagate=[first],
        block=BlockInfo(name="tiling", version="2"),
    )
    own, forwarded = items(second)
    validate(stac.item_collection([second]).value)
    assert "processing:software" not in forwarded["properties"]
    assert forwarded["properties"]["processing:lineage"].endswith("unchanged from 3f0c/scenes:1@1")
    assert own["properties"]["processing:software"] == {"tiling": "2"}
    assert [link["title"].partition("#")[0] for item in (own, forwarded) for link in item["links"]] == [
        "3f0c/scenes:1@1",
        "3f0c/scenes:1@1",
    ]
    commit = json.loads(bytes_at(forwarded["links"][0]))
    assert (commit["stage"], commit["revision"]) == ("scenes:1", 1)
    assert forwarded["id"] == items(first)[0]["id"]


def test_a_catalog(saved: Save, validate: Validate, tmp_path: Path) -> None:
    """pystac reads a catalog, all of it valid, and a forwarded feature leads to its origin."""
    import pystac

    files = {"a.tif": b"1"}
    first = saved([feature(**{"up42.data_path": "a.tif"}), feature("b", geometry=None)], files)
    saved([feature("own")], name="tiling:1", after=[first], propagate=[first])
    document = stac.catalog(stac.stages_of(first.job))
    stac.write(document, tmp_path / "catalog")
    for path in (tmp_path / "catalog").rglob("*.json"):
        validate(json.loads(path.read_text()))
    read = pystac.Catalog.from_file(str(tmp_path / "catalog" / "catalog.json"))
    assert [child.id for child in read.get_children()] == ["scenes:1", "tiling:1"]
    assert {item.id for item in read.get_items(recursive=True)} == {"own", "a", "b"}
    found = next(item for item in read.get_child("tiling:1").get_items() if item.id == "a")  # type: ignore[union-attr]
    assert found.get_collection().id == "tiling:1"  # type: ignore[union-attr]
    origin = found.get_single_link("derived_from")
    assert origin is not None
    assert (
        pystac.Item.from_file(origin.get_absolute_href() or "").to_dict()["assets"]["data"]["up42:path"]
        == "a.tif"
    )
    parent = read.get_child("tiling:1").get_single_link("derived_from")  # type: ignore[union-attr]
    assert parent.get_absolute_href().endswith("scenes-1/collection.json")  # type: ignore[union-attr]
    assert document.items == 5


def test_stages_of_several_jobs(saved: Save, validate: Validate, state: State, tmp_path: Path) -> None:
    """Stages of one name in several jobs have folders and ids of their own."""
    first = saved([feature()])
    second = state.job("other").stage("scenes:1")
    second.save(write_output(tmp_path / "other", {}, [feature()]))
    files = stac.catalog([first, second]).files
    for value in files.values():
        validate(value)
    collections = [value["id"] for value in files.values() if value["type"] == "Collection"]
    assert collections == ["3f0c/scenes:1", "other/scenes:1"]
    assert [item["id"] for item in items(first, second)] == ["a", "a~2"]


def test_an_empty_stage(saved: Save, validate: Validate) -> None:
    """A stage without features is a collection without items."""
    stage = saved([])
    for value in stac.catalog([stage]).files.values():
        validate(value)
    assert items(stage) == []


def test_shards_are_no_stages(saved: Save) -> None:
    """The stages of a job are listed without the shards of its tasks."""
    saved([feature()], name="tiling:1+" + "0" * 20)
    stage = saved([feature()], name="tiling:1")
    assert [found.name for found in stac.stages_of(stage.job)] == ["tiling:1"]


def test_an_older_revision(saved: Save) -> None:
    """A revision that is named is taken; one that there is not is an error."""
    saved([feature("old")])
    stage = saved([feature("new")])
    assert [item["id"] for item in items(stage, revision=1)] == ["old"]
    assert items(stage)[0]["properties"]["up42:revision"] == 2
    with pytest.raises(RevisionNotFoundError):
        stac.item_collection([stage], revision=3)


def test_what_cannot_be_made(saved: Save) -> None:
    """No stage, one twice, a revision of several, and one that is not there are errors."""
    stage, other = saved([feature()]), saved([feature()], name="other")
    for stages, options, problem in (
        ([], {}, "no stage"),
        ([stage, stage], {}, "twice"),
        ([stage, other], {"revision": 1}, "several stages"),
    ):
        with pytest.raises(SettingsError, match=problem):
            stac.item_collection(stages, **options)
    with pytest.raises(StageNotFoundError):
        stac.item_collection([stage.job.stage("none")])


@pytest.mark.parametrize("make", [stac.item_collection, stac.catalog])
def test_a_store_without_signed_urls(saved: Save, make: Callable[..., Any]) -> None:
    """A directory cannot sign, and says so."""
    from datetime import timedelta

    stage = saved([feature(**{"up42.data_path": "a.tif"})], {"a.tif": b"1"})
    with pytest.raises(UnsupportedStoreError, match="has no signed URLs"):
        make([stage], sign=timedelta(hours=1))


def test_numbers_that_json_has_no_form_for(saved: Save, validate: Validate, tmp_path: Path) -> None:
    """A number beyond floating point becomes null where a document is written: no reader takes Infinity."""
    stage = saved([feature()])
    document = stac.item_collection([stage])
    document.value["features"][0]["properties"]["large"] = math.inf
    stac.write(document, tmp_path / "items.json")
    assert json.loads((tmp_path / "items.json").read_text())["features"][0]["properties"]["large"] is None


def test_ten_thousand_features(tmp_path: Path) -> None:
    """10,000 features take a few seconds of a processor; ten of them share a file."""
    state = state_on(MemoryBucket("memory://stac"))
    files = {f"{number}.tif": b"%d" % number for number in range(1_000)}
    features = [
        feature(str(number), **{"up42.data_path": f"{number % 1_000}.tif"}) for number in range(10_000)
    ]
    first = state.job("j").stage("scenes:1")
    first.save(write_output(tmp_path / "output", files, features))
    begun = time.process_time()
    document = stac.item_collection([first])
    stac.write(document, tmp_path / "items.json")
    assert time.process_time() - begun < 15
    assert document.items == 10_000
