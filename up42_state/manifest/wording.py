"""Word the errors of JSON Schema's keywords as the platform's validator did.

The platform validated with Everit's ``json-schema`` for Java; its documentation shows the messages
(``#: required key [name] not found``). Each function replaces the keyword of the same name in ``jsonschema``
and differs in its message only. One keyword differs in more: ``enum`` does not report a value of a wrong
type, because ``type`` has reported it.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from up42_state.manifest.pointers import legible, same, type_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema.protocols import Validator

    Failures = Iterator[ValidationError]
    Schema = Mapping[str, Any]

__all__ = ["PlatformValidator"]

EXPECTED = {
    "object": "JSONObject",
    "array": "JSONArray",
    "string": "String",
    "integer": "Integer",
    "number": "Number",
    "boolean": "Boolean",
    "null": "Null",
}


def _type(validator: Validator, types: str | list[str], instance: Any, _: Schema) -> Failures:
    allowed = [types] if isinstance(types, str) else types
    if not any(validator.is_type(instance, name) for name in allowed):
        expected = " or ".join(EXPECTED[name] for name in allowed)
        yield ValidationError(f"expected type: {expected}, found: {type_name(instance)}")


def _enum(validator: Validator, allowed: list[object], instance: Any, schema: Schema) -> Failures:
    types = schema.get("type")
    if isinstance(types, str) and not validator.is_type(instance, types):
        return
    if not _is_among(instance, allowed):
        yield ValidationError(f"{legible(instance)} is not a valid enum value")


def _is_among(instance: object, allowed: list[object]) -> bool:
    """Return True if a JSON value equals one of the allowed values."""
    place = -1
    with suppress(ValueError):
        while True:
            # list.index finds what Python takes for equal (``True`` and 1, too), fast even in a long list.
            place = allowed.index(instance, place + 1)
            if same(instance, allowed[place]):
                return True
    return False


def _required(validator: Validator, names: list[str], instance: Any, _: Schema) -> Failures:
    if validator.is_type(instance, "object"):
        missing = (name for name in names if name not in instance)
        yield from (ValidationError(f"required key [{name}] not found") for name in missing)


def _additional_properties(validator: Any, allowed: object, instance: Any, schema: Schema) -> Failures:
    if not validator.is_type(instance, "object"):
        return
    patterns = schema.get("patternProperties", {})
    known = schema.get("properties", {})
    for name in instance:
        if name in known or any(re.search(pattern, name) for pattern in patterns):
            continue
        if allowed is False:
            yield ValidationError(f"extraneous key [{legible(name)}] is not permitted")
        else:
            yield from validator.descend(instance[name], allowed, path=name)


def _minimum(validator: Validator, least: float, instance: Any, _: Schema) -> Failures:
    if validator.is_type(instance, "number") and instance < least:
        yield ValidationError(f"{legible(instance)} is not greater or equal to {legible(least)}")


def _maximum(validator: Validator, greatest: float, instance: Any, _: Schema) -> Failures:
    if validator.is_type(instance, "number") and instance > greatest:
        yield ValidationError(f"{legible(instance)} is not less or equal to {legible(greatest)}")


def _exclusive_minimum(validator: Validator, bound: float, instance: Any, _: Schema) -> Failures:
    if validator.is_type(instance, "number") and instance <= bound:
        yield ValidationError(f"{legible(instance)} is not greater than {legible(bound)}")


def _min_length(validator: Validator, least: int, instance: Any, _: Schema) -> Failures:
    if validator.is_type(instance, "string") and len(instance) < least:
        yield ValidationError(f"expected minLength: {least}, actual: {len(instance)}")


def _pattern(validator: Validator, pattern: str, instance: Any, _: Schema) -> Failures:
    if validator.is_type(instance, "string") and not re.search(pattern, instance):
        yield ValidationError(f"string [{legible(instance)}] does not match pattern {pattern}")


def _min_items(validator: Validator, least: int, instance: Any, _: Schema) -> Failures:
    if validator.is_type(instance, "array") and len(instance) < least:
        yield ValidationError(f"expected minimum item count: {least}, found: {len(instance)}")


def _min_properties(validator: Validator, least: int, instance: Any, _: Schema) -> Failures:
    if validator.is_type(instance, "object") and len(instance) < least:
        yield ValidationError(f"minimum size: [{least}], found: [{len(instance)}]")


def _max_properties(validator: Validator, greatest: int, instance: Any, _: Schema) -> Failures:
    if validator.is_type(instance, "object") and len(instance) > greatest:
        yield ValidationError(f"maximum size: [{greatest}], found: [{len(instance)}]")


def _not(validator: Validator, refused: Schema, instance: Any, _: Schema) -> Failures:
    if validator.evolve(schema=refused).is_valid(instance):
        yield ValidationError(f"subject must not be valid against schema {legible(refused)}")


PlatformValidator: Any = extend(  # type: ignore[no-untyped-call]  # the stubs leave it untyped
    Draft202012Validator,
    {
        "type": _type,
        "enum": _enum,
        "required": _required,
        "additionalProperties": _additional_properties,
        "minimum": _minimum,
        "maximum": _maximum,
        "exclusiveMinimum": _exclusive_minimum,
        "minLength": _min_length,
        "pattern": _pattern,
        "minItems": _min_items,
        "minProperties": _min_properties,
        "maxProperties": _max_properties,
        "not": _not,
    },
)
