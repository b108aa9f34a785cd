"""Values of parameters: the defaults of a manifest and the parameters of a job are checked alike.

After the documentation's page "Query filters and runtime parameters". ``null`` is left to the caller: it
means that there is no value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect
from up42_state.manifest import schema
from up42_state.manifest.pointers import pointer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["check_value", "is_number"]


def is_number(value: object) -> bool:
    """A JSON number; ``True`` and ``False`` are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check_value(definition: Mapping[str, Any], value: Any, path: Sequence[str | int]) -> list[Defect]:
    """What is wrong with a value of the parameter that ``definition`` describes.

    :param definition: the parameter as the manifest has it. What is malformed in it is left out of account,
        so that one mistake is reported once.
    :param path: where the value stands; the defects begin with it.
    """
    expected = _value_schema(definition)
    if expected is None:
        return []
    errors = schema.value_validator(expected).iter_errors(value)
    return [Defect(pointer([*path, *error.absolute_path]), error.message) for error in errors]


def _value_schema(definition: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = definition.get("type")
    if not isinstance(kind, str) or kind not in schema.files()[schema.VALUES]["$defs"]:
        return None
    items = definition.get("items")
    if kind == "array" and isinstance(items, dict) and isinstance(items.get("type"), str):
        expected = {"type": "array", "items": {**_limits(items), **_item_type(items)}}
    else:
        expected = schema.value_schema(kind)
        if kind == "array" and isinstance(items, dict):
            expected["items"] = _limits(items)
    return {**expected, **_limits(definition)}


def _item_type(items: Mapping[str, Any]) -> dict[str, Any]:
    known = items["type"] in ("string", "number", "integer", "boolean")
    return {"type": items["type"]} if known else {}


def _limits(definition: Mapping[str, Any]) -> dict[str, Any]:
    limits = {name: definition[name] for name in ("minimum", "maximum") if is_number(definition.get(name))}
    if isinstance(definition.get("enum"), list):
        limits["enum"] = definition["enum"]
    return limits
