"""The job's parameters by task: those that the caller gives, and else the document's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from up42_state.errors import Defect
from up42_state.manifest.pointers import legible, pointer, type_name

__all__ = ["merged_parameters", "stage_name"]


def stage_name(name: str) -> str:
    """Return the name of a task's stage. The platform's names may have blanks, and stages' may not."""
    return name.replace(" ", "-")


def merged_parameters(document: Any, given: object) -> tuple[dict[str, dict[str, Any]], list[Defect]]:
    """Return the parameters by the names of the tasks' stages, and what is wrong with those that are given.

    :param document: the workflow document; what is wrong with its parameters, its schema says.
    :param given: by the caller, in the platform's form; ``None`` for none.
    """
    own = document.get("parameters") if isinstance(document, dict) else None
    merged: dict[str, dict[str, Any]] = {}
    if isinstance(own, dict):
        merged = {stage_name(name): dict(part) for name, part in own.items() if isinstance(part, dict)}
    if given is not None and not isinstance(given, Mapping):
        return merged, [Defect("#", f"expected type: JSONObject, found: {type_name(given)}")]
    defects: list[Defect] = []
    for name, part in (given or {}).items():
        found = _defects(name, part)
        defects += found
        if part and not found:
            merged.setdefault(stage_name(name), {}).update(part)
        elif not found:
            merged.setdefault(stage_name(name), {})
    return merged, defects


def _defects(name: object, part: object) -> list[Defect]:
    """Return what is wrong with the parameters of one task: what cannot be handed on to a block as JSON."""
    if not isinstance(name, str):
        return [Defect(pointer([legible(name)]), "no text, and names are text")]
    if part is None:
        return []
    if not isinstance(part, Mapping):
        return [Defect(pointer([name]), f"expected type: JSONObject, found: {type_name(part)}")]
    problems = ((key, _problem(key, value)) for key, value in part.items())
    return [Defect(pointer([name, legible(key)]), problem) for key, problem in problems if problem]


def _problem(key: object, value: object) -> str:
    if not isinstance(key, str):
        return "no text, and names are text"
    try:
        json.dumps({key: value}, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        return "nested too deeply"
    except (TypeError, ValueError) as error:  # of a number that is none, half a character, another type
        return f"no JSON value: {error}"
    return ""
