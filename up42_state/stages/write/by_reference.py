"""Takes files of earlier stages into a revision without moving their bytes.

Within a job an entry refers to the bytes where they lie. From another job whole objects are copied within
the store, so that each job can be removed by itself; from another store bytes pass through this process, and
are verified.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from up42_state.errors import ObjectNotFoundError, StateError
from up42_state.stages.format.index import BLOCK_BYTES, Index
from up42_state.stages.format.records import StoredFile
from up42_state.stages.read.download import damaged_bytes
from up42_state.stages.revision import missing_bytes
from up42_state.stages.write.upload import block_digests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.stages.format.index import Entry, PackOrFile
    from up42_state.stages.propagate.merged_output import Added, EarlierStage
    from up42_state.stages.store import Store
    from up42_state.stages.write.lease import References

__all__ = ["Borrowing"]


class Borrowing:
    """Refers to files of earlier stages for one attempt.

    :param prefix: the prefix of the attempt; copies go below it.
    :param previous: the index of the current revision: what it has copied need not be copied again.
    """

    def __init__(
        self, store: Store, job: str, prefix: str, references: References, previous: Index | None
    ) -> None:
        self._store = store
        self._job = job
        self._prefix = prefix
        self._references = references
        self._previous = previous or Index()
        self._held = {entry.name: entry for entry in self._previous.entries}

    def borrow(self, additions: Sequence[Added]) -> list[StoredFile]:
        """Say where the bytes of each file are, once they can be referred to.

        :raises IntegrityError: an object of an earlier stage is missing or damaged.
        """
        # By object, so that a pack with many wanted files is copied once.
        wanted: dict[tuple[int, str], list[Added]] = {}
        for added in additions:
            if not (self._is_here(added.stage) or self._is_held(added)):
                wanted.setdefault((id(added.stage), _object(added).key), []).append(added)
        with self._store.transfers() as transfers:
            groups = enumerate(wanted.values())
            copies = [transfers.start(self._cost(group[0]), self._copy, n, group) for n, group in groups]
            copied = {name: copy.result() for name, copy in zip(wanted, copies, strict=True)}
        return [self._stored(added, copied.get((id(added.stage), _object(added).key))) for added in additions]

    def _stored(self, added: Added, copied: PackOrFile | None) -> StoredFile:
        """Say where the bytes of a file are, once they can be referred to."""
        if self._is_here(added.stage):
            self._references.read(added.stage.contents.commit)
            self._references.add([_object(added).owner])
            return StoredFile(_object(added), added.renamed)
        if copied is not None:
            return StoredFile(copied, added.renamed)
        held = self._held[added.renamed.name]
        return StoredFile(self._previous.objects[held.object], held)

    def _is_held(self, added: Added) -> bool:
        """Return True if the current revision has the same file under the same path."""
        held, wanted = self._held.get(added.renamed.name), added.renamed
        return held is not None and (held.sha256, held.size, held.executable) == (
            wanted.sha256,
            wanted.size,
            wanted.executable,
        )

    def _is_here(self, stage: EarlierStage) -> bool:
        return stage.job == self._job and stage.store.identity == self._store.identity

    def _cost(self, added: Added) -> int:
        """How many bytes are in flight while the object that holds a file is copied."""
        if added.stage.store.identity == self._store.identity:
            return 0
        stored = _object(added)
        return stored.size if stored.is_pack else min(stored.size, self._store.bucket.part_size(stored.size))

    def _copy(self, number: int, group: Sequence[Added]) -> PackOrFile:
        """Copy the object that holds these files into this attempt."""
        added = group[0]
        stored = _object(added)
        source = f"{added.stage.job}/{stored.key}"
        name = f"packs/c{number:04d}.zip" if stored.is_pack else f"copies/{number:04d}"
        try:
            if added.stage.store.identity == self._store.identity:
                self._store.bucket.copy(source, self._prefix + name)
            else:
                self._move(source, self._prefix + name, group)
        except ObjectNotFoundError as error:
            commit = added.stage.contents.commit
            raise missing_bytes(added.stage.store, commit, stored.owner, error) from error
        key = (self._prefix + name).removeprefix(f"{self._job}/")
        return msgspec.structs.replace(stored, key=key)

    def _move(self, source: str, key: str, group: Sequence[Added]) -> None:
        """Copy an object from another store, a large file part by part."""
        stored, origin, bucket = _object(group[0]), group[0].stage.store.bucket, self._store.bucket
        part_size = bucket.part_size(stored.size)
        if stored.is_pack or stored.size <= part_size:
            data = origin.get(source, 0, stored.size + 1)
            _check_files(data, source, stored.size, [added.entry for added in group])
            bucket.put(key, data)
            return
        upload = bucket.start_upload(key, stored.size, part_size)
        try:
            for number, start in enumerate(range(0, stored.size, part_size), start=1):
                length = min(part_size, stored.size - start)
                part = origin.get(source, start, length)
                blocks = group[0].entry.blocks[start // BLOCK_BYTES : -(-(start + length) // BLOCK_BYTES)]
                if block_digests(memoryview(part)) != blocks:
                    raise damaged_bytes(source, group[0].entry)
                upload.put_part(number, part)
            upload.complete()
        except BaseException:
            with suppress(StateError):  # prune finds what is left behind
                upload.abort()
            raise


def _check_files(data: bytes, source: str, size: int, entries: Sequence[Entry]) -> None:
    """Make sure that an object holds the bytes of its files.

    :raises IntegrityError: the object is damaged.
    """
    for entry in entries:
        piece = memoryview(data)[entry.offset : entry.offset + entry.size]
        if len(data) != size or hashlib.sha256(piece).hexdigest() != entry.sha256:
            raise damaged_bytes(source, entry)


def _object(added: Added) -> PackOrFile:
    return added.stage.contents.index.objects[added.entry.object]
