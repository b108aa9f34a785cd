"""What differs between two revisions: of one stage, of two stages, or of two stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from up42_state.features import Collection, EarlierOutput
from up42_state.features.merge.difference import FeatureDifference, compare_features
from up42_state.stages.read.selection import catalogue, read_features
from up42_state.stages.revision import load_index, map_data

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from up42_state.stages.format.commit import Commit
    from up42_state.stages.format.index import Index
    from up42_state.stages.store import Store

__all__ = ["Difference", "compare_revisions"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two revisions.

    :param before: the older one, ``<job>/<stage>@<revision>``.
    :param after: the newer one.
    :param added: features that only ``after`` has.
    :param removed: features that only ``before`` has.
    :param changed: features that both have, with other content or other bytes in their files.
    :param members: names of members of the collections themselves that differ.
    :param files_added: names of files and of directories without files (with ``/`` at the end) that only
        ``after`` has; quicklooks lie below ``.quicklooks/``.
    :param files_removed: names that only ``before`` has.
    :param files_changed: names of files with other bytes, or another executable bit.
    """

    before: str
    after: str
    added: tuple[FeatureDifference, ...] = ()
    removed: tuple[FeatureDifference, ...] = ()
    changed: tuple[FeatureDifference, ...] = ()
    members: tuple[str, ...] = ()
    files_added: tuple[str, ...] = ()
    files_removed: tuple[str, ...] = ()
    files_changed: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """True if nothing differs: neither a feature nor a file, whatever the order of the features."""
        return not any(
            getattr(self, name) for name in self.__struct_fields__ if name not in {"before", "after"}
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        found: dict[str, Any] = {"before": self.before, "after": self.after, "equal": self.is_equal}
        for name in ("added", "removed", "changed"):
            found[name] = [each.to_dict() for each in getattr(self, name)]
        names = ("members", "files_added", "files_removed", "files_changed")
        return found | {name: list(getattr(self, name)) for name in names}


def compare_revisions(
    before: tuple[Store, Commit],
    after: tuple[Store, Commit],
    match: Sequence[tuple[str, str]] | None = None,
) -> Difference:
    """Compare two revisions. No file is fetched but ``data.json``: indexes have the digests of the others.

    :param before: the older revision, and the store that it lies in.
    :param after: the newer one.
    :param match: pairs (member of the newer feature, of the older one) that tell the same feature, in place
        of the rules of a propagation.
    :raises PrunedError: the bytes of a revision were deleted.
    :raises IntegrityError: an index or a ``data.json`` is missing or damaged.
    :raises InvalidDataError: a ``data.json`` cannot be read.
    """
    older, newer = before[1], after[1]
    if older.content == newer.content:
        return Difference(before=older.name, after=newer.name)
    ours, theirs = load_index(*after), load_index(*before)
    names = _compare_files(theirs, ours)
    earlier = EarlierOutput(
        job=older.job,
        stage=older.stage,
        revision=older.revision,
        collection=_features(before),
        files=catalogue(theirs.entries, theirs.directories),
    )
    found = compare_features(earlier, _features(after), catalogue(ours.entries, ours.directories), match)
    return Difference(
        before=older.name,
        after=newer.name,
        added=found.added,
        removed=found.removed,
        changed=found.changed,
        members=found.members,
        files_added=names[0],
        files_removed=names[1],
        files_changed=names[2],
    )


def _features(revision: tuple[Store, Commit]) -> Collection:
    return read_features(map_data(*revision))


def _compare_files(before: Index, after: Index) -> tuple[tuple[str, ...], ...]:
    """Return the names of files that were added, removed and changed."""
    were, are = _content(before), _content(after)
    changed = (name for name in were.keys() & are.keys() if were[name] != are[name])
    return _sorted(are.keys() - were.keys()), _sorted(were.keys() - are.keys()), _sorted(changed)


def _content(index: Index) -> dict[str, tuple[object, ...]]:
    files: dict[str, tuple[object, ...]] = {
        entry.name: (entry.size, entry.sha256, entry.executable) for entry in index.entries
    }
    return files | {f"{path}/": () for path in index.directories}


def _sorted(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(names))
