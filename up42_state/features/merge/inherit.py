"""The form ``inherit``: a feature gets the properties that it lacks from the feature of its origin."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec

from up42_state.features.files.data_paths import DATA_PATH, data_paths, is_data_property, normal_path
from up42_state.features.merge.matching.current import Lookup, identity_of
from up42_state.features.merge.matching.evidence import Geometries, same_geometry
from up42_state.features.merge.matching.pairing import member_key
from up42_state.features.merge.matching.row_numbers import Rows
from up42_state.features.merge.report import Outcome, StageReport
from up42_state.features.text.edits import slot
from up42_state.features.text.members import named
from up42_state.features.text.values import decode, feature_id, head, properties_of

if TYPE_CHECKING:
    from collections.abc import Collection as Names
    from collections.abc import Hashable, Iterator, Sequence

    from up42_state.features.files.catalogue import Files
    from up42_state.features.merge.draft import Draft
    from up42_state.features.merge.matching.earlier import EarlierFeatures

    Text = bytes | memoryview

__all__ = ["Inherit"]

# What tells of the feature's own files and provenance, and not of what it shows.
_OURS = ("up42.", "custom.")
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Inherit:
    """One earlier stage whose features give properties to the features of a draft.

    :param names: the properties that are passed on; ``None`` for all but ``up42.*``, ``custom.*`` and
        properties that name files.
    :param pairs: the members to match features by, each a current member and an earlier member.
    """

    def __init__(
        self,
        draft: Draft,
        files: Files,
        earlier: EarlierFeatures,
        *,
        names: Names[str] | None,
        pairs: Sequence[tuple[str, str]] | None,
    ) -> None:
        self._draft = draft
        self._files = files
        self._earlier = earlier
        self._output = earlier.output
        self._names = names
        self._pairs = pairs
        self._by_origin, self._by_id, self._by_path = Lookup(), Lookup(), Lookup()
        self._by_pair = [Lookup() for _ in pairs or ()]
        for index in earlier.wanted:
            self._note(index)

    def _note(self, index: int) -> None:
        raw = self._earlier.raw(index)
        self._by_origin.add(self._earlier.identity(index), index)
        for lookup, (_, member) in zip(self._by_pair, self._pairs or (), strict=True):
            lookup.add(member_key(raw, member), index)
        if self._pairs is None:
            self._by_id.add(self._earlier.ids[index], index)
            for path in _paths(properties_of(head(raw)), self._output.files):
                self._by_path.add(path, index)

    def run(self) -> StageReport:
        """Give every feature what it lacks."""
        outcomes = bytearray(len(self._draft))
        for index in range(len(self._draft)):
            raw = bytes(self._draft.raw(index))
            origin = self._origin_of(index, raw)
            outcomes[index] = Outcome.NO_ORIGIN if origin is None else self._pass_on(index, raw, origin)
        return StageReport(
            job=self._output.job,
            stage=self._output.stage,
            revision=self._output.revision,
            outcomes=bytes(outcomes),
        )

    def _origin_of(self, index: int, raw: bytes) -> int | None:
        """The feature's origin: by provenance, else id, else data path; of several the rule gives none."""
        for indexes in self._candidates(index, raw):
            if len(indexes) == 1:
                return indexes[0]
        return None

    def _candidates(self, index: int, raw: bytes) -> Iterator[Sequence[int]]:
        found = head(raw)
        properties = properties_of(found)
        yield self._by_origin.get(identity_of(properties))
        for lookup, (member, _) in zip(self._by_pair, self._pairs or (), strict=True):
            yield _known(lookup, member_key(raw, member))
        yield [
            other
            for other in _known(self._by_id, feature_id(found))
            if not self._number_rows(index, other) or self._have_one_geometry(index, raw, other)
        ]
        for path in _paths(properties, self._files):
            yield self._by_path.get(path)

    def _number_rows(self, index: int, origin: int) -> bool:
        """True if the id of one of two features only numbers a row: then it tells nothing by itself."""
        return self._earlier.numbers_row(origin) or self._rows.number(self._origin_stage(index))

    def _have_one_geometry(self, index: int, raw: bytes, origin: int) -> bool:
        """True if two features have equal geometries, which no others have."""
        other = self._earlier.raw(origin)
        if not same_geometry(raw, other) or not self._earlier_geometries.is_alone("", other):
            return False
        return self._geometries.is_alone(self._origin_stage(index), raw)

    def _origin_stage(self, index: int) -> str:
        return self._origin_stages.get(index, "")

    @cached_property
    def _origin_stages(self) -> dict[int, str]:
        """By index, the stages that features say they come from."""
        found = enumerate(identity_of(properties_of(head(raw))) for raw in self._draft.raws())
        return {index: identity.partition("#")[0] for index, identity in found if identity is not None}

    @cached_property
    def _rows(self) -> Rows:
        rows = Rows()
        for index, raw in enumerate(self._draft.raws()):
            rows.note(self._origin_stage(index), (feature_id(head(raw)),))
        return rows

    @cached_property
    def _geometries(self) -> Geometries:
        return Geometries(
            lambda: ((self._origin_stage(index), raw) for index, raw in enumerate(self._draft.raws()))
        )

    @cached_property
    def _earlier_geometries(self) -> Geometries:
        return Geometries(lambda: (("", raw) for raw in self._earlier.raws()))

    def _pass_on(self, index: int, raw: bytes, origin: int) -> int:
        found = head(raw)
        given = head(self._earlier.raw(origin)).properties
        if not bytes(given).startswith(b"{"):
            return Outcome.COMPLETE
        there = properties_of(found)
        lacking = [
            named(name, bytes(value))
            for name, value in _MEMBERS.decode(given).items()
            if name not in there and self._is_passed_on(name, value)
        ]
        free = slot(raw, bytes(found.properties)) if lacking else None
        if free is None:
            return Outcome.COMPLETE
        self._draft.replace(index, free.fill(raw, *lacking))
        return Outcome.INHERITED

    def _is_passed_on(self, name: str, value: msgspec.Raw) -> bool:
        if self._names is not None:
            return name in self._names
        if name.startswith(_OURS):
            return False
        return not (is_data_property(name) and data_paths({name: decode(bytes(value))}, self._output.files))


def _known(lookup: Lookup, key: Hashable) -> Sequence[int]:
    return () if key is None else lookup.get(key)


def _paths(properties: dict[str, Any], files: Files) -> list[str]:
    """The data paths of a feature; its ``up42.data_path`` also where that names nothing."""
    paths = list(data_paths(properties, files).values())
    named_path = properties.get(DATA_PATH)
    if isinstance(named_path, str):
        paths.insert(0, normal_path(named_path))
    return list(dict.fromkeys(paths))
