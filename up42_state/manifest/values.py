"""Check the values of parameters: the defaults in a manifest, and the parameters of a job.

The rules are those of the platform's documentation, page "Query filters and runtime parameters". Callers
handle ``null`` themselves: it means that there is no value.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect
from up42_state.manifest import schema
from up42_state.manifest.pointers import canonical, legible, pointer, same

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Path = Sequence[str | int]

__all__ = ["check_value", "is_number"]


def is_number(value: object) -> bool:
    """True for a JSON number; ``True`` and ``False`` are no numbers."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_value(definition: Mapping[str, Any], value: Any, path: Path) -> list[Defect]:
    """Return the defects of a value of the parameter that ``definition`` describes.

    :param definition: the parameter as the manifest has it. Malformed members of it are ignored, so that one
        mistake is reported once.
    :param path: where the value stands; the defects begin with it.
    """
    expected = _value_schema(definition)
    if expected is None:
        return []
    errors = schema.value_validator(expected).iter_errors(value)
    defects = (Defect(pointer([*path, *error.absolute_path]), error.message) for error in errors)
    return list(dict.fromkeys(defects)) or list(_beyond_schema(definition["type"], value, path))


def _beyond_schema(kind: str, value: Any, path: Path) -> Iterator[Defect]:
    """Yield the defects that a schema cannot express, for a value that meets the schema."""
    if kind == "geometry":
        for place, ring in _rings(value, path):
            if not same(ring[0], ring[-1]):
                yield Defect(pointer(place), "the last position of the ring is not its first")
    elif kind == "dateRange":
        problem = _disorder(value)
        if problem:
            yield Defect(pointer(path), f"{legible(value)} {problem}")


def _rings(geometry: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, list[Any]]]:
    """Yield the rings of a geometry, which must be closed (RFC 7946 §3.1.6), with their places."""
    for number, part in enumerate(geometry.get("geometries", ())):
        yield from _rings(part, [*path, "geometries", number])
    place = [*path, "coordinates"]
    if geometry["type"] == "Polygon":
        yield from (([*place, n], ring) for n, ring in enumerate(geometry["coordinates"]))
    elif geometry["type"] == "MultiPolygon":
        polygons = enumerate(geometry["coordinates"])
        yield from (([*place, m, n], ring) for m, polygon in polygons for n, ring in enumerate(polygon))


def _disorder(dates: str) -> str | None:
    """Return what is wrong with a well-formed date range. A moment without a time zone is in UTC."""
    try:
        spans = [_span(part) for part in dates.split("/") if part != ".."]
    except ValueError:
        return "has a day or a time that does not exist"
    # A day counts to its end, so that a range may end on the day on which it begins.
    return "ends before it begins" if len(spans) > 1 and spans[1][1] < spans[0][0] else None


def _span(text: str) -> tuple[datetime, datetime]:
    """Return the first and the last second that a moment, or a whole day, stands for."""
    moment = datetime.fromisoformat(text.upper())  # RFC 3339 takes t and z, fromisoformat only T and Z
    first = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return first, first if len(text) > len("2018-02-12") else first.replace(hour=23, minute=59, second=59)


def _value_schema(definition: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = definition.get("type")
    types = schema.files()[schema.VALUES]["$defs"]
    if not isinstance(kind, str) or kind not in types:
        return None
    expected = {"$ref": f"{schema.VALUES}#/$defs/{kind}", **_limits(definition)}
    if "type" in types[kind]:
        expected["type"] = types[kind]["type"]  # beside enum, so that a wrong type is reported once
    items = definition.get("items")
    if kind == "array" and isinstance(items, dict):
        expected["items"] = {**_limits(items), **_item_type(items)}
        if "type" in items:  # which replaces the strings and numbers that an array holds otherwise
            del expected["$ref"]
    return expected


def _item_type(items: Mapping[str, Any]) -> dict[str, Any]:
    kind = items.get("type")
    return {"type": kind} if kind in ("string", "number", "integer", "boolean") else {}


def _limits(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameter's range and its choice as keywords of JSON Schema.

    A range without any value is left out: the manifest's own validation reports it.
    """
    limits: dict[str, Any] = {
        name: definition[name] for name in ("minimum", "maximum") if is_number(definition.get(name))
    }
    if limits.keys() == {"minimum", "maximum"} and limits["minimum"] > limits["maximum"]:
        limits = {}
    choice = definition.get("enum")
    if isinstance(choice, list) and choice:
        limits["enum"] = list({canonical(value): value for value in choice}.values())
    return limits
