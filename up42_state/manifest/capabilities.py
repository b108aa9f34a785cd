"""Read capabilities, and compare what one block offers with what the next block needs.

The rules are those of the platform's documentation, page "Block capabilities". A capability is a key
(``raster.up42_standard.dtype``) and a set of alternatives; the operators ``>``, ``or`` and ``${parameter}``
are resolved into such sets. Every function here is pure.
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
        """Return the worst verdict, or ``CERTAIN`` if there is none: a whole is as good as its worst part."""
        return max(verdicts, key=list(cls).index, default=cls.CERTAIN)


class Key(NamedTuple):
    """The place of a capability: ``raster``, ``up42_standard``, ``dtype``.

    In version 1 ``name`` is the dotted name, and the other two are empty.
    """

    meta: str
    section: str
    name: str

    def __str__(self) -> str:
        return ".".join(part for part in self if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCheck:
    """The outcome for one key that a block needs.

    :param offered: what is offered under the key, as a manifest writes it (alternatives as ``{"or": […]}``);
        ``None`` if nothing is offered.
    :param needed: what is needed under the key, as a manifest writes it; ``None`` if the block does not take
        what is offered (version 1 only).
    :param source: the task whose output was compared; ``None`` if nothing is offered.
    """

    key: Key
    offered: object
    needed: object
    verdict: Verdict
    source: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the check as a JSON object."""
        return {
            "key": str(self.key),
            "offered": self.offered,
            "needed": self.needed,
            "verdict": str(self.verdict),
            "source": self.source,
        }

    def cells(self) -> tuple[str, str, str, str]:
        """Return the cells of a table's row: the key, what is offered, what is needed, the verdict."""
        return str(self.key), _text(self.offered), _text(self.needed), str(self.verdict)

    def __str__(self) -> str:
        offered, needed = _text(self.offered), _text(self.needed)
        by = f" by {self.source}" if self.source and self.offered is not None else ""
        return f"{self.key}: {offered} is offered{by}, {needed} is needed"


def _text(capability: object) -> str:
    return "nothing" if capability is None else json.dumps(capability, ensure_ascii=False, default=str)


def injected(value: object) -> str | None:
    """Return the name of the parameter in ``${parameter}``, or ``None`` for any other value."""
    match = _INJECTION.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else None


def raw_alternatives(value: object) -> list[object]:
    """Return the values that stand under ``or``, or the one value."""
    if isinstance(value, dict) and isinstance(value.get("or"), list):
        return list(value["or"])
    return [value]


def read_values(
    capabilities: Mapping[str, Any], parameters: Mapping[str, object]
) -> dict[str, dict[Key, Alternatives]]:
    """Return the input capabilities of a manifest of version 2 as alternatives, by meta capability.

    ``${x}`` is replaced by the parameter's value. A key for which no value remains (the parameter is null)
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
    """Return the output capabilities of a manifest of version 2 as alternatives, by meta capability.

    ``>`` takes what comes in under the same key, narrowed to what the block's own input capabilities
    accept. The key is left out if nothing comes in.

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
    """Yield every key of capabilities of version 2, with its value as the manifest has it."""
    for meta, definition in capabilities.items():
        for section in SECTIONS:
            for name, value in definition.get(section, {}).items():
                yield Key(meta, section, name), value


def _inject(raw: object, parameters: Mapping[str, object]) -> Alternatives:
    values = [_resolved(value, parameters) for value in raw_alternatives(raw)]
    return _distinct(value for value in values if value is not None)


def _resolved(value: object, parameters: Mapping[str, object]) -> object:
    """Replace ``${x}`` in a value; in a list, a parameter that is a list itself adds its members."""
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
    """Return those of several incoming alternatives that the block accepts, each unchanged.

    If the block accepts none, all are returned: the check of the edge has reported that already, and later
    tasks shall not report the mistake again.
    """
    if accepted is None:
        return incoming
    return tuple(value for value in incoming if any(_accepts(need, value) for need in accepted)) or incoming


def compare(key: Key, offered: Alternatives, needed: Alternatives, source: str) -> KeyCheck:
    """Compare what is offered under a key with what is needed under it.

    A scalar accepts an equal alternative, a list (bands) accepts a list that contains all its members. The
    verdict is certain if every offered alternative is accepted, and possible if some are.
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
    """Return alternatives as a manifest writes them: one value alone, several under ``or``."""
    return alternatives[0] if len(alternatives) == 1 else {"or": list(alternatives)}
