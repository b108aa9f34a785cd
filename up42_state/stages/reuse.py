"""Which files need not be moved, because the current revision holds their bytes already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from up42_state.stages.packs import Member, fit_a_pack, overhead
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
    found = {name: stored for name, stored in found.items() if stored.object.key not in sparse}
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


def _broken_groups(sources: Sequence[Source], found: Container[str]) -> set[str]:
    """The names of small files whose group is to lie in one place, and has others that must be moved.

    GDAL looks for sidecars where the file lies. A group that is larger than a pack has no such place.

    :param sources: the small ones.
    :param found: the names of those that need not be moved by themselves.
    """
    broken: dict[str, list[Member]] = {source.group: [] for source in sources if source.name not in found}
    for source in sources:
        if source.group in broken:
            broken[source.group].append(Member(source.name, source.size))
    return {member.name for members in broken.values() if fit_a_pack(members) for member in members}


def _sparse_packs(found: Iterable[Stored]) -> set[str]:
    """The keys of packs of which less than half is referred to, counted with the headers around files."""
    sizes: dict[str, int] = {}
    live: dict[str, dict[int, int]] = {}
    for stored in found:
        entry, key = stored.entry, stored.object.key
        if key not in sizes and stored.object.is_pack:
            sizes[key] = stored.object.size
        if key in sizes:
            live.setdefault(key, {})[entry.offset] = entry.size + overhead(entry.member or entry.name)
    return {key for key, size in sizes.items() if 2 * sum(live[key].values()) < size}
