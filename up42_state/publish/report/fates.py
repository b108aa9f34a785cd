"""What became of features from stage to stage: dropped on the way, and back by propagation.

A feature of a stage went on into a stage made from it if a feature there has its id or its provenance, or
names its id in a property, as tiles name their scene. Where nothing in a stage names any feature of an
earlier one, nobody can tell, and no feature is called dropped.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from up42_state.features.text.origin import ORIGIN, Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Fate", "Population", "fates_of"]


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one feature.

    :param kind: ``kept``, ``dropped``, or ``returned``.
    :param text: the same for people; empty where there is nothing to tell.
    :param dropped: True if it did not go on into some stage, also for one that had come back before.
    :param origin: the stage that a returned feature comes from.
    """

    kind: str = "kept"
    text: str = ""
    dropped: bool = False
    origin: str = ""


class Population:
    """The features of one stage, as far as they can be told apart.

    :param job: the job's key.
    :param features: of each feature its id and properties.
    """

    def __init__(self, job: str, stage: str, features: Iterable[tuple[Any, Mapping[str, Any]]]) -> None:
        self.stage = stage
        self.ids: list[str | None] = []
        self.origins: list[Origin | None] = []
        self.named: set[str] = set()  # ids, and texts that may be ids of earlier features
        self._identities: set[str] = set()
        for key, properties in features:
            origin = Origin.parse(properties.get(ORIGIN))
            self.ids.append(None if key is None else str(key))
            self.origins.append(origin if origin is not None and origin.job == job else None)
            self.named.update(str(value) for value in properties.values() if isinstance(value, str | int))
            if origin is not None:
                self._identities.add(origin.identity)
        self._own = {key for key in self.ids if key is not None}
        self.named |= self._own

    def has(self, key: str | None, origin: Origin | None) -> bool:
        """True if a feature here is, or is made from, one of this id or provenance."""
        return (key is not None and key in self.named) or (
            origin is not None and origin.identity in self._identities
        )

    def holds(self, key: str | None, origin: Origin | None) -> bool:
        """True if one of the features here is the one of this id or provenance."""
        return key in self._own or (origin is not None and origin.identity in self._identities)

    def lost(self, earlier: Population) -> set[int]:
        """Return the numbers of an earlier stage's features that did not go on into this one."""
        gone = {
            number
            for number, (key, origin) in enumerate(zip(earlier.ids, earlier.origins, strict=True))
            if not self.has(key, origin) and (key is not None or origin is not None)
        }
        return gone if len(gone) < len(earlier.ids) or not self.ids else set()


@dataclass(slots=True)
class _Told:
    dropped: list[str] = field(default_factory=list)
    back: list[str] = field(default_factory=list)


def fates_of(
    populations: Mapping[str, Population], parents: Mapping[str, Sequence[str]]
) -> dict[str, list[Fate]]:
    """Return what became of every feature of every stage.

    :param populations: the stages, by name.
    :param parents: of each stage the stages that it was made from; those that were merged in are none.
    """
    told = {name: [_Told() for _ in stage.ids] for name, stage in populations.items()}
    returned = {
        name: _returned(stage, populations, parents.get(name, ())) for name, stage in populations.items()
    }
    for name, stage in populations.items():
        for parent in parents.get(name, ()):
            if parent in populations:
                for number in stage.lost(populations[parent]):
                    told[parent][number].dropped.append(name)
    _tell_back(told, populations, returned)
    return {
        name: [
            _fate(each, stage.origins[number] if number in returned[name] else None)
            for number, each in enumerate(told[name])
        ]
        for name, stage in populations.items()
    }


def _returned(stage: Population, populations: Mapping[str, Population], parents: Sequence[str]) -> set[int]:
    """Return the numbers of features that an earlier stage gave, and that no parent passed on."""
    if any(name not in populations for name in parents):  # what that one passed on, nobody can tell
        return set()
    above = [populations[name] for name in parents]
    return {
        number
        for number, (key, origin) in enumerate(zip(stage.ids, stage.origins, strict=True))
        if origin is not None
        and origin.stage not in parents
        and not any(parent.holds(key, origin) for parent in above)
    }


def _tell_back(
    told: Mapping[str, list[_Told]], populations: Mapping[str, Population], returned: Mapping[str, set[int]]
) -> None:
    """Tell dropped features of the stages that have them again."""
    for name, numbers in returned.items():
        stage = populations[name]
        again: dict[str, set[str]] = {}
        for number in numbers:
            origin, key = stage.origins[number], stage.ids[number]
            if origin is not None and key is not None:
                again.setdefault(origin.stage, set()).add(key)
        for earlier, keys in again.items():
            for number, key in enumerate(populations[earlier].ids if earlier in populations else ()):
                if key in keys:
                    told[earlier][number].back.append(name)


def _fate(told: _Told, origin: Origin | None) -> Fate:
    texts = []
    if origin is not None:
        texts.append(f"back from {origin.stage}@{origin.revision}")
    if told.dropped:
        texts.append(f"dropped by {', '.join(told.dropped)}")
        texts += [f"back in {', '.join(told.back)}"] if told.back else []
    kind = "returned" if origin is not None else "dropped" if told.dropped else "kept"
    return Fate(kind, "; ".join(texts), bool(told.dropped), origin.stage if origin else "")
