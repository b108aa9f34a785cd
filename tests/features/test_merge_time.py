"""Merging takes a time that grows with what is merged, whatever it looks like."""

from __future__ import annotations

import gc
import hashlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from up42_state.features import ORIGIN, Collection, EarlierOutput, File, Files
from up42_state.features.merge.operator import merge

if TYPE_CHECKING:
    from collections.abc import Callable

    Case = tuple[list[Any], Files, list[Any], Files, dict[str, Any]]

POINT = {"type": "Point", "coordinates": [1, 2]}
PRIME = 2**61 - 1  # Python's hash of an integer is its remainder by it
NONE = Files()
CASES: list[Callable[[int], Case]] = []


def case(make: Callable[[int], Case]) -> Callable[[int], Case]:
    CASES.append(make)
    return make


def feature(**members: Any) -> dict[str, Any]:
    return {"type": "Feature", **members}


def at(path: str, **members: Any) -> dict[str, Any]:
    return feature(properties={"up42.data_path": path}, **members)


def files(*paths: str, content: str = "", quicklooks: tuple[str, ...] = ()) -> Files:
    digests = {path: hashlib.sha256((content + path).encode()).hexdigest() for path in (*paths, *quicklooks)}
    found = [File(path=path, size=1, sha256=digests[path]) for path in paths]
    return Files([*found, *(File(path=p, size=1, sha256=digests[p], kind="quicklook") for p in quicklooks)])


def halves(make: Callable[[int], dict[str, Any]], number: int, **options: Any) -> Case:
    """Two collections that have every second feature in common."""
    return (
        [make(i) for i in range(number)],
        NONE,
        [make(i + number // 2) for i in range(number)],
        NONE,
        options,
    )


def nested(number: int) -> tuple[list[str], list[str]]:
    """Directories in one another, and files in the innermost."""
    folder = "/".join("d" * (number // 8))
    return [folder[: 2 * depth + 1] for depth in range(number // 8)], [f"{folder}/{i}" for i in range(number)]


@case
def differing_in_a_foreign_member(number: int) -> Case:
    return halves(lambda i: feature(geometry=POINT, properties={"k": 1}, x=i), number)


@case
def of_which_none_is_the_other(number: int) -> Case:
    ours = [feature(geometry=POINT, x=i) for i in range(number)]
    return ours, NONE, [feature(geometry=POINT, x=-i - 1) for i in range(number)], NONE, {}


@case
def all_equal(number: int) -> Case:
    return halves(lambda i: feature(geometry=POINT, properties={"k": 1}), number)


@case
def integers_with_one_hash(number: int) -> Case:
    return halves(lambda i: feature(properties={"k": i * PRIME}), number)


@case
def coordinates_with_one_hash(number: int) -> Case:  # hash(-1) == hash(-2)
    def line(i: int) -> dict[str, Any]:
        positions = [[-1 - (i >> bit & 1), -1 - (i >> bit + 1 & 1)] for bit in range(0, 14, 2)]
        return feature(geometry={"type": "LineString", "coordinates": positions})

    return halves(line, number)


@case
def ids_with_one_hash(number: int) -> Case:
    return halves(lambda i: feature(id=i * PRIME, x=i), number)


@case
def matched_by_integers_with_one_hash(number: int) -> Case:
    pairs = [("properties.k", "properties.k")]
    return halves(lambda i: feature(id=f"a{i}", properties={"k": i * PRIME}), number, match=pairs)


@case
def matched_by_a_member_that_all_have(number: int) -> Case:
    ours = [feature(id="a", properties={"n": i}) for i in range(number)]
    theirs = [feature(id="a", properties={"n": -i}) for i in range(number)]
    looks = files(quicklooks=tuple(f"{i}/a.png" for i in range(number)))
    return ours, NONE, theirs, looks, {"match": [("id", "id")], "on_conflict": "both"}


@case
def with_properties_that_hold_no_provenance(number: int) -> Case:
    ours = [feature(id="a", properties=[i]) for i in range(number)]
    ours += [feature(id=f"s-1~{i + 2}~a", properties=[i]) for i in range(number)]
    theirs = [feature(id="a", properties=[-i]) for i in range(number)]
    return ours, NONE, theirs, NONE, {"match": [("id", "id")], "on_conflict": "both"}


@case
def of_one_provenance(number: int) -> Case:
    ours = [feature(properties={ORIGIN: "j/x:1@1#0a", "n": i}) for i in range(number)]
    return ours, NONE, [feature(properties={ORIGIN: "j/x:1@1#0a", "n": -i}) for i in range(number)], NONE, {}


@case
def forwarded_before_and_moved(number: int) -> Case:
    ours = [
        feature(properties={ORIGIN: f"j/s:1@1#{i}", "up42.data_path": f"s-1~{i + 2}/x"})
        for i in range(number)
    ]
    there = files(*(f"s-1~{i + 2}/x" for i in range(number)), content="other")
    return ours, there, [at("x") for _ in range(number)], files("x"), {}


@case
def with_row_numbers_in_one_place(number: int) -> Case:
    ours = [feature(id=i, geometry=POINT, n=i) for i in range(number)]
    return ours, NONE, [feature(id=i, geometry=POINT, n=-i) for i in range(number)], NONE, {}


@case
def inheriting_with_row_numbers(number: int) -> Case:
    return (*with_row_numbers_in_one_place(number)[:4], {"form": "inherit"})


@case
def of_one_file(number: int) -> Case:
    ours, theirs = [at("x", n=i) for i in range(number)], [at("x", n=i) for i in range(number)]
    return ours, files("x"), theirs, files("x", content="other"), {}


@case
def of_one_directory(number: int) -> Case:
    there = files(*(f"d/{i}" for i in range(number)))
    return [at("d", n=i) for i in range(number)], there, [at("d", n=-i) for i in range(number)], there, {}


@case
def of_directories_in_one_another(number: int) -> Case:
    folders, paths = nested(number)
    return [], NONE, [at(path) for path in (*folders, *paths)], files(*paths), {}


@case
def of_directories_in_one_another_that_are_taken(number: int) -> Case:
    folders, paths = nested(number)
    theirs = [at(path) for path in (*folders, *paths)]
    return [at(path) for path in folders], files(*paths), theirs, files(*paths, content="other"), {}


@case
def of_files_with_one_stem(number: int) -> Case:
    paths = [f"x.t{i}" for i in range(number)]
    return [], NONE, [at(path) for path in paths], files(*paths), {}


@case
def of_files_named_after_another(number: int) -> Case:
    paths = ["x.tif", *(f"x.tif.t{i}" for i in range(number))]
    return [], NONE, [at(path) for path in paths], files(*paths), {}


@case
def with_quicklooks_of_one_stem(number: int) -> Case:
    paths = [f"d/{i}.tif" for i in range(number)]
    looks = tuple(f"{i}/d.png" for i in range(number))
    return [], NONE, [at(path) for path in paths], files(*paths, quicklooks=looks), {}


@case
def where_every_folder_of_the_stage_is_taken(number: int) -> Case:
    paths = [f"x{i}" for i in range(number)]
    taken = [*paths, *(f"s-1~{i}/x0" for i in range(2, number)), "s-1/x0"]
    return [], files(*taken, content="other"), [at(path) for path in paths], files(*paths), {}


def seconds(given: Case) -> float:
    """Processor time of a merge; the collections are read before."""
    ours, our_files, theirs, their_files, options = given
    current, other = (
        Collection.read(json.dumps({"type": "FeatureCollection", "features": each}).encode())
        for each in (ours, theirs)
    )
    earlier = EarlierOutput(job="j", stage="s:1", revision=1, collection=other, files=their_files)
    gc.disable()  # the heap of all other tests is none of a merge's
    try:
        start = time.process_time()
        for _ in merge(current, our_files, [earlier], **options).runs():
            pass
        return time.process_time() - start
    finally:
        gc.enable()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_four_times_the_features_take_about_four_times_as_long(make: Callable[[int], Case]) -> None:
    """In quadratic time it would be sixteen times; short times say nothing."""
    if seconds(make(1000)) < 0.5:
        return
    few = min(seconds(make(250)) for _ in range(2))
    many = min(seconds(make(1000)) for _ in range(2))
    assert many < 0.5 or many < 9 * few


def test_very_deep_directories_are_placed() -> None:
    """A thousand in one another, with five thousand files, each of them named by a feature."""
    folder = "/".join("d" * 1000)
    paths = [f"{folder}/{i}" for i in range(5000)]
    named = [folder[: 2 * depth + 1] for depth in range(1000)]
    assert seconds(([], NONE, [at(path) for path in (*named, *paths)], files(*paths), {})) < 20
