"""A part of a collection: the features asked for, and nothing else changed."""

from __future__ import annotations

import json

import pytest

from up42_state.features import Collection, subset

DOCUMENT = b"""{"bbox": [0, 0, 3, 3], "type": "FeatureCollection", "extra": {"bbox": 1},
  "features": [
    {"type": "Feature", "id": 0, "geometry": null, "properties": {}},
    {"type": "Feature", "id": 1, "geometry": null, "properties": {"a": 1.50}},
    {"type": "Feature", "id": 2, "geometry": null, "properties": null}
  ], "name": "x"}"""


@pytest.mark.parametrize("kept", [[], [0], [1], [2], [0, 2], [1, 2]])
def test_the_features_asked_for_and_no_others(kept: list[int]) -> None:
    """Any choice of features gives valid JSON with just these, in order, and the other members."""
    found = json.loads(subset(Collection.read(DOCUMENT), kept))
    assert [feature["id"] for feature in found["features"]] == kept
    assert (found["extra"], found["name"]) == ({"bbox": 1}, "x")


def test_bytes_of_kept_features_stay() -> None:
    """Numbers and white space of what is kept are not rewritten."""
    assert b'{"a": 1.50}' in subset(Collection.read(DOCUMENT), [1])


def test_a_bbox_around_features_that_are_gone_is_left_out() -> None:
    """A box that is no longer right is not kept."""
    assert "bbox" not in json.loads(subset(Collection.read(DOCUMENT), [1]))


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_bbox_is_left_out_wherever_it_stands(place: str) -> None:
    """The comma goes with it, before or behind."""
    members = {"type": "FeatureCollection", "features": [{"id": 0}, {"id": 1}]}
    box = {"bbox": [0, 0, 1, 1]}
    whole = {**box, **members} if place == "first" else {**members, **box}
    found = json.loads(subset(Collection.read(json.dumps(whole).encode()), [1]))
    assert found == {"type": "FeatureCollection", "features": [{"id": 1}]}


def test_all_features_are_the_document() -> None:
    """Choosing everything changes no byte."""
    assert subset(Collection.read(DOCUMENT), [0, 1, 2]) == DOCUMENT
