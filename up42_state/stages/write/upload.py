"""Uploading files: small ones in packs, others one object each, large ones in parts.

Every byte is read once: hashed, and put into its pack, on its way out.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from unicodedata import is_normalized

import msgspec

from up42_state.errors import ObjectNotFoundError, StateError
from up42_state.features.files.data_paths import folded_together
from up42_state.stages.format.index import BLOCK_BYTES, Entry, PackOrFile
from up42_state.stages.format.names import attempt_prefix
from up42_state.stages.format.packs import MAX_BYTES, PackWriter, cost, fill_packs
from up42_state.stages.format.records import StoredFile
from up42_state.stages.local.sources import Source, changed, fill, open_source
from up42_state.stages.transfer.buffers import Buffers
from up42_state.stages.transfer.telling import Telling
from up42_state.stages.write.lease import StaleError
from up42_state.stages.write.partial import Begun, Recorder, passing_over

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from up42_state.buckets.uploads import Upload
    from up42_state.stages.store import Store
    from up42_state.stages.transfer.pool import Transfers

__all__ = ["Uploader", "block_digests"]

MIN_PACKED = 16  # small files; fewer become objects of their own, which any tool reads
MAX_KEY = 1024  # bytes of UTF-8 (Amazon S3, "Naming Amazon S3 objects"; Cloud Storage, "Object names")
# Packs that are filled at once; while one is sent the next is filled. Small files are many short calls, and
# threads that make them side by side wait for Python's lock more than they win.
_PACKING = 1


class _Parts(msgspec.Struct, frozen=True):
    """A large file whose parts are on their way."""

    source: Source
    begun: Begun
    upload: Upload
    sha256: str
    futures: Sequence[Future[tuple[str, ...]]]


class Uploader:
    """Uploads the files of one attempt.

    :param stage: the stage that the attempt belongs to.
    :param total: bytes of all files of the output, those that are in the store already included.
    :param files: how many files that are.
    :param progress: called with bytes done and bytes in all.
    """

    def __init__(
        self,
        store: Store,
        job: str,
        stage: str,
        attempt: str,
        total: int,
        files: int,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        self._store = store
        self._job = job
        self.prefix = attempt_prefix(job, stage, attempt)
        self.relative = self.prefix.removeprefix(f"{job}/")
        self._progress = progress
        self._total, self._files = total, files
        self._telling: Telling | None = None
        self.recorder = Recorder(store.bucket, self.prefix, total)
        self._uploads: list[Upload] = []
        self._left: Mapping[str, Begun] = {}
        self._buffers = Buffers(bytearray)
        self._packing = threading.Semaphore(_PACKING)
        self._folded: set[str] = set()
        self.copied: set[str] = set()  # names of objects of this attempt that an interrupted one had stored

    def upload(self, sources: Sequence[Source], left: Mapping[str, Begun]) -> list[StoredFile]:
        """Upload files and say where their bytes are, in the same order.

        :param left: uploads that an interrupted save has left, by the name of the object.
        :raises InvalidOutputError: a file changed meanwhile.
        :raises StaleError: another save went on with an upload, or a prune discarded it.
        """
        there = self._total - sum(source.size for source in sources)
        self._telling = Telling(self._progress, "uploading", self._total, self._files)
        if there or len(sources) < self._files:
            self._advance(there, self._files - len(sources))
        if not sources:
            return []
        self._left = left
        packed, single = self._split(sources)
        part_size = self._store.bucket.part_size
        with self._aborting(), self._store.transfers() as transfers, self._aborting():
            futures = self._start_packs(transfers, packed)
            whole = [source for source in single if source.size <= part_size(source.size)]
            futures += [transfers.start(source.size, self._put_file, source) for source in whole]
            large = [self._start_parts(transfers, s) for s in single if s.size > part_size(s.size)]
            stored = [item for future in futures for item in future.result()]
            stored += [self._complete(parts) for parts in large]
        by_name = {item.entry.name: item for item in stored}
        return [by_name[source.name] for source in sources]

    @contextmanager
    def _aborting(self) -> Iterator[None]:
        """Discard unfinished uploads on an error: at once, since a signal leaves little time to wait for
        requests, and again after those, since a part may have come late ("AbortMultipartUpload"). Where the
        process ends, those that a record names are left for the next save.
        """
        try:
            yield
        except BaseException as error:
            kept = frozenset[str]() if isinstance(error, Exception) else frozenset(self.recorder.named)
            for upload in self._uploads:
                if upload.token not in kept:
                    with suppress(StateError):  # prune finds what is left behind
                        upload.abort()
            raise

    def _split(self, sources: Iterable[Source]) -> tuple[list[Source], list[Source]]:
        """Split files into those that go into packs, and those that become objects of their own."""
        below = self._store.pack_below
        small = [source for source in sources if source.size < below]
        if len(small) < MIN_PACKED:
            small = []
        names = {source.name for source in small}
        others = [s for s in sources if s.size >= below or not small]
        copied = (name.removeprefix("files/") for name in self.copied)
        self._folded = folded_together([*(source.name for source in others), *copied])
        names |= {s.name for s in others if s.size < MAX_BYTES // 2 and not self._is_key(s.name)}
        packed = [source for source in sources if source.name in names]
        return packed, [source for source in sources if source.name not in names]

    def _is_key(self, name: str) -> bool:
        """Whether every store takes this name as the end of an object's key, and keeps it as it is.

        Some fold keys to Unicode's form C (Cloudflare R2, "Unicode interoperability"), and some directories'
        file systems fold case as well, so that two of our names would be one object.
        """
        key = f"{self._store.bucket.url}/{self.prefix}files/{name}"
        plain = name.isprintable() and is_normalized("NFC", name) and name not in self._folded
        return plain and len(key.encode()) <= MAX_KEY

    def _start_packs(self, transfers: Transfers, sources: Sequence[Source]) -> list[Future[list[StoredFile]]]:
        groups: dict[str, list[Source]] = {}
        for source in sorted(sources, key=lambda source: (source.group, source.name)):
            groups.setdefault(source.group, []).append(source)
        futures = []
        for number, pack in enumerate(fill_packs(groups.values())):
            size = sum(map(cost, pack))
            futures.append(transfers.start(size, self._put_pack, number, pack))
        return futures

    def _put_pack(self, number: int, sources: list[Source]) -> list[StoredFile]:
        placed = []
        with self._packing:
            writer = PackWriter(sources)
            for source in sources:
                buffer, offset = writer.reserve()
                with open_source(source) as fd:
                    fill(fd, buffer, source)
                placed.append((source, offset, *self._digests(source, buffer)))
                writer.commit(executable=source.executable)
        data = writer.finish()
        name = f"packs/{number:04d}.zip"
        self._store.bucket.put(self.prefix + name, data)
        target = PackOrFile(key=self.relative + name, size=len(data), frame=writer.frame)
        return self._note(
            [_stored(source, target, sha256, blocks, offset) for source, offset, sha256, blocks in placed]
        )

    def _digests(self, source: Source, data: memoryview) -> tuple[str, tuple[str, ...]]:
        """Hash a file, and its blocks of 8 MiB.

        :raises InvalidOutputError: the file is not what it was when it was hashed before.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if source.sha256 and source.sha256 != sha256:
            raise changed(source.name)
        return sha256, block_digests(data) if len(data) > BLOCK_BYTES else ()

    def _put_file(self, source: Source) -> list[StoredFile]:
        data = memoryview(bytearray(source.size))  # which S3's client sends as it is, without a copy
        with open_source(source) as fd:
            fill(fd, data, source)
        sha256, blocks = self._digests(source, data)
        name = self.object_name(source)
        self._store.bucket.put(self.prefix + name, data)
        target = PackOrFile(key=self.relative + name, size=source.size)
        return self._note([_stored(source, target, sha256, blocks)])

    def _note(self, stored: list[StoredFile]) -> list[StoredFile]:
        self.recorder.stored(stored)
        self._advance(sum(item.entry.size for item in stored), len(stored))
        return stored

    def _start_parts(self, transfers: Transfers, source: Source) -> _Parts:
        """Read a large file once, in order; its parts are hashed by block and sent side by side."""
        begun, upload, left = self._begin(source)
        self._uploads.append(upload)
        whole = hashlib.sha256()
        parts = []
        with open_source(source) as fd:
            for number, start in enumerate(range(0, source.size, begun.part_size), start=1):
                length = min(begun.part_size, source.size - start)
                transfers.acquire(length)
                part = self._buffers.take(length)
                fill(fd, memoryview(part), source)
                parts.append(
                    transfers.submit(length, self._put_part, begun, upload, number, part, left.get(number))
                )
                whole.update(part)  # before a next part can be read into the same buffer
        if source.sha256 and source.sha256 != whole.hexdigest():
            raise changed(source.name)
        return _Parts(source, begun, upload, whole.hexdigest(), parts)

    def _begin(self, source: Source) -> tuple[Begun, Upload, dict[int, tuple[str, ...]]]:
        """An upload for a large file, which goes on from one that an interrupted save has left.

        :return: the digests of the parts that it holds, too, by their numbers. None of them is told in a
            record of ours before the file is known to have the same bytes there.
        """
        name, bucket = self.object_name(source), self._store.bucket
        key, size = self.prefix + name, bucket.part_size(source.size)
        left = self._left.get(name)
        if left is not None and (left.size, left.part_size) == (source.size, size):
            with passing_over():
                upload = bucket.continue_upload(left.of(self._job), key)
                if upload is not None:
                    made = left.key if upload.token == left.token else self.relative + name
                    begun = msgspec.structs.replace(left, key=made, token=upload.token, parts={}, tags={})
                    return begun, upload, {number: left.parts[number] for number in upload.held}
        upload = bucket.start_upload(key, source.size, size)
        relative = self.relative + name
        begun = Begun(name=name, key=relative, token=upload.token, size=source.size, part_size=size, parts={})
        return begun, upload, {}

    def _complete(self, parts: _Parts) -> StoredFile:
        blocks = tuple(digest for future in parts.futures for digest in future.result())
        with _still_there():
            parts.upload.complete()
        self._uploads.remove(parts.upload)
        target = PackOrFile(key=self.relative + parts.begun.name, size=parts.source.size)
        stored = _stored(parts.source, target, parts.sha256, blocks)
        self.recorder.stored([stored])
        self._advance(0, 1)
        return stored

    def _put_part(
        self, begun: Begun, upload: Upload, number: int, data: bytearray, left: tuple[str, ...] | None
    ) -> tuple[str, ...]:
        """Send a part, unless one with the same bytes was left.

        :param left: the digests of the one that was left.
        """
        digests = block_digests(memoryview(data))
        if left != digests or not _kept(upload, number):
            with _still_there():
                upload.put_part(number, data, sha256=digests[0] if len(digests) == 1 else "")
        self.recorder.part(begun.with_part(number, digests, upload.tag(number)), upload)
        self._advance(len(data))
        self._buffers.give(data)
        return digests

    def object_name(self, source: Source) -> str:
        """The name, below its attempt, of the object that holds this file alone."""
        if self._is_key(source.name):
            return f"files/{source.name}"
        return f"long/{hashlib.sha256(source.name.encode()).hexdigest()}"

    def _advance(self, size: int, files: int = 0) -> None:
        assert self._telling is not None  # made when the upload begins
        self._telling.add(size, files)


def _kept(upload: Upload, number: int) -> bool:
    """Keep a part that an interrupted save sent. Return True if the store still has it."""
    with passing_over():
        upload.keep(number)
        return True
    return False


@contextmanager
def _still_there() -> Iterator[None]:
    """Start again where an upload is gone: another save went on with it, or prune ended it.

    :raises StaleError: the upload is gone.
    """
    try:
        yield
    except ObjectNotFoundError as error:
        raise StaleError from error


def block_digests(data: memoryview) -> tuple[str, ...]:
    """The SHA-256 of each 8 MiB, in hex."""
    return tuple(
        hashlib.sha256(data[at : at + BLOCK_BYTES]).hexdigest() for at in range(0, len(data), BLOCK_BYTES)
    )


def _stored(
    source: Source, target: PackOrFile, sha256: str, blocks: tuple[str, ...], offset: int = 0
) -> StoredFile:
    entry = Entry(
        path=source.path,
        kind=source.kind,
        size=source.size,
        sha256=sha256,
        object=-1,
        offset=offset,
        blocks=blocks,
        executable=source.executable,
    )
    return StoredFile(target, entry)
