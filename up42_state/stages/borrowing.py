"""Taking files of earlier stages into a revision without moving them.

Within a job an entry refers to the bytes where they lie. From another job whole objects are copied within
the store, so that each job can be removed by itself; from another store their bytes pass through here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from up42_state.errors import ObjectNotFoundError
from up42_state.stages.contents import missing_bytes
from up42_state.stages.upload import Stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from up42_state.stages.index import DataObject
    from up42_state.stages.merging import Added, EarlierStage
    from up42_state.stages.references import References
    from up42_state.stages.store import Store

__all__ = ["Borrowing"]


class Borrowing:
    """Borrows files for one attempt.

    :param prefix: of the attempt; copies go below it.
    """

    def __init__(self, store: Store, job: str, prefix: str, references: References) -> None:
        self._store = store
        self._job = job
        self._prefix = prefix
        self._references = references

    def borrow(self, additions: Sequence[Added]) -> list[Stored]:
        """Say where the bytes of each file are, once they can be referred to.

        :raises IntegrityError: an object of an earlier stage is missing.
        """
        wanted: dict[tuple[int, str], Added] = {}
        for added in additions:
            if not self._is_here(added.stage):
                wanted.setdefault((id(added.stage), _object(added).key), added)
        with self._store.transfers() as transfers:
            copies = transfers.map(self._copy, enumerate(wanted.values()))
            copied = dict(zip(wanted, copies, strict=True))
        stored = []
        for added in additions:
            target = copied.get((id(added.stage), _object(added).key)) or _object(added)
            if self._is_here(added.stage):
                self._references.read(added.stage.contents.commit)
                self._references.add([target.owner])
            stored.append(Stored(target, added.renamed))
        return stored

    def _is_here(self, stage: EarlierStage) -> bool:
        return stage.job == self._job and stage.store.bucket.url == self._store.bucket.url

    def _copy(self, numbered: tuple[int, Added]) -> DataObject:
        """Copy the object that holds a file into this attempt."""
        number, added = numbered
        stored = _object(added)
        source = f"{added.stage.job}/{stored.key}"
        name = f"packs/c{number:04d}.zip" if stored.is_pack else f"copies/{number:04d}"
        try:
            if added.stage.store.bucket.url == self._store.bucket.url:
                self._store.bucket.copy(source, self._prefix + name)
            else:
                self._move(added.stage.store, source, self._prefix + name, stored.size)
        except ObjectNotFoundError as error:
            commit = added.stage.contents.commit
            raise missing_bytes(added.stage.store, commit, stored.owner, error) from error
        key = (self._prefix + name).removeprefix(f"{self._job}/")
        return msgspec.structs.replace(stored, key=key)

    def _move(self, origin: Store, source: str, key: str, size: int) -> None:
        """Copy an object from another store, part by part."""
        bucket = self._store.bucket
        part_size = bucket.part_size(size)
        if size <= part_size:
            bucket.put(key, origin.bucket.get(source))
            return
        upload = bucket.start_upload(key, size, part_size)
        try:
            for number, start in enumerate(range(0, size, part_size), start=1):
                upload.put_part(number, origin.bucket.get(source, start, min(part_size, size - start)))
            upload.complete()
        except BaseException:
            upload.abort()
            raise


def _object(added: Added) -> DataObject:
    return added.stage.contents.index.objects[added.entry.object]
