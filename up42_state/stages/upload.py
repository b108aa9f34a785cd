"""Uploading files: small ones in packs, others one object each, large ones in parts.

Every byte is read once: hashed, and put into its pack, on its way out.
"""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from unicodedata import is_normalized

import msgspec

from up42_state.errors import Defect, InvalidOutputError, StateError
from up42_state.features.paths import folded_together
from up42_state.stages.index import BLOCK, DataObject, Entry, Kind, stored_name
from up42_state.stages.memory import Buffers, allocate
from up42_state.stages.names import attempt_prefix
from up42_state.stages.packs import MAX_BYTES, Member, PackWriter, fill_packs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from up42_state.buckets.base import Upload
    from up42_state.stages.store import Store
    from up42_state.stages.transfers import Transfers

__all__ = ["Source", "Stored", "Uploader", "block_digests", "changed", "hash_sources"]

MIN_PACKED = 16
MAX_KEY = 1024
MIB = 1024 * 1024
# Packs that are filled at once; while one is sent the next is filled. Small files are many short calls, and
# threads that make them side by side wait for Python's lock more than they win.
_PACKING = 1
# Locations were resolved when the output was scanned: a link or a pipe there now is another file.
_AS_SCANNED = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A local file that is to be saved.

    :param path: relative to the output, or to the quicklook directory.
    :param location: where to open it.
    :param size: in bytes, when the output was scanned.
    :param modified: its modification time then, in nanoseconds.
    :param group: files of one group go into one pack.
    :param sha256: its digest, where that is known already.
    """

    path: str
    kind: Kind = "file"
    location: str
    size: int
    modified: int
    executable: bool = False
    group: str = ""
    sha256: str = ""

    @property
    def name(self) -> str:
        """Its name below ``files/`` and inside packs."""
        return stored_name(self.kind, self.path)


class Stored(msgspec.Struct, frozen=True):
    """Where a file's bytes are now. ``entry.object`` is not yet set: the index numbers its objects."""

    object: DataObject
    entry: Entry


def hash_sources(transfers: Transfers, sources: Sequence[Source]) -> list[Source]:
    """Files with their SHA-256 known.

    A worker for each processor has its share of the files: more of them, or a task for each file, would wait
    for Python's lock more than they win.

    :raises InvalidOutputError: one changed since the output was scanned.
    """
    ordered = sorted(sources, key=lambda source: source.size)
    workers = os.cpu_count() or 1
    shares = transfers.map(_hash_share, [ordered[number::workers] for number in range(workers)])
    digests = {name: sha256 for share in shares for name, sha256 in share}
    return [msgspec.structs.replace(source, sha256=digests[source.name]) for source in sources]


def _hash_share(sources: Sequence[Source]) -> list[tuple[str, str]]:
    room = allocate(MIB)
    return [(source.name, _hash(source, room)) for source in sources]


def _hash(source: Source, room: memoryview) -> str:
    digest = hashlib.sha256()
    with _open(source) as fd:
        while count := os.readv(fd, [room]):
            digest.update(room[:count])
    return digest.hexdigest()


@contextmanager
def _open(source: Source) -> Iterator[int]:
    """Open a source and make sure, before and after, that it is still the file that was scanned.

    As a descriptor: of the time that a small file takes, a file object of Python's would be a fifth.
    """
    try:
        fd = os.open(source.location, _AS_SCANNED)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise changed(source.name) from error
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise changed(source.name) from error
    try:
        _check_unchanged(fd, source)
        yield fd
        _check_unchanged(fd, source)
    finally:
        os.close(fd)


def _check_unchanged(fd: int, source: Source) -> None:
    status = os.fstat(fd)
    if (status.st_size, status.st_mtime_ns) != (source.size, source.modified):
        raise changed(source.name)


def changed(name: str) -> InvalidOutputError:
    """The error for a file that is not what it was when the output was scanned."""
    defect = Defect(name, "the file changed while it was saved", "save when the block has finished")
    return InvalidOutputError("the output changed while it was saved", defects=[defect])


def _fill(fd: int, buffer: memoryview, source: Source) -> None:
    """Read exactly as many bytes as the buffer holds."""
    while buffer:
        count = os.readv(fd, [buffer])
        if not count:
            raise changed(source.name)
        buffer = buffer[count:]


class _Parts(msgspec.Struct, frozen=True):
    """A large file whose parts are on their way."""

    source: Source
    name: str
    upload: Upload
    sha256: str
    futures: Sequence[Future[tuple[str, ...]]]


class Uploader:
    """Uploads the files of one attempt.

    :param stage: whose attempt it is.
    :param progress: called with bytes done and bytes in all.
    """

    def __init__(
        self,
        store: Store,
        job: str,
        stage: str,
        attempt: str,
        progress: Callable[[int, int], None] = lambda _done, _total: None,
    ) -> None:
        self._store = store
        self._prefix = attempt_prefix(job, stage, attempt)
        self._relative = self._prefix.removeprefix(f"{job}/")
        self._progress = progress
        self._done = self._total = 0
        self._uploads: list[Upload] = []
        self._buffers = Buffers(bytearray)
        self._packing = threading.Semaphore(_PACKING)
        self._folded: set[str] = set()

    def upload(self, sources: Sequence[Source], referred: int = 0) -> list[Stored]:
        """Upload files and say where their bytes are, in the same order.

        :param referred: bytes of other files that are in the store already: progress counts them as done.
        :raises InvalidOutputError: a file changed meanwhile.
        """
        self._total = referred + sum(source.size for source in sources)
        if referred:
            self._advance(referred)
        if not sources:
            return []
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
        requests, and again after those, since a part may have come late ("AbortMultipartUpload").
        """
        try:
            yield
        except BaseException:
            for upload in self._uploads:
                with suppress(StateError):  # prune finds what is left behind
                    upload.abort()
            raise

    def _split(self, sources: Iterable[Source]) -> tuple[list[Source], list[Source]]:
        """Which files go into packs, and which become objects of their own."""
        below = self._store.pack_below
        small = [source for source in sources if source.size < below]
        if len(small) < MIN_PACKED:
            small = []
        names = {source.name for source in small}
        others = [s for s in sources if s.size >= below or not small]
        self._folded = folded_together(source.name for source in others)
        names |= {s.name for s in others if s.size < MAX_BYTES // 2 and not self._is_key(s.name)}
        packed = [source for source in sources if source.name in names]
        return packed, [source for source in sources if source.name not in names]

    def _is_key(self, name: str) -> bool:
        """Whether every store takes this name as the end of an object's key, and keeps it as it is.

        Some fold keys to Unicode's form C (Cloudflare R2, "Unicode interoperability"), and some directories'
        file systems fold case as well, so that two of our names would be one object.
        """
        key = f"{self._store.bucket.url}/{self._prefix}files/{name}"
        plain = name.isprintable() and is_normalized("NFC", name) and name not in self._folded
        return plain and len(key.encode()) <= MAX_KEY

    def _start_packs(self, transfers: Transfers, sources: Sequence[Source]) -> list[Future[list[Stored]]]:
        by_name = {source.name: source for source in sources}
        groups: dict[str, list[Member]] = {}
        for source in sorted(sources, key=lambda source: (source.group, source.name)):
            groups.setdefault(source.group, []).append(Member(source.name, source.size))
        futures = []
        for number, members in enumerate(fill_packs(groups.values())):
            cost = sum(member.cost for member in members)
            files = [by_name[member.name] for member in members]
            futures.append(transfers.start(cost, self._put_pack, number, members, files))
        return futures

    def _put_pack(self, number: int, members: list[Member], sources: list[Source]) -> list[Stored]:
        placed = []
        with self._packing:
            writer = PackWriter(members)
            for source in sources:
                buffer, offset = writer.reserve()
                with _open(source) as fd:
                    _fill(fd, buffer, source)
                placed.append((source, offset, *self._digests(source, buffer)))
                writer.commit(executable=source.executable)
        data = writer.finish()
        name = f"packs/{number:04d}.zip"
        self._store.bucket.put(self._prefix + name, data)
        self._advance(sum(source.size for source in sources))
        target = DataObject(key=self._relative + name, size=len(data), frame=writer.frame)
        return [_stored(source, target, sha256, blocks, offset) for source, offset, sha256, blocks in placed]

    def _digests(self, source: Source, data: memoryview) -> tuple[str, tuple[str, ...]]:
        """The digest of the file and of its blocks.

        :raises InvalidOutputError: it is not what it was when it was hashed before.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        if source.sha256 and source.sha256 != sha256:
            raise changed(source.name)
        return sha256, block_digests(data) if len(data) > BLOCK else ()

    def _put_file(self, source: Source) -> list[Stored]:
        data = allocate(source.size)
        with _open(source) as fd:
            _fill(fd, data, source)
        sha256, blocks = self._digests(source, data)
        name = self._object_name(source)
        self._store.bucket.put(self._prefix + name, data)
        self._advance(source.size)
        target = DataObject(key=self._relative + name, size=source.size)
        return [_stored(source, target, sha256, blocks)]

    def _start_parts(self, transfers: Transfers, source: Source) -> _Parts:
        """Read a large file once, in order; its parts are hashed by block and sent side by side."""
        name = self._object_name(source)
        size = self._store.bucket.part_size(source.size)
        upload = self._store.bucket.start_upload(self._prefix + name, source.size, size)
        self._uploads.append(upload)
        whole = hashlib.sha256()
        parts = []
        with _open(source) as fd:
            for number, start in enumerate(range(0, source.size, size), start=1):
                length = min(size, source.size - start)
                transfers.acquire(length)
                part = self._buffers.take(length)
                _fill(fd, memoryview(part), source)
                parts.append(transfers.submit(length, self._put_part, upload, number, part))
                whole.update(part)  # before a next part can be read into the same buffer
        if source.sha256 and source.sha256 != whole.hexdigest():
            raise changed(source.name)
        return _Parts(source, name, upload, whole.hexdigest(), parts)

    def _complete(self, parts: _Parts) -> Stored:
        blocks = tuple(digest for future in parts.futures for digest in future.result())
        parts.upload.complete()
        self._uploads.remove(parts.upload)
        target = DataObject(key=self._relative + parts.name, size=parts.source.size)
        return _stored(parts.source, target, parts.sha256, blocks)

    def _put_part(self, upload: Upload, number: int, data: bytearray) -> tuple[str, ...]:
        digests = block_digests(memoryview(data))
        upload.put_part(number, data, sha256=digests[0] if len(digests) == 1 else "")
        self._advance(len(data))
        self._buffers.give(data)
        return digests

    def _object_name(self, source: Source) -> str:
        if self._is_key(source.name):
            return f"files/{source.name}"
        return f"long/{hashlib.sha256(source.name.encode()).hexdigest()}"

    def _advance(self, size: int) -> None:
        self._done += size  # a lost update between threads only makes a progress bar lag
        self._progress(self._done, self._total)


def block_digests(data: memoryview) -> tuple[str, ...]:
    """The SHA-256 of each 8 MiB, in hex."""
    return tuple(hashlib.sha256(data[at : at + BLOCK]).hexdigest() for at in range(0, len(data), BLOCK))


def _stored(
    source: Source, target: DataObject, sha256: str, blocks: tuple[str, ...], offset: int = 0
) -> Stored:
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
    return Stored(target, entry)
