"""Check the parameters of a task against the manifest of its block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from up42_state.errors import Defect
from up42_state.manifest.pointers import pointer
from up42_state.manifest.syntax import MAX_DEPTH
from up42_state.manifest.values import check_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from up42_state.manifest.model import Manifest, Parameter

__all__ = ["check_parameters", "deep_parameters", "effective_parameters", "unknown_parameters"]

CONTAINERS = (dict, list, tuple)


def check_parameters(manifest: Manifest, given: Mapping[str, Any], task: str) -> list[Defect]:
    """Return the defects of the job's parameters for one task: types, ranges, ``items``, missing ones.

    ``null`` is valid for an optional parameter. A required parameter may be left out if it has a default.

    :param given: the parameters of this task alone, ``{"tile_width": 768}``.
    :param task: the task's name, with which the places of the defects begin.
    """
    return [defect for parameter in manifest.parameters.values() for defect in _check(parameter, given, task)]


def _check(parameter: Parameter, given: Mapping[str, Any], task: str) -> Iterator[Defect]:
    value = given.get(parameter.name)
    if value is not None:
        yield from check_value(parameter.definition, value, [task, parameter.name])
    elif parameter.required and parameter.name in given:
        yield Defect(pointer([task, parameter.name]), "a required parameter cannot be null")
    elif parameter.required and parameter.default is None:
        yield Defect(pointer([task]), f"required key [{parameter.name}] not found")


def unknown_parameters(manifest: Manifest, given: Mapping[str, Any], task: str) -> list[Defect]:
    """Return a defect for each parameter that the manifest does not name; the platform let them pass."""
    unknown = (name for name in given if name not in manifest.parameters)
    problem = f"the block {manifest.name} has no such parameter"
    return [Defect(pointer([task, name]), problem) for name in unknown]


def deep_parameters(given: Mapping[str, Any], task: str) -> dict[str, Defect]:
    """Return a defect for each parameter of a task that is nested more deeply than a manifest can be.

    They cannot be checked: a validator would end in a RecursionError.
    """
    problem = f"nested deeper than {MAX_DEPTH} levels"
    return {name: Defect(pointer([task, name]), problem) for name, value in given.items() if _is_deep(value)}


def _is_deep(value: object) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        containers = {id(part): part for part in level if isinstance(part, CONTAINERS)}.values()
        level = [x for part in containers for x in (part.values() if isinstance(part, dict) else part)]
    return any(isinstance(part, CONTAINERS) for part in level)


def effective_parameters(manifest: Manifest, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that the block runs with: the manifest's defaults, replaced by the job's.

    A parameter for which the manifest has no default, not even ``null``, is left out where the job has none.
    """
    parameters = manifest.parameters.items()
    defaults = {name: part.default for name, part in parameters if "default" in part.definition}
    return defaults | dict(given)
