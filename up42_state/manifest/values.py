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
    defects = (Defect(pointer([*path, *error.absolute_path]), error.message) for error in errors)
    return list(dict.fromkeys(defects))


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
        if "type" in items:
            del expected["$ref"]
    return expected


def _item_type(items: Mapping[str, Any]) -> dict[str, Any]:
    kind = items.get("type")
    return {"type": kind} if kind in ("string", "number", "integer", "boolean") else {}


def _limits(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Range and choice, unless no value could meet them."""
    limits = {name: definition[name] for name in ("minimum", "maximum") if is_number(definition.get(name))}
    if limits.keys() == {"minimum", "maximum"} and limits["minimum"] > limits["maximum"]:
        limits = {}
    choice = definition.get("enum")
    return {**limits, "enum": choice} if isinstance(choice, list) and choice else limits
