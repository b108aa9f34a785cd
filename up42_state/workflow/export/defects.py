"""What keeps a task from being written into a document of another engine, whichever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.errors import Defect, InvalidWorkflowError
from up42_state.secrets.shapes import holds_credential
from up42_state.stages.format.parameters import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from up42_state.workflow.model import Task

__all__ = ["check", "readable_secrets"]

_PROBLEM = "a secret would stand readable in the document"
_ADVICE = "take it out of the parameters, and give the block a variable by `environment`"


def check(name: str, engine: str, defects: Sequence[Defect]) -> None:
    """Make sure that there are no defects.

    :param name: the workflow's.
    :param engine: the format's name, for people.
    :raises InvalidWorkflowError: there are; it has them all.
    """
    if defects:
        raise InvalidWorkflowError(f"{engine} cannot run the workflow {name} as it is", defects=list(defects))


def readable_secrets(task: Task) -> Iterator[Defect]:
    """Yield a defect for each parameter or word of a command that looks like a secret.

    Whoever may read the other engine's document would read it.
    """
    masked = mask_secrets(task.parameters)
    for place in _masked_places("parameters", dict(task.parameters), masked):
        yield Defect(f"{task.name} {place}", _PROBLEM, _ADVICE)
    for number, word in enumerate(task.block.command):
        if holds_credential(word):
            yield Defect(f"{task.name} command[{number}]", _PROBLEM, _ADVICE)


def _masked_places(place: str, value: object, masked: object) -> Iterator[str]:
    """Yield the places of values that are others when they are masked."""
    if isinstance(value, dict) and isinstance(masked, dict) and value.keys() == masked.keys():
        for name in value:
            yield from _masked_places(f"{place}.{name}", value[name], masked[name])
    elif isinstance(value, (list, tuple)) and isinstance(masked, list):
        for number, (inner, of_inner) in enumerate(zip(value, masked, strict=True)):
            yield from _masked_places(f"{place}[{number}]", inner, of_inner)
    elif value != masked:
        yield place
