"""Stages through the libraries that open ``up42state://`` by way of fsspec."""

from __future__ import annotations

import asyncio
import json
import pickle
import threading
from typing import TYPE_CHECKING, Any

import fsspec
import numpy as np
import pytest
from doubles.outputs import feature, write_output
from fsspec.implementations.asyn_wrapper import AsyncFileSystemWrapper

from up42_state import State
from up42_state.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

CUBE = "up42state://j/cube:1/cube.zarr"
TABLE = "name,value\nä,1\nb,2\n"
POINT = {"type": "Point", "coordinates": [13.4, 52.5]}
PLACES = {
    "type": "FeatureCollection",
    "features": [{"type": "Feature", "geometry": POINT, "properties": {"n": n}} for n in range(3)],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a store with a stage that holds a Zarr array, a table, features and a large file."""
    import zarr

    root = tmp_path_factory.mktemp("readers")
    output = write_output(
        root / "out",
        {
            "table.csv": TABLE.encode(),
            "places.geojson": json.dumps(PLACES).encode(),
            "parts/a.csv": b"x\n1\n",
            "parts/b.csv": b"x\n2\n",
            "large.bin": bytes(range(256)) * 40_000,  # more than one block
        },
        [feature(path) for path in ("cube.zarr", "table.csv", "places.geojson", "parts", "large.bin")],
    )
    made = zarr.open_group(output / "cube.zarr", mode="w")
    array = made.create_array("t", shape=(10, 10), chunks=(5, 5), dtype="f8", dimension_names=("y", "x"))
    array[:] = np.arange(100.0).reshape(10, 10)
    url = (root / "store").as_uri()
    State(url).job("j").stage("cube:1").save(output)
    return url


@pytest.fixture(autouse=True)
def named_by_the_environment(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``UP42_STATE_URL`` names the store."""
    monkeypatch.setenv("UP42_STATE_URL", store)


@pytest.mark.parametrize(
    "options",
    [
        {"use_listings_cache": False},
        {"use_listings_cache": True, "listings_expiry_time": 5, "max_paths": 10},
        {"skip_instance_cache": True},
        {"asynchronous": True},
        {"asynchronous": False, "loop": None, "batch_size": 4},
        {"block_size": 1000, "cache_type": "bytes", "cache_options": {}},
        {"cache_type": "readahead"},
    ],
    ids=lambda options: "-".join(options),
)
def test_arguments_for_any_file_system_are_taken(options: dict[str, Any]) -> None:
    """What fsspec and its callers give to every file system is no setting of ours, and changes no byte."""
    with fsspec.open("up42state://j/cube:1/table.csv", **options) as file:
        assert file.read().decode() == TABLE


def test_an_unknown_argument_is_refused() -> None:
    """A mistyped setting is not passed over in silence."""
    with pytest.raises(SettingsError, match="urll"):
        fsspec.filesystem("up42state", urll="file:///x")


def test_a_setting_may_be_given(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's URL as a storage option, beside fsspec's own."""
    monkeypatch.delenv("UP42_STATE_URL")
    options: dict[str, Any] = {"url": store, "use_listings_cache": False}
    assert fsspec.filesystem("up42state", **options).exists("j/cube:1/table.csv")


def test_zarr_is_told_the_store(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among storage options, where ``url`` is the file's."""
    import zarr

    monkeypatch.delenv("UP42_STATE_URL")
    found = zarr.open(CUBE, mode="r", storage_options={"state_url": store})
    assert found["t"][0, 3] == 3


def test_zarr_opens_a_url() -> None:
    """zarr 3 makes a store of it, asynchronous as it wants one."""
    import zarr

    group = zarr.open_group(CUBE, mode="r")
    assert group["t"][3, :3].tolist() == [30.0, 31.0, 32.0]  # type: ignore[index,union-attr]
    assert [name for name, _ in group.arrays()] == ["t"]


@pytest.mark.parametrize("options", [None, {"use_listings_cache": False}, {"asynchronous": True}])
def test_zarrs_store_is_made_of_a_url(options: dict[str, Any] | None) -> None:
    """``FsspecStore.from_url`` lists and reads, with storage options or without."""
    import zarr

    found = zarr.storage.FsspecStore.from_url(CUBE, storage_options=options, read_only=True)
    assert zarr.open_array(found, path="t", mode="r")[9, 9] == 99


def test_a_mapper_is_a_zarr_store() -> None:
    """``fsspec.get_mapper``, as zarr 2 wanted it."""
    mapper = fsspec.get_mapper(CUBE)
    assert "t/zarr.json" in mapper
    assert json.loads(mapper["t/zarr.json"])["shape"] == [10, 10]


def test_xarray_opens_a_url() -> None:
    """xarray opens a data set by its URL, and reads it by chunks."""
    import xarray

    data = xarray.open_zarr(CUBE, consolidated=False, chunks=None)
    assert float(data.t.sum()) == 4950.0


def test_pandas_reads_a_url() -> None:
    """Tables by URL, with and without storage options."""
    import pandas as pd

    url = "up42state://j/cube:1/table.csv"
    assert pd.read_csv(url)["value"].sum() == 3
    assert pd.read_csv(url, storage_options={"use_listings_cache": False})["name"][0] == "ä"


def test_geopandas_reads_a_url_and_an_open_file() -> None:
    """Vector files by way of fsspec."""
    import geopandas

    with fsspec.open("up42state://j/cube:1/places.geojson") as file:
        found = geopandas.read_file(file)
    assert found["n"].tolist() == [0, 1, 2]


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # fsspec's, of its own cache file
@pytest.mark.parametrize("cache", ["simplecache", "filecache", "blockcache"])
def test_fsspecs_caches_read_through(cache: str, tmp_path: Path) -> None:
    """A cache in front of a stage gives its bytes, at once and from the cache."""
    options: dict[str, Any] = {cache: {"cache_storage": str(tmp_path)}}
    for _ in range(2):
        with fsspec.open(f"{cache}::up42state://j/cube:1/large.bin", **options) as file:
            file.seek(9_000_000)
            assert file.read(300) == (bytes(range(256)) * 40_000)[9_000_000:9_000_300]
    assert any(tmp_path.iterdir())


def test_several_files_open_by_a_pattern() -> None:
    """``open_files`` with a glob, in order."""
    texts = []
    for opened in fsspec.open_files("up42state://j/cube:1/parts/*.csv", "rt"):
        with opened as file:
            texts.append(file.read())
    assert texts == ["x\n1\n", "x\n2\n"]


def test_it_is_wrapped_for_async_callers() -> None:
    """fsspec's wrapper reads many ranges at once."""
    system = AsyncFileSystemWrapper(fsspec.filesystem("up42state"), asynchronous=True)

    async def read() -> list[bytes]:
        path = "j/cube:1/table.csv"
        found: list[bytes] = await asyncio.gather(*(system._cat_file(path, 0, n) for n in range(1, 9)))
        return found

    assert asyncio.run(read()) == [TABLE.encode()[:n] for n in range(1, 9)]


def test_a_file_system_is_sent_to_other_processes() -> None:
    """A file system can be pickled and given as JSON, as Dask does."""
    system = fsspec.filesystem("up42state", use_listings_cache=False)
    for other in (pickle.loads(pickle.dumps(system)), fsspec.AbstractFileSystem.from_json(system.to_json())):
        assert other.cat_file("j/cube:1/parts/a.csv") == b"x\n1\n"


def test_a_newer_revision_is_seen(tmp_path: Path) -> None:
    """What is kept of a stage's listing belongs to one revision."""
    stage = State.from_env().job("j").stage("changing:1")
    stage.save(write_output(tmp_path / "one", {"a.tif": b"1"}))
    system = fsspec.filesystem("up42state")
    assert system.cat_file("j/changing:1/a.tif") == b"1"
    stage.save(write_output(tmp_path / "two", {"a.tif": b"22", "b.tif": b"3"}))
    assert system.cat_file("j/changing:1/a.tif") == b"22"
    assert [path.rpartition("/")[2] for path in system.ls("j/changing:1", detail=False)] == [
        "a.tif",
        "b.tif",
        "data.json",
    ]


def test_one_file_is_read_by_several_threads() -> None:
    """Threads that read one file get their own ranges, whichever reads first."""
    data = bytes(range(256)) * 40_000
    wrong: list[int] = []
    with fsspec.open("up42state://j/cube:1/large.bin") as file:

        def read(start: int) -> None:
            if file._fetch_range(start, start + 1000) != data[start : start + 1000]:
                wrong.append(start)

        threads = [threading.Thread(target=read, args=(n * 1_000_003,)) for n in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
