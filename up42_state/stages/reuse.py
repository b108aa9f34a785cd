"""Which files need not be moved, because the current revision holds their bytes already."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from up42_state.stages.upload import Stored

if TYPE_CHECKING:
    from collections.abc import Iterable

    from up42_state.stages.index import DataObject, Entry, Index, Kind
    from up42_state.stages.upload import Source

__all__ = ["find_reusable", "rename"]


def find_reusable(sources: Iterable[Source], previous: Index) -> dict[str, Stored]:
    """Where the bytes of unchanged files lie, by the name of the file.

    A file is unchanged if the previous revision holds one of the same bytes, under whatever path. Packs of
    which less than half would still be referred to are left behind: their live part is packed anew.

    :param sources: hashed files.
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
    return {name: stored for name, stored in found.items() if stored.object not in sparse}


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


def _sparse_packs(found: Iterable[Stored]) -> set[DataObject]:
    """Packs of which less than half is referred to."""
    spans = {(stored.object, stored.entry.offset, stored.entry.size) for stored in found}
    live: Counter[DataObject] = Counter()
    for stored, _, size in spans:
        live[stored] += size
    return {stored for stored, size in live.items() if stored.is_pack and 2 * size < stored.size}
