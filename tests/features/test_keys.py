"""The keys by which provenance names features."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from up42_state.features import Collection
from up42_state.features.merge.matching.provenance_keys import Keys


def keys(*features: Any) -> list[str]:
    data = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    collection = Collection.read(data)
    found = Keys(collection, collection.ids)
    return [found.of(index) for index in range(len(collection))]


def digest(feature: Any) -> str:
    return hashlib.sha256(json.dumps(feature).encode()).hexdigest()[:32]


@pytest.mark.parametrize("feature", [{"type": "Feature"}, {"type": "Feature", "id": 1}])
def test_equal_features_are_numbered_from_the_second_on(feature: dict[str, Any]) -> None:
    """With or without an id; another feature between them has a key of its own."""
    other = {"type": "Feature", "id": "x"}
    key = digest(feature)
    assert keys(feature, other, feature, feature) == [key, digest(other), f"{key}.2", f"{key}.3"]


def test_features_that_share_an_id_only_are_not_numbered() -> None:
    """The number counts equal bytes, not equal ids."""
    one, two = {"type": "Feature", "id": 1, "a": 1}, {"type": "Feature", "id": 1, "a": 2}
    assert keys(one, two) == [digest(one), digest(two)]
