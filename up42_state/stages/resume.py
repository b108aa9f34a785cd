"""Going on where a save was killed: what it had stored is taken over, and not moved again.

A record says what an attempt had stored (:mod:`up42_state.stages.partial`). Whole objects are copied within
the store into the attempt that goes on, so that it owns all that it stands on, and no prune and no other save
can take it away. Unfinished uploads are continued.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from up42_state.errors import AccessDeniedError, IntegrityError, ObjectNotFoundError
from up42_state.features.paths import folded_together
from up42_state.stages.index import Index
from up42_state.stages.names import PARTIAL, attempt_prefix, attempts_prefix, is_attempt, is_ours
from up42_state.stages.partial import Begun, Record, is_worth_it
from up42_state.stages.sources import Source, Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from up42_state.buckets.base import ObjectInfo
    from up42_state.stages.commit import Commit
    from up42_state.stages.index import DataObject, Entry
    from up42_state.stages.store import Store
    from up42_state.stages.upload import Uploader

__all__ = ["Interrupted", "find_interrupted"]

_MOST = 3  # attempts that are looked at, the newest ones
_LONGEST = 64 * 1024 * 1024  # bytes of a record
QUIET = timedelta(minutes=10)  # after which a save of which nothing else is known counts as killed


class Interrupted(msgspec.Struct, frozen=True):
    """What attempts at a stage have left that made no revision.

    :param indexes: what they had stored, one of each attempt, the newest first.
    :param uploads: what they had begun to upload in parts, by the name of the object.
    """

    indexes: tuple[Index, ...] = ()
    uploads: dict[str, Begun] = {}

    def take_over(
        self, store: Store, job: str, uploader: Uploader, sources: Iterable[Source], found: dict[str, Stored]
    ) -> dict[str, Stored]:
        """Copy what is wanted of it into the attempt that goes on; say where each file is now.

        :param found: where files are, by name; those that are elsewhere stay as they are.
        :return: the same without files that are gone, or lie under a name that the attempt may need for
            another file.
        """
        left = {stored.key for index in self.indexes for stored in index.objects}
        names = {source.name: uploader.object_name(source) for source in sources if source.name in found}
        targets: dict[DataObject, str] = {}
        numbers = count()
        for name, stored in found.items():
            if stored.object.key in left and stored.object not in targets:
                targets[stored.object] = _target(stored.object, names[name], numbers)
        alike = folded_together(targets.values())
        wanted = {stored: name if name not in alike else "" for stored, name in targets.items()}
        with store.transfers() as transfers:
            copies = transfers.map(lambda item: _copy(store, job, uploader, *item), wanted.items())
            moved = dict(zip(targets, copies, strict=True))
        uploader.copied = {name for stored, name in wanted.items() if moved[stored] is not None}
        taken = {
            name: Stored(copy, stored.entry)
            for name, stored in found.items()
            if (copy := moved.get(stored.object)) is not None
        }
        uploader.recorder.stored(taken.values())
        return {name: stored for name, stored in found.items() if stored.object not in moved} | taken


def find_interrupted(store: Store, job: str, stage: str, newest: Commit | None, total: int) -> Interrupted:
    """What killed saves of a stage have left since its newest revision.

    :param newest: that revision.
    :param total: bytes of the files that are to be saved now; for few, nothing is looked for.
    """
    if not is_worth_it(total):
        return Interrupted()
    since = newest.attempt if newest else ""
    attempts = [name for name in store.bucket.prefixes(attempts_prefix(job, stage)) if is_attempt(name)]
    indexes: list[Index] = []
    uploads: dict[str, Begun] = {}
    for attempt in sorted((name for name in attempts if name > since), reverse=True)[:_MOST]:
        found = _Attempt.look(store, job, stage, attempt)
        indexes.append(found.index())
        for begun in found.uploads():
            uploads.setdefault(begun.name, begun)
    return Interrupted(tuple(index for index in indexes if index.entries), uploads)


class _Attempt(msgspec.Struct, frozen=True):
    """One attempt, as its records and a listing tell.

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
        """Ask the store."""
        prefix = attempt_prefix(job, stage, attempt)
        objects = {info.key: info for info in store.bucket.list(prefix)}
        keys = [key for key in objects if key.startswith(f"{prefix}{PARTIAL}/")]
        with store.transfers() as transfers:
            records = list(transfers.map(lambda key: _read(store, objects[key]), keys))
        return cls(store, job, stage, attempt, tuple(filter(None, records)), objects)

    def index(self) -> Index:
        """The files that are there, whole."""
        objects: list[DataObject] = []
        entries: list[Entry] = []
        for record in self.records:
            entries += [
                msgspec.structs.replace(entry, object=len(objects) + entry.object)
                for entry in record.entries
                if self._is_there(record.objects[entry.object])
            ]
            objects += record.objects
        return Index(objects=tuple(objects), entries=tuple(entries))

    def uploads(self) -> Iterable[Begun]:
        """The uploads that may be continued, each with all parts that the records name."""
        found: dict[str, Begun] = {}
        for record in self.records:
            for begun in record.uploads:
                if is_ours(f"{self.job}/{begun.key}"):
                    known = found.get(begun.token, begun)
                    found[begun.token] = msgspec.structs.replace(begun, parts={**known.parts, **begun.parts})
        done = {key.removeprefix(attempt_prefix(self.job, self.stage, self.id)) for key in self.objects}
        waiting = [begun for begun in found.values() if begun.name not in done]
        return waiting if waiting and self._may_be_taken_away() else ()

    def _is_there(self, stored: DataObject) -> bool:
        info = self.objects.get(f"{self.job}/{stored.key}")
        return info is not None and info.size == stored.size

    def _may_be_taken_away(self) -> bool:
        """Whether nobody is harmed where continuing an upload ends it for the save that began it."""
        if not self.store.bucket.takes_uploads_away:
            return True
        runs = self.records[-1].writer.runs(self.id)
        if runs is None:  # on another machine, or in another container
            newest = max(info.modified for info in self.objects.values())
            return self.store.bucket.clock() - newest > QUIET
        return not runs


def _read(store: Store, info: ObjectInfo) -> Record | None:
    """A record; ``None`` where it is damaged, or gone, or longer than one can be."""
    if info.size > _LONGEST:
        return None
    with suppress(IntegrityError, ObjectNotFoundError):
        return Record.parse(store.bucket.get(info.key, 0, info.size), info.key)
    return None


def _target(stored: DataObject, name: str, numbers: Iterator[int]) -> str:
    """The name of an object in the attempt that goes on; empty where it cannot have the one that it had.

    :param name: that the attempt would give to the file by itself.
    :param numbers: of packs, in this attempt.
    """
    if stored.is_pack:
        return f"packs/r{next(numbers):04d}.zip"
    return name if stored.key.split("/", 3)[3] == name else ""


def _copy(store: Store, job: str, uploader: Uploader, stored: DataObject, name: str) -> DataObject | None:
    """Copy an object into the attempt that goes on; ``None`` where that cannot be."""
    if not name:
        return None
    with suppress(ObjectNotFoundError, AccessDeniedError):
        store.bucket.copy(f"{job}/{stored.key}", uploader.prefix + name)
        return msgspec.structs.replace(stored, key=uploader.relative + name)
    return None
