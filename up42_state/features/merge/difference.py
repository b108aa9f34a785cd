"""What differs between the features of two outputs, told apart as the propagation operator tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from up42_state.errors import InvalidDataError
from up42_state.features.files.data_paths import data_paths
from up42_state.features.merge.draft import Draft
from up42_state.features.merge.matching.compare import Comparison
from up42_state.features.merge.matching.current import CurrentFeatures
from up42_state.features.merge.matching.earlier import EarlierFeatures
from up42_state.features.merge.matching.equality_keys import former_id
from up42_state.features.merge.matching.pairing import Matcher
from up42_state.features.text.origin import ORIGIN
from up42_state.features.text.values import exact, same_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from up42_state.features.collection import Collection
    from up42_state.features.files.catalogue import Files
    from up42_state.features.merge.matching.earlier import EarlierOutput

__all__ = ["FeatureDifference", "FeatureDifferences", "compare_features"]

_APART = frozenset(("type", "features"))  # members of a collection that every one has


class FeatureDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A feature that only one of two outputs has, or that differs between them.

    :param id: the feature's id; ``None`` if it has none. Of a feature that differs, the newer one's.
    :param before: the feature's number in the older output; ``None`` if it is not there.
    :param after: the feature's number in the newer output; ``None`` if it is not there.
    :param properties: names of properties that were added, removed or changed.
    :param members: names of other members that were, such as ``geometry``.
    :param files: data paths, as the newer output names them, whose bytes are others.
    """

    id: str | int | float | None = None
    before: int | None = None
    after: int | None = None
    properties: tuple[str, ...] = ()
    members: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The feature for people: its id, or else its place."""
        place = self.before if self.after is None else self.after
        return f"features[{place}]" if self.id is None else repr(self.id)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        members = msgspec.structs.asdict(self)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in members.items()}


class FeatureDifferences(msgspec.Struct, frozen=True, kw_only=True):
    """The features that differ between two outputs.

    :param members: names of members of the collections themselves that differ.
    """

    added: tuple[FeatureDifference, ...] = ()
    removed: tuple[FeatureDifference, ...] = ()
    changed: tuple[FeatureDifference, ...] = ()
    members: tuple[str, ...] = ()


def compare_features(
    before: EarlierOutput,
    after: Collection,
    after_files: Files,
    match: Sequence[tuple[str, str]] | None = None,
) -> FeatureDifferences:
    """Compare the features of two outputs.

    Which feature of one is which of the other is told by provenance, ids, content and data paths, by the
    rules of a propagation (``docs/propagation.md``). The provenance itself counts for no difference.

    :param match: pairs (member of the newer feature, of the older one) in place of these rules.
    :raises InvalidDataError: a collection holds what is no object, or is nested too deeply.
    """
    try:
        return _Comparing(before, after, after_files).run(match)
    except RecursionError as error:
        raise InvalidDataError("a data.json is nested too deeply to be compared") from error


class _Comparing:
    """The comparison of two outputs."""

    def __init__(self, before: EarlierOutput, after: Collection, files: Files) -> None:
        self._before, self._after, self._files = before, after, files
        self._current = CurrentFeatures(Draft(after), files)
        self._earlier = EarlierFeatures(before, None)
        self._comparison = Comparison(files, before)

    def run(self, match: Sequence[tuple[str, str]] | None) -> FeatureDifferences:
        pairs = Matcher(self._current, self._earlier, self._comparison).match(match)
        paired = set(pairs.values())
        older, newer = self._earlier.ids, self._after.ids
        return FeatureDifferences(
            added=tuple(
                FeatureDifference(id=newer[n], after=n) for n in range(len(self._after)) if n not in paired
            ),
            removed=tuple(
                FeatureDifference(id=older[n], before=n) for n in range(len(older)) if n not in pairs
            ),
            changed=tuple(self._changed(sorted(pairs.items(), key=lambda pair: pair[1]))),
            members=tuple(_members(self._before.collection, self._after)),
        )

    def _changed(self, pairs: Sequence[tuple[int, int]]) -> Iterator[FeatureDifference]:
        for before, after in pairs:
            one, other = self._before.collection.raw(before), self._after.raw(after)
            if not self._comparison.same_content(other, one):
                yield self._difference(before, after, exact(one), exact(other))

    def _difference(
        self, before: int, after: int, older: dict[str, Any], newer: dict[str, Any]
    ) -> FeatureDifference:
        were, are = _properties(older), _properties(newer)
        theirs, ours = data_paths(were, self._before.files), data_paths(are, self._files)
        equal = {
            name for name in theirs if name in ours and self._comparison.same_path(ours[name], theirs[name])
        }
        different = list(_different(were, are))
        other_bytes = [name for name in theirs if name not in equal]
        members = [name for name in _different(older, newer) if name != "properties" or not (were or are)]
        is_forwarded = ORIGIN in (
            newer.get("properties") or {}
        )  # its files may have been moved, its id changed
        if is_forwarded:
            different = [name for name in different if name not in equal]
            if former_id(newer.get("id"), self._before.label, older.get("id")):
                members.remove("id")
        return FeatureDifference(
            id=self._after.ids[after],
            before=before,
            after=after,
            properties=tuple(different),
            members=tuple(members),
            files=tuple(
                ours.get(name, theirs[name])
                for name in other_bytes
                if name in ours or name not in different  # a path that was taken away is a changed property
            ),
        )


def _properties(feature: Mapping[str, Any]) -> dict[str, Any]:
    found = feature.get("properties")
    return {name: value for name, value in found.items() if name != ORIGIN} if isinstance(found, dict) else {}


def _different(one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names under which two objects do not hold equal values, in the order they stand in."""
    for name in {**one, **other}:
        if name not in one or name not in other or not same_value(one[name], other[name]):
            yield name


def _members(before: Collection, after: Collection) -> Iterator[str]:
    names = {**before.members, **after.members}.keys() - _APART
    for name in sorted(names):
        texts = [
            exact(side.document[side.members[name].start : side.members[name].end])
            for side in (before, after)
            if name in side.members
        ]
        if len(texts) < 2 or not same_value(*texts):
            yield name
