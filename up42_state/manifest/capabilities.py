"""Capabilities: what a block offers, what the next one needs, and whether the two match.

After the documentation's page "Block capabilities". A capability is a key (``raster.up42_standard.dtype``)
and a set of alternatives; the operators ``>``, ``or`` and ``${parameter}`` are resolved into such sets.
Everything here is a pure function of its arguments.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from up42_state.manifest.pointers import canonical, same

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Alternatives = tuple[object, ...]
    Values = Mapping["Key", Alternatives]

__all__ = [
    "SECTIONS",
    "Key",
    "KeyCheck",
    "Verdict",
    "as_capability",
    "compare",
    "injected",
    "keys_of",
    "offered_values",
    "raw_alternatives",
    "read_values",
]

SECTIONS = ("up42_standard", "custom")

_INJECTION = re.compile(r"\$\{([^{}]+)\}")


class Verdict(StrEnum):
    """Whether an offer meets a need."""

    CERTAIN = "certain"  # whatever comes, it fits
    POSSIBLE = "possible"  # some of what may come fits
    NOT_COMPARABLE = "not comparable"  # two specification versions, or no manifest
    FAILS = "fails"  # nothing that may come fits

    @classmethod
    def worst(cls, verdicts: Iterable[Verdict]) -> Verdict:
        """The verdict of a whole: as good as its worst part; certain where there is no part."""
        return max(verdicts, key=list(cls).index, default=cls.CERTAIN)


class Key(NamedTuple):
    """Where a capability stands: ``raster``, ``up42_standard``, ``dtype``.

    In version 1 ``name`` is the dotted name, and the other two are empty.
    """

    meta: str
    section: str
    name: str

    def __str__(self) -> str:
        return ".".join(part for part in self if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCheck:
    """What became of one key that a block needs.

    :param offered: as a capability, alternatives as ``{"or": […]}``; ``None`` where nothing is offered.
    :param needed: likewise; ``None`` where the block does not take what is offered (version 1 only).
    :param source: the task whose output was compared; ``None`` where nothing is offered.
    """

    key: Key
    offered: object
    needed: object
    verdict: Verdict
    source: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "key": str(self.key),
            "offered": self.offered,
            "needed": self.needed,
            "verdict": str(self.verdict),
            "source": self.source,
        }

    def cells(self) -> tuple[str, str, str, str]:
        """For a table: the key, what is offered, what is needed, the verdict."""
        return str(self.key), _text(self.offered), _text(self.needed), str(self.verdict)

    def __str__(self) -> str:
        offered, needed = _text(self.offered), _text(self.needed)
        by = f" by {self.source}" if self.source and self.offered is not None else ""
        return f"{self.key}: {offered} is offered{by}, {needed} is needed"


def _text(capability: object) -> str:
    return "nothing" if capability is None else json.dumps(capability, ensure_ascii=False, default=str)


def injected(value: object) -> str | None:
    """The parameter that ``${parameter}`` names, or ``None`` for any other value."""
    match = _INJECTION.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else None


def raw_alternatives(value: object) -> list[object]:
    """The values that ``or`` puts to choice, or the one value."""
    if isinstance(value, dict) and isinstance(value.get("or"), list):
        return list(value["or"])
    return [value]


def read_values(
    capabilities: Mapping[str, Any], parameters: Mapping[str, object]
) -> dict[str, dict[Key, Alternatives]]:
    """Input capabilities of version 2 as alternatives, by meta capability.

    ``${x}`` is replaced by the parameter's value; a key for which no value remains (the parameter is null)
    is left out.
    """
    metas: dict[str, dict[Key, Alternatives]] = {meta: {} for meta in capabilities}
    for key, raw in keys_of(capabilities):
        alternatives = _inject(raw, parameters)
        if alternatives:
            metas[key.meta][key] = alternatives
    return metas


def offered_values(
    capabilities: Mapping[str, Any],
    parameters: Mapping[str, object],
    incoming: Values,
    own_input: Values,
) -> dict[str, dict[Key, Alternatives]]:
    """Output capabilities of version 2 as alternatives, by meta capability.

    ``>`` takes what comes in under the same key, narrowed to what the block's own input capabilities
    accept; with nothing coming in the key is left out.

    :param incoming: the capabilities of what the block reads.
    :param own_input: the block's own input capabilities, as :func:`read_values` gives them.
    """
    metas: dict[str, dict[Key, Alternatives]] = {meta: {} for meta in capabilities}
    for key, raw in keys_of(capabilities):
        propagated = _narrow(incoming.get(key, ()), own_input.get(key)) if raw == ">" else None
        alternatives = _inject(raw, parameters) if propagated is None else propagated
        if alternatives:
            metas[key.meta][key] = alternatives
    return metas


def keys_of(capabilities: Mapping[str, Any]) -> Iterator[tuple[Key, object]]:
    """Every key of capabilities of version 2, with its value as it is written."""
    for meta, definition in capabilities.items():
        for section in SECTIONS:
            for name, value in definition.get(section, {}).items():
                yield Key(meta, section, name), value


def _inject(raw: object, parameters: Mapping[str, object]) -> Alternatives:
    values = [_resolved(value, parameters) for value in raw_alternatives(raw)]
    return _distinct(value for value in values if value is not None)


def _resolved(value: object, parameters: Mapping[str, object]) -> object:
    """A value with ``${x}`` replaced; inside a list a parameter that is a list itself adds its members."""
    if isinstance(value, list):
        members: list[object] = []
        for member in value:
            resolved = _resolved(member, parameters)
            spliced = injected(member) is not None and isinstance(resolved, list)
            members.extend(resolved if spliced and isinstance(resolved, list) else [resolved])
        return members
    name = injected(value)
    return value if name is None else parameters.get(name)


def _narrow(incoming: Alternatives, accepted: Alternatives | None) -> Alternatives:
    """Of several incoming alternatives those that the block accepts, each as it is.

    Where it accepts none the edge before has failed; the value goes on as it came, so that one mistake is
    reported once.
    """
    if accepted is None:
        return incoming
    return tuple(value for value in incoming if any(_accepts(need, value) for need in accepted)) or incoming


def compare(key: Key, offered: Alternatives, needed: Alternatives, source: str) -> KeyCheck:
    """Match what is offered under a key with what is needed under it.

    A scalar matches an equal alternative, a list (bands) one that contains it. The verdict is certain where
    every offered alternative is accepted, possible where some are.
    """
    accepted = [any(_accepts(need, value) for need in needed) for value in offered]
    verdict = Verdict.CERTAIN if all(accepted) else Verdict.POSSIBLE if any(accepted) else Verdict.FAILS
    return KeyCheck(
        key=key, offered=as_capability(offered), needed=as_capability(needed), verdict=verdict, source=source
    )


def _accepts(need: object, value: object) -> bool:
    if isinstance(need, list) and isinstance(value, list):
        return {canonical(member) for member in need} <= {canonical(member) for member in value}
    return same(need, value)


def _distinct(values: Iterable[object]) -> Alternatives:
    return tuple({canonical(value): value for value in values}.values())


def as_capability(alternatives: Alternatives) -> object:
    """Alternatives as a manifest writes them: one value as it is, several under ``or``."""
    return alternatives[0] if len(alternatives) == 1 else {"or": list(alternatives)}
