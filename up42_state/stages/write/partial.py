"""Records of what a large save has stored so far: if it is killed, the next save goes on from there.

While a save runs it writes objects ``partial/0001.json``, ``0002.json``, … beside the bytes, each an index of
what was stored since the one before. They are deleted after the commit.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from up42_state.buckets.uploads import LeftUpload
from up42_state.errors import StateError, StorageError, StoreUnreachableError
from up42_state.stages.format.commit import FORMAT, check_format
from up42_state.stages.format.damage import damaged, decoded
from up42_state.stages.format.index_checks import problems
from up42_state.stages.format.names import PARTIAL
from up42_state.stages.format.records import Entry, PackOrFile  # noqa: TC001 - msgspec reads the types
from up42_state.stages.write.writers import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from up42_state.buckets.base import Bucket
    from up42_state.buckets.uploads import Upload
    from up42_state.stages.format.records import StoredFile

__all__ = ["Begun", "Record", "Recorder", "is_worth_it", "numbered", "passing_over"]

# Bytes of files in all. Fewer are sent again sooner than it pays to write records and to ask for them.
WORTH = 192 * 1024 * 1024
_SHARE = 40  # of the bytes are stored between two records


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """An upload in parts that was begun.

    :param name: of the object below its attempt.
    :param key: the object that the upload makes, relative to the job.
    :param token: the store's name for the upload.
    :param size: of the object, in bytes.
    :param part_size: of every part but the last, in bytes.
    :param parts: the digests of the blocks of each part that was stored, by its number (from 1).
    :param tags: what the store called each of them, by its number, where it does.
    """

    name: str
    key: str
    token: str
    size: int
    part_size: int
    parts: dict[int, tuple[str, ...]]
    tags: dict[int, str] = {}

    def with_part(self, number: int, digests: tuple[str, ...], tag: str) -> Begun:
        """Return a record of this upload that names one part alone."""
        return msgspec.structs.replace(self, parts={number: digests}, tags={number: tag} if tag else {})

    def joined(self, newer: Begun) -> Begun:
        """Return a record of this upload with the parts of both; of a part sent twice, the newer one."""
        tags = {number: tag for number, tag in self.tags.items() if number not in newer.parts}
        return msgspec.structs.replace(
            newer, parts={**self.parts, **newer.parts}, tags={**tags, **newer.tags}
        )

    def of(self, job: str) -> LeftUpload:
        """Return this upload as its bucket knows it."""
        return LeftUpload(
            key=f"{job}/{self.key}",
            token=self.token,
            size=self.size,
            part_size=self.part_size,
            parts={number: self.tags.get(number, "") for number in self.parts},
        )


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt stored after its record before: objects, the files in them, parts of uploads."""

    format: str = FORMAT
    writer: Writer = msgspec.field(default_factory=Writer)
    objects: tuple[PackOrFile, ...] = ()
    entries: tuple[Entry, ...] = ()
    uploads: tuple[Begun, ...] = ()

    @classmethod
    def parse(cls, data: bytes, key: str) -> Record:
        """Read a record, and check what a reader relies on.

        :param key: where it was read from, for messages.
        :raises IntegrityError: it is damaged or hostile.
        :raises UnsupportedFormatError: it was written in another major version of the format.
        """
        record = decoded(_RECORD, data, key)
        check_format(record.format, key)
        for problem in problems(record.objects, record.entries, ()):
            raise damaged(key, problem)
        return record


_RECORD = msgspec.json.Decoder(Record)  # made on import, as in the index


def is_worth_it(total: int) -> bool:
    """Whether records are kept, and looked for, for an output of so many bytes."""
    return total >= WORTH


@contextmanager
def passing_over() -> Iterator[None]:
    """Pass over errors at what an interrupted save has left: what cannot be read or copied is not gone on
    with, and is no reason to fail. A store that does not answer is.
    """
    try:
        yield
    except StoreUnreachableError:
        raise
    except StateError:
        pass


class Recorder:
    """Notes what one attempt stores, and writes a record when one is due. Threads may share it.

    :param prefix: of the attempt.
    :param total: bytes of files that are to be stored.
    """

    def __init__(self, bucket: Bucket, prefix: str, total: int) -> None:
        self._bucket, self._prefix, self._total = bucket, prefix, total
        self._lock = threading.Lock()
        self._stored: list[StoredFile] = []
        self._uploads: dict[str, tuple[Upload, Begun]] = {}
        self._bytes = 0
        self._written: list[str] = []  # the keys of the records
        self.named: set[str] = set()  # tokens of the uploads that records name

    def stored(self, items: Iterable[StoredFile]) -> None:
        """Note files that are in the store."""
        with self._lock:
            for item in items:
                self._stored.append(item)
                self._bytes += item.entry.size
        self._write_if_due()

    def part(self, begun: Begun, upload: Upload) -> None:
        """Note a part that is in the store: its upload, with this part alone."""
        if not begun.token:
            return
        with self._lock:
            _, known = self._uploads.get(begun.token, (upload, begun))
            self._uploads[begun.token] = (upload, known.joined(begun))
            self._bytes += len(begun.parts) * begun.part_size
        self._write_if_due()

    def forget(self) -> None:
        """Delete the records: a commit tells all of it."""
        if self._written:
            with suppress(StateError):  # prune finds what is left
                self._bucket.delete(self._written)

    def _write_if_due(self) -> None:
        with self._lock:
            if not is_worth_it(self._total) or self._bytes * _SHARE < self._total:
                return
            stored, uploads = self._stored, self._uploads.values()
            self._stored, self._uploads, self._bytes = [], {}, 0
            key = f"{self._prefix}{PARTIAL}/{len(self._written) + 1:04d}.json"
            self._written.append(key)
            self.named.update(begun.token for _, begun in uploads)
        objects, entries = numbered(stored)
        begun = tuple(begun for _, begun in uploads)
        record = Record(writer=Writer.here(), objects=objects, entries=entries, uploads=begun)
        with suppress(StorageError):  # without it, the next save begins a little earlier
            for upload, _ in uploads:
                upload.sync()
            self._bucket.put(key, msgspec.json.encode(record))


def numbered(stored: Iterable[StoredFile]) -> tuple[tuple[PackOrFile, ...], tuple[Entry, ...]]:
    """Objects in the order of their keys, and entries, which number them, in the order of an index."""
    items = sorted(stored, key=lambda item: (item.entry.kind, item.entry.path))
    objects = tuple(sorted({item.object for item in items}, key=lambda found: found.key))
    numbers = {found.key: number for number, found in enumerate(objects)}
    return objects, tuple(msgspec.structs.replace(i.entry, object=numbers[i.object.key]) for i in items)
