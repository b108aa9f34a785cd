"""Choosing features by properties, bounding box, ids and data paths."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from up42_state.errors import SettingsError
from up42_state.features.bounds import Bounds, bounds_of_text
from up42_state.features.collection import Feature
from up42_state.features.files.data_paths import DATA_PATH, is_data_property, normal_path
from up42_state.features.where import ABSENT, conditions, property_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Self

    from up42_state.features.collection import Collection

__all__ = ["ABSENT", "Selection", "property_value"]

_FIRST = 5  # ids that a warning names


class Selection:
    """Which features are wanted; every condition that is given must hold.

    :param where: properties and their values, ``{"sensor": "SPOT"}``, or clauses, ``["cloud<=20"]``, of the
        grammar of ``--where`` in ``docs/cli.md``. A name may begin with ``properties.``, and may go into
        nested properties with dots.
    :param bbox: west, south, east, north in degrees, or ``"W,S,E,N"``; ``W > E`` crosses the antimeridian
        (RFC 7946 §5.2). A feature is wanted if the feature's ``bbox``, or else the geometry's, touches
        this box. Longitudes that differ by 360 degrees are equal.
    :param ids: ids; a number and the number's decimal text are one id.
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
        self._conditions = conditions(where)
        self._bounds = None if bbox is None else _bounds(bbox)
        if not isinstance(ids, Iterable | None):
            raise SettingsError(f"ids is {ids!r:.60}", advice="give a list of ids")
        if not isinstance(path, str | None):
            raise SettingsError(f"path is {path!r:.60}", advice="give a glob, such as 'tiles/*.tif'")
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
        """True if the selection takes the feature."""
        if not isinstance(feature, Feature):
            return False
        return (self._ids is None or _text(feature.id) in self._ids) and self._fits(feature)

    def numbers(self, collection: Collection) -> list[int]:
        """The row numbers of the wanted features, rising. With ids given, no other feature is decoded."""
        numbers: Sequence[int] = range(len(collection))
        if self._ids is not None:
            numbers = [number for number, key in enumerate(collection.ids) if _text(key) in self._ids]
        return [number for number in numbers if self._fits(collection[number])]

    def warnings(self, collection: Collection) -> list[str]:
        """Warnings for conditions that no feature of a collection meets, and that are likely to be mistyped.

        Such a name or id is likely to be mistyped.
        """
        if not len(collection):
            return []
        return [*self._unknown_names(collection), *self._unknown_ids(collection)]

    def _unknown_names(self, collection: Collection) -> Iterator[str]:
        for name in dict.fromkeys(condition.name for condition in self._conditions):
            if all(property_value(feature.properties, name) is ABSENT for feature in collection):
                yield f"no feature has a property {name!r}"

    def _unknown_ids(self, collection: Collection) -> Iterator[str]:
        if self._ids is None:
            return
        unknown = sorted(self._ids.difference(map(_text, collection.ids)) - {None}, key=str)
        if unknown:
            first = ", ".join(repr(key) for key in unknown[:_FIRST])
            yield f"no feature has the id {first}" + (
                f" (and {len(unknown) - _FIRST} more)" if unknown[_FIRST:] else ""
            )

    def _fits(self, feature: Feature) -> bool:
        """True if the feature meets all conditions but that on its id."""
        if self._conditions or self._path is not None:
            properties = feature.properties
            if not all(condition.fits(properties) for condition in self._conditions):
                return False
            if self._path is not None and not _matches(properties, self._path):
                return False
        if self._bounds is None:
            return True
        bounds = bounds_of_text(feature.raw)
        return bounds is not None and bounds.intersects(self._bounds)


def _text(feature_id: str | float | None) -> str | None:
    """An id as text, a whole number without a decimal point; ``None`` for a feature without an id."""
    if isinstance(feature_id, float) and feature_id.is_integer():
        return str(int(feature_id))
    return None if feature_id is None else str(feature_id)


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
