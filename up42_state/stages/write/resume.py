"""Going on where a save was killed: what it had stored is taken over, and not moved again.

A record says what an attempt had stored (:mod:`up42_state.stages.write.partial`). Whole objects are copied
within the store into the attempt that goes on, so that it owns all that it stands on, and no prune and no
other save can take it away. Unfinished uploads are continued.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from up42_state.features.files.data_paths import folded_together
from up42_state.stages.format.index import Index
from up42_state.stages.format.names import PARTIAL, attempt_prefix, attempts_prefix, is_attempt, is_ours
from up42_state.stages.format.records import StoredFile
from up42_state.stages.write.partial import Begun, Record, is_worth_it, passing_over

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from up42_state.buckets.base import ObjectInfo
    from up42_state.stages.format.commit import Commit
    from up42_state.stages.format.index import Entry, PackOrFile
    from up42_state.stages.local.sources import Source
    from up42_state.stages.store import Store
    from up42_state.stages.write.upload import Uploader

__all__ = ["Interrupted", "find_interrupted"]

_MOST = 8  # attempts that are looked at, the newest ones: some may have been killed before they told anything
_LONGEST = 64 * 1024 * 1024  # bytes of a record
QUIET = timedelta(minutes=10)  # after which a save of which nothing else is known counts as killed


class Interrupted(msgspec.Struct, frozen=True):
    """What killed attempts at a stage have left in the store.

    :param indexes: the files that each attempt had stored, the newest attempt first.
    :param uploads: uploads in parts that the attempts had begun, by the name of the object.
    """

    indexes: tuple[Index, ...] = ()
    uploads: dict[str, Begun] = {}

    def take_over(
        self,
        store: Store,
        job: str,
        uploader: Uploader,
        sources: Iterable[Source],
        found: dict[str, StoredFile],
    ) -> dict[str, StoredFile]:
        """Copy objects of killed attempts into the attempt that goes on, and say where each file is now.

        :param found: where files are, by name; files outside killed attempts stay as they are.
        :return: where files are now, without those that could not be copied.
        """
        left = {stored.key for index in self.indexes for stored in index.objects}
        names = {source.name: uploader.object_name(source) for source in sources if source.name in found}
        targets: dict[PackOrFile, str] = {}
        numbers = count()
        for name, stored in found.items():
            if stored.object.key in left and stored.object not in targets:
                pack = f"packs/r{next(numbers):04d}.zip" if stored.object.is_pack else ""
                targets[stored.object] = pack or names[name]
        alike = folded_together(targets.values())
        wanted = {stored: name if name not in alike else "" for stored, name in targets.items()}
        with store.transfers() as transfers:
            copies = transfers.map(lambda item: _copy(store, job, uploader, *item), wanted.items())
            moved = dict(zip(targets, copies, strict=True))
        uploader.copied = {name for stored, name in wanted.items() if moved[stored] is not None}
        taken = {
            name: StoredFile(copy, stored.entry)
            for name, stored in found.items()
            if (copy := moved.get(stored.object)) is not None
        }
        uploader.recorder.stored(taken.values())
        return {name: stored for name, stored in found.items() if stored.object not in moved} | taken


def find_interrupted(store: Store, job: str, stage: str, newest: Commit | None, total: int) -> Interrupted:
    """Look for what killed saves of a stage have left since its newest revision.

    :param newest: the newest revision.
    :param total: bytes of the files that are to be saved now; for few, nothing is looked for.
    """
    if not is_worth_it(total):
        return Interrupted()
    since = newest.attempt if newest else ""
    names: list[str] = []
    with passing_over():
        names = [name for name in store.bucket.prefixes(attempts_prefix(job, stage)) if is_attempt(name)]
    attempts: list[_Attempt] = []
    for name in sorted((name for name in names if name > since), reverse=True)[:_MOST]:
        with passing_over():
            attempts.append(_Attempt.look(store, job, stage, name))
    indexes = [attempt.index() for attempt in attempts]
    return Interrupted(tuple(index for index in indexes if index.entries), _uploads(attempts))


def _uploads(attempts: Sequence[_Attempt]) -> dict[str, Begun]:
    """The uploads that may be continued, by the name of the object: of each name the one with most parts.

    Several attempts may have sent parts to one upload.

    :param attempts: the newest first.
    """
    joined: dict[str, Begun] = {}
    taken: set[str] = set()  # by a save that may be running
    for attempt in attempts:
        found = attempt.uploads()
        if found and not attempt.may_be_taken_away():
            taken.update(found)
        for token, begun in found.items():
            joined[token] = begun.joined(joined[token]) if token in joined else begun
    best: dict[str, Begun] = {}
    for token, begun in joined.items():
        if token not in taken and (begun.name not in best or len(begun.parts) > len(best[begun.name].parts)):
            best[begun.name] = begun
    return best


class _Attempt(msgspec.Struct, frozen=True):
    """One attempt, as its records and a listing of its objects tell.

    :param objects: its objects, by key.
    """

    store: Store
    job: str
    stage: str
    id: str
    records: tuple[Record, ...]
    objects: dict[str, ObjectInfo]

    @classmethod
    def look(cls, store: Store, job: str, stage: str, attempt: str) -> _Attempt:
        """Read the records of an attempt, and list its objects."""
        prefix = attempt_prefix(job, stage, attempt)
        objects = {info.key: info for info in store.bucket.list(prefix)}
        keys = [key for key in objects if key.startswith(f"{prefix}{PARTIAL}/")]
        with store.transfers() as transfers:
            records = list(transfers.map(lambda key: _read(store, objects[key]), keys))
        return cls(store, job, stage, attempt, tuple(filter(None, records)), objects)

    def index(self) -> Index:
        """Make an index of the files whose objects are there, whole."""
        objects: list[PackOrFile] = []
        entries: list[Entry] = []
        for record in self.records:
            entries += [
                msgspec.structs.replace(entry, object=len(objects) + entry.object)
                for entry in record.entries
                if self._is_there(record.objects[entry.object])
            ]
            objects += record.objects
        return Index(objects=tuple(objects), entries=tuple(entries))

    def uploads(self) -> dict[str, Begun]:
        """The uploads that were not completed, by their tokens, each with all parts that the records name."""
        found: dict[str, Begun] = {}
        for record in self.records:
            for begun in record.uploads:
                if is_ours(f"{self.job}/{begun.key}"):
                    found[begun.token] = found.get(begun.token, begun).joined(begun)
        done = {key.removeprefix(attempt_prefix(self.job, self.stage, self.id)) for key in self.objects}
        return {token: begun for token, begun in found.items() if begun.name not in done}

    def _is_there(self, stored: PackOrFile) -> bool:
        info = self.objects.get(f"{self.job}/{stored.key}")
        return info is not None and info.size == stored.size

    def may_be_taken_away(self) -> bool:
        """Return True if no running save is harmed: some stores end an upload for whoever began it."""
        if not self.store.bucket.takes_uploads_away:
            return True
        runs = self.records[-1].writer.runs(self.id)
        if runs is None:  # on another machine, or in another container
            newest = max(info.modified for info in self.objects.values())
            with passing_over():  # to tell the store's time, something is written and deleted
                return self.store.bucket.clock() - newest > QUIET
        return runs is False


def _read(store: Store, info: ObjectInfo) -> Record | None:
    """Read a record; ``None`` if it is damaged, gone, not to be read, or longer than a record can be."""
    if info.size > _LONGEST:
        return None
    with passing_over():
        return Record.parse(store.bucket.get(info.key, 0, info.size), info.key)
    return None


def _copy(store: Store, job: str, uploader: Uploader, stored: PackOrFile, name: str) -> PackOrFile | None:
    """Copy an object into the attempt that goes on; ``None`` if it cannot be copied.

    :param name: that it gets there; empty where it would be like another one's.
    """
    if not name:
        return None
    with passing_over():
        store.bucket.copy(f"{job}/{stored.key}", uploader.prefix + name)
        return msgspec.structs.replace(stored, key=uploader.relative + name)
    return None
