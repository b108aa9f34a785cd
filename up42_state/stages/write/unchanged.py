"""Which files need not be moved, because a current revision of the job holds their bytes already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from up42_state.stages.format.packs import fit_a_pack, overhead
from up42_state.stages.format.records import StoredFile

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from up42_state.stages.format.index import Entry, Index
    from up42_state.stages.local.sources import Source

__all__ = ["find_reusable"]


def find_reusable(
    sources: Sequence[Source], known: Sequence[Index], pack_below: int
) -> dict[str, StoredFile]:
    """Where the bytes of files lie that are there already, by the name of the file.

    A file is there if a known index holds one of the same bytes, under whatever path. Packs of which less
    than half would be referred to are left alone: what is wanted of them is packed anew. So are small files
    of which a companion is not there.

    :param sources: the files; those without a digest are new.
    :param known: indexes of current revisions; an earlier one is preferred.
    :param pack_below: files of fewer bytes are small.
    """
    held = _Held(known)
    found = {source.name: stored for source in sources if (stored := held.find(source)) is not None}
    sparse = _sparse_packs(found.values())
    found = {name: stored for name, stored in found.items() if stored.object.key not in sparse}
    broken = _broken_groups([source for source in sources if source.size < pack_below], found)
    return {name: stored for name, stored in found.items() if name not in broken}


class _Held:
    """The files of some indexes, by their bytes."""

    def __init__(self, known: Sequence[Index]) -> None:
        self._by_digest: dict[tuple[str | None, int], tuple[Index, Entry]] = {}
        self._by_name: dict[tuple[str, str | None, int], tuple[Index, Entry]] = {}
        for index in known:
            for entry in index.entries:
                self._by_digest.setdefault((entry.sha256, entry.size), (index, entry))
                self._by_name.setdefault((entry.name, entry.sha256, entry.size), (index, entry))

    def find(self, source: Source) -> StoredFile | None:
        """Where the bytes of a file are, preferably under its own name."""
        same = self._by_name.get((source.name, source.sha256, source.size))
        index, entry = same or self._by_digest.get((source.sha256, source.size)) or (None, None)
        if index is None or entry is None:
            return None
        stored = index.objects[entry.object]
        renamed = entry.renamed(stored, source.path, source.kind, executable=source.executable)
        return StoredFile(stored, renamed)


def _broken_groups(sources: Sequence[Source], found: Container[str]) -> set[str]:
    """The names of small files whose group is to lie in one place, and has others that must be moved.

    GDAL looks for sidecars where the file lies. A group that is larger than a pack has no such place.

    :param sources: the small ones.
    :param found: the names of those that need not be moved by themselves.
    """
    broken: dict[str, list[Source]] = {source.group: [] for source in sources if source.name not in found}
    for source in sources:
        if source.group in broken:
            broken[source.group].append(source)
    return {source.name for group in broken.values() if fit_a_pack(group) for source in group}


def _sparse_packs(found: Iterable[StoredFile]) -> set[str]:
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
