"""Choosing features: by their properties, their place, their ids, their data paths."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from up42_state.errors import SettingsError
from up42_state.features.bounds import Bounds, bounds_of_text
from up42_state.features.collection import Feature
from up42_state.features.paths import DATA_PATH, is_data_property, normal_path
from up42_state.features.values import same_value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Self

    from up42_state.features.collection import Collection

__all__ = ["ABSENT", "Selection", "property_value"]

_EXPRESSION = re.compile(
    r"\s*(?P<name>[^<>=!]+?)\s*(?P<operator><=|>=|!=|==|=|<|>)\s*(?P<value>.*?)\s*", re.DOTALL
)
_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
ABSENT = object()


class Selection:
    """Which features are wanted; every condition that is given must hold.

    :param where: properties and their values, ``{"sensor": "SPOT"}``, or expressions, ``["cloud<=20"]``,
        with ``=``, ``!=``, ``<``, ``<=``, ``>`` and ``>=``. A name may begin with ``properties.``, and may go
        into nested properties with dots.
    :param bbox: west, south, east, north in degrees, or ``"W,S,E,N"``; ``W > E`` crosses the antimeridian
        (RFC 7946 §5.2). A feature is wanted if its ``bbox``, or else its geometry's, touches it.
    :param ids: ids; numbers and their decimal text are the same.
    :param path: a glob that one of the feature's data paths must match; ``*`` also matches ``/``.
    :raises SettingsError: a condition is malformed.
    """

    def __init__(
        self,
        *,
        where: Mapping[str, Any] | Iterable[str] | str | None = None,
        bbox: Sequence[float] | str | None = None,
        ids: Iterable[str | int | float] | str | None = None,
        path: str | None = None,
    ) -> None:
        self._conditions = _conditions(where)
        self._bounds = None if bbox is None else _bounds(bbox)
        self._ids = None if ids is None else frozenset(map(_text, [ids] if isinstance(ids, str) else ids))
        self._path = path

    @classmethod
    def of(
        cls,
        where: Mapping[str, Any] | Iterable[str] | str | None,
        bbox: Sequence[float] | str | None,
        ids: Iterable[str | int | float] | str | None,
        path: str | None,
    ) -> Self | None:
        """The selection that these conditions make; ``None``, for all features, where none is given.

        :raises SettingsError: a condition is malformed.
        """
        if where is None and bbox is None and ids is None and path is None:
            return None
        return cls(where=where, bbox=bbox, ids=ids, path=path)

    def __contains__(self, feature: object) -> bool:
        """Whether the feature is wanted."""
        if not isinstance(feature, Feature):
            return False
        return (self._ids is None or _text(feature.id) in self._ids) and self._fits(feature)

    def numbers(self, collection: Collection) -> list[int]:
        """The numbers of the features that are wanted, rising. Others are not decoded where ids are given."""
        numbers: Sequence[int] = range(len(collection))
        if self._ids is not None:
            numbers = [number for number, key in enumerate(collection.ids) if _text(key) in self._ids]
        return [number for number in numbers if self._fits(collection[number])]

    def _fits(self, feature: Feature) -> bool:
        """Whether all conditions but that on its id hold."""
        if self._conditions or self._path is not None:
            properties = feature.properties
            if not all(holds(properties) for holds in self._conditions):
                return False
            if self._path is not None and not _matches(properties, self._path):
                return False
        if self._bounds is None:
            return True
        bounds = bounds_of_text(feature.raw)
        return bounds is not None and bounds.intersects(self._bounds)


def _text(feature_id: str | float | None) -> str | None:
    """An id as text, a whole number without a point; ``None`` where there is none."""
    if isinstance(feature_id, float) and feature_id.is_integer():
        return str(int(feature_id))
    return None if feature_id is None else str(feature_id)


def property_value(properties: Mapping[str, Any], name: str) -> Any:
    """A property by its name, or a nested one by the names on the way to it, joined by dots.

    :returns: an object that equals nothing where there is none.
    """
    if name in properties:
        return properties[name]
    for end, character in enumerate(name):
        inner = properties.get(name[:end]) if character == "." else None
        if isinstance(inner, Mapping):
            found = property_value(inner, name[end + 1 :])
            if found is not ABSENT:
                return found
    return ABSENT


def _conditions(
    where: Mapping[str, Any] | Iterable[str] | str | None,
) -> list[Callable[[Mapping[str, Any]], bool]]:
    if where is None:
        return []
    if isinstance(where, Mapping):
        return [_equality(name, value) for name, value in where.items()]
    return [_condition(text) for text in ([where] if isinstance(where, str) else where)]


def _equality(name: str, value: Any) -> Callable[[Mapping[str, Any]], bool]:
    name = name.removeprefix("properties.")
    return lambda properties: same_value(property_value(properties, name), value)


def _condition(text: str) -> Callable[[Mapping[str, Any]], bool]:
    found = _EXPRESSION.fullmatch(text)
    if found is None or found["name"] == "properties.":
        raise SettingsError(
            f"the condition {text!r} is malformed", advice='write it as "cloud<20" or "sensor=SPOT"'
        )
    name = found["name"].removeprefix("properties.")
    literal = _literal(found["value"])
    compare = _ORDER.get(found["operator"])
    if compare is None:
        wanted = found["operator"] != "!="
        return lambda properties: _equals(property_value(properties, name), literal, found["value"]) == wanted
    return lambda properties: _ordered(compare, property_value(properties, name), literal, found["value"])


def _literal(text: str) -> Any:
    """A number, ``true``, ``false``, ``null`` or a quoted string; anything else is a string as it stands."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _equals(value: Any, literal: Any, text: str) -> bool:
    return same_value(value, literal) or (isinstance(value, str) and value == text)


def _ordered(compare: Callable[[Any, Any], bool], value: Any, literal: Any, text: str) -> bool:
    """Numbers compare with numbers, and strings (dates, say) with the text as it stands."""
    if isinstance(value, str):
        return compare(value, literal if isinstance(literal, str) else text)
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in (value, literal))
    return numbers and compare(value, literal)


def _bounds(bbox: Sequence[float] | str) -> Bounds:
    try:
        numbers = [float(part) for part in (bbox.split(",") if isinstance(bbox, str) else bbox)]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    bounds = Bounds.from_member(numbers) if len(numbers) == 4 else None
    if bounds is None:
        raise SettingsError(
            f"the bounding box {bbox!r} is malformed",
            advice="write west,south,east,north in degrees, south <= north",
        )
    return bounds


def _matches(properties: Mapping[str, Any], pattern: str) -> bool:
    values = (value for name, value in properties.items() if name == DATA_PATH or is_data_property(name))
    return any(isinstance(value, str) and fnmatchcase(normal_path(value), pattern) for value in values)
