"""Compare one edge of a workflow: what a task offers to the tasks after it, and what such a task needs.

A task makes one offer for each meta capability (raster, vector, misc) and each kind of data that it may
output, and passes on the offers of the stages that it propagates. One single offer has to meet all the keys
that are needed under its meta capability: keys of two offers are never mixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from up42_state.manifest.capabilities import (
    Key,
    KeyCheck,
    Verdict,
    as_capability,
    compare,
    offered_values,
    read_values,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from up42_state.manifest.capabilities import Alternatives
    from up42_state.manifest.model import Manifest

    Needs = Mapping[Key, Alternatives]

__all__ = ["Offer", "check_needs", "distinct", "offers_of"]

# A capability of version 1 is a name with an empty object; it is there, and that is all it says.
PRESENT: dict[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One kind of data that comes out of a task.

    :param task: the task that made it.
    :param version: the specification version of the task's manifest; ``None`` if it has no manifest.
    :param meta: ``raster``, ``vector`` or ``misc``; empty in version 1.
    """

    task: str
    version: int | None
    meta: str = ""
    values: Mapping[Key, Alternatives]

    def to_dict(self) -> dict[str, Any]:
        """Return the offer as the capabilities of a manifest, with the task."""
        capabilities: dict[str, Any] = {}
        for key, alternatives in self.values.items():
            place = capabilities
            for part in (part for part in (key.meta, key.section) if part):
                place = place.setdefault(part, {})
            place[key.name] = as_capability(alternatives)
        return {"task": self.task, "capabilities": capabilities or ({self.meta: {}} if self.meta else {})}


def offers_of(
    task: str, manifest: Manifest | None, incoming: Sequence[Offer], parameters: Mapping[str, object]
) -> tuple[Offer, ...]:
    """Return what a task offers, given what comes in to it; nothing if its output capabilities are empty.

    :param parameters: the parameters that the block runs with, defaults included.
    """
    if manifest is None:
        return (Offer(task=task, version=None, values={}),)
    if manifest.superseded:
        names = {Key("", "", name): (PRESENT,) for name in manifest.output_capabilities}
        return (Offer(task=task, version=1, values=names),)
    needs = read_values(manifest.input_capabilities, parameters)
    offers: list[Offer] = []
    for meta, definition in manifest.output_capabilities.items():
        own_input = needs.get(meta, {})
        # A block that reads nothing of a kind may still put it out; only > has nothing to pass on then.
        sources = _read(meta, own_input, incoming) or [Offer(task=task, version=2, values={})]
        for source in sources:
            values = offered_values({meta: definition}, parameters, source.values, own_input)[meta]
            offers.append(Offer(task=task, version=2, meta=meta, values=values))
    return distinct(offers)


def distinct(offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """Return each offer once, in order."""
    kept: list[Offer] = []
    for offer in offers:
        if offer not in kept:
            kept.append(offer)
    return tuple(kept)


def _read(meta: str, needs: Needs, incoming: Sequence[Offer]) -> list[Offer]:
    """Return the offers that the block reads: those that meet its needs, or all if none does."""
    candidates = [offer for offer in incoming if offer.version == 2 and offer.meta == meta]
    met = [offer for offer in candidates if _verdict(_compare_all(needs, offer)) != Verdict.FAILS]
    return met or candidates


def check_needs(
    manifest: Manifest, incoming: Sequence[Offer], parameters: Mapping[str, object]
) -> tuple[KeyCheck, ...]:
    """Compare everything that a block needs with what comes in to it.

    :param parameters: the parameters that the block runs with, defaults included.
    """
    if manifest.superseded:
        return _check_names({Key("", "", name) for name in manifest.input_capabilities}, incoming)
    checks: list[KeyCheck] = []
    for meta, needs in read_values(manifest.input_capabilities, parameters).items():
        checks.extend(_check_meta(meta, needs, incoming))
    return tuple(checks)


def _check_meta(meta: str, needs: Needs, incoming: Sequence[Offer]) -> list[KeyCheck]:
    """Compare the needs with each offer, and return the checks of the best one; of equals the first."""
    # A meta capability without keys still asks for data of its kind; a key without a name stands for that.
    needed = needs or {Key(meta, "", ""): (PRESENT,)}
    tried = [_compare_all(needs, offer) for offer in incoming if offer.version == 2 and offer.meta == meta]
    best = min(tried, key=_failings) if tried else _missing(needed, Verdict.FAILS)
    # A parent of another version, or one without a manifest, may well put out what is needed.
    if _verdict(best) == Verdict.FAILS and any(offer.version != 2 for offer in incoming):
        return _missing(needed, Verdict.NOT_COMPARABLE)
    return best


def _compare_all(needs: Needs, offer: Offer) -> list[KeyCheck]:
    checks: list[KeyCheck] = []
    for key, needed in needs.items():
        if key in offer.values:
            checks.append(compare(key, offer.values[key], needed, offer.task))
        else:
            checks.extend(_missing({key: needed}, Verdict.FAILS, offer.task))
    return checks


def _missing(needs: Needs, verdict: Verdict, source: str | None = None) -> list[KeyCheck]:
    return [
        KeyCheck(key=key, offered=None, needed=as_capability(needed), verdict=verdict, source=source)
        for key, needed in needs.items()
    ]


def _check_names(needed: set[Key], incoming: Sequence[Offer]) -> tuple[KeyCheck, ...]:
    """Compare dotted names of version 1: both sides must have the same names, and none may be left over."""
    offers = [offer for offer in incoming if offer.version == 1]
    if not offers:
        verdict = Verdict.NOT_COMPARABLE if incoming else Verdict.FAILS
        return tuple(_missing(dict.fromkeys(sorted(needed), (PRESENT,)), verdict))
    return tuple(min([_compare_names(needed, offer) for offer in offers], key=_failings))


def _compare_names(needed: set[Key], offer: Offer) -> list[KeyCheck]:
    checks: list[KeyCheck] = []
    for key in sorted(needed | offer.values.keys()):
        equal = key in needed and key in offer.values
        verdict = Verdict.CERTAIN if equal else Verdict.FAILS
        has = PRESENT if key in offer.values else None
        wants = PRESENT if key in needed else None
        checks.append(KeyCheck(key=key, offered=has, needed=wants, verdict=verdict, source=offer.task))
    return checks


def _verdict(checks: Iterable[KeyCheck]) -> Verdict:
    return Verdict.worst(check.verdict for check in checks)


def _failings(checks: Iterable[KeyCheck]) -> tuple[int, int]:
    """Return a sort key: fewer keys that fail are better, then fewer that are only possible."""
    verdicts = [check.verdict for check in checks]
    return verdicts.count(Verdict.FAILS), verdicts.count(Verdict.POSSIBLE)
