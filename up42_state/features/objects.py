"""Features as the objects of the ``geojson`` package, for code that works with those."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from up42_state.features.collection import BOM

if TYPE_CHECKING:
    import geojson

__all__ = ["feature_collection"]

_GEOMETRIES = frozenset(
    ("Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection")
)


def feature_collection(data: bytes) -> geojson.FeatureCollection:
    """A ``data.json`` as a ``geojson.FeatureCollection``.

    ``geojson.loads`` would round coordinates to six decimals and take every property that has a ``type``
    for an object of its own; here everything keeps its value.

    :param data: the document's bytes, known to be a FeatureCollection.
    """
    import geojson

    value = json.loads(data.removeprefix(BOM))
    collection = geojson.FeatureCollection([])
    collection.update(value)
    collection["features"] = [_feature(feature) for feature in value["features"]]
    return collection


def _feature(value: dict[str, Any]) -> geojson.Feature:
    import geojson

    feature = geojson.Feature()
    feature.update(value)
    feature["geometry"] = _geometry(value.get("geometry"))
    feature["properties"] = value.get("properties") or {}
    return feature


def _geometry(value: Any) -> Any:
    import geojson

    if not isinstance(value, dict) or value.get("type") not in _GEOMETRIES:
        return value
    geometry = getattr(geojson, value["type"])()
    geometry.update(value)
    return geometry
