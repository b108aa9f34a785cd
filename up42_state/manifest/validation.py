"""Validate a manifest: report every defect at once, worded and placed as the platform did."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect
from up42_state.manifest import rules, schema
from up42_state.manifest.pointers import pointer, step
from up42_state.manifest.syntax import parse

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Validation", "validate", "validate_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """The outcome of a validation.

    :param document: the JSON value; ``None`` if the text was not JSON.
    :param readable: True if the text was JSON; if not, the last error says why.
    :param errors: everything that makes the manifest invalid, in document order.
    :param warnings: everything that is permitted, but probably not meant.
    """

    document: object = None
    readable: bool = True
    errors: tuple[Defect, ...] = ()
    warnings: tuple[Defect, ...] = ()

    @property
    def valid(self) -> bool:
        """True if there is no error; warnings do not count."""
        return not self.errors

    def to_dict(self, *, warnings: bool = False) -> dict[str, Any]:
        """Return the documented answer of ``POST /validate-schema/block``.

        :param warnings: add ``data.warnings``, which the platform's answer did not have.
        """
        data: dict[str, Any] = {"valid": self.valid, "errors": [str(error) for error in self.errors]}
        if warnings:
            data["warnings"] = [str(warning) for warning in self.warnings]
        return {"error": None, "data": data}


def validate_text(text: str | bytes) -> Validation:
    """Validate the text of a manifest. Never raises, whatever the text."""
    document = parse(text)
    if not document.readable:
        return Validation(readable=False, errors=document.defects)
    found = _schema_errors(document.value)
    if not isinstance(document.value, dict):
        return Validation(document=document.value, errors=(*document.defects, *found))
    contradictions = _new(rules.errors(document.value), found)
    ordered = _in_document_order([*found, *contradictions], document.value)
    return Validation(
        document=document.value,
        errors=(*document.defects, *ordered),
        warnings=tuple(rules.warnings(document.value)),
    )


def validate(value: object) -> Validation:
    """Validate a manifest that was already parsed from JSON. Never raises, whatever the value."""
    try:
        return validate_text(json.dumps(value))  # so that the limits of a text hold for the value as well
    except (TypeError, ValueError, RecursionError) as error:
        return Validation(readable=False, errors=(Defect("#", f"not a JSON value: {error}"),))


def _schema_errors(value: Any) -> list[Defect]:
    version = value.get("_up42_specification_version") if isinstance(value, dict) else None
    is_first = version == 1 and version is not True  # which equals 1 in Python
    errors = schema.validator(1 if is_first else 2).iter_errors(value)
    return list(dict.fromkeys(Defect(pointer(error.absolute_path), error.message) for error in errors))


def _new(defects: Iterable[Defect], reported: Iterable[Defect]) -> list[Defect]:
    known = set(reported)
    return [defect for defect in dict.fromkeys(defects) if defect not in known]


def _in_document_order(defects: list[Defect], value: object) -> list[Defect]:
    """Sort defects by their place in the document, an object before its members."""
    order = {place: number for number, place in enumerate(_places(value, "#"))}
    return sorted(defects, key=lambda defect: order.get(defect.place, len(order)))


def _places(value: object, place: str) -> Iterable[str]:
    yield place
    members: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        members = value.items()
    elif isinstance(value, list):
        members = enumerate(value)
    for key, member in members:
        yield from _places(member, f"{place}/{step(key)}")
