"""Which files need not be moved, because the current revision holds their bytes already."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from up42_state.stages.packs import Member, fit_a_pack
from up42_state.stages.upload import Stored

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from up42_state.stages.index import DataObject, Entry, Index, Kind
    from up42_state.stages.upload import Source

__all__ = ["find_reusable", "rename"]


def find_reusable(sources: Sequence[Source], previous: Index, pack_below: int) -> dict[str, Stored]:
    """Where the bytes of unchanged files lie, by the name of the file.

    A file is unchanged if the previous revision holds one of the same bytes, under whatever path. Packs of
    which less than half would still be referred to are left behind: their live part is packed anew. So are
    small files of which a companion changed.

    :param sources: hashed files.
    :param pack_below: files of fewer bytes are small.
    """
    by_digest: dict[tuple[str, int], Entry] = {(e.sha256, e.size): e for e in previous.entries}
    same_name = {entry.name: entry for entry in previous.entries}
    found = {}
    for source in sources:
        entry = same_name.get(source.name)
        if entry is None or entry.sha256 != source.sha256:
            entry = by_digest.get((source.sha256, source.size))
        if entry is not None:
            found[source.name] = Stored(previous.objects[entry.object], _renamed(entry, source, previous))
    sparse = _sparse_packs(found.values())
    found = {name: stored for name, stored in found.items() if stored.object not in sparse}
    broken = _broken_groups([source for source in sources if source.size < pack_below], found)
    return {name: stored for name, stored in found.items() if name not in broken}


def _renamed(entry: Entry, source: Source, previous: Index) -> Entry:
    stored = previous.objects[entry.object]
    return rename(entry, stored, source.path, source.kind, executable=source.executable)


def rename(entry: Entry, stored: DataObject, path: str, kind: Kind, *, executable: bool) -> Entry:
    """The same bytes under another path; a packed file remembers its name in the pack."""
    changes = {"path": path, "kind": kind, "executable": executable}
    renamed: Entry = msgspec.structs.replace(entry, **changes)
    member = entry.member or entry.name
    kept = member if stored.is_pack and member != renamed.name else ""
    return msgspec.structs.replace(renamed, member=kept)


def _broken_groups(sources: Iterable[Source], found: Container[str]) -> set[str]:
    """The names of small files whose group is to lie in one place, and has others that must be moved.

    GDAL looks for sidecars where the file lies. A group that is larger than a pack has no such place.

    :param sources: the small ones.
    :param found: the names of those that need not be moved by themselves.
    """
    groups: dict[str, list[Source]] = {}
    for source in sources:
        groups.setdefault(source.group, []).append(source)
    broken = (group for group in groups.values() if any(source.name not in found for source in group))
    return {
        source.name
        for group in broken
        if fit_a_pack([Member(source.name, source.size) for source in group])
        for source in group
    }


def _sparse_packs(found: Iterable[Stored]) -> set[DataObject]:
    """Packs of which less than half is referred to, the headers around files counted with them."""
    costs = {(stored.object, stored.entry.offset): _cost(stored.entry) for stored in found}
    live: Counter[DataObject] = Counter()
    for (stored, _), cost in costs.items():
        live[stored] += cost
    return {stored for stored, cost in live.items() if stored.is_pack and 2 * cost < stored.size}


def _cost(entry: Entry) -> int:
    return Member(entry.member or entry.name, entry.size).cost
