"""``data.json`` as the objects that block code works with: those of the ``geojson`` package.

The package's own constructors round coordinates to six decimals, turn ``"geometry": {}`` into ``null`` and
``"properties": null`` into ``{}``. A feature that was changed so differs from the one
that an earlier stage holds, and propagation would add the earlier feature as a second one. Here every value
stays what ``json.loads`` gives.
"""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import geojson

from up42_state.errors import Defect, InvalidDataError, InvalidOutputError
from up42_state.features.text.hints import number_advice

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Feature", "FeatureCollection", "feature_collection", "render", "writable"]


class Feature(geojson.Feature):
    """A feature, with the types of its members. Which members there are is for the document to say."""

    geometry: geojson.geometry.Geometry | None
    properties: dict[str, Any]

    def __dir__(self) -> list[str]:
        """The attributes, members included, so that a REPL completes them."""
        return sorted({*super().__dir__(), *map(str, self)})


class FeatureCollection(geojson.FeatureCollection):
    """The features of a stage or an input, with their type."""

    features: list[Feature]

    def _repr_html_(self) -> str:
        """The first features as a table: the id, the kind of geometry, and the properties."""
        from up42_state.tables import table

        features = self.get("features")  # a collection that is half made can be shown, too
        features = features if isinstance(features, list) else []
        return table(list(map(_cells, features[:_SHOWN])), len(features))

    def __dir__(self) -> list[str]:
        """The attributes, members included, so that a REPL completes them."""
        return sorted({*super().__dir__(), *map(str, self)})


_SHOWN = 100  # features in a table

_Object = TypeVar("_Object", bound=geojson.GeoJSON)

_GEOMETRIES: dict[str, type[geojson.GeoJSON]] = {
    kind.__name__: kind
    for kind in (
        geojson.Point,
        geojson.MultiPoint,
        geojson.LineString,
        geojson.MultiLineString,
        geojson.Polygon,
        geojson.MultiPolygon,
        geojson.GeometryCollection,
    )
}


def _cells(feature: object) -> dict[str, object]:
    if not isinstance(feature, dict):
        return {"id": feature}
    geometry, properties = feature.get("geometry"), feature.get("properties")
    kind = geometry.get("type") if isinstance(geometry, dict) else geometry
    return {"id": feature.get("id"), "geometry": kind, **(properties if isinstance(properties, dict) else {})}


def feature_collection(data: bytes) -> FeatureCollection:
    """A ``data.json`` as ``geojson`` objects that are equal to what ``json.loads`` gives.

    Members that are missing stay missing; unknown members, ``"geometry": {}`` and ``null`` are kept.

    :param data: the bytes of the document, in UTF-8 (RFC 8259 §8.1); a byte order mark is passed over.
    :raises InvalidDataError: the document is not JSON, or not a FeatureCollection (RFC 7946 §3.3).
    """
    document = _parsed(data)
    defects = list(_structure(document))
    if defects:
        raise InvalidDataError("data.json is not a FeatureCollection", defects=defects)
    collection = _as(FeatureCollection, document)
    collection["features"] = [_feature(members) for members in document["features"]]
    return collection


def render(collection: Mapping[str, Any]) -> bytes:
    """A collection as the bytes of a ``data.json``; numbers are written unrounded.

    :param collection: ``geojson`` objects or plain ``dict``; values with a ``__geo_interface__`` (such as
        shapely's geometries) are written as that value.
    :raises InvalidOutputError: the collection holds NaN, Infinity, or what JSON has no form for;
        ``defects`` says where.
    """
    try:
        text = json.dumps(collection, allow_nan=False, ensure_ascii=False, default=_by_interface)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidOutputError("the collection is not JSON", defects=_why(collection, error)) from error
    try:
        return text.encode()
    except UnicodeEncodeError:  # a lone surrogate: JSON can hold it only as an escape (RFC 8259 §8.2)
        return json.dumps(collection, allow_nan=False, default=_by_interface).encode()


def writable(collection: object) -> tuple[Any, list[Defect]]:
    """A collection with ``null`` in place of every value that JSON has no form for, and a defect for each.

    :raises RecursionError: the collection is nested too deeply, or holds itself.
    """
    defects: list[Defect] = []
    return _cleaned(collection, "", defects), defects


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        _refuse(f"is not UTF-8: {error.reason} at byte {error.start}", error)
    except json.JSONDecodeError as error:
        _refuse(f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}", error)
    except ValueError as error:  # a number of more digits than Python converts
        _refuse(f"cannot be read: {error}", error)
    except RecursionError as error:
        _refuse("is nested too deeply", error)


def _refuse(problem: str, error: Exception) -> NoReturn:
    raise InvalidDataError("data.json cannot be read", defects=[Defect("data.json", problem)]) from error


def _structure(document: object) -> Iterator[Defect]:
    """Yield the defects that keep a document from being a collection of features."""
    if not isinstance(document, dict):
        yield Defect("data.json", "is not a JSON object", "write a FeatureCollection")
        return
    if document.get("type") != "FeatureCollection":
        yield Defect("type", "is not FeatureCollection", 'write "type": "FeatureCollection"')
    features = document.get("features")
    if not isinstance(features, list):
        yield Defect("features", "is not a list", 'write "features": [] where there are none')
        return
    for number, feature in enumerate(features):
        if not isinstance(feature, dict):
            yield Defect(f"features[{number}]", "is not a JSON object", "write each feature by itself")


def _feature(members: dict[str, Any]) -> Feature:
    feature = _as(Feature, members)
    if "geometry" in members:
        feature["geometry"] = _geometry(members["geometry"])
    return feature


def _geometry(value: Any) -> Any:
    """A geometry of a type that GeoJSON knows (RFC 7946 §3.1) as an object of the package, else the value."""
    kind = value.get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str) or kind not in _GEOMETRIES:
        return value
    geometry = _as(_GEOMETRIES[kind], value)
    if kind == "GeometryCollection" and isinstance(value.get("geometries"), list):
        geometry["geometries"] = [_geometry(inner) for inner in value["geometries"]]
    return geometry


def _as(kind: type[_Object], members: Mapping[str, Any]) -> _Object:
    """An object of the package, made without the constructor, which would change the members."""
    instance = kind.__new__(kind)
    instance.update(members)
    return instance


def _by_interface(value: object) -> object:
    """The plain value that stands for one which JSON has no form for (the ``__geo_interface__`` protocol)."""
    interface = getattr(value, "__geo_interface__", None)
    if interface is None:
        raise TypeError(f"a value of type {type(value).__name__} has no form in JSON")
    return interface


def _why(collection: object, error: Exception) -> list[Defect]:
    with suppress(RecursionError):
        _, defects = writable(collection)
        if defects:
            return defects
    return [Defect("data.json", f"cannot be written as JSON: {error}")]


def _cleaned(value: Any, place: str, defects: list[Defect]) -> Any:
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, dict):
        return {name: _cleaned(inner, _member(place, name), defects) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cleaned(inner, f"{place}[{number}]", defects) for number, inner in enumerate(value)]
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        defects.append(Defect(place, f"is {value}, which JSON has no form for", number_advice(place)))
        return None
    interface = getattr(value, "__geo_interface__", None)
    if interface is not None:
        return _cleaned(interface, place, defects)
    kind = type(value).__name__
    defects.append(Defect(place, f"is of type {kind}, which JSON has no form for", "convert it first"))
    return None


def _member(place: str, name: object) -> str:
    """The place of a member: ``properties["up42.data_path"]``, ``geometry.coordinates``."""
    if isinstance(name, str) and name.isidentifier():
        return f"{place}.{name}" if place else name
    return f"{place}[{json.dumps(str(name))}]"
